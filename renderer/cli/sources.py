"""What an import was asked to look at: paths, lists, manifests, buckets and standard input, as the command line names them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
        if from_stdin and sys.stdin.isatty():
            raise BadRequest("expected a pipe or a file on standard input, got a terminal")
        self.is_repeatable = not from_stdin
        self.has_unnamed = STDIN in arguments.paths and not arguments.stdin_name
        self._buckets = {path: self._bucket(path) for path in arguments.paths if path.startswith(_BUCKET)}
        for name in filter(None, (arguments.files_from, arguments.manifest)):
            if name != STDIN:
                with _reading(name) as stream:  # what cannot be is said before anything is done
                    if name == arguments.manifest:
                        Manifest(stream, name, "")

    def find(self) -> Iterator[Found]:
        arguments = self._arguments
        for path in arguments.paths:
            yield from self._under(path)
        if arguments.files_from:
            with _reading(arguments.files_from) as stream:
                yield from self._patterns.sift(listed(stream, b"\0" if arguments.null else b"\n"))
        if arguments.manifest:
            folder = "" if arguments.manifest == STDIN else str(Path(arguments.manifest).parent)
            with _reading(arguments.manifest) as stream:
                yield from self._patterns.sift(Manifest(stream, arguments.manifest, "" if folder == "." else folder).find())

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


@contextmanager
def _reading(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield _stdin()
        return
    try:
        stream = open(name, "rb")  # noqa: SIM115  # an error of the block below is not one of this
    except OSError as error:
        raise BadRequest(f"expected a file to read, got {name}: {error.strerror}") from error
    with stream:
        yield stream


def _stdin() -> BinaryIO:
    """Not sys.stdin: Python aborts when it ends while a thread still waits for a line of that."""
    return open(0, "rb", closefd=False)
