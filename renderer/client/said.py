"""What applications say of an image: texts, and references to whatever it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from renderer.errors import BadRequest

References = Mapping[str, str | int | Iterable[str | int]]


def check_texts(**given: object) -> None:
    """BadRequest for bytes, say, of a program that once ran on Python 2: before anything is stored."""
    for name, value in given.items():
        if not isinstance(value, str):
            raise BadRequest(f"expected text for {name}, got {type(value).__name__}")


def references_of(given: References | None) -> dict[str, tuple[str, ...]]:
    """Each key with its texts; one alone need not be a list."""
    return {key: _texts(values) for key, values in (given or {}).items()}


def _texts(values: str | int | Iterable[str | int]) -> tuple[str, ...]:
    return (str(values),) if isinstance(values, str | int) else tuple(map(str, values))
