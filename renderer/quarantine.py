"""Originals that failed, why, and when to try again.

One small JSON file a failure, so that it survives a restart and is shared by all processes; an original itself is never altered. Only
confirmed failures come here: bytes whose hash is right and that no codec reads, or that kill the process that reads them (decision 23);
and names under which a legacy source has whole bytes of another hash, which is no fault of a codec.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from renderer.errors import BrokenOriginal, StoreMismatch
from renderer.rendition import Ref

FIRST_BACKOFF, LONGEST_BACKOFF = 60, 86_400  # seconds; four times longer each time
MISMATCH = "mismatch"
JITTER = 0.2  # of the backoff, either way, so that originals that failed together do not come back together


@dataclass(frozen=True)
class Record:
    """`recipe` is '' when the original itself is at fault; times in seconds since 1970; `versions`: the codecs that failed.

    `source`: the legacy source that has other bytes under that name; '' when it was codecs that failed.
    """

    namespace: str
    name: str
    recipe: str
    reason: str
    first: float
    last: float
    tries: int
    retry_at: float
    versions: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def concerned(self) -> str:
        """A recipe, all of them, or what legacy sources have."""
        return self.recipe or (MISMATCH if self.source else "all")


class Quarantine:
    """Records below `root`. `versions` describes the codecs: what failed with old ones is tried again at once with new ones."""

    def __init__(self, root: Path, versions: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self._root, self._versions, self._now = root, dict(versions), now

    def check(self, ref: Ref, recipe: str) -> None:
        """BrokenOriginal while the original, or this recipe of it, is to be left alone."""
        for wish in ("", recipe):
            record = self._read(self._path(ref, _stem(wish)))
            if record and record.versions == self._versions and self._rest_of(record):
                raise BrokenOriginal(record.reason, self._rest_of(record))

    def check_mismatch(self, ref: Ref) -> None:
        """StoreMismatch while legacy sources are not to be asked for it again."""
        record = self._read(self._path(ref, MISMATCH))
        if record and self._rest_of(record):
            raise StoreMismatch(record.source, record.reason, self._rest_of(record))

    def _rest_of(self, record: Record) -> int:
        """Seconds until its next try, at least 1; 0 when that is due."""
        left = record.retry_at - self._now()
        return max(1, round(left)) if left > 0 else 0

    def strike(self, ref: Ref, reason: str, recipe: str = "", patience: int = 0) -> Record:
        """Note a failure of the original (or of one recipe only). The first `patience` failures are noted, not yet held against it."""
        return self._noted(_stem(recipe), ref, reason, patience, recipe=recipe)

    def strike_source(self, ref: Ref, source: str, reason: str) -> Record:
        """Note that a legacy source has other bytes under that name."""
        return self._noted(MISMATCH, ref, reason, source=source)

    def _noted(self, stem: str, ref: Ref, reason: str, patience: int = 0, recipe: str = "", source: str = "") -> Record:
        path, now = self._path(ref, stem), self._now()
        old = self._read(path)
        tries = old.tries + 1 if old else 1
        counted = tries - patience
        backoff = min(FIRST_BACKOFF * 4 ** min(counted - 1, 8), LONGEST_BACKOFF) if counted > 0 else 0
        retry_at = now + backoff * random.uniform(1 - JITTER, 1 + JITTER)
        first = old.first if old else now
        record = Record(ref.namespace.name, ref.name, recipe, reason, first, now, tries, retry_at, self._versions, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        try:
            fresh.write_text(json.dumps(asdict(record), ensure_ascii=False), encoding="utf-8")
            fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)
        return record

    def clear(self, ref: Ref, recipe: str | None = None) -> int:
        """Forget failures of an original: that of one recipe and its own, or all of them; returns how many there were."""
        if recipe is not None:
            return self._remove(self._path(ref, _stem(wish)) for wish in ("", recipe))
        return self._remove(self._path(ref, MISMATCH).parent.glob("*.json"))

    def clear_mismatch(self, ref: Ref) -> None:
        """The right bytes were found."""
        self._remove([self._path(ref, MISMATCH)])

    @staticmethod
    def _remove(paths: Iterable[Path]) -> int:
        """How many of them there were."""
        gone = 0
        for path in list(paths):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                gone += 1
                with contextlib.suppress(OSError):  # others are left in it
                    path.parent.rmdir()
        return gone

    def clear_all(self) -> int:
        """Forget every failure, of namespaces that are no longer configured too; returns how many there were."""
        found = list(self._root.glob("*/*/*.json"))
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def __iter__(self) -> Iterator[Record]:
        for path in sorted(self._root.glob("*/*/*.json")):
            record = self._read(path)
            if record:
                yield record

    def _path(self, ref: Ref, stem: str) -> Path:
        digest = hashlib.sha256(str(ref).encode()).hexdigest()
        return self._root / digest[:2] / digest / f"{stem}.json"

    @staticmethod
    def _read(path: Path) -> Record | None:
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return Record(**content)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError):  # written by another version: as good as none
            return None


def _stem(recipe: str) -> str:
    """Of the record of one recipe; '' for that of all."""
    return hashlib.sha256(recipe.encode()).hexdigest()[:16] if recipe else "original"
