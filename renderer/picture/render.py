"""What a render process does: an original and its jobs to files, an original to its header or its description."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from renderer.errors import RendererError
from renderer.picture import animation, lighter, metadata, untouched
from renderer.picture.border import within_memory
from renderer.picture.decode import facts_of, frames_of
from renderer.picture.encode import created, encoded, encoded_frames
from renderer.picture.engine import Engine
from renderer.picture.jobs import Described, Header, Job, Made
from renderer.picture.opening import opened
from renderer.picture.placeholder import placeholder
from renderer.picture.sharing import Shared
from renderer.picture.working import worked
from renderer.recipe import Recipe


def render_all(original: Path, jobs: Sequence[Job], engine: Engine, budget_seconds: float = math.inf) -> list[Made | RendererError]:
    """What became of each job, in their order. One that fails does not stop the others; a bug of ours does.

    No further job is begun after `budget_seconds`: the answer is then shorter than `jobs`, by those that come another time. One is
    always done.
    """
    end, results = time.monotonic() + budget_seconds, []
    shared = Shared(original, engine, [job.recipe for job in jobs if isinstance(job.recipe, Recipe)])
    for job in jobs:
        results.append(_attempted(shared, job))
        if time.monotonic() >= end:
            break
    return results


def read_header(original: Path, engine: Engine) -> Header:
    """What the header says; BrokenOriginal or Refused where rendering would say so at once."""
    with opened(original, engine) as (form, image):
        facts = facts_of(form, image, (), engine)
        width, height = facts.turn().outline(facts.size)
        return Header(form, width, height, frames_of(form, image), metadata.has_gps(image))


def describe(original: Path, engine: Engine) -> Described:
    """As `read_header` and, for the placeholder, as rendering raises."""
    return Described(read_header(original, engine), placeholder(original, engine))


def _attempted(shared: Shared, job: Job) -> Made | RendererError:
    try:
        if isinstance(job.recipe, Recipe):
            return _render(shared, job.recipe, job.target)
        began = time.monotonic()
        form, length = untouched.copy(shared.original, job.target, job.recipe.scrubbed, shared.engine)
        return Made(form.extension, length, {"encode": _milliseconds(began, time.monotonic())})
    except RendererError as error:
        # Nothing is sent home but the error; what hangs on it would keep its pixels alive until Python's collector happens to come.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error


def _render(shared: Shared, recipe: Recipe, target: Path) -> Made:
    began = time.monotonic()
    if shared.facts.moves(recipe, shared.engine):
        return _animate(shared, recipe, target)
    with shared.decoded(recipe) as decoded:
        decoded_at = time.monotonic()
        with created(target) as file:  # from here on what is too much is the recipe, not the original
            with within_memory():
                image, _ = worked(decoded, recipe.operations, partial(shared.engine.limits.judge_canvas, form=recipe.output.format))
            operated_at = time.monotonic()
            exif = _notice(shared, recipe)
            content = _lightest(shared, recipe, encoded(image, recipe.output, exif, shared.facts.is_graphic), exif)
            file.write(content)
    spent = {
        "decode": _milliseconds(began, decoded_at),
        "operations": _milliseconds(decoded_at, operated_at),
        "encode": _milliseconds(operated_at, time.monotonic()),
    }
    return Made(recipe.extension, len(content), spent)


def _animate(shared: Shared, recipe: Recipe, target: Path) -> Made:
    """All frames. Each is worked on before the next one is decoded, so that the time of both is one figure."""
    began = time.monotonic()
    frames = animation.read(shared.original, shared.facts, recipe, shared.engine)
    read_at = time.monotonic()
    with created(target) as file:
        exif = _notice(shared, recipe)
        content = _lightest(shared, recipe, encoded_frames(frames, recipe.output, exif, shared.facts.is_graphic), exif)
        file.write(content)
    spent = {"decode": _milliseconds(began, read_at), "encode": _milliseconds(read_at, time.monotonic())}
    return Made(recipe.extension, len(content), spent)


def _notice(shared: Shared, recipe: Recipe) -> bytes:
    return metadata.minimal_exif(copyright=shared.facts.notice) if recipe.output.keeps_copyright else b""


def _lightest(shared: Shared, recipe: Recipe, content: bytes, exif: bytes) -> bytes:
    """`content`, or the original without its metadata where that shows the same in fewer bytes."""
    if not shared.facts.is_shown_by(recipe, shared.engine):
        return content
    return lighter.lighter(shared.original, shared.facts.form, content, exif)


def _milliseconds(began: float, ended: float) -> float:
    return round((ended - began) * 1000, 2)
