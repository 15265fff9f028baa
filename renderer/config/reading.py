"""The file and the environment as one tree of plain values, before anything is checked but the spelling of YAML and of variables' names."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from renderer.config.problems import similar, together
from renderer.errors import ConfigError

PREFIX = "ONMISS_"
# What the commands and the tests read from the environment themselves.
RESERVED = ("CONFIG", "ROOT", "CORPUS", "GOLDEN", "SOAK")

Tree = dict[str, Any]

_TAG = "tag:yaml.org,2002:"
_KINDS = {_TAG + "int": "a number", _TAG + "float": "a number", _TAG + "timestamp": "a time", _TAG + "str": "a text"}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but whatever it stumbles over is an error of the file, with its line: what it takes for a time and is none (the
    30th of February), a number that Python will not print, what contains itself. A key that stands twice too: silently the last would win.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Always deep, because only so it sees what contains itself."""
        try:
            found = super().construct_object(node, deep=True)
            _try_out(found)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # ValueError, but KeyError, IndexError and AttributeError too; they would show the values of secrets
            problem = f"found what looks like {_KINDS.get(node.tag, 'something')} and is none"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
        return found

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands here twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_file(file: Path) -> Tree:
    """The mapping in a YAML file; ConfigError with the line for what is no YAML."""
    try:
        loaded = _parsed(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(str(file), "expected a configuration file, found none") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"expected a readable file in UTF-8, got {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}, line {mark.line + 1}" if mark else str(file)
        problem = getattr(error, "problem", None) or str(error)
        cure = "indent with spaces, and quote what contains `: ` or `#` or is to be a text"
        raise ConfigError(where, f"expected YAML, but {problem}", cure) from error
    if loaded is not None and not isinstance(loaded, dict):
        raise ConfigError(str(file), f"expected sections with keys, got a {type(loaded).__name__}")
    return loaded or {}


def _try_out(value: object) -> None:
    """ValueError for what would be one later: a number of more than 4300 digits, of which no message can be made; half a character; NUL."""
    if isinstance(value, int):
        str(value)
    if isinstance(value, str) and "\0" in value.encode().decode():
        raise ValueError("expected a text without NUL")


def _parsed(text: str) -> Any:
    """As YAML says; YAMLError."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a subclass of the safe loader
    except RecursionError as error:
        raise yaml.YAMLError("found more brackets or levels within one another than can be read") from error


def overrides(environ: Mapping[str, str], known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """`ONMISS_STORES__ARCHIVE__BUCKET` to `("stores", "archive", "bucket")`; ConfigError for a variable of an unknown section."""
    found, problems = {}, []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in RESERVED:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path[0] in known and len(path) > 1 and all(path):
            found[name] = path
            continue
        cure = similar(path[0].upper(), [section.upper() for section in known] + list(RESERVED), PREFIX + "{}" + "__…" * (len(path) > 1))
        problems.append(ConfigError(name, "expected ONMISS_SECTION__KEY for the name of an environment variable", cure))
    if problems:
        raise together(problems)
    return found


def overlay(tree: Tree, path: tuple[str, ...], value: object, name: str) -> None:
    """Put `value` at `path` into `tree`, making what is missing on the way; `name` is the variable that says so."""
    for part in path[:-1]:
        inner = tree.get(part)
        if inner is None:
            inner = tree[part] = {}
        if not isinstance(inner, dict):
            raise ConfigError(name, f"expected keys with values in {part}, got a {type(inner).__name__}")
        tree = inner
    tree[path[-1]] = value


def parse_value(text: str, name: str) -> object:
    """A variable's text: lists, mappings and quoted texts as YAML says, all else as it stands.

    Numbers and truth values are left to the key's own type, so that a bucket called 2024 and a key that begins with 0 stay what they are.
    """
    if not re.match(r"\s*[\[{'\"]", text):
        return text
    try:
        return _parsed(text)
    except yaml.YAMLError as error:
        raise ConfigError(name, "expected YAML for the value of an environment variable", "quote it") from error
