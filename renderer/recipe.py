"""Recipe and Output: spelled, parsed and put in order here only.

    fill-300x200_q75      .jpg    operations in pipeline order, then the output
    whole_q75p            .jpg    no operation; p = progressive
    fit-300x200_q75s      .webp   s = still: the first frame of an animation
    fit-300x200_k         .png    a format without a quality; k = keeps the copyright notice
    original              .png    the bytes as they were given
    original-scrubbed     .jpg    the same pixels without private metadata
    +info.json            .json   what is known of the original
    +notes.txt            .txt    a file that somebody stored beside it

Equal wishes are equal recipes, and one recipe has one spelling. Nothing is left to a default: whoever reads a wish that names no quality
fills in the installation's before a Recipe exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from renderer.errors import BadRequest
from renderer.fields import shown, whole
from renderer.formats import BY_EXTENSION, JPEG, Format
from renderer.ops import BY_WORD, Operation, in_order

WHOLE = "whole"  # the spelling of no operation


@dataclass(frozen=True)
class Output:
    """How pixels become bytes. `quality`: 1 to 100, 0 for formats that have none.

    `progressive`: JPEG only. `still`: of an animation the first frame only; for the formats that can hold one. `keeps_copyright`: the
    notice in the original's EXIF goes out with the picture, the only thing that ever does.
    """

    format: Format
    quality: int = 0
    progressive: bool = False
    still: bool = False
    keeps_copyright: bool = False

    def spell(self) -> str:
        flags = zip("psk", (self.progressive, self.still, self.keeps_copyright), strict=True)
        return (f"q{self.quality}" if self.quality else "") + "".join(letter for letter, is_set in flags if is_set)

    @classmethod
    def parse(cls, text: str, form: Format) -> Output:
        match = _OUTPUT.fullmatch(text)
        if not match or not text or not _can(form, match):
            raise BadRequest(f"expected an operation or an output of {form.name} for a part of the recipe, got {shown(text)}")
        quality = whole(match["quality"], "quality", 1, 100) if form.has_quality else 0
        return cls(form, quality, bool(match["p"]), bool(match["s"]), bool(match["k"]))


_OUTPUT = re.compile(r"(?:q(?P<quality>[0-9]{1,3}))?(?P<p>p?)(?P<s>s?)(?P<k>k?)")


def _can(form: Format, match: re.Match[str]) -> bool:
    """Whether `form` has what was asked for, and whether what it must have was said."""
    if (match["p"] and form is not JPEG) or (match["s"] and not form.moves) or (match["k"] and form.is_mute):
        return False
    return bool(match["quality"]) == form.has_quality


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
        return "_".join(filter(None, [self.spell_operations(), self.output.spell()]))

    def spell_operations(self) -> str:
        return "_".join(operation.spell() for operation in self.operations) or WHOLE

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
class Beside:
    """No picture of the original, but a file beside it, by the name that its URL has: what is known of it (INFO), or what somebody stored
    there. Its bytes tell the extension, and so the type.
    """

    name: str

    def spell(self) -> str:
        return BESIDE + self.name


BESIDE = "+"  # what its name in the cache begins with: no recipe and no alias does
INFO = Beside("info.json")


@dataclass(frozen=True)
class Qualities:
    """What this installation fills in: a quality, 1 to 100 by format name, and `progressive` where a wish names no output;
    `keeps_copyright` in every recipe."""

    by_format: tuple[tuple[str, int], ...] = (("jpeg", 75), ("webp", 75), ("avif", 60))
    progressive: bool = False
    keeps_copyright: bool = False

    def output(self, form: Format) -> Output:
        quality = dict(self.by_format).get(form.name, 75) if form.has_quality else 0
        return self.completed(Output(form, quality, self.progressive and form is JPEG))

    def completed(self, output: Output) -> Output:
        """`output`, which a wish names, with what holds for every recipe."""
        return replace(output, keeps_copyright=output.keeps_copyright or (self.keeps_copyright and not output.format.is_mute))


def parse_recipe(text: str, extension: str, qualities: Qualities) -> Recipe | Untouched:
    """The recipe that `text.extension` spells. Operations stand in pipeline order or the wish is refused: one spelling per picture."""
    form = BY_EXTENSION.get(extension)
    canonical = form is not None and extension == form.extension
    if text in UNTOUCHED and canonical:
        return UNTOUCHED[text]
    if form is None or not form.writable or not canonical:
        raise BadRequest(f"expected jpg, png, webp, gif or avif for the extension, got {shown(extension)}")
    operations, output = _parse_parts(text, form)
    wished = Recipe.of(operations, output or qualities.output(form))
    spelled = wished.spell() if output else wished.spell_operations()
    if spelled != text:
        raise BadRequest(f"expected {spelled!r} for this recipe, got {shown(text)}")
    return Recipe(wished.operations, qualities.completed(wished.output))


def _parse_parts(text: str, form: Format) -> tuple[list[Operation], Output | None]:
    operations: list[Operation] = []
    parts = text.split("_")
    for part in parts:
        word, _, argument = part.partition("-")
        if word in BY_WORD and (argument or not BY_WORD[word].has_argument):
            operations.append(BY_WORD[word].parse(argument))
        elif part is parts[-1] and part != WHOLE:
            return operations, Output.parse(part, form)
        elif part != WHOLE or part is not parts[0]:
            raise BadRequest(f"expected an operation for a part of the recipe, got {shown(part)}")
    return operations, None
