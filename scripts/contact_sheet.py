"""Renders a folder of pictures to one HTML page, to be looked at: `scripts/contact_sheet.py [DIR] -o contact-sheet`.

DIR is the corpus of the tests by default: ONMISS_CORPUS, or what stands beside the repository. Good pictures and hostile ones alike go
through real render processes; what is no picture is shown by the sentence that its request would get. The page holds its thumbnails
itself and can be sent to somebody.
"""

from __future__ import annotations

import argparse
import base64
import csv
import html
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from renderer.box import Box
from renderer.errors import RendererError
from renderer.formats import JPEG, PNG, WEBP
from renderer.ops import Fill, Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.recipe import Output, Recipe
from renderer.workers import Workers

TOP = Path(__file__).resolve().parent.parent
SECONDS = 10  # for one picture: some of a corpus are meant to take for ever
BOX = Box(200, 150)
COLUMNS = {
    "fit, JPEG": Recipe.of((Fit(BOX),), Output(JPEG, 80)),
    "fill, WebP": Recipe.of((Fill(BOX),), Output(WEBP, 80)),
    "fit, PNG": Recipe.of((Fit(BOX),), Output(PNG, still=True)),
}


@dataclass(frozen=True)
class Shown:
    """One line of the page. `facts`: what is known of the file; `cells`: an answer for each column."""

    name: str
    facts: str
    cells: tuple[str, ...]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="pictures, with all folders below (default: the corpus of the tests)")
    parser.add_argument("-o", "--output", type=Path, default=Path("contact-sheet"), help="where index.html is written")
    wanted = parser.parse_args(arguments)
    folder = wanted.folder or Path(os.environ.get("ONMISS_CORPUS") or TOP.parent / "shared/corpus")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".") and file.suffix != ".tsv")
    if not files:
        print(f"expected a folder of pictures, got {folder}", file=sys.stderr)
        return 2
    wanted.output.mkdir(parents=True, exist_ok=True)
    page = wanted.output / "index.html"
    page.write_text("".join(_page(list(_shown(folder, files)))), encoding="utf-8")
    print(page)
    return 0


def _shown(folder: Path, files: list[Path]) -> Iterator[Shown]:
    notes = _notes(folder)
    heic = {"heic"} if find_spec("pillow_heif") else set()
    workers = Workers(Engine(accepted=frozenset({"jpeg2000"} | heic)), processes=1, seconds=SECONDS)
    workers.start()
    try:
        with tempfile.TemporaryDirectory() as made:
            for number, file in enumerate(files):
                _progress(number, len(files), file.name)
                name = file.relative_to(folder).as_posix()
                facts = f"{_facts(workers, file)}<br>{html.escape(notes.get(name, ''))}"
                yield Shown(name, facts, tuple(_cells(workers, file, Path(made))))
            _progress(len(files), len(files), "")
    finally:
        workers.stop(2)


def _notes(folder: Path) -> dict[str, str]:
    """What MANIFEST.tsv says of its files, where there is one."""
    manifest = folder / "MANIFEST.tsv"
    if not manifest.exists():
        return {}
    with manifest.open(encoding="utf-8") as table:
        return {row["path"]: f"{row['mode']}, {row['expected']}: {row['note']}" for row in csv.DictReader(table, delimiter="\t")}


def _facts(workers: Workers, file: Path) -> str:
    size = f"{file.stat().st_size:,} bytes"
    try:
        header = workers.header(file)
    except RendererError as error:
        return f"{size}, {type(error).__name__}"
    frames = f", {header.frames} frames" if header.frames > 1 else ""
    return f"{header.format.name} {header.width}x{header.height}{frames}, {size}" + (", GPS" if header.has_gps else "")


def _cells(workers: Workers, file: Path, folder: Path) -> Iterator[str]:
    """One call for each column: after a kill the next one is tried all the same."""
    for recipe in COLUMNS.values():
        target = folder / f"made.{recipe.extension}"
        began = time.monotonic()
        try:
            [result] = workers.render(file, [Job(recipe, target)])
        except RendererError as error:
            result = error
        milliseconds = (time.monotonic() - began) * 1000
        if isinstance(result, Made):
            content = base64.b64encode(target.read_bytes()).decode()
            picture = f'<img loading="lazy" alt="" src="data:{recipe.output.format.mime};base64,{content}">'
            yield f"{picture}<br>{result.length:,} bytes, {milliseconds:.0f} ms"
        else:
            yield f'<p class="no"><b>{type(result).__name__}</b><br>{html.escape(str(result))}<br>{milliseconds:.0f} ms</p>'
        target.unlink(missing_ok=True)


STYLE = """
body { font: 13px/1.4 sans-serif; margin: 1em; color: #222 } table { border-collapse: collapse } h2 { margin: 1.5em 0 .5em }
th, td { text-align: left; vertical-align: top; padding: 4px 12px 8px 0; border-top: 1px solid #ccc; font-weight: normal }
th { width: 330px; overflow-wrap: anywhere } td { width: 215px; color: #666 } .no { width: 200px; margin: 0; color: #a33 }
img { max-width: 200px; max-height: 150px; background: repeating-conic-gradient(#ddd 0% 25%, #fff 0% 50%) 0 0/16px 16px }
small { color: #666 } b { font-weight: bold }
"""


def _page(shown: list[Shown]) -> Iterator[str]:
    yield f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Contact sheet</title><style>{STYLE}</style>\n'
    yield f"<h1>{len(shown)} pictures</h1>\n"
    for group, lines in groupby(shown, key=lambda line: line.name.rpartition("/")[0]):
        yield f"<h2>{html.escape(group) or 'pictures'}</h2>\n<table><tr><th></th>"
        yield "".join(f"<td>{column}</td>" for column in COLUMNS) + "</tr>\n"
        for line in lines:
            cells = "".join(f"<td>{cell}</td>" for cell in line.cells)
            yield f"<tr><th><b>{html.escape(line.name.rpartition('/')[2])}</b><br><small>{line.facts}</small></th>{cells}</tr>\n"
        yield "</table>\n"
    yield "</html>\n"


def _progress(done: int, total: int, name: str) -> None:
    """A line that is written over and over; nothing where nobody looks."""
    if sys.stderr.isatty():
        bar = "#" * (done * 30 // total)
        print(f"\r[{bar:<30}] {done}/{total} {name[:40]:<40}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
