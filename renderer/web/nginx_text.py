"""Templates of nginx's configuration, and how a path or a regular expression is written inside quotes there.

A placeholder is `%%{name}`: `$` is nginx's own. One that stands alone on its line takes a block, indented like itself, or vanishes with it.
"""

from __future__ import annotations

import importlib.resources
import os
import re
from functools import cache
from pathlib import Path

from renderer.errors import ConfigError

_PLACEHOLDER = re.compile(r"%%\{([a-z_]+)\}")
_ALONE = re.compile(r"( *)%%\{([a-z_]+)\}")

# Inside double quotes nginx reads variables, and unescapes before quotes and itself.
_UNQUOTABLE = re.compile(r'[$"\\\x00-\x1f\x7f]')


def fill(template: str, /, **values: str) -> str:
    """The template of this name with its placeholders filled, no newline at the end; KeyError for one without a value."""
    return "\n".join(line for text in _read(template).splitlines() for line in _filled(text, values))


def _filled(line: str, values: dict[str, str]) -> list[str]:
    alone = _ALONE.fullmatch(line)
    if not alone:
        return [_PLACEHOLDER.sub(lambda match: values[match[1]], line)]
    return [alone[1] + inner if inner else "" for inner in values[alone[2]].splitlines()]


@cache
def _read(template: str) -> str:
    return importlib.resources.files("renderer.web").joinpath("templates", template).read_text(encoding="utf-8")


def block(name: str, lines: list[str]) -> str:
    """`name { … }`, a line each."""
    return "\n".join([f"{name} {{", *(f"    {line}" for line in lines), "}"])


def quoted_path(key: str, path: Path) -> str:
    """`path` as it stands inside double quotes; ConfigError for one that cannot. `key` is where it comes from."""
    text = os.fspath(path)
    if _UNQUOTABLE.search(text):
        cure = "nginx's configuration has no way to write dollars, double quotes, backslashes and control characters in a path"
        raise ConfigError(key, f"expected a path that nginx can be told, got {text!a}", cure)
    return text


def quoted_regex(pattern: str) -> str:
    r"""`pattern` as it stands inside double quotes: nginx would read `\\` as one backslash."""
    return pattern.replace("\\", "\\\\").replace('"', '\\"')
