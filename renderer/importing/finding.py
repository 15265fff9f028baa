"""Finding candidates: in folders, by globs, in lists, in a bucket. Everything is found when it is asked for, one folder at a time.

Found below a folder, hidden names are passed over, and links to folders are not followed: nothing is found twice, and no loop of links
ever ends. Who names such a thing gets it.
"""

from __future__ import annotations

import fnmatch
import functools
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from renderer.errors import RendererError
from renderer.importing.candidates import Candidate, FileOrigin, Found, KeyOrigin, Passed, kind_of
from renderer.stores import Source

HIDDEN = "hidden"
NOT_ONLY = "not matched by --only"
_BLOCK_BYTES = 1 << 16
_LONGEST_PATH = 1 << 16  # bytes; PATH_MAX is 4096: what is longer is no list of paths


@dataclass(frozen=True)
class Patterns:
    """Globs, on the file's name or on its path below the folder that was asked for; upper and lower case are the same."""

    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def objection(self, relative: str, is_folder: bool = False) -> str:
        """Why it is passed over, '' when it is not. A folder that is skipped is not looked into."""
        for pattern in self.skip:
            if _matches(pattern, relative):
                return f"matched by --skip {pattern!r}"
        if self.only and not is_folder and not any(_matches(pattern, relative) for pattern in self.only):
            return NOT_ONLY
        return ""

    def sift(self, found: Iterable[Found]) -> Iterator[Found]:
        """The same with candidates that somebody wants to be passed over."""
        for each in found:
            objection = self.objection(each.name) if isinstance(each, Candidate) else ""
            yield Passed(each.shown, objection, is_wanted=True) if objection else each


def _matches(pattern: str, relative: str) -> bool:
    matches, text = _regex(pattern).match, relative.casefold()
    return bool(matches(text.rpartition("/")[2]) or matches(text))


@functools.lru_cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.casefold()))


def find(text: str, patterns: Patterns) -> Iterator[Found]:
    """What a path means that somebody typed: a file, a folder with all below it, or a glob that the shell did not expand."""
    if os.path.lexists(text) or not glob.has_magic(text):
        yield from _named(text, patterns)
        return
    matched = False
    if "**" in text.split("/"):
        for found in _deep(text, patterns):
            matched = matched or isinstance(found, Candidate) or found.is_failure or (found.is_wanted and found.reason != HIDDEN)
            yield found
    else:
        for path in sorted(glob.iglob(text)):  # hidden names only where the glob says so
            matched = True
            yield from _named(path, patterns)
    if not matched:
        yield Passed(text, "expected a glob that matches something, got none", is_failure=True)


def _named(path: str, patterns: Patterns) -> Iterator[Found]:
    if os.path.isdir(path):
        yield from walk(path, patterns)
    else:
        yield from patterns.sift([candidate(path, os.path.basename(path))])


def _deep(text: str, patterns: Patterns) -> Iterator[Found]:
    """Files below what stands before the first part with a wildcard. The library's own `**` would follow links to folders."""
    parts = text.split("/")
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    top, wanted = "/".join(parts[:first]) or ("/" if text.startswith("/") else "."), parts[first:]
    for found in walk(top, patterns):
        if isinstance(found, Passed) or _fits(found.name.split("/"), wanted):
            yield found


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """`**` is any number of folders, at the end any file below."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return _fits(parts, wanted[1:]) or (bool(parts) and _fits(parts[1:], wanted))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def candidate(path: str, name: str = "") -> Candidate | Passed:
    """A file that somebody named. `name`: what it is called below the place where names begin."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        return Passed(path, str(getattr(error, "strerror", None) or error), is_failure=True)
    if not stat.S_ISREG(mode):
        return Passed(path, f"expected a file, got {kind_of(mode)}", is_failure=True)
    return Candidate(FileOrigin(path), path, name or plain_name(path))


def plain_name(path: str) -> str:
    """A path as a name: itself where it leads down from here, else its last part."""
    parts = PurePosixPath(os.path.normpath(path)).parts
    return os.path.basename(path) if path.startswith("/") or ".." in parts else "/".join(parts)


@dataclass(frozen=True)
class _Folder:
    path: str
    relative: str


def walk(top: str, patterns: Patterns) -> Iterator[Found]:
    """All below a folder, in order of the names in each."""
    stack = [_look(_Folder(top, ""), patterns)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
        elif isinstance(found, _Folder):
            stack.append(_look(found, patterns))
        else:
            yield found


def _look(folder: _Folder, patterns: Patterns) -> Iterator[Found | _Folder]:
    try:
        with os.scandir(folder.path) as entries:
            children = sorted((entry.name, _kind(entry)) for entry in entries)  # names only: an entry of scandir takes thrice the memory
    except OSError as error:
        yield Passed(folder.path, error.strerror or str(error), is_failure=True)
        return
    for name, kind in children:
        path, relative = os.path.join(folder.path, name), folder.relative + name
        objection = HIDDEN if name.startswith(".") else patterns.objection(relative, kind == "folder")
        if objection:
            yield Passed(path, objection, is_wanted=True)
        elif kind == "folder":
            yield _Folder(path, f"{relative}/")
        elif kind == "file":
            yield Candidate(FileOrigin(path), path, relative, is_named=False)
        else:
            yield Passed(path, kind)


def _kind(entry: os.DirEntry[str]) -> str:
    """`file`, `folder`, or why it is neither."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_dir():
            return "a link to a folder"
        return "file" if entry.is_file() else "no file"
    except OSError:  # a loop of links, for one
        return "no file"


def listed(stream: BinaryIO, separator: bytes = b"\n") -> Iterator[Found]:
    """The files of a list of paths, as they come: whoever writes the list may still be at work."""
    for line in _split(stream, separator):
        path = os.fsdecode(line.removesuffix(b"\r") if separator == b"\n" else line)
        if "\0" in path:
            yield Passed(path, "expected a path in a line, got a NUL; --null reads what `find -print0` writes", is_failure=True)
            return
        if path:
            yield candidate(path)


def _split(stream: BinaryIO, separator: bytes) -> Iterator[bytes]:
    rest = b""
    read = getattr(stream, "read1", stream.read)  # does not wait for a whole block
    while block := read(_BLOCK_BYTES):
        *lines, rest = (rest + block).split(separator)
        yield from lines
        if len(rest) > _LONGEST_PATH:
            yield rest[:_LONGEST_PATH]  # fails by its length, and says what it was
            return
    yield rest


def in_bucket(source: Source, bucket: str, prefix: str, scratch: Path, max_bytes: int, patterns: Patterns) -> Iterator[Found]:
    """The objects below `prefix`; `scratch`: where they come down. Keys that cannot be those of originals are not listed."""
    above = prefix.rfind("/") + 1
    try:
        for key in source.names(prefix):
            name, where = key[above:], f"s3://{bucket}/{key}"
            objection = patterns.objection(name)
            if objection:
                yield Passed(where, objection, is_wanted=True)
            else:
                yield Candidate(KeyOrigin(source, key, where, scratch, max_bytes), where, name, is_named=key == prefix)
    except RendererError as error:
        yield Passed(f"s3://{bucket}/{prefix}", str(error), is_failure=True)
