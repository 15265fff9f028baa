"""The original's own bytes as a rendition; refused where they would tell more than the namespace shows (decision 7)."""

from __future__ import annotations

import shutil
from pathlib import Path

from renderer.errors import BrokenOriginal, NotAllowed
from renderer.formats import HEAD_BYTES, Format, sniff
from renderer.limits import Limits
from renderer.picture import metadata
from renderer.picture.decode import opened
from renderer.picture.encode import created


def copy(original: Path, target: Path, scrubbed: bool, limits: Limits) -> tuple[Format, int]:
    """Copy the bytes to `target`: their true format and length. `scrubbed`: NotAllowed for a picture that says where it was taken."""
    if scrubbed:
        with opened(original, limits) as (_, image):
            if metadata.has_gps(image):
                raise NotAllowed("expected an original without a position for a public one, got one with GPS data")
    with original.open("rb") as source:
        form = sniff(source.read(HEAD_BYTES))
        if form is None:
            raise BrokenOriginal("bytes that begin like no format that we read")
        source.seek(0)
        with created(target) as file:
            shutil.copyfileobj(source, file, 1 << 20)
            return form, file.tell()
