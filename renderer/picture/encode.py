"""Pixels to bytes, in a new file.

Settings are pinned, so that the same pixels are the same bytes on every machine. Nothing of the original but its pixels goes out: no
EXIF, XMP, comment, text chunk or thumbnail (R19); Pillow would carry some of them over from `image.info`.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from PIL import Image

from renderer.errors import Busy, NoSpace, Refused, RendererError
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP
from renderer.picture.border import within_memory
from renderer.recipe import Output

_SEEN_FROM = 128  # alpha from which a pixel of a GIF is opaque: it has no half-tones
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def encode(image: Image.Image, output: Output, file: IO[bytes]) -> int:
    """Write `image` (L, LA, RGB, RGBA) to `file`; the length in bytes."""
    with within_memory():
        content = _encoded(image, output)
        file.write(content)
        return len(content)


@contextmanager
def created(target: Path) -> Iterator[IO[bytes]]:
    """`target`, made anew; for everyone to read once it is whole, and gone again when writing fails. A full disk is NoSpace."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, 0o644)  # nginx's user reads it, whatever the umask
    except FileExistsError:
        raise  # names in `tmp/` are unique: a bug
    except OSError as error:
        target.unlink(missing_ok=True)
        raise _in_our_words(error) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _in_our_words(error: OSError) -> RendererError:
    """Nothing that is read is an OSError inside `created`: it is the place where renditions are made that fails."""
    if error.errno in _FULL_DISK:
        return NoSpace("the disk for renditions is full", 10)
    if error.errno == errno.EFBIG:
        return Refused("expected a rendition within the file size of a render process, got a larger one")
    return Busy(f"the place for renditions cannot be written: {error.strerror}", 10)


def _encoded(image: Image.Image, output: Output) -> bytes:
    """In memory first: Pillow writes to a descriptor without looking whether all was taken, and a full disk would go unseen."""
    pixels, settings = _PREPARED[output.format.name](image, output)
    pixels.info = {}
    content = io.BytesIO()
    try:
        pixels.save(content, output.format.pillow, **settings)
    except (OSError, ValueError, RuntimeError) as error:
        size = f"{image.width}x{image.height}"
        raise Refused(f"expected a picture that {output.format.name} can hold, got {size}: {str(error)[:100]}") from error
    return content.getvalue()


_Prepared = tuple[Image.Image, dict[str, Any]]


def _jpeg(image: Image.Image, output: Output) -> _Prepared:
    """Alpha goes on white. The Huffman tables are optimised: some 3 % smaller for half a millisecond."""
    settings = {"quality": output.quality, "subsampling": "4:2:0", "optimize": True, "progressive": output.progressive}
    if image.mode not in ("LA", "RGBA"):
        return image, settings
    flat = Image.new("L" if image.mode == "LA" else "RGB", image.size, "white")
    flat.paste(image.convert(flat.mode), mask=image.getchannel("A"))
    return flat, settings


def _png(image: Image.Image, output: Output) -> _Prepared:
    return image, {"compress_level": 6}


def _webp(image: Image.Image, output: Output) -> _Prepared:
    return _in_colour(image), {"quality": output.quality, "method": 4}


def _avif(image: Image.Image, output: Output) -> _Prepared:
    """One thread: libavif tiles a picture by the number of threads, and other tiles are other bytes."""
    gray = image.mode == "L"
    settings = {"quality": output.quality, "speed": 6, "max_threads": 1, "subsampling": "4:0:0" if gray else "4:2:0"}
    return image if gray else _in_colour(image), settings


def _gif(image: Image.Image, output: Output) -> _Prepared:
    """At most 256 colours; where there is alpha, the last of them is the transparent one."""
    if image.mode == "L":
        return image, {}
    if image.mode == "RGB":
        return image.quantize(256, Image.Quantize.MEDIANCUT), {}
    hidden = image.getchannel("A").point(lambda alpha: 255 if alpha < _SEEN_FROM else 0)
    indexed = image.convert("RGB").quantize(255, Image.Quantize.MEDIANCUT)
    palette = (indexed.getpalette() or [])[: 255 * 3]
    indexed.putpalette(palette + [0] * (256 * 3 - len(palette)))
    indexed.paste(255, mask=hidden)
    return indexed, {"transparency": 255}


def _in_colour(image: Image.Image) -> Image.Image:
    """RGB or RGBA, for formats that have no gray."""
    return image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))


_PREPARED: dict[str, Callable[[Image.Image, Output], _Prepared]] = {
    JPEG.name: _jpeg,
    PNG.name: _png,
    WEBP.name: _webp,
    GIF.name: _gif,
    AVIF.name: _avif,
}
