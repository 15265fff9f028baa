"""Lines as nginx would write them, and what rotation does to the file that they stand in."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

TIME = 1_795_800_000.0  # seconds since 1970, of the first line


def line(
    filename: str | Path = "/c/files/1-pillow/a.jpg", *, time: float = TIME, status: int = 200, method: str = "GET", uri: str = "/a",
    length: int = 1000, is_miss: bool = False,
) -> bytes:  # fmt: skip
    """One of the format that docs/nginx.md describes, escaped as nginx does."""
    mark = ("0.010", "miss") if is_miss else ("-", "-")
    fields = (f"{time:.3f}", str(status), method, uri, str(length), str(filename), "0.001", *mark, "127.0.0.1")
    return b"\t".join(map(escaped, fields)) + b"\n"


def escaped(field: str) -> bytes:
    return b"".join(_byte(byte) for byte in field.encode("utf-8", "surrogateescape"))


def _byte(byte: int) -> bytes:
    return bytes([byte]) if 32 <= byte <= 126 and byte not in b'"\\' else b"\\x%02X" % byte


class Log:
    """An access log in `directory`; every line of it has a number, which is its `$request_uri`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "access.log"
        self.written = 0

    def write(self, count: int = 1) -> list[int]:
        """So many lines more; their numbers."""
        numbers = list(range(self.written, self.written + count))
        self.append(b"".join(line(uri=str(number), time=TIME + number) for number in numbers))
        self.written += count
        return numbers

    def append(self, content: bytes, name: str = "access.log") -> None:
        with self.path.with_name(name).open("ab") as file:
            file.write(content)

    def rename(self, keep: int = 9, is_packed: bool = False) -> None:
        """As logrotate does: .8 to .9 …, the log to .1; packed are those from .2 on (delaycompress)."""
        for number in range(keep, 0, -1):
            for end in ("", ".gz"):
                old = self._rotated(number, end)
                if old.exists():
                    old.unlink() if number == keep else old.rename(self._rotated(number + 1, end))
        self.path.rename(self._rotated(1))
        if is_packed and self._rotated(2).exists():
            self.pack(2)
        self.path.touch()

    def copy_and_truncate(self) -> None:
        shutil.copyfile(self.path, self._rotated(1))
        os.truncate(self.path, 0)

    def pack(self, number: int) -> None:
        plain = self._rotated(number)
        self._rotated(number, ".gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    def _rotated(self, number: int, end: str = "") -> Path:
        return self.path.with_name(f"access.log.{number}{end}")
