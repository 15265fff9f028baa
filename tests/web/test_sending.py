"""A Reply on its way out: in blocks, from memory or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.errors import NotFound
from renderer.messages import Reply
from renderer.web.app import BLOCK_BYTES, send


def sent(reply: Reply) -> tuple[dict[str, str], list[bytes]]:
    started: list[dict[str, str]] = []

    def start_response(_: str, headers: list[tuple[str, str]]) -> Any:
        started.append(dict(headers))

    body = send(reply, start_response)
    blocks = list(body)
    getattr(body, "close", int)()
    return started[0], blocks


def test_a_long_body_goes_in_blocks_and_a_file_is_never_held_in_memory(tmp_path: Path) -> None:
    content = b"0123456789" * 20_000
    (tmp_path / "results").write_bytes(content)
    for reply in (Reply(200, body=content), Reply(200, file=tmp_path / "results")):
        headers, blocks = sent(reply)
        assert headers["Content-Length"] == "200000"
        assert b"".join(blocks) == content
        assert max(map(len, blocks)) == BLOCK_BYTES
    headers, blocks = sent(Reply(204))
    assert (headers["Content-Length"], blocks) == ("0", [])


def test_a_file_that_went_is_not_found_before_anything_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        send(Reply(200, file=tmp_path / "nothing"), lambda *_: pytest.fail("the answer began"))
