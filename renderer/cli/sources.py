"""What an import was asked to look at: paths, lists, manifests, buckets and standard input, as the command line names them."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from renderer.config import Config
from renderer.errors import BadRequest
from renderer.importing.candidates import UNNAMED, Candidate, Found, StreamOrigin
from renderer.importing.finding import Patterns, find, in_bucket, listed
from renderer.importing.manifest import Manifest
from renderer.stores import Source, open_store

STDIN = "-"
_BUCKET = "s3://"


def configure_sources(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is taken in").add_argument
    add("paths", nargs="*", metavar="PATH", help="a picture, a folder, a quoted glob, s3://BUCKET/PREFIX, or - for a picture from stdin")
    add("--files-from", metavar="FILE", help="paths, a line each; - reads standard input")
    add("--null", "-0", action="store_true", help="... with a NUL behind each path instead of a line's end, as `find -print0` writes them")
    add("--manifest", metavar="FILE", help="paths, and what is to be known of each: CSV with a header, or JSON lines")
    add("--stdin-name", default="", metavar="NAME", help="what the picture from standard input is called")
    add("--skip", action="append", default=[], metavar="GLOB", help="not these: file names, paths below what was given; may be repeated")
    add("--only", action="append", default=[], metavar="GLOB", help="only these; may be repeated. Capitals do not matter, in both")
    add("--endpoint-url", default="", metavar="URL", help="of s3://, where no configured store has the bucket; default: Amazon's")


class Sources:
    """`is_repeatable`: they can be looked through twice. `has_unnamed`: a picture comes without a name."""

    def __init__(self, arguments: argparse.Namespace, config: Config) -> None:
        self._arguments, self._config = arguments, config
        self._patterns = Patterns(tuple(arguments.skip), tuple(arguments.only))
        self._scratch = Path(config.cache.root) / "tmp"
        if not (arguments.paths or arguments.files_from or arguments.manifest):
            raise BadRequest("expected something to take in: PATH…, --files-from FILE or --manifest FILE (see --help)")
        from_stdin = [*arguments.paths, arguments.files_from, arguments.manifest].count(STDIN)
        if from_stdin > 1:
            raise BadRequest("expected standard input to be one thing, got - more than once")
        if from_stdin and (sys.stdin is None or sys.stdin.isatty()):
            raise BadRequest(f"expected a pipe or a file on standard input, got {'a terminal' if sys.stdin else 'none'}")
        _refuse_idle(arguments)
        self.is_repeatable = not from_stdin
        self.has_unnamed = STDIN in arguments.paths and not arguments.stdin_name
        self._buckets = {path: self._bucket(path) for path in arguments.paths if path.startswith(_BUCKET)}
        self._begun: dict[str, Iterator[Found]] = {}
        for name, told in self._lists():
            self._begin(name, told)

    def find(self) -> Iterator[Found]:
        arguments = self._arguments
        for path in arguments.paths:
            yield from self._under(path)
        for name, told in self._lists():
            if name in self._begun:
                yield from self._patterns.sift(self._begun[name])
            else:
                with _opened(name) as stream:
                    yield from self._patterns.sift(told(stream, name))

    def _lists(self) -> list[tuple[str, Callable[[BinaryIO, str], Iterator[Found]]]]:
        both = ((self._arguments.files_from, self._listed), (self._arguments.manifest, self._manifested))
        return [(name, told) for name, told in both if name]

    def _begin(self, name: str, told: Callable[[BinaryIO, str], Iterator[Found]]) -> None:
        """What cannot be is said before anything is done. Of a pipe, as a shell's `<(…)` is one, a second look would take lines away."""
        stream = _opened(name)
        if name == STDIN or not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            self.is_repeatable, self._begun[name] = False, told(stream, name)
        else:
            with stream:
                told(stream, name)

    def _listed(self, stream: BinaryIO, name: str) -> Iterator[Found]:
        return listed(stream, b"\0" if self._arguments.null else b"\n")

    def _manifested(self, stream: BinaryIO, name: str) -> Iterator[Found]:
        folder = "" if name == STDIN else str(Path(name).parent)
        return Manifest(stream, name, "" if folder == "." else folder).find()

    def _under(self, path: str) -> Iterator[Found]:
        limits = self._config.limits_built()
        if path == STDIN:
            name = self._arguments.stdin_name
            yield Candidate(StreamOrigin(_stdin(), limits), name or UNNAMED, name)
        elif path.startswith(_BUCKET):
            bucket, _, prefix = path.removeprefix(_BUCKET).partition("/")
            yield from in_bucket(self._buckets[path], bucket, prefix, self._scratch, limits.max_original_bytes, self._patterns)
        else:
            yield from find(path, self._patterns)

    def _bucket(self, address: str) -> Source:
        """The bucket as a configured store reaches it, but all of it; else by boto3's own chain."""
        bucket = address.removeprefix(_BUCKET).partition("/")[0]
        if not bucket:
            raise BadRequest(f"expected s3://BUCKET/PREFIX, got {address}")
        for store in self._config.stores.values():
            if store.kind == "s3" and store.bucket == bucket and not self._arguments.endpoint_url:
                return open_store("s3", bucket, **{**store.settings(), "prefix": ""})
        return open_store("s3", bucket, bucket=bucket, endpoint_url=self._arguments.endpoint_url)


def _refuse_idle(arguments: argparse.Namespace) -> None:
    """Whoever gives an option that would do nothing expects something else to happen."""
    if arguments.null and not arguments.files_from:
        raise BadRequest("expected --files-from FILE with --null, got none")
    if arguments.stdin_name and STDIN not in arguments.paths:
        raise BadRequest("expected the path - with --stdin-name, got none")
    if arguments.endpoint_url and not any(path.startswith(_BUCKET) for path in arguments.paths):
        raise BadRequest("expected s3://BUCKET/PREFIX with --endpoint-url, got none")


def _opened(name: str) -> BinaryIO:
    try:
        return _stdin() if name == STDIN else open(name, "rb")
    except OSError as error:
        raise BadRequest(f"expected a file to read, got {name}: {error.strerror}") from error


def _stdin() -> BinaryIO:
    """Not sys.stdin: Python aborts when it ends while a thread still waits for a line of that."""
    return open(0, "rb", closefd=False)
