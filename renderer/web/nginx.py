"""nginx's configuration, made from ours: three virtual hosts, and one location for everything that nginx answers alone.

Which URLs those are the dialects say (`hits`), and only they: what is in the templates is how nginx goes about it. Neither knows what a
picture is. A regular expression captures, `set` puts the file's name together, `alias` opens it: no `rewrite` and no `map` with captures
anywhere (R25).

Of several `error_page` for one status the first counts, so that a location's own stand before the common ones.
"""

from __future__ import annotations

import os
import pwd
import re

from renderer.config import Config
from renderer.dialects import DIALECTS, REFUSED_URI, Dialect, Hit
from renderer.errors import ConfigError
from renderer.formats import BY_EXTENSION, FORMATS
from renderer.messages import Terms
from renderer.rendition import Namespace
from renderer.web.nginx_text import block, fill, quoted_path, quoted_regex

IMMUTABLE = "public, max-age=31536000, immutable"
CHANGING = "public, max-age=60, stale-while-revalidate=600"  # path-named originals may be overwritten

# Tabs between fields: `escape=default` writes a tab in a URL as \x09, so a line splits exactly. docs/nginx.md describes them.
LOG_FIELDS = (
    "$msec", "$status", "$request_method", "$request_uri", "$body_bytes_sent", "$request_filename", "$request_time",
    "$upstream_response_time", "$upstream_http_x_onmiss", "$remote_addr",
)  # fmt: skip

SENTENCES = {
    400: "bad request",
    403: "forbidden",
    404: "File not found",
    405: "method not allowed",
    408: "request timed out",
    411: "length required",
    412: "precondition failed",
    413: "request too large",
    414: "URI too long",
    415: "unsupported media type",
    417: "expectation failed",
    421: "misdirected request",
    429: "too many requests, try again",
    494: "request header too large",
    500: "internal error",
    501: "not implemented",
    503: "busy, try again",
    505: "HTTP version not supported",
}
CONNECTIONS = 4096  # per worker; a miss takes two
FORM_BYTES = 1_000_000  # what a form may add to the original that it brings
REMEMBER = "set $asked $uri;"  # before `try_files`, which may make another of $uri and lose the file a moment later
HERD_SECONDS = 3  # the longest that a follower is held back before it looks again

Way = tuple[str, bool]  # what a miss looks for once more, and whether that may be kept for ever


def configuration(config: Config) -> str:
    """The whole nginx.conf; ConfigError for a path that nginx cannot be told."""
    servers = [_images(config), _service(config), _admin(config)]
    return fill(
        "nginx.conf",
        **_process(config),
        run=quoted_path("nginx.run", config.nginx.run),
        logs=quoted_path("nginx.logs", config.nginx.logs),
        socket=_socket(config),
        types=block("types", [f"{form.mime} {' '.join(form.extensions)};" for form in FORMATS]),
        log_format=r"\t".join(LOG_FIELDS),
        open_file_cache=_open_file_cache(config),
        zones=_zones(config),
        sentences="\n".join(f'{status} "{sentence}";' for status, sentence in SENTENCES.items()),
        answer_seconds=str(_answer_seconds(config)),
        servers="\n\n".join(servers),
    )


def _process(config: Config) -> dict[str, str]:
    account = config.nginx.user or (pwd.getpwuid(0).pw_name if os.geteuid() == 0 else "")
    return {
        # nginx would else hand its workers to `nobody`, who may read nothing of ours
        "user": f"user {account};" if account else "",
        "worker_processes": str(config.nginx.worker_processes),
        "open_files": str((config.nginx.open_file_cache or 0) + 2 * CONNECTIONS + 512),
        "connections": str(CONNECTIONS),
        "drain_seconds": str(max(1, round(config.serve.drain_seconds))),
    }


def _socket(config: Config) -> str:
    text = quoted_path("serve.socket", config.serve.socket)
    if ":" in text:
        raise ConfigError("serve.socket", f"expected a path without a colon for nginx, got {text}")
    return text


def _open_file_cache(config: Config) -> str:
    if config.nginx.open_file_cache is None:
        return "open_file_cache off;"
    return "\n".join((
        f"open_file_cache max={config.nginx.open_file_cache} inactive=30s;",
        "open_file_cache_valid 5s;",  # how long a purged picture may still be served
        "open_file_cache_errors off;",  # on: a miss would stay one after the render
    ))  # fmt: skip


def _answer_seconds(config: Config) -> int:
    """Longer than the renderer can take: a wait, a fetch, a render that is tried twice."""
    fetches = [space.slowest_seconds(config.stores) for space in config.namespaces.values()]
    return round(config.serve.wait_seconds + max(fetches, default=0) + 2 * config.render.seconds + 10)


def _zones(config: Config) -> str:
    nginx, zones = config.nginx, []
    if nginx.miss_rate:
        zones.append(f"limit_req_zone $binary_remote_addr zone=misses:10m rate={nginx.miss_rate}r/s;")
    if nginx.herd_rate:
        zones.append(f"limit_req_zone $file zone=herd:10m rate={nginx.herd_rate}r/s;")
    if nginx.miss_connections:
        zones.append("limit_conn_zone $binary_remote_addr zone=connections:10m;")
    return "\n".join(zones)


def _limits(config: Config, herd: bool) -> str:
    """Those of a miss; with `herd`, those that ask for one file are let through one after the other."""
    nginx, limits = config.nginx, []
    if nginx.miss_rate:
        limits.append(f"limit_req zone=misses burst={nginx.miss_burst} nodelay;" if nginx.miss_burst else "limit_req zone=misses;")
    if herd and nginx.herd_rate:
        limits.append(f"limit_req zone=herd burst={HERD_SECONDS * nginx.herd_rate};")
    if nginx.miss_connections:
        limits.append(f"limit_conn connections {nginx.miss_connections};")
    return "\n".join([*limits, "limit_req_status 429;", "limit_conn_status 429;"] if limits else [])


def _images(config: Config) -> str:
    terms = config.terms()
    found = [hit for dialect in DIALECTS for hit in dialect.hits(terms)]
    renders = {way: f"render_{number}" for number, way in enumerate(dict.fromkeys(map(_way, found)), start=1)}
    files = quoted_path("cache.root", config.cache.root / "files" / config.generation())
    python = fill("python.conf", asked=fill("asked.conf"))
    return fill(
        "images.conf",
        **_host(config, "images", "access.log"),
        names=" ".join(config.hosts.images.names),
        done="\n".join(_done(space, files, config.generation()) for space in terms.namespaces.values()),
        dialects="\n".join(_dialect(dialect, terms, files, renders) for dialect in DIALECTS),
        renders="\n".join(_render(config, way, name, files) for way, name in renders.items()),
        address_limits=_limits(config, herd=False),
        methods=fill("methods.conf"),
        refusals=_refusals(),
        python=python,
    )


def _dialect(dialect: Dialect, terms: Terms, files: str, renders: dict[Way, str]) -> str:
    """What a dialect says of itself. Where all its URLs begin alike, nobody else's are held against its regular expressions."""
    hits = "\n".join(_hit(hit, files, renders[_way(hit)]) for hit in dialect.hits(terms))
    shape = fill("shape.conf", pattern=quoted_regex(dialect.SHAPE), refusals=_refusals())
    prefix = re.match(r"[a-z/]*", dialect.SHAPE)[0]  # type: ignore[index]  # it matches the empty text
    if prefix == "/":
        return f"{hits}\n{shape}"
    return fill("dialect.conf", prefix=prefix, hits=hits, shape=shape, methods=fill("methods.conf"))


def _render(config: Config, way: Way, name: str, files: str) -> str:
    lookups, immutable = way
    return fill(
        "render.conf",
        render=name,
        methods=fill("methods.conf"),
        remember="" if " " in lookups else REMEMBER,
        limits=_limits(config, herd=True),
        files=files,
        lookups=lookups,
        picture=_picture(immutable),
    )


def _done(space: Namespace, files: str, generation: str) -> str:
    return fill("done.conf", generation=generation, namespace=space.name, files=files, picture=_picture(space.naming.immutable))


def _host(config: Config, name: str, log: str) -> dict[str, str]:
    """What every virtual host needs. `log`: the file's name in nginx.logs."""
    logs = quoted_path("nginx.logs", config.nginx.logs)
    return {
        "listen": getattr(config.hosts, name).listen,
        "run": quoted_path("nginx.run", config.nginx.run),
        "access_log": f'access_log "{logs}/{log}" onmiss buffer=32k flush=1s;' if log and config.nginx.access_log else "access_log off;",
        "errors": _errors(),
        "error_locations": fill("error_locations.conf"),
    }


def _way(hit: Hit) -> Way:
    """How a miss of `hit` looks once more, and whether what it finds may be kept for ever."""
    stem, extensions = _parts(hit)
    return " ".join(f"/$file{extension}" for extension in extensions) if stem else "/$file", hit.namespace.naming.immutable


def _parts(hit: Hit) -> tuple[str, tuple[str, ...]]:
    """Where several files are possible, which differ in their extensions only: what is common, and the extensions with their dots."""
    if len(hit.files) == 1:
        return "", ()
    stems = {file.rpartition(".")[0] for file in hit.files}
    if len(stems) > 1:
        raise ValueError(f"expected files that differ in their extensions only for the hit {hit.name}, got {sorted(stems)}")
    return stems.pop(), tuple("." + file.rpartition(".")[2] for file in hit.files)


def _hit(hit: Hit, files: str, render: str) -> str:
    stem, extensions = _parts(hit)
    lookups = " ".join(f"/$file{extension}" for extension in extensions)
    lookup = f'root "{files}";\ntry_files {lookups} @{render};' if stem else f'alias "{files}/$file";\n{_type(hit.files[0])}'.rstrip()
    return fill(
        "hit.conf",
        name=hit.name,
        pattern=quoted_regex(hit.pattern),
        refused=quoted_regex(REFUSED_URI),
        file=stem or hit.files[0],
        lookup=lookup,
        remember=REMEMBER if stem else "",
        picture=_picture(hit.namespace.naming.immutable),
        render=render,
    )


def _type(file: str) -> str:
    """nginx takes the type from the URL's extension; where that is decoration, the file's is said here."""
    extension = file.rpartition(".")[2]
    return "" if "$" in extension else f"types {{ }}\ndefault_type {BY_EXTENSION[extension].mime};"


def _picture(immutable: bool) -> str:
    return fill("picture.conf", caching=IMMUTABLE if immutable else CHANGING, refusals=_refusals())


def _refusals() -> str:
    """Errors of the images host: where the method or a body is wrong, a named location sorts out which."""
    return fill("refusals.conf", errors=_errors())


def _errors() -> str:
    return fill("errors.conf", statuses=" ".join(map(str, SENTENCES)))


def _service(config: Config) -> str:
    return fill(
        "service.conf",
        **_host(config, "service", "service.log"),
        names=" ".join(config.hosts.service.names),
        body_bytes=str(config.limits.max_original_bytes + FORM_BYTES),
        all=fill("all.conf", asked=fill("asked.conf")),
    )


def _admin(config: Config) -> str:
    return fill("admin.conf", **_host(config, "admin", ""), all=fill("all.conf", asked=fill("asked.conf")))
