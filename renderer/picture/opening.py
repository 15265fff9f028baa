"""An original opened: its type decided by content, its header judged, none of its pixels read.

The type is decided before PIL is called, and PIL may try only that one (R1). The header is judged before a pixel is read (R8).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

# The plugins are registered here once: otherwise the first file of a kind makes Pillow import its whole zoo, EPS and PSD included.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from renderer.errors import BrokenOriginal
from renderer.formats import HEAD_BYTES, HEIC, JPEG, PNG, Format, sniff
from renderer.picture import colour
from renderer.picture.border import reading, tolerating_cuts
from renderer.picture.engine import Engine

PLUGINS = (
    AvifImagePlugin, BmpImagePlugin, GifImagePlugin, IcoImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin,
    TiffImagePlugin, WebPImagePlugin,
)  # fmt: skip

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a render process is one of as many as there are cores
# Text and profile of a PNG are inflated with its header. Pillow's 1 MB is less than some of Photoshop's XMP and the tables of some
# profiles; its 64 MB for all together are more than a header may cost.
PngImagePlugin.MAX_TEXT_CHUNK = 4_000_000
PngImagePlugin.MAX_TEXT_MEMORY = 8_000_000


@contextmanager
def opened(original: Path, engine: Engine) -> Iterator[tuple[Format, ImageFile]]:
    """The original's format and header, judged; its pixels are not read yet. PIL's errors in the `with` come out as ours."""
    with original.open("rb") as file:
        engine.limits.judge_bytes(os.fstat(file.fileno()).st_size)
        head = file.read(HEAD_BYTES)
        form = sniff(head)
        if form is None or not engine.reads(form):
            raise BrokenOriginal("bytes that begin like no format that we read")
        if form is HEIC:
            _register_heic()
        file.seek(0)
        cuts = tolerating_cuts() if form is JPEG and engine.show_truncated else nullcontext()
        with reading(form, engine.limits), cuts, Image.open(file, formats=[form.pillow]) as image:
            engine.limits.judge_header(image.size)  # as PIL has, by the same number, if its plugin asked
            if 0 in image.size:
                raise BrokenOriginal(f"{form.pillow} data of {image.width}x{image.height} pixels")
            if form is PNG:
                colour.explain_png(image)
            if isinstance(image, WebPImagePlugin.WebPImageFile) and _is_animation(head):
                # Opaque frames on a canvas that they do not cover: the file says that there is no alpha, and Pillow would show black there.
                image._mode = image.rawmode = "RGBA"
            yield form, image


def _is_animation(head: bytes) -> bool:
    """Whether a WebP's header says so, were it of one frame."""
    return head[12:16] == b"VP8X" and bool(head[20] & 0x02)


@functools.cache
def _register_heic() -> None:
    """Only where HEIC is accepted: its libraries are not loaded otherwise (R4)."""
    from pillow_heif import register_heif_opener

    register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
