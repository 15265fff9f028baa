"""Take pictures in, as originals: files, folders with all below them, globs, lists, manifests, buckets, standard input.

    onmiss import photos 'more/**/*.jpg' s3://BUCKET/PREFIX --skip 'mobotix*' --resume done.txt
    onmiss import --manifest catalogue.csv          columns: path,title,references,tags,types (references: artnr=1;artnr=2)
    find . -name '*.jpg' -print0 | onmiss import --null --files-from -
    onmiss import - < photo.jpg

A manifest may be CSV with a header or JSON lines; its relative paths begin where it is. Prints ID<TAB>URL a line, in the order of what was
found, and failures and a summary to standard error. Hidden files are skipped, and links to folders; so is what is no picture, unless you
named it or its name says that it is one: then it failed. No failure stops the rest. Exit code: 0, 1 when something failed, 2 for what
cannot be, 130 when it was interrupted: by Ctrl-C once what is in work is finished, twice at once. Safe to repeat: the same bytes are
stored once; with --resume what is done is not even read again. Works while `onmiss up` runs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from renderer.cli import FAILED
from renderer.cli.interrupting import INTERRUPTED, interruptible
from renderer.cli.reporting import Report
from renderer.cli.sources import Sources, configure_sources
from renderer.config import Config
from renderer.dialects.links import Links
from renderer.errors import BadRequest, ConfigError
from renderer.importing import Importing
from renderer.importing.manifest import gathered
from renderer.importing.resume import State
from renderer.importing.wishes import FILENAMES, REFERENCES, TITLES, Wishes
from renderer.rendition import Namespace, Ref
from renderer.wiring import Wiring

URL_SIZES = ("640x480",)  # of the URL that is printed; not `o`, which a namespace may forbid
MOST_JOBS = 64
# A job waits for a disk that syncs, or for a server, so there are more of them than processors.
USUAL_JOBS = min(16, 4 * (os.cpu_count() or 1))


def configure(parser: argparse.ArgumentParser) -> None:
    configure_sources(parser)
    add = parser.add_argument_group("where it goes").add_argument
    add("--namespace", default="", metavar="NS", help="where to (default: the first that is configured)")
    add("--name-prefix", default="", metavar="TEXT", help="what names begin with, in a namespace with `naming: path`")
    add("--only-new", action="store_true", help="there: leave names that are taken, instead of replacing what has them")
    _configure_about(parser)
    add = parser.add_argument_group("how").add_argument
    add("--dry-run", action="store_true", help="only say what would be taken in, a path a line; nothing is fetched from a bucket")
    add("--jobs", type=_jobs, default=USUAL_JOBS, metavar="N", help="so many at once (default here: %(default)s)")
    add("--resume", metavar="STATE", type=Path, help="a file that remembers what is done, by path, size and time; may be new")
    add("--placeholders", action="store_true", help="read all pixels, and note a ThumbHash at once instead of at the first rendition")
    add("--quiet", "-q", action="store_true", help="no line per picture and no progress, only failures and the summary")


def _configure_about(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is to be known of each; a manifest's own words come first").add_argument
    add("--artnr", action="append", default=[], metavar="TEXT", help="an article's number: short for --reference artnr=TEXT")
    add("--reference", action="append", default=[], metavar="KEY=VALUE", help="what it belongs to; may be repeated")
    add("--reference-from", action="append", default=[], choices=REFERENCES, help="path: a reference `path` to the folder of each file")
    add("--title", default="", metavar="TEXT", help="a title for all of them")
    add("--title-from", default="", choices=TITLES, help="a title from each file's name, stem: without the extension")
    add("--type", action="append", default=[], metavar="WORD", help="such as product_image; may be repeated")
    add("--tag", action="append", default=[], metavar="WORD", help="a note of --user; may be repeated")
    add("--user", default="import", metavar="NAME", help="whose the tags are (default: %(default)s)")
    add("--filename-from", default="name", choices=FILENAMES, help="what is noted as file name: its name (default), or its path as given")


def run(arguments: argparse.Namespace, config: Config) -> int:
    wiring, space, sources = Wiring(config), namespace_of(config, arguments.namespace), Sources(arguments, config)
    wishes = _wishes(arguments, space)
    if wishes.tags and wiring.catalog is None:
        raise BadRequest("expected a catalog for --tag, got catalog: {kind: none}")
    if sources.has_unnamed and not space.naming.immutable:
        raise BadRequest(f"expected --stdin-name for a picture from standard input in {space.name}, got none")
    if wishes.name_prefix and space.naming.immutable:
        raise BadRequest(f"expected a namespace with `naming: path` for --name-prefix, got {space.name}")
    links = links_of(config)
    size = links.sizes(space, URL_SIZES, config.limits.sizes.get(space.name, ()))[0]
    report = Report(arguments, sources, lambda ref: _url(links, ref, size))
    jobs = min(arguments.jobs, config.render.count() + config.render.queue)  # more would find the render processes' queue full
    with _remembered(arguments.resume, arguments.dry_run) as state:
        limits, ingest = config.limits_built(), None if arguments.dry_run else wiring.ingest
        importing = Importing(ingest, wishes, jobs, state, None if arguments.dry_run else wiring.catalog, limits)
        try:
            if ingest:
                wiring.workers.start()
            return _import(importing, sources, report)
        finally:
            if ingest:
                wiring.workers.stop(0.5)


def _import(importing: Importing, sources: Sources, report: Report) -> int:
    began = time.monotonic()
    try:
        with interruptible(importing.interrupt, report.say_at_once, "onmiss import") as interrupted, report:
            for outcome in importing.outcomes(sources.find()):
                report.show(outcome)
    finally:
        report.conclude(importing.tally, time.monotonic() - began)
    if interrupted.is_set() and importing.tally.halted:  # it may have come when all was done
        return INTERRUPTED
    return FAILED if importing.tally.counts["failed"] or importing.tally.halted else 0


@contextmanager
def _remembered(path: Path | None, is_dry: bool) -> Iterator[State | None]:
    """Nobody's state is begun or altered by a dry run."""
    if path is None or (is_dry and not path.exists()):
        yield None
        return
    state = State(path, is_dry=is_dry)
    try:
        yield state
    finally:
        state.close()


def namespace_of(config: Config, name: str) -> Namespace:
    """The configured namespace called `name`; the first one for ''."""
    spaces = config.namespaces_built()
    if not name:
        return next(iter(spaces.values()))
    if name not in spaces:
        raise ConfigError("namespaces", f"expected one of {', '.join(spaces)} for a namespace, got {name!r}")
    return spaces[name]


def links_of(config: Config) -> Links:
    """What spells the URLs of this configuration."""
    return Links(config.terms(), config.limits_built(), config.hosts.images.base_url(), config.signing_keys())


def _url(links: Links, ref: Ref, size: str) -> str:
    """'' where the configuration allows no size at all: what is taken in is taken in."""
    try:
        return links.url(ref.namespace, ref.name, size)
    except BadRequest:
        return ""


def _wishes(arguments: argparse.Namespace, space: Namespace) -> Wishes:
    if arguments.title and arguments.title_from:
        raise BadRequest("expected --title or --title-from, got both")
    pieces = [*(f"artnr={text}" for text in arguments.artnr), *arguments.reference]
    return Wishes(
        space,
        title=arguments.title,
        title_from=arguments.title_from,
        types=tuple(arguments.type),
        references=gathered(iter(pieces)),
        references_from=tuple(arguments.reference_from),
        tags=tuple(arguments.tag),
        user=arguments.user,
        filename_from=arguments.filename_from,
        name_prefix=arguments.name_prefix,
        placeholder=arguments.placeholders,
        only_new=arguments.only_new,
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_JOBS}, got {text!r}")
    return int(text)
