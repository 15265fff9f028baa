"""Make renditions ahead of their first visitor, so that nginx finds them: after a move, before a launch, at night.

    onmiss prerender --from asked.txt                        a line each: a URL, or ID SIZE, or NAMESPACE/NAME SIZE
    onmiss prerender 'EQ53…01 150x150!' /thumb/EQ53…01/title.jpeg
    onmiss prerender --sizes '150x150!,thumb' EQ53…01 scenes/hall/lamp.jpg
    onmiss import photos | onmiss prerender --sizes '150x150!,640x480' --from -
    onmiss prerender --all --sizes 640x480,fit-640x_q60.webp --namespace scenes

SIZE is what URLs allow: 150x150, 150x150!, a size name, o, a recipe; .webp behind it for another format. Between a name and its size stands
a tab, or blanks. URLs are read as a visitor's, of any host and without a look at signatures; what is refused to visitors is refused here.
Sizes of one original in a row are made from one fetch and few decodes: sort a list that is in another order.

Prints ID<TAB>URL a line, of what was made and of what was there, in the order of what was asked for; LINE: REASON and a summary to standard
error. No failure stops the rest; a store that is down is waited for. Exit code: 0, 1 when something failed, 2 for what cannot be, 130 when
it was interrupted: by Ctrl-C once what is in work is finished, twice at once. Safe to repeat: what is there costs a look into the cache,
which is the only record. Works while `onmiss up` runs, and gives way to it (--nice).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import chain

from renderer.cli import FAILED
from renderer.cli.importing import links_of
from renderer.cli.interrupting import INTERRUPTED, interruptible
from renderer.cli.lists import ABORT_SECONDS, END_SECONDS, STDIN, configure_how, count, jobs_of, lines, opened, print_line
from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.crew import Crew
from renderer.errors import BadRequest
from renderer.fields import in_line
from renderer.prerendering import FAILED as BAD
from renderer.prerendering import MADE, THERE, Looking, Outcome, Prerendering, Tally
from renderer.prerendering.listing import everything
from renderer.prerendering.wishes import Unreadable, Wish, Wishes, sizes_of
from renderer.removal import space_of
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is made").add_argument
    add("lines", nargs="*", metavar="LINE", help="a URL, 'ID SIZE', 'NAMESPACE/NAME SIZE', or a name alone with --sizes")
    add("--from", action="append", default=[], dest="files", metavar="FILE", help="such lines; - reads standard input; may be repeated")
    add("--all", action="store_true", help="every original that the store of the namespace has, in its order; with --sizes")
    add("--sizes", action="append", default=[], metavar="SIZE,…", help="for each original that comes without a size")
    add("--namespace", default="", metavar="NS", help="whose names they are (default: the first that is configured)")
    configure_how(parser, "only say what would be made; no original is looked for")


def run(arguments: argparse.Namespace, config: Config) -> int:
    sizes = [size for given in arguments.sizes for size in sizes_of(given)]
    _expect_together(arguments, sizes)
    space = space_of(config.namespaces_built(), arguments.namespace)
    wishes = Wishes(links_of(config), arguments.namespace, sizes)
    if arguments.all or arguments.namespace:
        wishes.check_sizes(space)
    os.nice(arguments.nice)  # first: what is started later inherits it
    wiring, crew = Wiring(config), Crew(jobs_of(arguments.jobs, config), arguments.patience)
    files = [opened(name, "--from") for name in arguments.files]
    if arguments.all:
        found, total = wishes.of(everything(wiring.originals, space, crew)), None
    else:
        found = wishes.read(chain(arguments.lines, lines(files)))
        total = count(len(arguments.lines), files, max(1, len(sizes)))
    if arguments.dry_run:
        return _tell(Prerendering(Looking(wiring.cache), crew), found, total, arguments)
    try:
        wiring.workers.start()
        code = _tell(Prerendering(wiring.service, crew), found, total, arguments)
        wiring.workers.stop(END_SECONDS)
        return code
    finally:
        wiring.workers.stop(ABORT_SECONDS)


def _expect_together(arguments: argparse.Namespace, sizes: Sequence[str]) -> None:
    """An option that would be passed over in silence is a mistake."""
    given = bool(arguments.lines or arguments.files)
    if arguments.all == given:
        raise BadRequest(f"expected either LINE… and --from FILE, or --all, got {'both' if given else 'none'} (see --help)")
    if (arguments.all or arguments.sizes) and not sizes:
        raise BadRequest("expected --sizes SIZE,… with --all, got none" if arguments.all else "expected a size for --sizes, got none")
    if arguments.files.count(STDIN) > 1:
        raise BadRequest("expected standard input to be one thing, got - more than once")


def _tell(prerendering: Prerendering, found: Iterable[Wish | Unreadable], total: int | None, arguments: argparse.Namespace) -> int:
    """Everything that there is to say while they come, and the exit code."""
    tally, began = prerendering.tally, time.monotonic()
    try:
        with (
            Progress("renditions", arguments.quiet) as progress,
            interruptible(prerendering.interrupt, progress.say_at_once, "onmiss prerender") as interrupted,
        ):
            progress.expect(total)
            for outcome in prerendering.outcomes(found):
                _show(outcome, progress, arguments.quiet)
                progress.show(tally.counts.total(), tally.bytes, tally.counts[BAD])
    finally:
        _conclude(tally, time.monotonic() - began, arguments.dry_run)
    if interrupted.is_set() and tally.halted:  # it may have come when all was done
        return INTERRUPTED
    return FAILED if tally.counts[BAD] or tally.halted else 0


def _show(outcome: Outcome, progress: Progress, is_quiet: bool) -> None:
    if outcome.what == BAD:
        progress.say(f"{outcome.shown}: {outcome.reason}")
    elif outcome.wish and not is_quiet:
        print_line(f"{in_line(outcome.wish.ref.name)}\t{in_line(outcome.wish.url)}", progress)


def _conclude(tally: Tally, seconds: float, is_dry: bool) -> None:
    counts = tally.counts
    lines = []
    if tally.halted:
        lines = [tally.halted, "the same command again goes on; what was made is there"]
    for line in lines:
        print(f"onmiss prerender: {in_line(line)}", file=sys.stderr)
    summary = f"{counts[MADE]} {'would be ' * is_dry}made, {counts[THERE]} already there, {counts[BAD]} failed"
    made = f"; {tally.bytes / 1e6:.1f} MB in {seconds:.1f} s, {counts[MADE] / max(seconds, 1e-9):.1f} renditions/s"
    print(summary + made * (not is_dry), file=sys.stderr, flush=True)
