"""What a render process does: an original and its jobs to files, an original to its header."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from renderer.errors import RendererError
from renderer.limits import Limits
from renderer.ops import outline
from renderer.picture import colour, metadata, untouched
from renderer.picture.border import within_memory
from renderer.picture.decode import decode, opened, own_turn
from renderer.picture.encode import created, encode
from renderer.picture.jobs import Header, Job, Made
from renderer.recipe import Recipe


def render_all(original: Path, jobs: Sequence[Job], limits: Limits, budget_seconds: float = math.inf) -> list[Made | RendererError]:
    """What became of each job, in their order. One that fails does not stop the others; a bug of ours does.

    No further job is begun after `budget_seconds`: the answer is then shorter than `jobs`, by those that come another time. One is
    always done.
    """
    end, results = time.monotonic() + budget_seconds, []
    for job in jobs:
        results.append(_attempted(original, job, limits))
        if time.monotonic() >= end:
            break
    return results


def read_header(original: Path, limits: Limits) -> Header:
    """What the header says, no pixel read; BrokenOriginal or Refused where rendering would say so at once."""
    with opened(original, limits) as (form, image):
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))  # a stereo pair or a gain map is no animation
        width, height = outline(own_turn(image), image.size)
        return Header(form, width, height, frames, metadata.has_gps(image))


def _attempted(original: Path, job: Job, limits: Limits) -> Made | RendererError:
    try:
        if isinstance(job.recipe, Recipe):
            return _render(original, job.recipe, job.target, limits)
        began = time.monotonic()
        form, length = untouched.copy(original, job.target, job.recipe.scrubbed, limits)
        return Made(form.extension, length, {"encode": _milliseconds(began, time.monotonic())})
    except RendererError as error:
        return error


def _render(original: Path, recipe: Recipe, target: Path, limits: Limits) -> Made:
    began = time.monotonic()
    decoded = decode(original, recipe, limits)
    decoded_at = time.monotonic()
    with created(target) as file:  # from here on what is too much is the recipe, not the original
        with within_memory():
            raster = decoded.raster
            for operation in decoded.operations:
                raster = operation.apply(raster)
            image = colour.to_srgb(raster.image, decoded.profile)
        operated_at = time.monotonic()
        length = encode(image, recipe.output, file)
    spent = {
        "decode": _milliseconds(began, decoded_at),
        "operations": _milliseconds(decoded_at, operated_at),
        "encode": _milliseconds(operated_at, time.monotonic()),
    }
    return Made(recipe.extension, length, spent)


def _milliseconds(began: float, ended: float) -> float:
    return round((ended - began) * 1000, 2)
