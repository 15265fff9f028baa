"""Recipe and Output: spelled, parsed and put in order here only.

    fill-300x200_q75      .jpg    operations in pipeline order, then the output
    whole_q75p             .jpg    no operation; p = progressive
    fit-300x200           .png    a format without a quality
    original              .png    the bytes as they were given
    original-scrubbed     .jpg    the same pixels without private metadata

Equal wishes are equal recipes, and one recipe has one spelling. Nothing is left to a default: whoever reads a wish that names no quality
fills in the installation's before a Recipe exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from renderer.errors import BadRequest
from renderer.fields import shown, whole
from renderer.formats import BY_EXTENSION, Format
from renderer.ops import BY_WORD, Operation, in_order

WHOLE = "whole"  # the spelling of no operation


@dataclass(frozen=True)
class Output:
    """How pixels become bytes. `quality`: 1 to 100, 0 for formats that have none; `progressive`: JPEG only."""

    format: Format
    quality: int = 0
    progressive: bool = False

    def spell(self) -> str:
        return (f"q{self.quality}" if self.quality else "") + ("p" if self.progressive else "")

    @classmethod
    def parse(cls, text: str, form: Format) -> Output:
        match = _OUTPUT.fullmatch(text)
        if not match or not form.has_quality or (match["progressive"] and form.name != "jpeg"):
            raise BadRequest(f"expected an operation or an output of {form.name} for a part of the recipe, got {shown(text)}")
        return cls(form, whole(match["quality"], "quality", 1, 100), bool(match["progressive"]))


_OUTPUT = re.compile(r"q(?P<quality>[0-9]{1,3})(?P<progressive>p?)")


@dataclass(frozen=True)
class Recipe:
    """Operations and output, complete and in canonical order; build it with `Recipe.of`."""

    operations: tuple[Operation, ...]
    output: Output

    @classmethod
    def of(cls, operations: Sequence[Operation], output: Output) -> Recipe:
        groups = [operation.group for operation in operations]
        if len(set(groups)) != len(groups):
            doubled = next(group for group in groups if groups.count(group) > 1)
            raise BadRequest(f"expected at most one {doubled} operation for a recipe, got {groups.count(doubled)}")
        return cls(in_order(operations), output)

    def spell(self) -> str:
        parts = [operation.spell() for operation in self.operations] or [WHOLE]
        return "_".join(filter(None, [*parts, self.output.spell()]))

    @property
    def extension(self) -> str:
        return self.output.format.extension


@dataclass(frozen=True)
class Untouched:
    """The recipe that is none: the original itself, or its pixels without private metadata. Only its bytes tell the extension."""

    scrubbed: bool

    def spell(self) -> str:
        return "original-scrubbed" if self.scrubbed else "original"


UNTOUCHED = {wish.spell(): wish for wish in (Untouched(False), Untouched(True))}


@dataclass(frozen=True)
class Qualities:
    """What this installation fills in where a wish names no quality: format name to 1..100, and whether JPEG is progressive."""

    by_format: tuple[tuple[str, int], ...] = (("jpeg", 75), ("webp", 75), ("avif", 60))
    progressive: bool = False

    def output(self, form: Format) -> Output:
        quality = dict(self.by_format).get(form.name, 75) if form.has_quality else 0
        return Output(form, quality, self.progressive and form.name == "jpeg")


def parse_recipe(text: str, extension: str, qualities: Qualities) -> Recipe | Untouched:
    """The recipe that `text.extension` spells. Operations stand in pipeline order or the wish is refused: one spelling per picture."""
    form = BY_EXTENSION.get(extension)
    canonical = form is not None and extension == form.extension
    if text in UNTOUCHED and canonical:
        return UNTOUCHED[text]
    if form is None or not form.writable or not canonical:
        raise BadRequest(f"expected jpg, png, webp, gif or avif for the extension, got {shown(extension)}")
    recipe = _parse_parts(text, form, qualities)
    if recipe.spell() != text and recipe.spell() != f"{text}_{recipe.output.spell()}":
        raise BadRequest(f"expected {recipe.spell()!r} for this recipe, got {shown(text)}")
    return recipe


def _parse_parts(text: str, form: Format, qualities: Qualities) -> Recipe:
    operations, output, parts = [], qualities.output(form), text.split("_")
    for part in parts:
        word, _, argument = part.partition("-")
        if word in BY_WORD and argument:
            operations.append(BY_WORD[word].parse(argument))
        elif part is parts[-1] and part != WHOLE:
            output = Output.parse(part, form)
        elif part != WHOLE or part is not parts[0]:
            raise BadRequest(f"expected an operation for a part of the recipe, got {shown(part)}")
    return Recipe.of(operations, output)
