"""Make renditions of originals named as image-server names them: by hash, by URL, or as files, which are taken in first.

    onmiss process --outputs x300.webp,w200.jpg 6e0072682e66287b662827da75b244a3
    onmiss process --outputs x300.webp public/images/p/6e0/072/682/e66287b662827da75b244a3/ photos/lion.jpg
    onmiss process --outputs x300.webp - < list.txt          a line each: a hash, a URL, or both with a blank or a tab between them

By its hash an original has to be stored already, or its line has a URL too, from where it is fetched as `fetch` in the configuration
allows; bytes that have another hash are not stored. Makes what is missing of the outputs, and info.json, and keeps them in the store of
renditions where the namespace has one. Without --outputs those that the configuration names for the namespace.

Prints HASH<TAB>URL<TAB>WIDTH<TAB>HEIGHT a line, in the order of the list: the URL that was given, or the original's; failures with the
number of their line and a summary to standard error. No failure stops the rest; a store that is down is waited for. Exit code: 0, 1 when
something failed, 2 for what cannot be, 130 when it was interrupted: by Ctrl-C once what is in work is finished, twice at once. Safe to
repeat: what is there is not made again. Works while `onmiss up` runs, and gives way to it (--nice).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from renderer.cli import FAILED
from renderer.cli.interrupting import INTERRUPTED, interruptible
from renderer.cli.lists import ABORT_SECONDS, END_SECONDS, STDIN, configure_how, count, jobs_of, lines, opened, print_line
from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.crew import Crew
from renderer.dialects import imageserver
from renderer.errors import BadRequest, NotUnderstood
from renderer.fields import in_line, shown
from renderer.messages import Wish
from renderer.processing import Item, Processing, Taking, Tally, read_line, read_path
from renderer.removal import space_of
from renderer.rendition import Namespace, Ref, Rendition
from renderer.wiring import Wiring

_SHOWN = 200  # letters of a line that failed


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is made").add_argument
    add("paths", nargs="+", metavar="PATH", help="a hash, a path with one in it, or a picture file; - reads a list from standard input")
    add("--outputs", default="", metavar="NAME,…", help="x300.webp, 300x200.jpg, w200-q60.jpg, full_size.avif (default: the namespace's)")
    add("--namespace", default="", metavar="NS", help="whose originals they are (default: the first with `naming: md5`)")
    configure_how(parser)


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.paths.count(STDIN) > 1:
        raise BadRequest("expected standard input to be one thing, got - more than once")
    space = _space(config, arguments.namespace)
    wishes = _wishes(config, space, arguments.outputs)
    os.nice(arguments.nice)  # first: what is started later inherits it
    wiring, crew = Wiring(config), Crew(jobs_of(arguments.jobs, config), arguments.patience)
    files = [opened(STDIN, STDIN) for path in arguments.paths if path == STDIN]
    try:
        wiring.workers.start()
        processing = Processing(_taking(wiring, space), wiring.preparing, wishes, crew, _url(config))
        code = _tell(processing, _items(arguments.paths, files), count(len(arguments.paths) - len(files), files), arguments.quiet)
        wiring.workers.stop(END_SECONDS)
        return code
    finally:
        wiring.workers.stop(ABORT_SECONDS)


def _space(config: Config, name: str) -> Namespace:
    spaces = config.namespaces_built()
    if not name:
        for space in spaces.values():
            if space.naming.kind == "md5":
                return space
        raise BadRequest("expected a namespace with `naming: md5` in the configuration, found none: add namespaces: {p: {naming: md5}}")
    space = space_of(spaces, name)
    if space.naming.kind != "md5":
        raise BadRequest(f"expected a namespace with `naming: md5` for --namespace, got {name}, which has `naming: {space.naming.kind}`")
    return space


def _wishes(config: Config, space: Namespace, outputs: str) -> Sequence[Wish]:
    try:
        wishes = imageserver.wishes_of(outputs or ",".join(space.outputs), space, config.terms().qualities)
    except NotUnderstood as error:
        raise BadRequest(f"expected outputs that are made in {space.name}, got {shown(outputs)}") from error
    if not wishes:
        raise BadRequest("expected --outputs x300.webp,… for what is to be made, got none")
    limits = config.limits_built()
    for wish in wishes:
        limits.judge(Rendition(Ref(space, ""), wish.recipe))
    return wishes


def _url(config: Config) -> partial[str]:
    return partial(imageserver.original_url, config.hosts.images.base_url(), keys=config.signing_keys())


def _taking(wiring: Wiring, space: Namespace) -> Taking:
    config = wiring.config
    note_use = config.namespaces_built().note_use
    return Taking(space, wiring.fetcher, wiring.ingest, wiring.cache.temporary, config.limits.max_original_bytes, note_use)


def _items(paths: Sequence[str], files: Iterable[BinaryIO]) -> Iterator[Item]:
    """In their order. Empty lines are none."""
    for path in paths:
        if path != STDIN:
            yield read_path(path)
            continue
        for number, line in enumerate(lines(files), 1):
            if line.strip():
                yield replace(read_line(line), shown=f"line {number}: {line.strip()[:_SHOWN]}")


def _tell(processing: Processing, found: Iterable[Item], total: int | None, is_quiet: bool) -> int:
    """Everything that there is to say while they come, and the exit code."""
    tally, began = processing.tally, time.monotonic()
    try:
        with (
            Progress("originals", is_quiet) as progress,
            interruptible(processing.interrupt, progress.say_at_once, "onmiss process") as interrupted,
        ):
            progress.expect(total)
            for outcome in processing.outcomes(found):
                if outcome.reason:
                    progress.say(f"{outcome.item.shown}: {outcome.reason}")
                elif not is_quiet:
                    print_line(outcome.line, progress)
                progress.show(tally.done, tally.bytes, tally.failed)
    finally:
        _conclude(tally, time.monotonic() - began)
    if interrupted.is_set() and tally.halted:  # it may have come when all was done
        return INTERRUPTED
    return FAILED if tally.failed or tally.halted else 0


def _conclude(tally: Tally, seconds: float) -> None:
    if tally.halted:
        for line in (tally.halted, "the same command again goes on; what was made is there"):
            print(f"onmiss process: {in_line(line)}", file=sys.stderr)
    rate = tally.done / max(seconds, 1e-9)
    done = f"{tally.done - tally.failed} originals done, {tally.made} renditions made, {tally.failed} failed"
    print(f"{done}; {tally.bytes / 1e6:.1f} MB in {seconds:.1f} s, {rate:.1f} originals/s", file=sys.stderr, flush=True)
