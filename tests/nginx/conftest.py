"""One nginx for the tests of a module that change nothing in it, with a renderer that makes what it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nginx.making import Making
from tests.nginx.standing import Standing, settled, standing

NAMESPACES = {"huimages": {}, "fitter": {"naming": "path", "prefix": "fitter"}}


@pytest.fixture(scope="module")
def making() -> Making:
    return Making()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, making: Making) -> Iterator[Standing]:
    config = settled(tmp_path_factory.mktemp("site"), {"namespaces": NAMESPACES}, miss_rate="off", herd_rate="off", miss_connections="off")
    with standing(config, making) as found:
        making.standing = found
        yield found
