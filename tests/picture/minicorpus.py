"""A corpus made on the spot, for machines without the real one: each format and mode that Pillow writes, and files that mean no good."""

from __future__ import annotations

import csv
import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

from renderer.box import Size
from tests.picture.pictures import GREEN, header_of_png, png_chunk, quarters, saved, shades

SIZE = (400, 300)


@dataclass(frozen=True)
class Row:
    """`size`: of the upright picture; `expected`: `ok` or `reject`, and `either` where both are right."""

    name: str
    path: Path
    size: Size
    expected: str
    either: bool = False


def rows_of(corpus: Path) -> list[Row]:
    """What MANIFEST.tsv says: its sizes are those of the pixels as they are stored."""
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as table:
        return [_row(corpus, row) for row in csv.DictReader(table, delimiter="\t")]


def _row(corpus: Path, row: dict[str, str]) -> Row:
    width, height = (int(row[side]) if row[side].isdigit() else 0 for side in ("width", "height"))
    sideways = row["exif_orientation"] in tuple("5678")
    size = (height, width) if sideways else (width, height)
    return Row(row["path"], corpus / row["path"], size, row["expected"], row["note"].startswith("[either]"))


def generated(folder: Path) -> list[Row]:
    """Write the corpus below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    good = [Row(path.name, path, size, "ok") for path, size in _good(folder)]
    bad = []
    for name, content in _hostile(folder).items():
        (folder / name).write_bytes(content)
        bad.append(Row(name, folder / name, (0, 0), "reject", either=name.startswith("either-")))
    return good + bad


def _good(folder: Path) -> list[tuple[Path, Size]]:
    made = [(saved(image, folder / name, **settings), image.size) for name, image, settings in _pillow_writes()]
    for tag in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = tag
        for suffix in ("jpg", "png", "webp", "tif", "avif"):
            path = saved(quarters(SIZE), folder / f"turned-{tag}.{suffix}", exif=exif.tobytes())
            made.append((path, SIZE if tag < 5 else (SIZE[1], SIZE[0])))
    for name, content in {"sixteen-la.png": png_of(4, 2), "sixteen-rgb.png": png_of(2, 3), "sixteen-rgba.png": png_of(6, 4)}.items():
        (folder / name).write_bytes(content)
        made.append((folder / name, (8, 8)))
    return made


def _pillow_writes() -> list[tuple[str, Image.Image, dict[str, Any]]]:
    smooth, corners, seen = shades(SIZE), quarters(SIZE), see_through()
    frames = [Image.new("RGB", SIZE, (40 * index, 90, 200)) for index in range(4)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 80}
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    in_lab = ImageCms.applyTransform(corners, lab)
    assert in_lab
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return [
        ("baseline.jpg", smooth, {"icc_profile": profile}),
        ("progressive.jpg", smooth, {"progressive": True, "restart_marker_rows": 2}),
        ("rgb.jpg", corners, {"keep_rgb": True}),
        ("gray.jpg", smooth.convert("L"), {}),
        ("inks.jpg", corners.convert("CMYK"), {}),
        ("stereo.jpg", smooth, {"format": "MPO", "save_all": True, "append_images": [corners]}),
        *((f"mode-{mode}.png", _in_mode(mode), {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("one-colour-hidden.png", corners, {"transparency": GREEN}),
        ("moving.png", frames[0], moving),
        ("palette.gif", corners.quantize(32), {}),
        ("moving.gif", frames[0], moving),
        ("lossy.webp", smooth, {}),
        ("lossless.webp", seen, {"lossless": True}),
        ("moving.webp", frames[0], moving),
        *((f"{name or 'raw'}.tif", smooth, {"compression": name}) for name in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        ("fax.tif", smooth.convert("1"), {"compression": "group4"}),
        ("inks.tif", corners.convert("CMYK"), {}),
        ("lab.tif", in_lab, {}),
        ("float.tif", smooth.convert("F"), {}),
        ("pages.tif", smooth, {"save_all": True, "append_images": [corners.resize((20, 20))]}),
        *((f"mode-{mode}.bmp", _in_mode(mode), {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        ("icon.ico", corners.resize((160, 120)), {"sizes": [(160, 120)]}),
        ("smooth.avif", smooth, {"speed": 9}),
        ("seen-through.avif", seen, {"speed": 9}),
        ("moving.avif", frames[0], {**moving, "speed": 9}),
    ]


def see_through(size: Size = SIZE) -> Image.Image:
    """Opaque at the left, transparent at the right."""
    image = quarters(size)
    image.putalpha(Image.linear_gradient("L").rotate(-90).resize(size))
    return image


def _in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        gray = quarters(SIZE).convert("L").tobytes()
        return Image.frombytes("I;16", SIZE, bytes(half for level in gray for half in (level, level)))
    return see_through().convert(mode) if mode.endswith("A") else quarters(SIZE).convert(mode)


def png_of(colour_type: int, channels: int, sample: bytes = b"\x80\x00", chunks: bytes = b"", bits: int = 16) -> bytes:
    """A PNG of 8 x 8 pixels all of whose samples are `sample`, of `bits` bits; what Pillow does not write."""
    row = b"\0" + sample * channels * 8 if bits >= 8 else b"\0" + sample * bits
    header = struct.pack(">IIBBBBB", 8, 8, bits, colour_type, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + chunks
    return start + png_chunk(b"IDAT", zlib.compress(row * 8)) + png_chunk(b"IEND", b"")


def _hostile(folder: Path) -> dict[str, bytes]:
    jpeg, png, gif, bmp = (_bytes(form) for form in ("JPEG", "PNG", "GIF", "BMP"))
    webp, tiff, avif = (_bytes(form) for form in ("WEBP", "TIFF", "AVIF"))
    sof = jpeg.index(b"\xff\xc0")
    return {
        "empty.jpg": b"",
        "one-byte.jpg": b"\xff",
        "page.png": b"<!DOCTYPE html><script>alert(1)</script>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "archive.png": b"PK\x03\x04" + bytes(100),
        "bomb.png": header_of_png((60_000, 60_000)),
        "bomb-sides.png": header_of_png((2**31 - 1, 2**31 - 1), 16, 6),
        "no-width.png": header_of_png((0, 10)),
        "bomb-text.png": png[:33] + png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000))) + png[33:],
        "bomb.jpg": jpeg[: sof + 5] + struct.pack(">HH", 65_500, 65_500) + jpeg[sof + 9 :],
        "either-bomb-screen.gif": gif[:6] + struct.pack("<HH", 65_535, 65_535) + gif[10:],
        "bomb-frame.gif": _frame_outside(gif),
        "bomb.bmp": bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:],
        "bomb.ico": _icon_with(header_of_png((50_000, 50_000))),
        "bomb.webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0\xff\x3f\0",
        "bomb.tif": _huge_tiff(),
        **{f"either-cut.{form}": whole[: len(whole) // 2] for form, whole in (("jpg", jpeg), ("png", png), ("gif", gif))},
        **{f"cut.{form}": whole[: len(whole) // 2] for form, whole in (("webp", webp), ("tif", tiff), ("avif", avif), ("bmp", bmp))},
    }


def _bytes(form: str) -> bytes:
    buffer = io.BytesIO()
    shades(SIZE).save(buffer, form)
    return buffer.getvalue()


def _frame_outside(gif: bytes) -> bytes:
    """The frame begins at 65,535 x 65,535 of a small screen."""
    at = gif.index(b"\x2c\0\0\0\0" + struct.pack("<HH", *SIZE))
    return gif[: at + 1] + struct.pack("<HH", 65_535, 65_535) + gif[at + 5 :]


def _icon_with(inner: bytes) -> bytes:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + inner


def _huge_tiff() -> bytes:
    """Gray, 8 bits, one strip, 2^31 - 1 pixels a side."""
    tags = ((256, 2**31 - 1), (257, 2**31 - 1), (258, 8), (259, 1), (262, 1), (273, 8), (278, 2**31 - 1), (279, 100))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + directory + bytes(104)


