"""What every test may rely on: an environment of nobody's, free ports, the corpus of pictures, the record of features."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.features import FeatureRecord
from tests.servers import moto_server, rclone_server

__all__ = ["moto_server", "rclone_server"]  # one of each for all folders

TOP = Path(__file__).resolve().parent.parent
# settings of whoever runs the tests are none of ours
_FOREIGN = ("ONMISS_", "AWS_", "BOTO_", "HUIMAGES", "S3BUCKET", "COUCHSERVER", "IMAGESERVERURL")
_LONG = (
    "test_workers.py", "test_couchdb_to_s3.py", "test_misfortunes.py", "test_copying.py", "test_reload.py", "test_up.py", "test_pruning.py",
)  # fmt: skip
_OURS = ("ONMISS_CORPUS", "ONMISS_GOLDEN", "ONMISS_SOAK")


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _OURS:
            del os.environ[name]
    config.pluginmanager.register(FeatureRecord(config), "features")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take a minute go first: at the end one worker would be at work on them, and all others done."""
    items.sort(key=lambda item: item.path.name not in _LONG)


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A directory of real pictures, good and hostile: ONMISS_CORPUS, or what stands beside the repository."""
    found = Path(os.environ.get("ONMISS_CORPUS") or TOP.parent / "shared/corpus")
    if not found.is_dir():
        pytest.skip(f"expected the corpus of pictures in {found}; ONMISS_CORPUS names another place")
    return found
