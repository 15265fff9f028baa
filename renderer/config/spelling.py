"""The effective configuration as YAML: every key with its comment, reading back to the same Config but for masked secrets."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from renderer.config.model import Config
from renderer.config.values import IsBytes, Secret, spell_bytes

_HEAD = """The effective configuration of onmiss: the file, the environment and the defaults, in this order of precedence from the
environment down. It reads back to the same configuration."""
_MASKED = """Secrets that stand in the file itself are shown as ********, which reads back as an error:
put them into the environment ({env: NAME}) or into files ({file: PATH})."""
_WIDTH = 120


def spell(config: Config) -> str:
    """The YAML text of `config`."""
    lines = [*_comment(_HEAD, ""), *_comment(_MASKED, "")]
    for name, info in type(config).model_fields.items():
        lines += ["", *_entry(name, info, getattr(config, name), "", set())]
    return "\n".join(lines) + "\n"


def _entry(name: str, info: FieldInfo, value: Any, indent: str, told: set[str]) -> Iterator[str]:
    """One key with its comment; `told` are comments that stand above already, for the second store and the tenth namespace."""
    if info.description and info.description not in told:
        told.add(info.description)
        yield from _comment(info.description, indent)
    if isinstance(value, BaseModel):
        yield f"{indent}{name}:"
        yield from _section(value, indent + "  ", told)
    elif isinstance(value, dict) and any(isinstance(inner, BaseModel) for inner in value.values()):
        yield f"{indent}{name}:"
        for key, inner in value.items():
            yield f"{indent}  {_leaf(key)}:"
            yield from _section(inner, indent + "    ", told)
    else:
        yield f"{indent}{name}: {_leaf(_plain(value, info))}"


def _section(section: BaseModel, indent: str, told: set[str]) -> Iterator[str]:
    for name, info in type(section).model_fields.items():
        yield from _entry(name, info, getattr(section, name), indent, told)


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - len(indent), break_on_hyphens=False):
        yield f"{indent}# {line}"


def _plain(value: Any, info: FieldInfo) -> Any:
    if value is None:
        return "off"
    if isinstance(value, Secret):
        return value.spell()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list):
        return [_plain(inner, info) for inner in value]
    if any(isinstance(mark, IsBytes) for mark in info.metadata):
        return spell_bytes(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _leaf(value: Any) -> str:
    if value == "off":
        return "off"  # YAML 1.1 reads it as false, and so do we
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
