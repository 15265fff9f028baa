"""What a rendition costs and how good it is: ours by either resampler, libvips' own thumbnails and sharp, in turns in one run.

CPU time counts, of one thread, the least of some turns: what a neighbour on the machine adds is nobody's merit. SSIM is of the pixels
before they are compressed, against a whole decode and Pillow's Lanczos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, geometric_mean

from PIL import Image

from bench import costs
from bench.pictures import Photos, photos
from bench.rendering import QUALITY, Way, Wish, ways
from bench.report import Section, Table, at_most
from bench.ssim import ssim

SIDES = (160, 320, 640, 1280)
SPARES = ("1", "1.25", "1.5", "2")
TURNS = 5
WHOLE = "1000000"  # so much spare has only a whole decode
OWN = ("vips", "pillow")
BOUNDS = {"vips": (SIDES, 0.80), "pillow": (SIDES[:3], 1.00)}
LESS = 0.0025  # of libvips' SSIM, that ours may be below


@dataclass(frozen=True)
class Found:
    """Of one way at one size, means over the photographs."""

    milliseconds: float
    ssim: float
    bytes: float


Findings = Mapping[tuple[str, int], Found]  # by way and side


def measure(directory: Path) -> Section:
    found = photos()
    originals = [_written(directory / f"{number}.jpg", content) for number, content in enumerate(found.contents)]
    with ways() as running:
        everything = running | {f"{own} {spare}": running[own].but(spare=spare) for own in OWN for spare in SPARES}
        findings = {key: value for side in SIDES for key, value in _findings(directory, originals, everything, side).items()}
        more = [*costs.formats(directory, running), *costs.widths(originals, running)]
    return Section((*_told(found, findings, list(running)), *_frontier(findings), *more, *costs.peaks(directory, found)))


def _written(target: Path, content: bytes) -> Path:
    target.write_bytes(content)
    return target


def _findings(directory: Path, originals: Sequence[Path], everything: Mapping[str, Way], side: int) -> dict[tuple[str, int], Found]:
    print(f"pictures: {side}", flush=True)
    seen: dict[str, list[Found]] = {name: [] for name in everything}
    for original in originals:
        wish = Wish(original, [side])
        spent = costs.least(wish, everything, TURNS)
        whole = _shown(directory, wish, everything["pillow"].but(spare=WHOLE))
        for name, way in everything.items():
            cost = spent[name]
            seen[name].append(Found(cost.milliseconds, likeness(_shown(directory, wish, way), whole), fmean(cost.bytes)))
    return {(name, side): _mean(several) for name, several in seen.items()}


def _mean(several: Sequence[Found]) -> Found:
    return Found(*(fmean(getattr(found, name) for found in several) for name in ("milliseconds", "ssim", "bytes")))


def _shown(directory: Path, wish: Wish, way: Way) -> Image.Image:
    """The pixels of a rendition, uncompressed."""
    target = directory / "shown.png"
    way.render(Wish(wish.original, wish.sides, "png"), keep=target)
    with Image.open(target) as image:
        return image.convert("RGB")


def likeness(image: Image.Image, whole: Image.Image) -> float:
    """Sides may differ by the pixel that is rounded up or down."""
    return ssim(image, whole if whole.size == image.size else whole.resize(image.size, Image.Resampling.LANCZOS))


def _told(found: Photos, findings: Findings, names: Sequence[str]) -> Iterator[str | Table]:
    yield (
        f"{found.what}, each fitted into a square, JPEG of quality {QUALITY}. CPU ms a picture on one thread (the least of {TURNS} turns, "
        f"mean of the photographs), SSIM of the pixels against a whole decode by Lanczos, bytes."
    )
    rows = []
    for side in SIDES:
        for name in names:
            seen, sharp = findings[name, side], findings["sharp", side]
            ratio = f"{seen.milliseconds / sharp.milliseconds:.2f}"
            rows.append([f"{side}", _named(name), f"{seen.milliseconds:.1f}", ratio, f"{seen.ssim:.4f}", f"{seen.bytes:,.0f}"])
    yield Table(("fitted into", "way", "CPU, ms", "÷ sharp", "SSIM", "bytes"), rows)
    yield Table(("what", "figure", "bound", ""), [*_costs(findings), *_likenesses(findings)])


def _named(name: str) -> str:
    return f"onmiss, {name}" if name in OWN else name


def _costs(findings: Findings) -> Iterator[list[str]]:
    for name, (sides, bound) in BOUNDS.items():
        ratio = _ratio(findings, name, sides)
        what = f"CPU of onmiss with {name} ÷ sharp, geometric mean over {', '.join(map(str, sides))}"
        yield [what, f"**{ratio:.3f}**", *at_most(ratio, bound, "×")]


def _ratio(findings: Findings, name: str, sides: Sequence[int]) -> float:
    return geometric_mean(findings[name, side].milliseconds / findings["sharp", side].milliseconds for side in sides)


def _likenesses(findings: Findings) -> Iterator[list[str]]:
    for name in OWN:
        least = min(SIDES, key=lambda side: findings[name, side].ssim - findings["pyvips", side].ssim)
        difference = findings[name, least].ssim - findings["pyvips", least].ssim
        what = f"SSIM of onmiss with {name} − that of libvips, at the size where it is least, {least}"
        yield [what, f"**{difference:+.4f}**", f"≥ {-LESS}", "met" if difference >= -LESS else "**not met**"]


def _frontier(findings: Findings) -> Iterator[str | Table]:
    yield (
        "The frontier: a JPEG is decoded at 1/2, 1/4 or 1/8 where that still is so many times as large as the result. The engine's own "
        "choice depends on the fraction. CPU ÷ sharp and, in brackets, SSIM."
    )
    rows = []
    for own in OWN:
        for spare in (*SPARES, ""):
            name = f"{own} {spare}".rstrip()
            cells = []
            for side in SIDES:
                seen, sharp = findings[name, side], findings["sharp", side]
                cells.append(f"{seen.milliseconds / sharp.milliseconds:.2f} ({seen.ssim:.4f})")
            rows.append([own, spare or "**its own**", *cells, f"{_ratio(findings, name, SIDES):.3f}"])
    rows.append(["libvips", "", *(f"({findings['pyvips', side].ssim:.4f})" for side in SIDES), ""])
    yield Table(("resampler", "larger than the result", *map(str, SIDES), "geometric mean"), rows)
