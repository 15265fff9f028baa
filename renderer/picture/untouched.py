"""The original's own bytes as a rendition: as they are, or without what else they tell (decision 7).

Scrubbed, nothing but the picture is left, which way is up, and how its colours are meant. A format without a filter is shown as it is
when it does not say where it was taken, and otherwise refused.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

from renderer.errors import BrokenOriginal, NotAllowed
from renderer.formats import HEAD_BYTES, Format, sniff
from renderer.picture import metadata
from renderer.picture.border import reading
from renderer.picture.encode import created
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.picture.scrub import scrubbed as without_metadata


def copy(original: Path, target: Path, scrubbed: bool, engine: Engine) -> tuple[Format, int]:
    """Write the bytes to `target`: their true format and length. `scrubbed`: NotAllowed for what cannot be shown to be clean."""
    if scrubbed:
        form, content = _scrubbed(original, engine)
        if content is not None:
            with created(target) as file:
                return form, file.write(content)
    with original.open("rb") as source:
        found = sniff(source.read(HEAD_BYTES))
        if found is None or not engine.reads(found):
            raise BrokenOriginal("bytes that begin like no format that we read")
        source.seek(0)
        with created(target) as file:
            shutil.copyfileobj(source, file, 1 << 20)
            return found, file.tell()


def _scrubbed(original: Path, engine: Engine) -> tuple[Format, bytes | None]:
    """The format, and what may be shown; None for the bytes as they are."""
    with opened(original, engine) as (form, image):
        content = without_metadata(original.read_bytes(), form, metadata.minimal_exif(metadata.orientation(image)))
        if content is None:
            _refuse_located(metadata.has_gps(image))
            return form, None
    with reading(form, engine.limits), Image.open(io.BytesIO(content), formats=[form.pillow]) as image:
        _refuse_located(metadata.has_gps(image))
    return form, content


def _refuse_located(has_gps: bool) -> None:
    if has_gps:
        raise NotAllowed("expected an original without a position for a public one, got one with GPS data")
