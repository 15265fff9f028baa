"""nginx's configuration, made from ours: three virtual hosts, of which one shows pictures and mostly answers alone (`nginx_hits`)."""

from __future__ import annotations

import os
import pwd

from renderer.config import Config
from renderer.config.values import split_listen
from renderer.dialects import DIALECTS
from renderer.errors import ConfigError
from renderer.namespaces import served
from renderer.web import nginx_accept, nginx_hits
from renderer.web.nginx_errors import SENTENCES, errors, refusals
from renderer.web.nginx_hits import TYPES
from renderer.web.nginx_text import block, fill, quoted_path
from renderer.web.profiling import MOST_SECONDS

# Tabs between fields: `escape=default` writes a tab in a URL as \x09, so a line splits exactly. docs/nginx.md describes them.
LOG_FIELDS = (
    "$msec", "$status", "$request_method", "$request_uri", "$body_bytes_sent", "$request_filename", "$request_time",
    "$upstream_response_time", "$upstream_http_x_onmiss", "$remote_addr",
)  # fmt: skip

CONNECTIONS = 4096  # per worker; a miss takes two
FORM_BYTES = 1_000_000  # what a form may add to the original that it brings
LOOPBACK = ('""', "localhost", "127.0.0.1", "[::1]")  # names of the admin host; a request without any is no browser's
HERD_SECONDS = 3  # the longest that a follower is held back before it looks again

def configuration(config: Config) -> str:
    """The whole nginx.conf; ConfigError for a path that nginx cannot be told."""
    servers = [_images(config), _service(config), _admin(config)]
    return fill(
        "nginx.conf",
        **_process(config),
        run=quoted_path("nginx.run", config.nginx.run),
        logs=quoted_path("nginx.logs", config.nginx.logs),
        socket=_socket(config),
        types=block("types", [f'{_quoted(mime)} {" ".join(extensions)};' for mime, extensions in TYPES.items()]),
        log_format=r"\t".join(LOG_FIELDS),
        open_file_cache=_open_file_cache(config),
        zones=_zones(config),
        accepts=nginx_accept.maps(hit.negotiates for dialect in DIALECTS for hit in dialect.hits(config.terms()) if hit.negotiates),
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
    terms, generation = config.terms(), config.generation()
    found = [hit for dialect in DIALECTS for hit in dialect.hits(terms)]
    negotiates = any(hit.negotiates for hit in found)
    places = nginx_hits.places(found, quoted_path("cache.root", config.cache.root / "files" / generation))
    accepted = "fastcgi_param ONMISS_ACCEPT $accepted;" if negotiates else ""
    vary = "add_header Vary $vary always;" if negotiates else ""
    return fill(
        "images.conf",
        **_host(config, "images", "access.log", vary),
        names=" ".join(config.hosts.images.names),
        done="\n".join(nginx_hits.done(space, places.files, generation) for space in served(terms.namespaces)),
        beside=nginx_hits.beside(places.files, generation) if any(hit.is_foreign for hit in found) else "",
        dialects=nginx_hits.dialects(terms, places),
        renders=nginx_hits.renders(places, _limits(config, herd=True)),
        address_limits=_limits(config, herd=False),
        methods=fill("methods.conf"),
        refusals=refusals(),
        python=fill("python.conf", asked=fill("asked.conf"), accepted=accepted),
        vary=vary,
    )


def _host(config: Config, name: str, log: str, vary: str = "") -> dict[str, str]:
    """What every virtual host needs. `log`: the file's name in nginx.logs; `vary`: the directive for errors."""
    logs = quoted_path("nginx.logs", config.nginx.logs)
    return {
        "listen": getattr(config.hosts, name).listen,
        "run": quoted_path("nginx.run", config.nginx.run),
        "access_log": f'access_log "{logs}/{log}" onmiss buffer=32k flush=1s;' if log and config.nginx.access_log else "access_log off;",
        "errors": errors(),
        "error_locations": _error_locations(vary),
        "health": fill("health.conf", methods=fill("methods.conf"), limits=_limits(config, herd=False)),
    }


def _error_locations(header: str, is_json: bool = False) -> str:
    """`header`: one more directive, or ''."""
    kind, text = ("application/json", '{"error": "$error_sentence"}') if is_json else ("text/plain; charset=utf-8", "$error_sentence")
    return fill("error_locations.conf", error_header=header, error_type=kind, error_text=text)


def _quoted(mime: str) -> str:
    return f'"{mime}"' if " " in mime else mime


def _service(config: Config) -> str:
    host = _host(config, "service", "service.log")
    host["error_locations"] = _error_locations("add_header WWW-Authenticate $error_challenge always;", is_json=True)
    connections, zone, limit = config.nginx.miss_connections, "", ""
    if connections:
        zone = "limit_conn_zone $writer zone=writers:10m;"
        limit = f"limit_conn writers {connections};\nlimit_conn_status 429;"
    return fill(
        "service.conf",
        **host,
        writers=zone,
        writer_limits=limit,
        names=" ".join(config.hosts.service.names),
        body_bytes=str(config.limits.max_original_bytes + FORM_BYTES),
        all=fill("all.conf", asked=fill("asked.conf")),
    )


def _admin(config: Config) -> str:
    return fill(
        "admin.conf",
        **_host(config, "admin", ""),
        names=" ".join(dict.fromkeys((*LOOPBACK, split_listen(config.hosts.admin.listen)[0].lower()))),
        profile_seconds=str(max(_answer_seconds(config), MOST_SECONDS + 10)),
        all=fill("all.conf", asked=fill("asked.conf")),
    )
