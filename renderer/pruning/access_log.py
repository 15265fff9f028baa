"""nginx's access log, line by line: from where the last reading stopped, or all of it. Memory does not grow with it.

Rotation may rename it, copy and truncate it, pack what it made, do so several times between two readings, and take away the oldest. What is
still on disk is read once, the oldest first; what went before it was read is said. Lines of several workers are a second out of order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from renderer.pruning.log_files import BROKEN, Opened, family, opened
from renderer.pruning.log_lines import Logged, read
from renderer.pruning.log_positions import Position, Positions

SAVED_LINES = 200_000  # between two notes of how far we are, so that a first reading that is killed need not begin again
_LOOK_LINES = 1000  # between two looks at whether to stop
_MOST_PASSES = 10  # each but the last because the log was rotated during the one before
_WHOLE = 1 << 62  # an offset behind the end of any file


@dataclass
class Told:
    """What a reading came by. `lost_files`: that went, or broke off, before they were read to an end that anybody knows of."""

    lines: int = 0
    passed_over: int = 0
    lost_files: int = 0


class Replay:
    """Iterate over it, once: the lines of `log` since the last replay with the same file `state`, which is written at the end.

    One at a time. The first one begins with the log as it is now; what was rotated before is not read. A replay that is not iterated to its
    end says nothing of the lines since its last note, and they come again. `told` is right at the end. `beside`: counts that the caller
    keeps of the lines; they are loaded from the state and written with it. OSError for what cannot be read or written; none for a log that
    is not there.
    """

    def __init__(
        self, log: Path, state: Path, is_stopping: Callable[[], bool] = bool, saved_lines: int = SAVED_LINES,
        beside: Counter[str] | None = None,
    ) -> None:  # fmt: skip
        self._log, self._is_stopping, self._saved_lines = log, is_stopping, saved_lines
        self._positions = Positions(state, beside)
        self._skips_rotated = self._positions.is_fresh
        self._found: set[Position] = set()  # in this replay
        self._stopped, self._looked_at, self._saved_at, self._look_lines = False, 0, 0, min(_LOOK_LINES, saved_lines)
        self.told = Told()

    def __iter__(self) -> Iterator[Logged]:
        before: dict[Path, int] = {}
        for _ in range(_MOST_PASSES):
            listing = _inodes(self._log)
            if listing == before or self._stopped:
                break
            before = listing
            yield from self._pass(list(listing))
            self._skips_rotated = False
        self._tell_lost()
        self._positions.save()

    def _pass(self, paths: list[Path]) -> Iterator[Logged]:
        present = {position for path in paths for position in self._present(path)}
        copies: list[tuple[Position, os.stat_result, bytes]] = []
        for path in paths:
            with suppress(FileNotFoundError), opened(path) as file:  # rotated since it was listed: the next pass finds it
                head, known = file.head(), self._positions.known(file.status, file.head)
                position = known or self._positions.by_head(head) or Position(file.status.st_ino)
                if not known and position in present:
                    copies.append((position, file.status, head))
                elif not self._stopped:
                    yield from self._rest(path, file, position)
        for original, status, head in copies:
            self._positions.note_copy(original, status, head)

    def _present(self, path: Path) -> Iterator[Position]:
        """Of a file that is there under its own inode: what looks like it and has another is a copy, and has nothing that it has not."""
        with suppress(FileNotFoundError), opened(path) as file:
            if position := self._positions.known(file.status, file.head):
                yield position

    def _rest(self, path: Path, file: Opened, position: Position) -> Iterator[Logged]:
        self._found.add(position)
        position.inode, position.is_live = file.status.st_ino, path == self._log
        if position.is_unchanged(file.status):
            return
        try:
            if self._skips_rotated and path != self._log:
                position.offset = _WHOLE if path.suffix == ".gz" else file.status.st_size
            else:
                yield from self._lines(file, position)
        except BROKEN:
            self.told.lost_files += 1
        position.advance(position.offset, file.head())
        if not self._stopped:
            position.size, position.mtime_ns = file.status.st_size, file.status.st_mtime_ns
        self._positions.note(position)

    def _lines(self, file: Opened, position: Position) -> Iterator[Logged]:
        told = self.told
        file.stream.seek(position.offset)
        for offset, logged in read(file.stream, position.offset):
            position.offset = offset
            told.lines += 1
            if logged is None:
                told.passed_over += 1
            else:
                yield logged
            if told.lines >= self._looked_at + self._look_lines:
                self._look(file, position)
                if self._stopped:
                    return

    def _look(self, file: Opened, position: Position) -> None:
        """Whether to stop, and whether to note how far we are."""
        self._looked_at, self._stopped = self.told.lines, self._is_stopping()
        if self.told.lines >= self._saved_at + self._saved_lines:
            self._saved_at = self.told.lines
            position.advance(position.offset, file.head())
            self._positions.note(position)
            self._positions.save()

    def _tell_lost(self) -> None:
        for position in self._positions.all:
            # an empty one may have been packed: it is among the new ones then
            if position.is_live and position.head and position not in self._found and not self._stopped:
                position.is_live = False
                self.told.lost_files += 1


def _inodes(log: Path) -> dict[Path, int]:
    found = {}
    for path in family(log):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_ino
    return found


class History:
    """Iterate over it, once: all lines of `log` that there are, the oldest first, from `since` (seconds since 1970) on."""

    def __init__(self, log: Path, since: float = 0.0) -> None:
        self._log, self._since = log, since
        self.told = Told()

    def __iter__(self) -> Iterator[Logged]:
        with ExitStack() as stack:
            # all are opened before the first is read: rotation may rename them then as it likes
            files = [file for path in family(self._log) for file in self._opened(path, stack)]
            for file in files:
                try:
                    yield from self._lines(file)
                except BROKEN:
                    self.told.lost_files += 1

    def _opened(self, path: Path, stack: ExitStack) -> Iterator[Opened]:
        with suppress(FileNotFoundError):
            file = stack.enter_context(opened(path))
            if file.status.st_mtime >= self._since:
                yield file

    def _lines(self, file: Opened) -> Iterator[Logged]:
        for _, logged in read(file.stream, 0):
            if logged is None:
                self.told.passed_over += 1
            elif logged.time < self._since:
                continue
            else:
                yield logged
            self.told.lines += 1
