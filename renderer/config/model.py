"""One YAML file and the environment, read once into one frozen Config; and what of it the rest of the program is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from renderer.config import reading
from renderer.config.catalogs import DEFAULT_CATALOG, CatalogSettings
from renderer.config.checks import NEVER_MADE, disagreements, operations_of
from renderer.config.places import DEFAULT_NAMESPACES, DEFAULT_STORES, Name, NamespaceSettings, Stores
from renderer.config.problems import spelled, together, translated
from renderer.config.sections import (
    Cache,
    Hosts,
    LimitsSection,
    Log,
    MarkName,
    Nginx,
    QualitySection,
    Render,
    Section,
    Serve,
    Signing,
    WatermarkSettings,
)  # fmt: skip
from renderer.config.values import Secret, Surroundings, split_listen
from renderer.config.writing import Fetch, NewNamespaces, Statsd
from renderer.errors import ConfigError
from renderer.limits import Limits
from renderer.messages import Terms
from renderer.namespaces import Namespaces, Pattern
from renderer.ops.raster import Mark
from renderer.picture.engine import Engine
from renderer.recipe import Qualities
from renderer.rendition import NAMINGS, Namespace

DEFAULT_ROOT = "onmiss-data"
DEFAULTS: dict[str, Any] = {"stores": DEFAULT_STORES, "namespaces": DEFAULT_NAMESPACES, "catalog": DEFAULT_CATALOG}


class Config(Section):
    """The whole configuration, complete and checked; made by `load` or `of`, which know where relative paths begin."""

    root: Path = Field(
        description="Where everything lives that has a relative path. --root and ONMISS_ROOT come first; without any of them it is "
        f"./{DEFAULT_ROOT}. Relative to this file."
    )
    cache: Cache = Field(description="Renditions on local disk.")
    limits: LimitsSection = Field(description="What is refused, before a byte is fetched where the URL alone tells.")
    stores: Stores = Field(description="Where originals are kept, by a name of yours.")
    namespaces: dict[Name, NamespaceSettings] = Field(
        description="Families of originals that are named alike and kept in one place, by the name that native URLs have for them. "
        "huImages' URLs mean the namespace huimages."
    )
    new_namespaces: NewNamespaces = Field(description="Namespaces that image-server's URLs make on first use, and what they are like.")
    catalog: CatalogSettings = Field(description="What is known about originals beside their bytes: sizes, titles, tags, references.")
    quality: QualitySection = Field(description="What is filled in where a URL names no quality. After a change raise cache.generation.")
    watermarks: dict[MarkName, WatermarkSettings] = Field(
        default_factory=dict, description="Watermarks by a name of yours, for `watermark-NAME` in a recipe: no URL can say more than that."
    )
    render: Render = Field(description="The render processes, which turn originals into renditions.")
    serve: Serve = Field(description="The renderer's front, which nginx asks for what it does not find.")
    hosts: Hosts = Field(description="nginx's three virtual hosts.")
    nginx: Nginx = Field(description="nginx itself, and its limits on misses. Hits are never limited.")
    signing: Signing = Field(description="Signed URLs.")
    fetch: Fetch = Field(description="Originals that are taken in by URL: what may be fetched, and for how long.")
    statsd: Statsd = Field(description="Numbers for statsd, beside those that Prometheus finds on the admin host.")
    log: Log = Field(description="The renderer's log.")

    @classmethod
    def load(cls, file: Path | None, root: Path | None, environ: Mapping[str, str]) -> Self:
        """Read `file` (or ONMISS_CONFIG), with everything below `root` (or ONMISS_ROOT); ConfigError says what cannot be, and the cure."""
        file = file or _path(environ.get("ONMISS_CONFIG"))
        root = root or _path(environ.get("ONMISS_ROOT"))
        tree = reading.read_file(file) if file else {}
        if root is None and isinstance(tree.get("root"), str) and tree["root"]:
            root = (file.parent if file else Path()) / Path(tree["root"]).expanduser()
        return cls.of(tree, root, environ)

    @classmethod
    def of(cls, tree: Mapping[str, Any], root: Path | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """The same from values that are there already, as YAML would have them."""
        environ = environ or {}
        absolute = (root or Path(DEFAULT_ROOT)).absolute()
        complete = _copied(DEFAULTS | {key: value for key, value in tree.items() if value is not None})
        complete = complete | ({"root": absolute} if isinstance(complete.get("root", ""), str) else {})
        sources = {}
        for name, path in reading.overrides(environ, [key for key in cls.model_fields if key != "root"]).items():
            reading.overlay(complete, path, reading.parse_value(environ[name], name), name)
            sources[spelled(path)] = name
        try:
            config = cls.model_validate(complete, context=Surroundings(absolute, environ))
        except ValidationError as error:
            raise translated(error, cls, sources) from None  # the cause would show the values of secrets
        return config.checked()

    def checked(self) -> Self:
        """Itself, when its keys agree with one another; ConfigError otherwise."""
        problems = disagreements(self)
        if problems:
            raise together(problems)
        return self

    def with_ports(self, images: int) -> Self:
        """The same with the images host on port `images`, the service on the next and the admin on the one after."""
        if not 1 <= images <= 65533:
            raise ConfigError("--port", f"expected a port from 1 to 65533, got {images}")
        moved = {}
        for offset, name in enumerate(("images", "service", "admin")):
            host = getattr(self.hosts, name)
            moved[name] = host.model_copy(update={"listen": f"{split_listen(host.listen)[0]}:{images + offset}"})
        return self.model_copy(update={"hosts": self.hosts.model_copy(update=moved)}).checked()

    def namespaces_built(self) -> Namespaces:
        """Those that are configured, and behind them those that are made on first use."""
        configured = {name: _built(name, space) for name, space in self.namespaces.items()}
        if not self.new_namespaces.allowed:
            return Namespaces(configured)
        return Namespaces(configured, Pattern(_built("*", self.new_namespaces), NEVER_MADE, self.root / "namespaces"))

    def settings_of(self, namespace: str) -> NamespaceSettings:
        """What the configuration says of one that it names, or of those that are made on first use."""
        return self.namespaces.get(namespace, self.new_namespaces)

    def terms(self) -> Terms:
        by_format = tuple((name, getattr(self.quality, name)) for name in ("jpeg", "webp", "avif"))
        return Terms(self.namespaces_built(), Qualities(by_format, self.quality.progressive, "copyright" in self.render.keep))

    def limits_built(self) -> Limits:
        limits = self.limits
        sizes = {name: frozenset(map(operations_of, texts)) for name, texts in limits.sizes.items()}
        numbers = {name: getattr(limits, name) for name in type(limits).model_fields if name != "sizes"}
        return Limits(**numbers, sizes=sizes, marks=frozenset(self.watermarks))

    def engine(self) -> Engine:
        """What the render processes are told."""
        marks = {name: Mark(mark.file, mark.percent, mark.opacity, mark.gravity) for name, mark in self.watermarks.items()}
        render = self.render
        return Engine(self.limits_built(), render.resampler, frozenset(render.accept), render.truncated == "show", marks)

    def generation(self) -> str:
        """The cache's, as its directory is named: resamplers make other bytes, so each has a tree of its own."""
        return f"{self.cache.generation}-{self.render.resampler}"

    def tokens(self) -> tuple[bytes, ...]:
        """Who may write to any namespace over HTTP."""
        return _encoded(self.hosts.service.tokens)

    def tokens_of(self, namespace: str) -> tuple[bytes, ...]:
        """Who may write to this one, beside those."""
        return _encoded(self.settings_of(namespace).tokens)

    def signing_keys(self) -> tuple[bytes, ...]:
        return _encoded(self.signing.keys)


def _built(name: str, space: NamespaceSettings) -> Namespace:
    return Namespace(name, NAMINGS[space.naming], space.originals, tuple(space.extensions), tuple(space.negotiate), tuple(space.outputs))


def _encoded(secrets: Sequence[Secret]) -> tuple[bytes, ...]:
    return tuple(secret.text.encode() for secret in secrets)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _copied(tree: Any) -> Any:
    """Deep enough that an override never reaches into the defaults."""
    return {key: _copied(value) for key, value in tree.items()} if isinstance(tree, dict) else tree
