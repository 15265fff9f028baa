"""Sites that several tests share: started once a module, asked by all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site
from tests.servers import S3Server

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """A function that makes sites of one's own: `make_site(tree, environ)`, not yet started, closed at the end."""
    made: list[Site] = []

    def make(tree: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Site:
        site = Site(tmp_path / f"site{len(made)}", tree, environ)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A started site with everything at its default, originals in a directory."""
    site = make_site()
    site.start()
    return site


def s3(server: S3Server, **changes: Any) -> dict[str, Any]:
    """A configuration whose originals are in `server`, each test below a prefix of its own."""
    return {
        "stores": {"archive": {"kind": "s3", **server.settings(**changes)}},
        "namespaces": {"huimages": {"store": "archive"}},
    }
