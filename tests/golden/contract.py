"""Reads urls.yaml into entries, for the test of Python's side and the test of nginx's."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from renderer.box import Box, Size
from renderer.dialects import DIALECTS
from renderer.messages import Request, Terms

FILE = Path(__file__).with_name("urls.yaml")


@dataclass(frozen=True)
class Entry:
    """One promise; see the head of urls.yaml. `size_of`: original size to size of the picture."""

    group: str
    url: str
    directory: PurePosixPath
    hit: str = ""
    file: str = ""
    alias: str = ""
    planted: str = ""
    tempting: str = ""
    redirect: str = ""
    refused: int = 0
    nginx: int = 0
    accept: str = ""
    size_of: tuple[tuple[Size, Size], ...] = ()

    def __str__(self) -> str:
        return ascii(self.url)[1:-1] + (f" as {self.accept}" if self.accept else "")

    @property
    def looked_up(self) -> str:
        """The file by which nginx answers."""
        return self.planted or self.alias or self.file.replace(".*", ".png")

    def request(self) -> Request:
        """As nginx hands it over: decoded once."""
        asked, _, query = self.url.partition("?")
        path = urllib.parse.unquote_to_bytes(asked.encode()).decode("utf-8", "surrogateescape")
        return Request("GET", path, query, asked, self.accept)

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends that accepts just this."""
        return {"Accept": f"image/{self.accept},*/*;q=0.8"} if self.accept else {}


@dataclass(frozen=True)
class Group:
    """Entries that share a configuration."""

    name: str
    configuration: dict[str, Any]
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return self.name


def _read() -> tuple[Group, ...]:
    contract = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(_group(group, contract["names"]) for group in contract["groups"])


def _group(raw: dict[str, Any], names: dict[str, str]) -> Group:
    directory = PurePosixPath(_named(raw["directory"], names))
    entries = tuple(Entry(group=raw["name"], directory=directory, **_fields(entry, names)) for entry in raw["urls"])
    return Group(raw["name"], raw.get("configuration", {}), entries)


def _fields(entry: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    fields = {key: _named(value, names) if isinstance(value, str) else value for key, value in entry.items() if key != "of"}
    return fields | {"size_of": tuple((_size(before), _size(after)) for before, after in entry.get("of", {}).items())}


def _named(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _size(text: str) -> Size:
    box = Box.parse(text)
    return box.width, box.height


GROUPS = _read()
ENTRIES = [(group, entry) for group in GROUPS for entry in group.entries]


def looked_up(terms: Terms, path: str, accept: str = "") -> list[PurePosixPath]:
    """What nginx would look for, below the generation: the files of the first Hit that matches; none when none does. `accept`: a format."""
    for hit in (hit for dialect in DIALECTS for hit in dialect.hits(terms)):
        match = re.fullmatch(hit.pattern, path)
        if match:
            bucket = {"accepted": f".{accept}", "marked": "~n."} if accept in hit.negotiates else {"accepted": "", "marked": ""}
            return [PurePosixPath(_filled(file, match.groupdict() | bucket)) for file in hit.files]
    return []


def _filled(file: str, captured: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda name: captured[name[1]], file)
