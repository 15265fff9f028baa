"""Where the originals of one namespace live: in which store, under which keys, and in which legacy sources they may still be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer.errors import StoreMismatch
from renderer.rendition import Namespace, Ref
from renderer.stores import Source, Store

ORIGINAL = "original"  # the last part of image-server's key of one


@dataclass(frozen=True)
class Home:
    """Where one namespace lives; `prefix` stands before every key of its store; `legacy`: sources that may still have what that has not.

    `accepts_mismatch`: its names look like hashes, and were given otherwise. `renditions`: the remote store that keeps its renditions too.
    """

    namespace: Namespace
    store: Store
    prefix: str = ""
    legacy: tuple[Source, ...] = ()
    accepts_mismatch: bool = False
    renditions: Store | None = None

    def key(self, name: str) -> str:
        """sha1: the bare ID (huImages' S3 key), sharded where the store wants it; md5: image-server's layout; path: itself."""
        return self.prefix + self.key_in(self.store, name)

    def key_in(self, source: Source, name: str) -> str:
        """The same in a source that has no prefix, as legacy ones have none: theirs are keys of before."""
        space = self.namespace
        if space.naming.kind == "md5":
            return "/".join((space.name, name[:3], name[3:6], name[6:9], name[9:], ORIGINAL))
        return str(space.ref(name).sharded) if source.spread else name

    def rendition_key(self, name: str, file: str) -> str:
        """Under which `renditions` keeps `file` of the original; '' for what stands before the keys of all its files."""
        return self._beside(self.renditions or self.store, name, file)

    def beside_key(self, name: str, file: str) -> str:
        """The same place in its own store, for a file that somebody stored beside the original."""
        return self._beside(self.store, name, file)

    def _beside(self, store: Store, name: str, file: str) -> str:
        """md5: image-server's layout, where they are neighbours of the original; else below the original's key, where no name can be."""
        key = self.prefix + self.key_in(store, name)
        return (key.removesuffix(ORIGINAL) if self.namespace.naming.kind == "md5" else f"{key}/~/") + file

    def sources(self, name: str) -> Iterator[tuple[Source, str]]:
        """The legacy sources, each with its key."""
        return ((source, self.key_in(source, name)) for source in self.legacy)

    def name(self, key: str) -> str:
        """The inverse of `key`; BadRequest may follow when it is fed to `Namespace.ref`, for keys that are not ours."""
        rest = key.removeprefix(self.prefix)
        if self.namespace.naming.kind == "md5":
            return "".join(rest.split("/")[1:-1])
        return rest.rpartition("/")[2] if self.namespace.naming.shards else rest

    def verify(self, ref: Ref, path: Path, source: str = "") -> None:
        """StoreMismatch when the bytes do not have the hash that the name promises; names that promise none pass.

        `source`: the name of who had them, if that is not the namespace's store.
        """
        naming = self.namespace.naming
        if not naming.immutable or self.accepts_mismatch:
            return
        if naming.name_of(digest_of(self.namespace, path))[:32] != ref.name[:32]:
            raise StoreMismatch(source or self.store.name, f"the bytes of {ref} do not have the hash in their name")


class Homes(Mapping[str, Home]):
    """The home of each namespace, by name, those of namespaces that are made on first use as well. `make`: builds one."""

    def __init__(self, namespaces: Mapping[str, Namespace], make: Callable[[Namespace], Home]) -> None:
        self._namespaces, self._make = namespaces, make

    def __getitem__(self, name: str) -> Home:
        return self._make(self._namespaces[name])  # not kept: anybody may ask for any number of names

    def __iter__(self) -> Iterator[str]:
        return iter(self._namespaces)

    def __len__(self) -> int:
        return len(self._namespaces)


def digest_of(namespace: Namespace, path: Path) -> bytes:
    """The hash that names the originals of `namespace`, of a file's bytes."""
    hasher = namespace.naming.hasher()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.digest()
