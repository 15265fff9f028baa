"""`python -m bench.child onmiss|pyvips`: renders what the lines of standard input ask for, and says what it cost.

One process for each way of rendering, so that none inherits another's threads, caches or memory. A line is one JSON object, as is its
answer: the CPU time of the whole process in milliseconds, all its threads included, and the length of each file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

Wish = dict[str, Any]


def onmiss(directory: Path) -> Callable[[Wish], list[Path]]:
    """`resampler`; `spare`: of all decode scales, instead of the engine's own."""
    from renderer.box import Box
    from renderer.formats import BY_NAME
    from renderer.ops import Fit
    from renderer.picture import scale
    from renderer.picture.engine import Engine
    from renderer.picture.jobs import Job
    from renderer.picture.render import render_all
    from renderer.recipe import Output, Recipe

    own = scale.SPARES

    def render(wish: Wish) -> list[Path]:
        spare = [(each, Fraction(wish["spare"])) for each, _ in own["jpeg"]] if wish["spare"] else own["jpeg"]
        scale.SPARES = {**own, "jpeg": tuple(spare)}
        form = BY_NAME[wish["format"]]
        output = Output(form, wish["quality"] if form.has_quality else 0)
        jobs = [Job(Recipe.of((Fit(Box(side, side)),), output), directory / f"{number}") for number, side in enumerate(wish["sides"])]
        for outcome in render_all(Path(wish["original"]), jobs, Engine(resampler=wish["resampler"])):
            if isinstance(outcome, Exception):
                raise outcome
        return [job.target for job in jobs]

    return render


def pyvips(directory: Path) -> Callable[[Wish], list[Path]]:
    """As its users do it: `thumbnail` from the file, on one thread without a cache."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    pyvips.cache_set_max(0)
    settings: dict[str, dict[str, Any]] = {
        "jpeg": {"Q": 80, "optimize_coding": True},
        "png": {"compression": 6},
        "webp": {"Q": 80, "effort": 4},
    }

    def render(wish: Wish) -> list[Path]:
        made = [directory / f"{number}.{wish['format']}" for number, _ in enumerate(wish["sides"])]
        for side, target in zip(wish["sides"], made, strict=True):
            picture = pyvips.Image.thumbnail(wish["original"], side, height=side, size="down")
            picture.write_to_file(str(target), keep="none", **settings[wish["format"]])
        return made

    return render


WAYS: dict[str, Callable[[Path], Callable[[Wish], list[Path]]]] = {"onmiss": onmiss, "pyvips": pyvips}


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="onmiss-bench-") as directory:
        render = WAYS[arguments[0]](Path(directory))
        for line in sys.stdin:
            wish = json.loads(line)
            began = time.process_time()
            made = render(wish)
            answer = {"milliseconds": (time.process_time() - began) * 1000, "bytes": [file.stat().st_size for file in made]}
            if wish["keep"]:
                Path(wish["keep"]).write_bytes(made[0].read_bytes())
            for file in made:
                file.unlink()
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
