"""What else a render costs, beside the same by sharp: other formats, six sizes of one original, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, geometric_mean

from PIL import Image

from bench import machine
from bench.pictures import Photos, corpus, drawn, large
from bench.rendering import Cost, Way, Wish, onmiss
from bench.report import Table, at_most

TURNS = 3
PAIR_TURNS = 9  # two that are nearly alike
WIDTHS = (1920, 1280, 960, 640, 480, 320)
CAMERA = 12_000_000  # pixels of originals from which six widths are worth sharing
BOUNDS = 0.75, 0.65  # of six sizes in one call: against six calls of ours, and of sharp
AVIF_MILLISECONDS = 400
# file, format, sides, and sharp's settings for the compression that ours has: the same level, filters chosen by row
PAIRS = (
    ("milkyway-15mp.png", "png", (320, 1280), {"adaptiveFiltering": True}),
    ("wood-light.webp", "webp", (320, 1280), {}),
)
LARGE_PNG = (8660, 5774)  # 50 megapixels
PEAKS = {"jpeg": 120, "png": 400}  # megabytes above the idle process


def least(wish: Wish, everything: Mapping[str, Way], turns: int) -> dict[str, Cost]:
    """The cheapest of some turns of each way; they take turns, every other time backwards."""
    spent: dict[str, list[Cost]] = {name: [way.render(wish)] for name, way in everything.items()}  # warms up
    for turn in range(turns):
        for name in sorted(everything, reverse=bool(turn % 2)):
            spent[name].append(everything[name].render(wish))
    return {name: min(costs[1:], key=lambda cost: cost.milliseconds) for name, costs in spent.items()}


def formats(directory: Path, running: Mapping[str, Way]) -> Iterator[str | Table]:
    """PNG to PNG, WebP to WebP, and what an AVIF costs."""
    print("pictures: formats", flush=True)
    yield "The same format out as in, at the same compression effort (PNG 6 with filters by row, WebP 4), ours with vips:"
    rows = []
    for name, form, sides, settings in PAIRS:
        original = next(iter(corpus(name)), None) or _drawn_as(directory / name)
        for side in sides:
            wish = Wish(original, [side], form, settings=settings)
            spent = least(wish, {"vips": running["vips"], "sharp": running["sharp"]}, PAIR_TURNS)
            rows.append([f"{original.name} → {side}", *_beside(spent["vips"], spent["sharp"])])
    yield Table(("", "CPU, ms", "sharp", "÷ sharp", "bound", "", "bytes", "sharp", "bound", ""), rows)
    yield from _avif(directory, running["vips"])


def _drawn_as(target: Path) -> Path:
    """A picture in the place of one of the corpus, of about as many pixels."""
    drawn((4096, 4096), 3).save(target, quality=90)
    return target


def _beside(own: Cost, sharp: Cost) -> list[str]:
    ratio, larger = own.milliseconds / sharp.milliseconds, own.bytes[0] / sharp.bytes[0]
    return [
        f"{own.milliseconds:.0f}", f"{sharp.milliseconds:.0f}", f"**{ratio:.2f}**", *at_most(ratio, 1.0, "×"),
        f"{own.bytes[0]:,}", f"{sharp.bytes[0]:,}", *at_most(larger, 1.0, "×"),
    ]  # fmt: skip


def _avif(directory: Path, way: Way) -> Iterator[str | Table]:
    originals = corpus("*.jpg") or [_drawn_as(directory / "drawn.jpg")]
    encodes = []
    for original in originals:
        spent = {form: min(way.render(Wish(original, [1280], form)).milliseconds for _ in range(2)) for form in ("avif", "jpeg")}
        encodes.append(spent["avif"] - spent["jpeg"])
    most = max(encodes)
    yield (
        f"An AVIF of 1280 pixels, one thread, costs {fmean(encodes):.0f} ms CPU more than the JPEG of the same size (mean of "
        f"{len(encodes)}), at most {most:.0f} ms: bound {' '.join(at_most(most, AVIF_MILLISECONDS, 'ms'))}."
    )


def widths(originals: Sequence[Path], running: Mapping[str, Way]) -> Iterator[str | Table]:
    """Six sizes of each large original in one call, against six calls of ours and six of sharp."""
    print("pictures: six widths", flush=True)
    cameras = [original for original in originals if _pixels(original) >= CAMERA] or list(originals[-1:])
    rows, beside_own, beside_sharp = [], [], []
    for original in cameras:
        ways = {"together": running["vips"], "alone": running["vips"], "sharp": running["sharp"]}
        spent = dict.fromkeys(ways, float("inf"))
        for _ in range(TURNS):
            for name, way in ways.items():
                calls = [WIDTHS] if name == "together" else [[width] for width in WIDTHS]
                spent[name] = min(spent[name], sum(way.render(Wish(original, sides)).milliseconds for sides in calls))
        beside_own.append(spent["together"] / spent["alone"])
        beside_sharp.append(spent["together"] / spent["sharp"])
        shape = f"{_pixels(original) / 1e6:.0f} megapixels"
        rows.append([shape, *(f"{spent[name]:.0f}" for name in ways), f"{beside_own[-1]:.2f}", f"{beside_sharp[-1]:.2f}"])
    means = geometric_mean(beside_own), geometric_mean(beside_sharp)
    rows.append(["**geometric mean**", "", "", "", *(f"**{mean:.2f}**" for mean in means)])
    rows.append(["bound", "", "", "", *(" ".join(at_most(mean, bound, "×")) for mean, bound in zip(means, BOUNDS, strict=True))])
    yield f"Six sizes ({', '.join(map(str, WIDTHS))}) of each JPEG of 12 megapixels and more, CPU ms:"
    yield Table(("original", "one call", "six calls", "six of sharp", "÷ six calls", "÷ sharp"), rows)


def _pixels(original: Path) -> int:
    with Image.open(original) as image:
        return image.width * image.height


def peaks(directory: Path, found: Photos) -> Iterator[str | Table]:
    """A process of its own for each, that has rendered a small picture before."""
    print("pictures: memory", flush=True)
    small, jpeg, png = directory / "small.jpg", directory / "large.jpg", directory / "large.png"
    small.write_bytes(min(found.contents, key=len))
    jpeg.write_bytes(large().contents[0])
    drawn((LARGE_PNG[0] // 2, LARGE_PNG[1] // 2), 5).resize(LARGE_PNG).save(png, compress_level=1)
    yield "Peak of a process (VmHWM) that fits a large original into 1280, above what it held before (VmRSS), ours:"
    rows = []
    for resampler in ("vips", "pillow"):
        for original, what in ((jpeg, large().what), (png, f"a PNG of 50 megapixels, RGB, {png.stat().st_size / 1e6:.0f} MB")):
            form = original.suffix[1:].replace("jpg", "jpeg")
            before, peak = _peak(small, original, form, resampler)
            more = peak - before
            rows.append([what, resampler, f"{before:.0f}", f"{peak:.0f}", f"**{more:.0f}**", *at_most(more, PEAKS[form], "MB")])
    yield Table(("original", "resampler", "before, MB", "peak, MB", "more, MB", "bound", ""), rows)


def _peak(small: Path, original: Path, form: str, resampler: str) -> tuple[float, float]:
    with onmiss() as way:
        way.but(resampler=resampler).render(Wish(small, [320], form))
        before = machine.megabytes(way.pid, "VmRSS")
        way.but(resampler=resampler).render(Wish(original, [1280], form))
        return before, machine.megabytes(way.pid, "VmHWM")
