"""Prints docs/configuration.md: `python -m renderer.config.describe`. All that it says of a key stands in the model's descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from renderer.config import catalogs, places
from renderer.config.model import Config
from renderer.config.places import NamespaceSettings
from renderer.config.sections import WatermarkSettings
from renderer.config.values import IsBytes, Secret, spell_bytes

_HEAD = """\
# Configuration

One YAML file, read once; every key has a default, so that no file at all is a working set-up. `onmiss config` prints the effective
configuration with these comments, `onmiss doctor` touches everything that it names. A mistake is reported with the path of its key and the
likely cure, and ends the command with exit code 2.

- **Which file**: `--config FILE`, or `ONMISS_CONFIG`. **Which root**: `--root DIR`, or `ONMISS_ROOT`, or `root` in the file, or
  `./onmiss-data`.
- **Paths** that are relative stand below the root, so that two roots never meet; `cache` is `<root>/cache`.
- **Environment**: every key can be set by a variable, upper case, two underscores between levels: `ONMISS_STORES__ARCHIVE__BUCKET`. Lists
  are written as in YAML: `ONMISS_HOSTS__IMAGES__NAMES='[i.example.net]'`. A variable wins over the file.
- **Bytes** are written `64MB`, `20GB` (decimal) or `2GiB` (binary). **Times** are seconds. `off` switches a limit off.
- **Secrets** are a text, `{env: NAME}` for a variable, or `{file: PATH}`; they are never printed.
"""

_INTRODUCTIONS = {
    "stores": "A mapping of names to stores. Without one there is `disk: {kind: file}`. Names are lower-case letters, digits, `_` and `-`.",
    "catalog": "One catalog for all namespaces. Without one there is `{kind: sqlite}`.",
    "watermarks": "A mapping of names to watermarks; none by default. Names are lower-case letters and digits.",
    "namespaces": "A mapping of names to namespaces. Without one there is `huimages` with these defaults.",
    "new_namespaces": "Besides `allowed`, the keys of a namespace, but `naming`, which is md5.",
}


_NAMED: dict[str, type[BaseModel]] = {"namespaces": NamespaceSettings, "watermarks": WatermarkSettings}


def page() -> str:
    """The whole page, Markdown."""
    lines = [_HEAD]
    for name, info in Config.model_fields.items():
        lines += [f"## {name}", "", info.description or "", ""]
        if name in _INTRODUCTIONS:
            lines += [_INTRODUCTIONS[name], ""]
        if name == "stores":
            lines += [line for kind, section in places.BY_KIND.items() for line in _kind("stores.*NAME*.", kind, section)]
        elif name == "catalog":
            lines += [line for kind, section in catalogs.BY_KIND.items() for line in _kind("catalog.", kind, section)]
        elif name in _NAMED:
            lines += _table(f"{name}.*NAME*.", _NAMED[name])
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            lines += _table(f"{name}.", info.annotation)
    return "\n".join(lines).rstrip() + "\n"


def _kind(prefix: str, kind: str, section: type[BaseModel]) -> list[str]:
    return [f"### kind: {kind}", "", section.model_fields["kind"].description or "", "", *_table(prefix, section)]


def _table(prefix: str, section: type[BaseModel]) -> list[str]:
    return ["| key | default | meaning |", "|---|---|---|", *_rows(prefix, section), ""]


def _rows(prefix: str, section: type[BaseModel]) -> Iterator[str]:
    for name, info in section.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _rows(f"{prefix}{name}.", inner)
        else:
            yield f"| {prefix}{name} | {_default(info)} | {_meaning(info)} |"


def _default(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return f"`{get_args(info.annotation)[0]}`" if get_origin(info.annotation) is Literal else "none, required"
    if value is None:
        return "off"
    if any(isinstance(mark, IsBytes) for mark in info.metadata):
        value = spell_bytes(value)
    if value in ("", Secret()) and not isinstance(value, Path):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _meaning(info: FieldInfo) -> str:
    return (info.description or "").replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
