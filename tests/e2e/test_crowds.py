"""Many at once: one render for a crowd, bounds for a flood, and strangers who do not wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import MakeSite, s3
from tests.e2e.faulty import FaultyS3
from tests.e2e.site import Answer, Site, jpeg
from tests.servers import S3Server
from tests.waiting import wait_until


def ask_at_once(site: Site, paths: Sequence[str]) -> list[Answer]:
    with ThreadPoolExecutor(len(paths)) as clients:
        return list(clients.map(site.get, paths))


@pytest.mark.feature(54)
def test_a_hundred_clients_on_one_cold_url_get_a_hundred_pictures_from_one_render(site: Site) -> None:
    name = site.put(jpeg(3000, 2000)).name
    answers = ask_at_once(site, [f"/150x150/{name}/{number}.jpeg" for number in range(100)])
    assert Counter(answer.status for answer in answers) == {200: 100}
    assert len({answer.body for answer in answers}) == 1
    assert len(renders(site)) == 1


@pytest.mark.feature(54)
def test_the_crowd_is_served_too_when_the_original_takes_its_time(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="slow/", read_seconds=20))
        site.start()
        name = site.put(jpeg()).name
        between.hang(name)
        with ThreadPoolExecutor(100) as clients:
            asked = [clients.submit(site.get, f"/150x150/{name}/{number}.jpeg") for number in range(100)]
            wait_until(lambda: site.load()["requests"]["waiting"] == 100, what="a hundred waiters")
            between.heal()
            assert Counter(each.result(30).status for each in asked) == {200: 100}
        assert len(renders(site)) == 1
        assert between.counted("GET", name) == 1


@pytest.mark.feature(54)
def test_twenty_sizes_of_one_cold_original_are_one_fetch(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="twenty/"))
        site.start()
        name = site.put(jpeg(1200, 800)).name
        between.forget()
        answers = ask_at_once(site, [f"/{side}x{side}/{name}.jpeg" for side in range(101, 121)])
        assert Counter(answer.status for answer in answers) == {200: 20}
        assert between.counted("GET", name) == 1


def test_a_flood_of_cold_urls_gets_pictures_or_503_never_502(site: Site) -> None:
    names = [site.put(jpeg(64, 48, seed=seed)).name for seed in range(200)]
    answers = ask_at_once(site, [f"/40x40/{name}.jpeg" for name in names])
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= site.config.serve.waiting // 2
    for busy in (answer for answer in answers if answer.status == 503):
        assert int(busy["retry-after"]) >= 1
        assert busy["cache-control"] == "no-store"
        assert busy["content-type"].startswith("text/plain")


def test_one_hanging_original_leaves_misses_of_others_alone(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        tree = s3(moto_server, endpoint_url=between.url, prefix="hanging/", read_seconds=20)
        site = make_site({**tree, "serve": {"threads": 16, "waiting": 12, "waiting_per_original": 6, "wait_seconds": 20}})
        site.start()
        hanging, other = site.put(jpeg(seed=1)).name, site.put(jpeg(seed=2)).name
        between.hang(hanging)
        with ThreadPoolExecutor(20) as clients:
            crowd = [clients.submit(site.get, f"/{side}x{side}/{hanging}.jpeg") for side in range(100, 120)]
            wait_until(lambda: site.load()["requests"]["waiting"] == 6, what="a full house for the hanging original")
            answer = site.get(f"/150x150/{other}.jpeg")
            assert (answer.status, answer["x-onmiss"]) == (200, "miss")
            between.heal()
            statuses = Counter(each.result(40).status for each in crowd)
        assert set(statuses) == {200, 503}
        assert statuses[200] >= 6


def test_too_many_misses_from_one_address_are_429_hits_are_not_counted(make_site: MakeSite) -> None:
    site = make_site({"nginx": {"miss_rate": 1, "miss_burst": 3}})
    site.start()
    name = site.put(jpeg()).name
    first = f"/20x20/{name}.jpeg"
    assert site.get(first).status == 200
    assert all(site.get(first).status == 200 for _ in range(20))
    answers = [site.get(f"/{side}x{side}/{name}.jpeg") for side in range(30, 40)]
    limited = [answer for answer in answers if answer.status == 429]
    assert limited
    assert all(int(answer["retry-after"]) >= 1 and answer["cache-control"] == "no-store" for answer in limited)
    assert site.get(first).status == 200


def renders(site: Site) -> list[str]:
    """The log lines of those who had something made; who joined them only waited."""
    return [line for line in site.misses() if " encode=" in line]
