"""What pydantic found wrong, as ours say it: path of the key, *expected X, got Z*, and the likely cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from renderer.config import catalogs, places
from renderer.errors import ConfigError
from renderer.fields import shown

Location = tuple[int | str, ...]

# Section: how deep a thing of several kinds stands in it, and what they are; pydantic tells which kind it took, just behind.
_KINDS: dict[str, tuple[int, Mapping[str, type[BaseModel]]]] = {"stores": (2, places.BY_KIND), "catalog": (1, catalogs.BY_KIND)}

_EXPECTED = {
    "missing": "a value",
    "string_type": "a text",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text like {pattern}",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "too_short": "at least {min_length} of them",
    "path_type": "a path",
}


def translated(error: ValidationError, model: type[BaseModel], sources: Mapping[str, str]) -> ConfigError:
    """All that `error` knows as one ConfigError; `sources`: key path to the environment variable that set it."""
    found = [_problem(details, model, sources) for details in error.errors(include_url=False)]
    merged: dict[str, ConfigError] = {}
    for problem in found:
        merged[problem.key] = _either(merged[problem.key], problem) if problem.key in merged else problem
    return together(list(merged.values()))


def _either(first: ConfigError, second: ConfigError) -> ConfigError:
    """A key of several types failed for each of them: one sentence."""
    if first.problem == second.problem:
        return first
    expected, _, got = first.problem.partition(", got ")
    return ConfigError(first.key, f"{expected} or {second.problem.removeprefix('expected ').partition(', got ')[0]}, got {got}", first.cure)


def together(problems: Sequence[ConfigError]) -> ConfigError:
    """One error that says all of them, so that a file is mended in one go."""
    if len(problems) == 1:
        return problems[0]
    return ConfigError("", f"{len(problems)} problems" + "".join(f"\n  {problem}" for problem in problems))


def similar(name: str, known: Iterable[str], spell: str = "{}") -> str:
    """The cure for an unknown name: the nearest known one, or all of them."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {spell.format(close[0])}?"
    return "known: " + ", ".join(spell.format(choice) for choice in choices)


def _problem(details: ErrorDetails, model: type[BaseModel], sources: Mapping[str, str]) -> ConfigError:
    location = _without_marks(details["loc"])
    key = spelled(location)
    key = sources.get(key, key)
    depth, kinds = _KINDS.get(str(details["loc"][0]), (0, {}))
    kind = str(details["loc"][depth]) if depth < len(details["loc"]) else ""
    owner, info = find(kinds[kind], location[depth:]) if kind in kinds else find(model, location)
    if details["type"] == "extra_forbidden":
        return ConfigError(key, "expected a known key", similar(str(location[-1]), owner.model_fields if owner else ()))
    if details["type"].startswith("union_tag"):
        got = shown(str(details["ctx"]["tag"])) if "tag" in details["ctx"] else "none"
        return ConfigError(f"{key}.kind", f"expected {' or '.join(kinds)}, got {got}")
    if details["type"] == "missing":
        return ConfigError(key, "expected a value, got none", info.description or "" if info else "")
    if details["type"] == "value_error":
        return ConfigError(key, str(details["ctx"]["error"]))
    expected = _EXPECTED.get(details["type"], "").format(**details.get("ctx", {})) or details["msg"]
    return ConfigError(key, f"expected {expected}, got {_told(details, info, location)}", info.description or "" if info else "")


def _told(details: ErrorDetails, info: FieldInfo | None, location: Location) -> str:
    secret = info is not None and isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("secret")
    if secret or location[:1] == ("signing",) or "tokens" in location:
        return "something else"  # never repeat what may be a secret
    value = details["input"]
    if isinstance(value, dict | list):
        return "keys with values" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else shown(value if isinstance(value, str) else repr(value))


def _without_marks(location: Location) -> Location:
    """Without what pydantic adds for the branch of a union that it tried, and for a key (rather than a value) of a mapping."""
    kept = [part for part in location if part != "[key]"]
    depth, kinds = _KINDS.get(str(kept[0]), (0, {}))
    if len(kept) > depth and kept[depth] in kinds:
        del kept[depth]
    if kept[0] == "catalog":  # has a key `path`, and no union below its kinds
        return tuple(kept)
    return tuple(part for part in kept if not (isinstance(part, str) and ("[" in part or part in ("int", "none", "path"))))


def spelled(location: Location) -> str:
    return ".".join(map(str, location))


def find(model: type[BaseModel], location: Location) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The section that holds the key at `location`, and the key's description; None for what is not known."""
    owner: type[BaseModel] | None = model
    info: FieldInfo | None = None
    for position, part in enumerate(location):
        if owner is None or part not in owner.model_fields:
            return owner, None
        info = owner.model_fields[str(part)]
        if position == len(location) - 1:
            break
        owner = _section_in(info.annotation)
        if owner is not None and not _is_model(info.annotation):
            return _in_mapping(info.annotation, location[position + 2 :])
    return owner, info


def _in_mapping(annotation: Any, rest: Location) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The key below one entry of a mapping of sections: of several kinds, the one that knows it."""
    if not rest:
        return None, None
    found = [find(section, rest) for section in _sections_in(annotation)]
    return next((pair for pair in found if pair[1] is not None), found[0])


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    return next(iter(_sections_in(annotation)), None)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [section for inner in get_args(annotation) for section in _sections_in(inner)]
