"""Where an original's bytes come down: other file systems, and a full one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from renderer.errors import NoSpace
from renderer.stores.landing import copy_bytes, landing

FULL = Path("/dev/full")  # the kernel's device that is always full


def test_copying_between_file_systems_works_too(tmp_path: Path) -> None:
    """The kernel copies ranges within one file system only; a memfd is on another, and leaves no file behind."""
    content = bytes(range(256)) * 12_000
    memory = os.memfd_create("source")
    try:
        os.write(memory, content)
        os.lseek(memory, 0, os.SEEK_SET)
        with (tmp_path / "target").open("wb") as target:
            assert copy_bytes(memory, target.fileno(), 2 * len(content)) == len(content)
    finally:
        os.close(memory)
    assert (tmp_path / "target").read_bytes() == content


def test_no_more_is_copied_than_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"12345")
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        assert copy_bytes(source.fileno(), target.fileno(), 3) == 3
    assert (tmp_path / "target").read_bytes() == b"123"


def test_a_full_disk_is_no_space_and_leaves_no_target(tmp_path: Path) -> None:
    (tmp_path / "target").symlink_to(FULL)
    with pytest.raises(NoSpace, match="No space left"), landing(tmp_path / "target", 100) as ground:
        ground.write(b"picture")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_settled_does_not_stay(tmp_path: Path) -> None:
    with landing(tmp_path / "target", 100) as ground:
        ground.write(b"picture")
    assert list(tmp_path.iterdir()) == []
