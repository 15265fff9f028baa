"""What no single key can tell: whether the keys agree with one another."""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from renderer.config.places import FileSettings, NamespaceSettings
from renderer.config.problems import similar
from renderer.config.values import split_listen
from renderer.dialects import huimages, imageserver, native
from renderer.errors import BadRequest, ConfigError, RendererError
from renderer.fields import shown
from renderer.ops import Operation, Watermark
from renderer.picture.resample import missing
from renderer.recipe import WHOLE, Qualities, Recipe, parse_recipe
from renderer.rendition import NAMINGS, Namespace

if TYPE_CHECKING:
    from renderer.config.model import Config

# The first elements of URLs that mean something already.
_NGINX_NAMES = ("_done", "_beside", "_error", "_range")  # locations of the images host that no client reaches
RESERVED_NAMES = (native.PREFIX, "o", *huimages.SIZE_NAMES, "originals", "purge", "status_check", *_NGINX_NAMES)
# Nobody means these when he posts to one.
NEVER_MADE = (*RESERVED_NAMES, huimages.NAMESPACE, "batch", "process", "probe", "metrics", "debug", "static", "public", "tmp")

EVERYWHERE = {"*", "0.0.0.0", "[::]"}  # noqa: S104  # compared with, not bound to

# A key of 128 bits in hexadecimal is twice as long; what is shorter than this is guessed.
LEAST_KEY_BYTES = 16


def disagreements(config: Config) -> list[ConfigError]:
    """Everything wrong between the keys of `config`, each with its path and cure."""
    checks = (_namespaces, _copies, _legacy, _places, _renditions, _outputs, _sizes, _rendering, _hosts, _waiting, _keys)
    return [problem for check in checks for problem in check(config)]


def _spaces(config: Config) -> dict[str, NamespaceSettings]:
    """By the path of its key: every namespace, and what those made on first use are like, where they are."""
    named = {f"namespaces.{name}": space for name, space in config.namespaces.items()}
    return named | ({"new_namespaces": config.new_namespaces} if config.new_namespaces.allowed else {})


def operations_of(text: str) -> tuple[Operation, ...]:
    """The operations that an allowed size stands for: `150x150`, `75x75!`, `thumb`, `rotate-90_fit-75x75`; BadRequest for anything else."""
    if text in huimages.SIZE_NAMES or re.fullmatch(r"[0-9]+x[0-9]+!?", text):
        return (huimages.operation_of(text),)
    recipe = parse_recipe(text, "png", Qualities())  # a format without a quality
    if not isinstance(recipe, Recipe) or text == WHOLE or recipe.spell_operations() != text:
        raise BadRequest(f"expected WIDTHxHEIGHT, WIDTHxHEIGHT!, a size name or operations for a size, got {shown(text)}")
    return recipe.operations


def _namespaces(config: Config) -> Iterator[ConfigError]:
    for name in config.namespaces:
        if name in RESERVED_NAMES:
            problem = f"expected a name that no URL begins with, got {name!r}"
            yield ConfigError(f"namespaces.{name}", problem, f"not {', '.join(RESERVED_NAMES)}")
    for key, space in _spaces(config).items():
        if space.store not in config.stores:
            yield ConfigError(
                f"{key}.store", f"expected the name of a store, got {shown(space.store)}", similar(space.store, config.stores)
            )
        elif not config.stores[space.store].is_written:
            kind = config.stores[space.store].kind
            problem = f"expected a store that takes originals, got {shown(space.store)}, a {kind}, which is only read"
            yield ConfigError(f"{key}.store", problem, "name a file or s3 store; what is only read is a source of what that lacks")
        if key == f"namespaces.{huimages.NAMESPACE}" and space.naming == "path":
            yield ConfigError(
                f"{key}.naming", "expected sha1 or md5 for huImages' URLs, got 'path'", "choose another name for the namespace"
            )


def _legacy(config: Config) -> Iterator[ConfigError]:
    for name, space in config.namespaces.items():
        for position, source in enumerate(space.legacy):
            key = f"namespaces.{name}.legacy.{position}"
            if source not in config.stores:
                yield ConfigError(key, f"expected the name of a store, got {shown(source)}", similar(source, config.stores))
            elif source == space.store:
                yield ConfigError(key, f"expected another store than the namespace's own, got {shown(source)}", "leave it out")
            elif source in space.legacy[:position]:
                yield ConfigError(key, f"expected each source once, got {shown(source)} again", "leave it out")
            else:
                yield from _strangers(config, name, source, key)
        if space.accept_mismatch and space.naming == "path":
            problem = "expected false for names that are not made of the bytes, got true"
            yield ConfigError(f"namespaces.{name}.accept_mismatch", problem, "leave it out: there is nothing to compare")


def _strangers(config: Config, name: str, source: str, key: str) -> Iterator[ConfigError]:
    """What another namespace keeps in a legacy source would be shown, and moved, by the rules of this one."""
    space = config.namespaces[name]
    for other_name, other in config.namespaces.items():
        if other_name == name or other.store not in config.stores:
            continue
        if config.stores[other.store].place() != config.stores[source].place() or other.naming == space.naming == "md5":
            continue
        if not other.prefix or space.naming == "path":
            problem = f"expected a source that no other namespace has for its store, but {other_name} keeps originals there"
            yield ConfigError(key, problem, "give its store another place, or that namespace a prefix")


def _copies(config: Config) -> Iterator[ConfigError]:
    """What is pruned must have another home: a store on this disk is its own local copy."""
    for name, space in config.namespaces.items():
        store = config.stores.get(space.store)
        if space.local_copy is not None and isinstance(store, FileSettings):
            problem = f"expected a store that is far for a budget of local copies, got {shown(space.store)}, which is on this disk"
            yield ConfigError(f"namespaces.{name}.local_copy", problem, "leave it out: nothing is copied there, and nothing pruned")


def _places(config: Config) -> Iterator[ConfigError]:
    """No original is reached under another namespace's rules; and the cache, which is pruned, holds no originals."""
    for name, store in config.stores.items():
        if isinstance(store, FileSettings) and config.cache.root in (store.root, *store.root.parents):
            yield ConfigError(f"stores.{name}.root", f"expected a directory outside the cache {config.cache.root}, got {store.root}")
        if isinstance(store, FileSettings) and store.root in config.cache.root.parents:
            yield ConfigError("cache.root", f"expected a directory outside the store {name}, got {config.cache.root}")
    for (first, one), (second, other) in itertools.combinations(_spaces(config).items(), 2):
        if _same_place(config, one, other):
            problem = f"expected a place of its own, but {first.removeprefix('namespaces.')} keeps originals there too"
            yield ConfigError(second, problem, "give one of them another store or prefix")


def _same_place(config: Config, *spaces: NamespaceSettings) -> bool:
    """Names that are hashes are told apart by their form, and by the namespace that image-server's keys begin with."""
    if any(space.store not in config.stores for space in spaces):
        return False
    namings = {space.naming for space in spaces}
    if len({config.stores[space.store].place() for space in spaces}) > 1 or namings == {"md5"}:
        return False
    prefixes = [PurePosixPath(space.prefix) for space in spaces]
    if prefixes[0] == prefixes[1]:
        return namings != {"sha1", "md5"}
    # a path may lead from one prefix into a longer one
    return any(
        space.naming == "path" and own in other.parents for space, own, other in zip(spaces, prefixes, reversed(prefixes), strict=True)
    )


def _renditions(config: Config) -> Iterator[ConfigError]:
    for key, space in _spaces(config).items():
        if space.renditions and space.renditions not in config.stores:
            problem = f"expected the name of a store, got {shown(space.renditions)}"
            yield ConfigError(f"{key}.renditions", problem, similar(space.renditions, config.stores))
        elif space.renditions and not (config.stores[space.renditions].is_written and config.stores[space.renditions].keeps_maker):
            problem = f"expected an s3 store, got {shown(space.renditions)}, a {config.stores[space.renditions].kind}"
            yield ConfigError(f"{key}.renditions", problem, "only there it is kept what made a rendition, and so whether it is still good")


def _outputs(config: Config) -> Iterator[ConfigError]:
    for key, space in _spaces(config).items():
        if space.outputs and space.naming != "md5":
            yield ConfigError(f"{key}.outputs", f"expected outputs for the naming md5 only, got {space.naming}", "leave it out")
            continue
        for position, name in enumerate(space.outputs):
            try:
                imageserver.wish_of(name, Namespace("*", NAMINGS["md5"], extensions=tuple(space.extensions)), Qualities())
            except RendererError as error:
                yield ConfigError(f"{key}.outputs.{position}", str(error))


def _sizes(config: Config) -> Iterator[ConfigError]:
    for name, texts in config.limits.sizes.items():
        if name not in config.namespaces:
            yield ConfigError(f"limits.sizes.{name}", "expected the name of a namespace", similar(name, config.namespaces))
        for position, text in enumerate(texts):
            try:
                marks = [operation.name for operation in operations_of(text) if isinstance(operation, Watermark)]
            except BadRequest as error:
                yield ConfigError(f"limits.sizes.{name}.{position}", str(error))
                continue
            for mark in set(marks) - set(config.watermarks):
                problem = f"expected a configured watermark, got {shown(mark)}"
                yield ConfigError(f"limits.sizes.{name}.{position}", problem, similar(mark, config.watermarks))


def _rendering(config: Config) -> Iterator[ConfigError]:
    """What was asked for must be there: another resampler or a missing watermark would silently make other pictures."""
    reason = missing(config.render.resampler)
    if reason:
        problem = f"expected {config.render.resampler} to be installed: {reason}"
        yield ConfigError("render.resampler", problem, "pip install 'onmiss[fast]'")
    if "heic" in config.render.accept and importlib.util.find_spec("pillow_heif") is None:
        yield ConfigError("render.accept", "expected pillow-heif to be installed for heic, found none", "pip install 'onmiss[heif]'")
    for name, mark in config.watermarks.items():
        if not mark.file.is_file():
            problem = f"expected a picture, found no file at {mark.file}"
            yield ConfigError(f"watermarks.{name}.file", problem, "give an absolute path, or one below the root")


def _hosts(config: Config) -> Iterator[ConfigError]:
    listens = {name: split_listen(getattr(config.hosts, name).listen) for name in ("images", "service", "admin")}
    for (first, one), (second, other) in itertools.combinations(listens.items(), 2):
        if one[1] == other[1] and (one[0] == other[0] or EVERYWHERE & {one[0], other[0]}):
            yield ConfigError(f"hosts.{second}.listen", f"expected another address than that of {first}, got {other[0]}:{other[1]}")


def _waiting(config: Config) -> Iterator[ConfigError]:
    serve = config.serve
    if serve.waiting >= serve.threads:
        cure = f"raise serve.threads, now {serve.threads}, or lower this"
        yield ConfigError("serve.waiting", f"expected fewer than serve.threads, got {serve.waiting}", cure)
    if serve.waiting_per_original >= serve.waiting:
        cure = f"raise serve.waiting, now {serve.waiting}, or lower this"
        yield ConfigError("serve.waiting_per_original", f"expected fewer than serve.waiting, got {serve.waiting_per_original}", cure)


def _keys(config: Config) -> Iterator[ConfigError]:
    spaces = {f"{key}.tokens": space.tokens for key, space in _spaces(config).items()}
    tokens = {"hosts.service.tokens": config.hosts.service.tokens} | spaces
    for name, secrets in {"signing.keys": config.signing.keys, **tokens}.items():
        for position, secret in enumerate(secrets):
            if len(secret.text.encode()) < LEAST_KEY_BYTES:
                cure = "make one: openssl rand -hex 32"
                yield ConfigError(f"{name}.{position}", f"expected at least {LEAST_KEY_BYTES} characters, got fewer", cure)
    for name, secrets in tokens.items():
        for position, token in enumerate(secrets):
            if not re.fullmatch(r"[!-~][ -~]*[!-~]", token.text):  # nothing else gets through a header as it is
                yield ConfigError(f"{name}.{position}", "expected ASCII without blanks at its ends, got something else")
