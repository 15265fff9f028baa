"""A catalog in this process's memory: for tests, and to try things out; forgotten at exit."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from renderer.catalog import Entry, Note
from renderer.catalog.document import read, written
from renderer.rendition import Namespace, Ref


class MemoryCatalog:
    """Keeps documents, not entries, so that what no entry knows survives here too."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._documents: dict[tuple[str, str], dict[str, Any]] = {}
        self._notes: dict[tuple[str, str], dict[str, Note]] = {}
        self._lock = threading.RLock()

    def get(self, ref: Ref) -> Entry | None:
        with self._lock:
            document = self._documents.get(_key(ref))
        return read(document) if document is not None else None

    def change(self, ref: Ref, change: Callable[[Entry | None], Entry]) -> Entry:
        with self._lock:
            old = self._documents.get(_key(ref))
            document = written(change(read(old) if old is not None else None), old)
            self._documents[_key(ref)] = document
        return read(document)

    def delete(self, ref: Ref) -> bool:
        with self._lock:
            self._notes.pop(_key(ref), None)
            return self._documents.pop(_key(ref), None) is not None

    def next(self, ref: Ref) -> Ref:
        return next(self.refs(ref.namespace, ref.name), ref)

    def previous(self, ref: Ref) -> Ref:
        before = [name for name in self._names(ref.namespace) if name.encode() < ref.name.encode()]
        return ref.namespace.ref(before[-1]) if before else ref

    def random(self, namespace: Namespace) -> Ref | None:
        with self._lock:
            names = [name for name in self._names(namespace) if not read(self._documents[namespace.name, name]).automatic]
        return namespace.ref(random.choice(names)) if names else None

    def refs(self, namespace: Namespace, after: str = "") -> Iterator[Ref]:
        for name in self._names(namespace):
            if name.encode() > after.encode():
                yield namespace.ref(name)

    def note(self, ref: Ref, user: str, change: Callable[[Note], Note]) -> Note:
        with self._lock:
            notes = self._notes.setdefault(_key(ref), {})
            notes[user] = change(notes.get(user, Note()))
            return notes[user]

    def notes(self, ref: Ref) -> Mapping[str, Note]:
        with self._lock:
            return dict(self._notes.get(_key(ref), {}))

    def tagged(self, namespace: Namespace, tag: str) -> Iterator[Ref]:
        return self._noted(namespace, lambda notes: any(tag.lower() in note.tags for note in notes.values()))

    def tags(self, namespace: Namespace) -> Mapping[str, int]:
        with self._lock:
            held = [note for (space, _), notes in self._notes.items() if space == namespace.name for note in notes.values()]
        return dict(sorted(Counter(tag for note in held for tag in note.tags).items()))

    def favorites(self, namespace: Namespace, user: str) -> Iterator[Ref]:
        return self._noted(namespace, lambda notes: notes.get(user, Note()).favorite)

    def check(self) -> list[tuple[str, bool]]:
        return [(f"catalog {self.name}: in memory, forgotten at exit", True)]

    def _names(self, namespace: Namespace) -> list[str]:
        """Of what is not deleted, in byte order."""
        with self._lock:
            held = [name for (space, name), document in self._documents.items() if space == namespace.name and not read(document).deleted]
        return sorted(held, key=str.encode)

    def _noted(self, namespace: Namespace, wanted: Callable[[Mapping[str, Note]], bool]) -> Iterator[Ref]:
        with self._lock:
            names = [name for (space, name), notes in self._notes.items() if space == namespace.name and wanted(notes)]
            shown = set(self._names(namespace)).union(name for name in names if (namespace.name, name) not in self._documents)
        yield from (namespace.ref(name) for name in sorted(names, key=str.encode) if name in shown)


def _key(ref: Ref) -> tuple[str, str]:
    return ref.namespace.name, ref.name
