"""One value of the configuration: what its text may look like, and what it becomes.

Every error is a ValueError *expected X, got Z*; `problems.py` adds the key. A validator that needs the root or the environment finds them
in pydantic's context, so that nothing here reads the process.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo

from renderer.fields import shown

_UNITS = {"": 1, "B": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("kMGT", start=1)
    for suffix, base in (("B", 1000), ("iB", 1024))
}  # fmt: skip
_BYTES = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([A-Za-z]*)")
_UNITS_BY_CASE = {unit.lower(): count for unit, count in _UNITS.items()}


def parse_bytes(value: object) -> object:
    """`64MB` (decimal), `2GiB` (binary) or a plain number of bytes, as an int."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"expected a number of bytes like 64MB or 2GiB, got {_told(value)}")
    match = _BYTES.fullmatch(str(value).strip())
    unit = _UNITS_BY_CASE.get(match[3].lower()) if match else None
    if not match or unit is None:
        raise ValueError(f"expected a number of bytes like 64MB or 2GiB, got {_told(value)}")
    whole, fraction = int(match[1]), match[2] or "0"
    return whole * unit + int(fraction) * unit // 10 ** len(fraction)


def spell_bytes(count: int) -> str:
    """The inverse of `parse_bytes`, as short as it can be exactly."""
    fitting = [(size, unit) for unit, size in _UNITS.items() if len(unit) > 1 and count and count % size == 0]
    size, unit = max(fitting, default=(1, ""))
    return f"{count // size}{unit}"


def _told(value: object) -> str:
    return shown(value) if isinstance(value, str) else shown(repr(value))


@dataclass(frozen=True)
class IsBytes:
    """Marks a field whose value `spelling` writes with a unit."""


def _no_truth(value: object) -> object:
    if isinstance(value, bool):  # pydantic would take `true` for 1
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


def _off(value: object) -> object:
    # YAML 1.1 reads a bare `off` as false
    return None if value is False or value == "off" else _no_truth(value)


def _off_or_bytes(value: Any) -> Any:
    kept = _off(value)
    return kept if kept is None else parse_bytes(kept)


_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # seconds


def _off_or_seconds(value: Any) -> Any:
    """Seconds, or a text like `30d`."""
    kept = _no_truth(_off(value))
    found = re.fullmatch(r"([0-9]{1,9}) ?([smhd])", kept) if isinstance(kept, str) else None
    return int(found[1]) * _SPANS[found[2]] if found else kept


Count = Annotated[int, BeforeValidator(_no_truth)]
Seconds = Annotated[float, BeforeValidator(_no_truth), Field(gt=0, le=86_400)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=1), IsBytes()]
LargeCountOrOff = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_off)]
BytesOrOff = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_off_or_bytes), IsBytes()]  # None = off
SecondsOrOff = Annotated[Annotated[float, Field(gt=0, le=3e9)] | None, BeforeValidator(_off_or_seconds)]
CountOrOff = Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, BeforeValidator(_off)]  # None = off


@dataclass(frozen=True)
class Surroundings:
    """What validators may know of the process: relative paths stand below `root`, secrets may be named in `environ`."""

    root: Path
    environ: Mapping[str, str]


def surroundings(info: ValidationInfo) -> Surroundings:
    """Those of this validation; a section built by hand is relative to the working directory and has no environment."""
    return info.context if isinstance(info.context, Surroundings) else Surroundings(Path.cwd(), {})


def _below_root(path: Path, info: ValidationInfo) -> Path:
    return Path(os.path.normpath(surroundings(info).root / path.expanduser()))


# sun_path holds 108 bytes with its zero (unix(7)); some room for what a supervisor may append
MOST_SOCKET_BYTES = 100


def _socket(path: Path, info: ValidationInfo) -> Path:
    root = surroundings(info).root
    placed = _below_root(path, info)
    if len(os.fsencode(placed)) > MOST_SOCKET_BYTES and not path.is_absolute():
        # two roots must not meet, and one root must find its own again
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        placed = Path(tempfile.gettempdir()) / f"onmiss-{digest}" / path.name
    if len(os.fsencode(placed)) > MOST_SOCKET_BYTES:
        raise ValueError(f"expected a path of at most {MOST_SOCKET_BYTES} bytes for a socket, got {len(os.fsencode(placed))}")
    return placed


Placed = Annotated[Path, AfterValidator(_below_root)]
SocketPath = Annotated[Path, AfterValidator(_socket)]

_LISTEN = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\*|\[[0-9A-Fa-f:.]+\]):(?P<port>[1-9][0-9]{0,4})")


def split_listen(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080`, `[::1]:8080`, `*:80`; the brackets stay."""
    match = _LISTEN.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        raise ValueError(f"expected HOST:PORT like 127.0.0.1:8080, got {shown(text)}")
    return match["host"], int(match["port"])


def _listen(text: str) -> str:
    host, port = split_listen(text)
    return f"{host}:{port}"


Listen = Annotated[str, AfterValidator(_listen)]


def _url(text: str) -> str:
    if "@" in text:  # what stands before it may be a password, which must not be repeated
        raise ValueError("expected an address without user and password, got one with @")
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", text):
        raise ValueError(f"expected http://HOST or https://HOST, got {shown(text)}")
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_url)]

MASK = "********"


@dataclass(frozen=True)
class Secret:
    """A secret text; `origin` is how the file names it (`{env: NAME}`, `{file: PATH}`), empty when the file holds the text itself."""

    text: str = field(default="", repr=False)
    origin: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self.text)

    def spell(self) -> str | dict[str, str]:
        """What may be shown: where it comes from, or a mask that no configuration accepts."""
        if self.origin:
            return dict([self.origin])
        return MASK if self.text else ""


def _secret(value: Any, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value != MASK:
        return Secret(value)
    if isinstance(value, dict) and len(value) == 1:
        (kind, name), around = next(iter(value.items())), surroundings(info)
        if kind == "env" and isinstance(name, str):
            return Secret(_from_environment(name, around.environ), (kind, name))
        if kind == "file" and isinstance(name, str):
            return Secret(_from_file(around.root / Path(name).expanduser()), (kind, name))
    got = "the mask that `onmiss config` prints" if value == MASK else "something else"
    raise ValueError(f"expected a text, {{env: NAME}} or {{file: PATH}} for a secret, got {got}")


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise ValueError(f"expected a secret in the environment variable {name}, found none")
    return environ[name]


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a secret in the file {path}, got {type(error).__name__}") from error
    if not text:
        raise ValueError(f"expected a secret in the file {path}, got an empty one")
    return text


SecretText = Annotated[Secret, PlainValidator(_secret)]
