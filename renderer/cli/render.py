"""Render one file to another, without a server: what the server would make of it, byte for byte.

    onmiss render photo.jpg --size 300x200! -o thumb.jpg
    onmiss render photo.jpg --size rotate-90_fit-800x --format webp --quality 60 -o out.webp
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from renderer.config import Config
from renderer.dialects.huimages import operation_of
from renderer.errors import BadRequest, RendererError
from renderer.formats import BY_EXTENSION, JPEG
from renderer.messages import Show
from renderer.picture.jobs import Job
from renderer.recipe import Qualities, Recipe, Untouched, parse_recipe
from renderer.rendition import NAMINGS, Namespace, Rendition
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--size", required=True, help="300x200, 300x200!, a size name, or a recipe: rotate-90_fit-800x")
    parser.add_argument("--format", default="", metavar="EXT", help="jpg, png, webp, gif, avif; default: by OUT's extension, else JPEG")
    parser.add_argument("--quality", type=int, choices=range(1, 101), metavar="1..100", help="default: the configuration's")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", type=Path)


def run(arguments: argparse.Namespace, config: Config) -> int:
    recipe = recipe_of(arguments, config.terms().qualities)
    space = Namespace("file", NAMINGS["path"])
    limits = config.limits_built()
    limits.judge(Show(Rendition(space.ref("file"), recipe), "").rendition)
    workers = Wiring(config).workers
    folder = Path(tempfile.mkdtemp(prefix=".onmiss-", dir=arguments.output.absolute().parent))
    try:
        workers.start()
        with arguments.file.open("rb") as original:
            limits.judge_bytes(os.fstat(original.fileno()).st_size)
        (made,) = workers.render(arguments.file.absolute(), [Job(recipe, folder / "made")])
        if isinstance(made, RendererError):
            raise made
        (folder / "made").rename(arguments.output)
    finally:
        workers.stop(1)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def recipe_of(arguments: argparse.Namespace, qualities: Qualities) -> Recipe | Untouched:
    """The recipe that the options spell."""
    suffix = arguments.format or arguments.output.suffix[1:].lower()
    form = BY_EXTENSION.get(suffix, JPEG if not arguments.format else None)
    if form is None or not form.writable:
        raise BadRequest(f"expected jpg, png, webp, gif or avif for the format, got {suffix!r}")
    try:
        spelled = operation_of(arguments.size).spell()
    except BadRequest:
        spelled = arguments.size
    if arguments.quality and form.has_quality:
        spelled += f"_q{arguments.quality}"
    return parse_recipe(spelled, form.extension, qualities)
