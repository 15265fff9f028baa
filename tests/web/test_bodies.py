"""Bodies on a disk that is full."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, cast

import pytest

from renderer.errors import NoSpace
from renderer.web.bodies import body_of


class Full:
    """In place of a new file's path: nothing can be written there."""

    def open(self, _: str) -> IO[bytes]:
        return Path("/dev/full").open("r+b")

    def unlink(self) -> None:
        """The device stays."""


def test_a_form_that_finds_no_space_says_so() -> None:
    content = b'--X\r\nContent-Disposition: form-data; name="i"; filename="a"\r\n\r\n' + bytes(500_000) + b"\r\n--X--\r\n"
    environ: dict[str, Any] = {
        "CONTENT_LENGTH": str(len(content)), "CONTENT_TYPE": "multipart/form-data; boundary=X", "wsgi.input": io.BytesIO(content),
    }  # fmt: skip
    with pytest.raises(NoSpace), body_of(environ, lambda: cast(Path, Full()), 1_000_000):
        pytest.fail("it was taken")
