"""nginx's side of the contract: a real nginx, no renderer, and the file that Python would have left, or a tempting one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from renderer.web.nginx_hits import MIMES
from tests.golden.contract import GROUPS, Entry, Group
from tests.nginx.standing import Standing, settled, standing

ASKS = 503  # without a renderer, this is what asking it comes to


@pytest.fixture(scope="module", params=GROUPS, ids=str)
def group(request: pytest.FixtureRequest) -> Group:
    return request.param  # type: ignore[no-any-return]  # pytest's Any


@pytest.fixture(scope="module")
def nginx(group: Group, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    config = settled(tmp_path_factory.mktemp("root"), group.configuration, miss_rate="off", herd_rate="off")
    with standing(config) as found:
        yield found


def of(group: Group, kind: str) -> list[Entry]:
    return [entry for entry in group.entries if getattr(entry, kind)]


@pytest.mark.feature(1, 2, 15, 17)
def test_nginx_alone_serves_what_is_there(group: Group, nginx: Standing) -> None:
    for entry in of(group, "hit"):
        assert nginx.ask(entry.url, headers=entry.headers).status == ASKS, entry
        planted = nginx.plant(entry.directory / entry.looked_up, entry.url.encode())
        answered = nginx.ask(entry.url, headers=entry.headers)
        planted.unlink()
        assert (answered.status, answered.body) == (200, entry.url.encode()), entry
        assert answered["content-type"] == MIMES[entry.looked_up.rpartition(".")[2]], entry
        assert answered["x-content-type-options"] == "nosniff", entry


@pytest.mark.feature(18, 19, 20, 22, 23)
def test_nginx_refuses_what_python_refuses_even_when_a_file_tempts(group: Group, nginx: Standing) -> None:
    for entry in of(group, "refused"):
        if entry.tempting:
            nginx.plant(entry.directory / entry.tempting)
        answered = nginx.ask(entry.url)
        assert answered.status == (entry.nginx or ASKS), entry
        assert answered["content-type"].startswith("text/plain"), entry
        assert answered["cache-control"] == ("max-age=10" if answered.status == 404 else "no-store"), entry


def test_nginx_asks_python_where_to_redirect_even_when_the_file_is_there(group: Group, nginx: Standing) -> None:
    for entry in of(group, "redirect"):
        nginx.plant(entry.directory / entry.tempting)
        assert nginx.ask(entry.redirect).status == 200, entry
        assert nginx.ask(entry.url).status == ASKS, entry
