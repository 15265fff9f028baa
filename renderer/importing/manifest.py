"""Manifests: CSV with a header, or JSON lines; which pictures, and what is to be known of each.

    path,title,references,tags,types             one of `,` `;` or a tab between columns; only `path` is needed
    ski/a.jpg,The skate picture,artnr=1;artnr=2,"ski, winter",product_image

    {"path": "ski/a.jpg", "title": "…", "references": {"artnr": ["1", "2"]}, "tags": ["ski"], "types": ["product_image"]}

Several references of a CSV stand behind one another with `;` between them; tags are separated by commas or spaces, types likewise. Relative
paths begin where the manifest is. A row that cannot be is reported with its line, and does not stop the rest.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.importing.candidates import Candidate, Found, Passed, Said
from renderer.importing.finding import candidate, plain_name

COLUMNS = ("path", "title", "references", "tags", "types")
_DELIMITERS = ",;\t"
_LONGEST_LINE = 1 << 20  # letters; a line holds a path and some words: what is longer is no manifest

Row = tuple[int, Mapping[str, Any] | str]  # number of the line, and what it says, or why it cannot be


class _TooLong(BadRequest):
    """A line that nobody wrote."""

    def __init__(self, number: int) -> None:
        super().__init__(f"expected a line of at most {_LONGEST_LINE} letters, got more; nothing behind it is read")
        self.number = number


class Manifest:
    """`name`: what it is called in reports; `folder`: where its relative paths begin. BadRequest when it is none."""

    def __init__(self, stream: BinaryIO, name: str, folder: str) -> None:
        self._name, self._folder = name, folder
        # a path need not be UTF-8; texts that are not are refused row by row
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        self._rows = _rows(text, name)

    def find(self) -> Iterator[Found]:
        for number, row in self._rows:
            where = f"{self._name}:{number}"
            try:
                if isinstance(row, str):
                    raise BadRequest(row)
                yield self._found(row, where)
            except BadRequest as error:
                yield Passed(where, str(error), is_failure=True)

    def _found(self, row: Mapping[str, Any], where: str) -> Found:
        strangers = [key for key in row if key not in COLUMNS]
        if strangers:
            raise BadRequest(f"expected {', '.join(COLUMNS)}, got {shown(str(strangers[0]))}")
        path = row.get("path")
        if not isinstance(path, str) or not path:
            raise BadRequest(f"expected a path, got {shown(str(path or ''))}")
        said = Said(_text(row.get("title"), "title"), _words(row, "types"), _references(row.get("references")), _words(row, "tags"))
        found = candidate(os.path.join(self._folder, path), plain_name(path))
        if isinstance(found, Candidate):
            return replace(found, said=said)
        return replace(found, shown=f"{where}: {found.shown}")


def _rows(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    lines = _lines(text)
    first = next(lines, "")
    if first.lstrip().startswith("{"):
        return _to_their_end(_of_json(itertools.chain([first], lines)))
    delimiter = max(_DELIMITERS, key=first.count)
    columns = _columns(first, delimiter)
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown or "path" not in columns or len(set(columns)) < len(columns):
        got = shown(unknown[0]) if unknown else shown(first.strip())
        raise BadRequest(f"expected a header of {', '.join(COLUMNS)}, or JSON lines, for manifest {name}, got {got}")
    return _to_their_end(_of_csv(lines, columns, delimiter))


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise _TooLong(number)
        if not line:
            return
        yield line


def _to_their_end(rows: Iterator[Row]) -> Iterator[Row]:
    try:
        yield from rows
    except _TooLong as error:
        yield error.number, str(error)


def _columns(first: str, delimiter: str) -> list[str]:
    try:
        return [column.strip().lower() for column in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error:  # a picture, say
        return []


def _of_csv(lines: Iterator[str], columns: list[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, f"expected a row of CSV, got {error}"
            continue
        if not cells:
            continue
        if len(cells) != len(columns):
            yield reader.line_num + 1, f"expected {len(columns)} columns, got {len(cells)}"
        else:
            yield reader.line_num + 1, dict(zip(columns, cells, strict=True))


def _of_json(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"expected a JSON object, got {error}"
            continue
        yield number, row if isinstance(row, dict) else f"expected a JSON object, got {shown(line.strip())}"


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise BadRequest(f"expected text for {what}, got {shown(json.dumps(value))}")
    text = str(value)
    if not _is_utf8(text):
        raise BadRequest(f"expected UTF-8 for {what}, got {shown(text)}")
    return text


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _words(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list, or words with commas or spaces between them."""
    value = row.get(key)
    if isinstance(value, list):
        return tuple(_text(each, key) for each in value)
    return tuple(word for word in re.split(r"[,\s]+", _text(value, key)) if word)


def _references(value: Any) -> dict[str, tuple[str, ...]]:
    """An object of values or lists of them, or `key=value;key=value`."""
    if isinstance(value, dict):
        return {_text(key, "references"): _values(each) for key, each in value.items()}
    pieces = (piece.strip() for piece in _text(value, "references").split(";"))
    return gathered(piece for piece in pieces if piece)


def _values(value: Any) -> tuple[str, ...]:
    return tuple(_text(each, "references") for each in (value if isinstance(value, list) else [value]))


def gathered(pieces: Iterator[str]) -> dict[str, tuple[str, ...]]:
    """`key=value` pieces as references; BadRequest for one that is none."""
    references: dict[str, tuple[str, ...]] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if not (key and equals and value):
            raise BadRequest(f"expected KEY=VALUE for a reference, got {shown(piece)}")
        references[key] = (*references.get(key, ()), value)
    return references
