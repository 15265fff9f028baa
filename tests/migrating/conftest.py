"""Houses to move out of, one for each test, on servers that all share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.couch import couch_server
from tests.couch_shim import PASSWORD, couch_shim
from tests.migrating.house import OldHouse
from tests.s3_faults import s3_faults
from tests.servers import S3Server

__all__ = ["couch_server"]

Houses = Callable[..., OldHouse]


@pytest.fixture
def houses(tmp_path: Path, couch_server: str, rclone_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Houses]:
    """Makes one; what it is given goes into its namespace's settings."""
    monkeypatch.setenv("OLD_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with couch_shim(couch_server) as couch, s3_faults(rclone_server) as s3:
        yield lambda **namespace: OldHouse(tmp_path / "house", couch, s3, **namespace)


@pytest.fixture
def house(houses: Houses) -> OldHouse:
    return houses()


@pytest.fixture
def exact_house(tmp_path: Path, couch_server: str, moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[OldHouse]:
    """Its S3 server honours conditional puts, so that nothing need be put twice to find out."""
    monkeypatch.setenv("OLD_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with couch_shim(couch_server) as couch, s3_faults(moto_server) as s3:
        yield OldHouse(tmp_path / "house", couch, s3)


def settings(**changes: Any) -> dict[str, Any]:
    """Of an S3 store that gives up soon."""
    return {"connect_seconds": 2, "read_seconds": 0.5, "attempts": 2} | changes
