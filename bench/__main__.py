"""`python -m bench` measures what needs no peer from elsewhere; `python -m bench hits|importing|pictures …` measures some.

The sections of the other parts are left as they are. `python -m bench policies --log FILE` is for an access log of one's own: what comes
out is shown and not kept.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import hits, importing, machine, memory, metrics, migrating, misses, pixels, policies, posting, purging, servers, sweeping, tags
from bench.report import Results, Section

# The programs that a part needs, and the part.
PARTS: dict[str, tuple[tuple[str, ...], Callable[[Path], Section]]] = {
    "hits": (("nginx", "wrk"), hits.measure),
    "misses": (("nginx",), misses.measure),
    "memory": (("nginx",), memory.measure),
    "importing": ((), importing.measure),
    "metrics": ((), metrics.measure),
    "migrating": (("node", "npm"), migrating.measure),
    "policies": ((), policies.measure),
    "posting": (("nginx",), posting.measure),
    "purging": ((), purging.measure),
    "sweeping": (("nginx", "wrk"), sweeping.measure),
    "tags": ((), tags.measure),
    "pictures": (("node", "npm"), pixels.measure),
    "servers": (("nginx", "node", "npm"), servers.measure),
}
USUAL = ("hits", "misses", "memory", "metrics", "importing", "migrating", "posting", "purging", "sweeping", "tags")
RESULTS = Path(__file__).with_name("RESULTS.md")


def main(arguments: list[str]) -> int:
    if arguments[:2] == ["policies", "--log"] and len(arguments) == 3:
        print(policies.measure_log(Path(arguments[2])).spell())
        return 0
    wanted = arguments or list(USUAL)
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"bench: expected {', '.join(PARTS)} for a part, got {unknown[0]}", file=sys.stderr)
        return 2
    needed = dict.fromkeys(program for name in wanted for program in PARTS[name][0])
    if lacking := [sentence for sentence in map(machine.obtain, needed) if sentence]:
        print("\n".join(f"bench: {sentence}" for sentence in lacking), file=sys.stderr)
        return 2
    # a bench that is told to stop takes its servers with it, as after Ctrl-C
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for name in wanted:
        measure = PARTS[name][1]
        with tempfile.TemporaryDirectory(prefix="onmiss-bench-") as directory:
            began = machine.describe(Path(directory))
            print(f"{name}: measuring", flush=True)
            section = measure(Path(directory))
        print(f"\n{Results(RESULTS).keep(name, began, section)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
