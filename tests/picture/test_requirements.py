"""What the field taught about hostile pictures: no program is started, no connection made, no memory taken for a promise in a header."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from renderer.errors import BrokenOriginal, Refused
from renderer.formats import FORMATS, Format
from renderer.ops import Fit
from renderer.picture.jobs import Made
from tests.picture.minicorpus import generated, rows_of
from tests.picture.pictures import header_of_png, outcome, png_chunk, quarters, recipe, saved
from tests.picture.test_broken import FOREIGN

SVG = {
    "plain": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "declared": b'<?xml version="1.0"?><!DOCTYPE svg SYSTEM "file:///etc/passwd"><svg/>',
    "after a mark": b"\xef\xbb\xbf<svg/>",
    "after a comment": b"<!-- \n --> <svg/>",
    "gzipped": zlib.compress(b"<svg/>", wbits=31),
}

# Renders every file named by the arguments; prints what happened that must not, and at last proves that it would have been seen.
WATCHED = """
import json, socket, subprocess, sys
from pathlib import Path
from renderer.box import Box
from renderer.errors import RendererError
from renderer.formats import JPEG
from renderer.ops import Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job
from renderer.picture.render import read_header, render_all
from renderer.recipe import Output, Recipe

seen = []
forbidden = ("subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.system", "pty.", "socket.", "urllib.")
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith(forbidden) else None)
folder, *files = sys.argv[1:]
for number, file in enumerate(files):
    jobs = [Job(Recipe.of((Fit(Box(50, 50)),), Output(JPEG, 75)), Path(folder, f"made-{number}"))]
    render_all(Path(file), jobs, Engine())
    try:
        read_header(Path(file), Engine())
    except RendererError:
        pass
during = list(seen)
socket.socket().close()
subprocess.run(["true"])
print(json.dumps([during, sorted({event.partition(".")[0] for event in seen})]))
"""


def watched(folder: Path, files: list[Path]) -> list[str]:
    """What PIL did besides reading `files`: programs begun, connections made."""
    command = [sys.executable, "-W", "ignore", "-c", WATCHED, str(folder), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    during, proof = json.loads(done.stdout)
    assert {"socket", "subprocess"} <= set(proof)
    return list(during)


def test_R1_no_program_is_started_and_no_connection_made_for_any_file(tmp_path: Path) -> None:
    for name, content in {**FOREIGN, **SVG}.items():
        (tmp_path / name).write_bytes(content)
    foreign = [tmp_path / name for name in (*FOREIGN, *SVG)]
    assert watched(tmp_path, foreign + [row.path for row in generated(tmp_path / "mini")]) == []


def test_R1_not_for_any_file_of_the_corpus_that_means_no_good(corpus: Path, tmp_path: Path) -> None:
    slow = ("bomb-1500-scans-20mp.jpg", "solid-99mp.jpg")
    odd = (".eps", ".pdf", ".psd", ".svg", ".svgz", ".mvg")
    files = [
        row.path for row in rows_of(corpus) if not row.name.endswith(slow) and (row.name.startswith("hostile/") or row.name.endswith(odd))
    ]
    assert len(files) > 90
    assert watched(tmp_path, files) == []


@pytest.mark.parametrize("content", SVG.values(), ids=SVG)
@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_R16_svg_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    original = tmp_path / f"original.{suffix}"
    original.write_bytes(content)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


@pytest.mark.feature(164)
@pytest.mark.parametrize("form", [form for form in FORMATS if not form.optional], ids=lambda form: form.name)
def test_a_format_is_known_by_its_content_whatever_the_name(tmp_path: Path, form: Format) -> None:
    picture = saved(quarters((64, 48)), tmp_path / f"original.{form.extension}").rename(tmp_path / "page.html")
    result = outcome(picture, recipe(), tmp_path / "t.jpg")
    assert isinstance(result, Made)


def bomb(size: tuple[int, int]) -> bytes:
    """A PNG of some 10 kB whose rows would fill a machine: all of `size` is promised, a tenth is there."""
    rows = zlib.compress(bytes((size[0] + 7) // 8 + 1) * (size[1] // 10), 9)
    ihdr = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", ihdr) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


# Renders a small picture, then the bomb; prints the answer and how much higher memory stood, in kB. A forked process would inherit the
# peak of whoever started it: so the peak is that of this process's own memory.
MEASURED = """
import sys
from pathlib import Path
from renderer.formats import JPEG
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job
from renderer.picture.render import render_all
from renderer.recipe import Output, Recipe

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))

def render(name):
    wish = Recipe.of((), Output(JPEG, 75))
    target = Path(name + ".made")
    target.unlink(missing_ok=True)
    return type(render_all(Path(name), [Job(wish, target)], Engine())[0]).__name__

small = render(sys.argv[1])
before = peak()
print(small, render(sys.argv[2]), peak() - before)
"""


@pytest.mark.feature(35)
@pytest.mark.parametrize("size", [(30_000, 30_000), (20_000, 20_000)], ids=str)
def test_R8_a_bomb_is_refused_by_its_header_and_costs_no_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    small = saved(quarters((64, 48)), tmp_path / "small.png")
    (tmp_path / "bomb.png").write_bytes(bomb(size))
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    command = [sys.executable, "-c", MEASURED, str(small), str(tmp_path / "bomb.png")]
    made, refused, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert (made, refused) == ("Made", "Refused")
    assert int(kilobytes) < 20_000


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"], ids=lambda kind: kind.decode())
def test_R8_ancillary_chunks_that_inflate_cost_no_memory(tmp_path: Path, kind: bytes) -> None:
    """One chunk that inflates to 200 MB, and many that do to 1 MB each: the header is read no further than 8 MB."""
    start = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"Profile\0\0"}[kind]
    png = saved(quarters((64, 48)), tmp_path / "small.png").read_bytes()
    one = png_chunk(kind, start + zlib.compress(bytes(200_000_000)))
    many = png_chunk(kind, start + zlib.compress(bytes(1_000_000))) * 200
    for number, chunks in enumerate((one, many)):
        (tmp_path / f"{number}.png").write_bytes(png[:33] + chunks + png[33:])
        command = [sys.executable, "-W", "ignore", "-c", MEASURED, str(tmp_path / "small.png"), str(tmp_path / f"{number}.png")]
        _, result, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert result in ("Made", "BrokenOriginal", "Refused")
        assert int(kilobytes) < 20_000


def test_R8_a_header_beyond_the_limit_is_refused_before_the_operations_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(header_of_png((60_000, 60_000)))
    assert isinstance(outcome(tmp_path / "bomb.png", recipe(Fit.parse("50x50")), tmp_path / "t.jpg"), Refused)
