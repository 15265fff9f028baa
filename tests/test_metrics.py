"""What is counted: nothing before the start, everything once however many processes count and die, and by the names that are documented."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from renderer import metrics
from renderer.errors import RenderKilled
from renderer.metrics.families import COUNTED, FAMILIES
from renderer.picture.engine import Engine
from renderer.pruning.totals import added, answers, count_answers
from renderer.workers import Workers
from tests import counting
from tests.counting import PAGE, TOP, run, staying, value
from tests.pruning.logs import Log, line
from tests.pruning.planted import BLOCK, Planted, ref
from tests.servers import find_program
from tests.waiting import wait_until

DOCS = TOP / "docs/operations"
NAMED = re.compile(r"\b(?:onmiss|image_server)_[a-z_]+")

COUNT = """
metrics.request("images", "native", "huimages", 200)
metrics.missed("native", 0.02, {"wait": 1.0, "fetch": 2.0, "decode": 3.0})
metrics.missed("native", 0.02, {"wait": 1.0})
metrics.render_died("crash")
metrics.new_image("huimages", True)
metrics.new_image("huimages", False)
metrics.version("huimages", "jpg", 75, "ok")
metrics.versions_noop("huimages")
metrics.fetched("source_downloaded")
metrics.latency("new_image", 0.25)
"""
START = "metrics.start(directory, ['huimages'])\n"
SUCCEED = "metrics.start(directory, ['huimages'], is_anew=False)\n"
OK = "image_server_processing_version_ok_total"


def test_without_a_start_nothing_is_counted_and_nothing_loaded(tmp_path: Path) -> None:
    printed = run(COUNT + "print(metrics.page([]), 'prometheus_client' in sys.modules, 'statsd' in sys.modules)", tmp_path)
    assert printed == "None False False\n"
    assert list(tmp_path.iterdir()) == []


def test_render_processes_never_load_it() -> None:
    preloaded = "import sys, renderer.workers, renderer.picture.render; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", preloaded], cwd=TOP, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "renderer.picture.render" in loaded
    assert loaded.isdisjoint({"prometheus_client", "statsd", "renderer.metrics"})


def test_two_processes_count_and_what_one_has_counted_outlives_its_death(tmp_path: Path) -> None:
    with staying(START + COUNT, tmp_path) as first:
        with staying(SUCCEED + COUNT, tmp_path):
            first.kill()
            first.wait(10)
            page = counting.read(run(SUCCEED + PAGE, tmp_path))
        assert value(page, OK, namespace="huimages", format="jpg", quality="75") == 2
        assert value(page, "onmiss_miss_seconds_count", dialect="native") == 4
        assert value(page, "onmiss_stage_seconds_sum", stage="decode") == pytest.approx(0.006)
        assert value(page, "onmiss_coalesced_total") == 2
        assert value(page, "image_server_request_latency_seconds_bucket", handler="new_image", le="0.25") == 2


def test_a_reload_loses_nothing_however_often_and_leaves_no_heap_of_files(tmp_path: Path) -> None:
    run(START + COUNT, tmp_path)
    for _ in range(4):
        run(SUCCEED + COUNT, tmp_path)
    assert value(counting.read(run(SUCCEED + PAGE, tmp_path)), OK) == 5
    assert len(list(tmp_path.glob("*.db"))) == 4  # of the last one, and of all before


def test_a_fresh_start_begins_anew_but_for_those_who_live(tmp_path: Path) -> None:
    run(START + COUNT, tmp_path)
    with staying(SUCCEED + COUNT, tmp_path):
        assert value(counting.read(run(START + PAGE, tmp_path)), OK) == 1


def test_labels_are_bounded_whatever_comes(tmp_path: Path) -> None:
    code = START + "for n in range(4000): metrics.version('huimages', f'f{n}', 75, 'ok')\nmetrics.version('new', 'jpg', 75, 'ok')\n" + PAGE
    page = counting.read(run(code, tmp_path))
    assert len(page[OK]) < 3100
    assert value(page, OK) == 4001
    assert value(page, OK, namespace="other", format="other") > 900
    assert {sample.labels["namespace"] for sample in page[OK]} == {"huimages", "other"}


def test_a_namespace_that_is_not_configured_is_another(tmp_path: Path) -> None:
    code = "metrics.version('new', 'jpg', 75, 'ok')\nmetrics.request('images', 'native', 'none', 404)\n"
    page = counting.read(run(START + code + PAGE, tmp_path))
    assert value(page, OK, namespace="other") == 1
    assert value(page, "onmiss_requests_total", namespace="none", status="404") == 1


def test_calls_of_stores_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    code = """
from contextlib import suppress
from renderer.errors import StoreUnavailable
from renderer.stores import Facts, OnDisk
from renderer.stores.file import FileStore
from renderer.stores.memory import MemoryStore
(directory / "original").write_bytes(b"abc")
metrics.start(directory / "metrics", ["huimages"])
store = metrics.watched(MemoryStore("far"), "far")
store.put("a", directory / "original", Facts(3, 0))
store.get("a", directory / "copy", 100)
store.get("b", directory / "copy", 100)
store.delete("b")
lost = metrics.watched(FileStore("lost", directory / "nowhere"), "lost")
assert isinstance(lost, OnDisk)
with suppress(StoreUnavailable):
    lost.facts("a")
with suppress(StoreUnavailable):
    lost.get("a", directory / "copy", 100)
"""
    page = counting.read(run(code + PAGE, tmp_path))
    labels = FAMILIES["onmiss_store_calls_total"].labels
    found = {tuple(sample.labels[name] for name in labels): sample.value for sample in page["onmiss_store_calls_total"]}
    assert found == {
        ("far", "put", "ok"): 1, ("far", "get", "ok"): 1, ("far", "get", "absent"): 1, ("far", "delete", "absent"): 1,
        ("lost", "facts", "failed"): 1, ("lost", "get", "failed"): 1,
    }  # fmt: skip
    assert value(page, "onmiss_store_call_seconds_count", store="far", call="get") == 2
    assert value(page, "image_server_fetch_original_downloaded_total") == 1
    assert value(page, "image_server_fetch_original_unavailable_total") == 1


@pytest.mark.feature(134)
def test_statsd_hears_the_names_of_the_source_and_of_the_readme(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(10)
        address = f"metrics.Address('localhost', {statsd.getsockname()[1]}, 'image_server.')"
        start = f"metrics.start(directory, ['huimages'], statsd={address})\nassert metrics.wait_statsd(10)\n"
        run(start + COUNT + "metrics.version('huimages', '', 0, 'failed')\nmetrics.fetched('original_unavailable')\n", tmp_path)
        heard = [line for _ in range(8) for line in statsd.recv(2000).decode().split("\n")]
    assert heard == [f"image_server.{line}" for line in (
        "new_image.request_count:1|c", "new_image.request_failed_count:1|c",
        "processing.version.ok_count:1|c", "processing.version.ok.jpg_count:1|c", "image_request:1|c", "image_request.jpg:1|c",
        "processing.versions.noop_count:1|c", "fetch.source_downloaded_count:1|c", "new_image.request_latency:250.000000|ms",
        "processing.version.failed_count:1|c", "image_request_fail:1|c",
        "fetch.original_unavailable_count:1|c", "original_unavailable:1|c",
    )]  # fmt: skip


def test_a_statsd_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    start = "metrics.start(directory, statsd=metrics.Address('no-such-host.invalid', 8125, ''))\n"
    assert run(start + COUNT + "print(metrics.wait_statsd(20))\n" + COUNT, tmp_path) == "False\n"


# render processes


@pytest.fixture
def mourned(tmp_path: Path) -> Iterator[tuple[Workers, list[str], Path]]:
    """Workers, what they died of, and an original that hangs whoever opens it."""
    os.mkfifo(tmp_path / "hanging.jpg")
    deaths: list[str] = []
    workers = Workers(Engine(), 1, 20, queue=4, on_death=deaths.append)
    workers.start()
    yield workers, deaths, tmp_path / "hanging.jpg"
    workers.stop(2)


def test_deaths_have_a_cause_and_the_pool_is_alive_after_each(mourned: tuple[Workers, list[str], Path]) -> None:
    workers, deaths, hanging = mourned
    with ThreadPoolExecutor(3) as threads:
        renders = [threads.submit(workers.header, hanging) for _ in range(3)]
        wait_until(lambda: workers.queued() == 2, what="two that wait for a process")
        for _ in renders:
            pid = wait_until(lambda: next(filter(is_waiting, workers.pids().render), 0), what="a process that hangs")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: pid not in workers.pids().render, what="its end")  # type: ignore[misc]
        assert [type(render.exception(20)) for render in renders] == [RenderKilled] * 3
    assert (deaths, workers.queued(), workers.is_alive()) == (["crash"] * 3, 0, True)
    idle = wait_until(lambda: workers.pids().render, what="a process")
    os.kill(idle[0], signal.SIGKILL)
    wait_until(lambda: workers.is_alive() and idle[0] not in workers.pids().render, 20, "another pool")
    workers.stop(2)
    assert not workers.is_alive()


def is_waiting(pid: int) -> bool:
    """Whether this process waits for a writer of a pipe."""
    with suppress(FileNotFoundError):
        place = Path(f"/proc/{pid}/wchan").read_text()
        return "fifo" in place or "wait_for_partner" in place
    return False


def test_a_render_that_takes_too_long_died_of_a_limit(mourned: tuple[Workers, list[str], Path]) -> None:
    _, deaths, hanging = mourned
    hasty = Workers(Engine(), 1, 0.3, on_death=deaths.append)
    hasty.start()
    try:
        with pytest.raises(RenderKilled):
            hasty.header(hanging)
    finally:
        hasty.stop(2)
    assert deaths == ["limit"]


# the pruner's


def test_what_passes_did_is_added_up_and_survives_nonsense(tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    for number in range(20):
        planted.plant(ref(number))
    planted.prune(max_bytes=10 * BLOCK, low=1.0)
    planted.prune(max_bytes=5 * BLOCK, low=1.0)
    totals = json.loads((planted.cache.pruning / "state").read_text())["totals"]
    assert (totals["passes"], totals["evicted"], totals["evicted_bytes"]) == (2, {"max_bytes": 15}, 15 * BLOCK)
    assert added("nonsense", {"emergency": 1}, 7) == {"passes": 0, "evicted": {"emergency": 1}, "evicted_bytes": 7, "seconds": 0.0}


def test_what_nginx_answered_is_counted_once(tmp_path: Path) -> None:
    log, served = Log(tmp_path), tmp_path / "files"
    picture = f"{served}/1-pillow/huimages/EQ/5/x/a.jpg"
    log.append(line(picture) + line(picture, status=304) + line(f"{served}/1-pillow/strange/a.jpg"))
    log.append(line(picture, is_miss=True) + line("/nothing", status=404))
    for _ in range(2):
        count_answers(log.path, tmp_path, served, {"huimages"})
    log.append(line(picture, uri="/b"))
    count_answers(log.path, tmp_path, served, {"huimages"})
    assert answers(tmp_path) == {
        "hit huimages 2xx": 2, "hit huimages 3xx": 1, "hit other 2xx": 1, "miss huimages 2xx": 1, "other none 4xx": 1,
    }  # fmt: skip


# what is written of it


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    assert set(NAMED.findall((DOCS / "README.md").read_text())) - {"image_server_"} == FAMILIES.keys()


def test_counters_handlers_and_fetches_have_all_names_of_image_server() -> None:
    assert {f"image_server_fetch_{what}_total" for what in metrics.FETCHES} <= {family.name for family in COUNTED}
    assert all(handler in (DOCS / "README.md").read_text() for handler in metrics.HANDLERS)


def _family(name: str) -> str:
    """What a series belongs to: a histogram has three."""
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if stem in FAMILIES and FAMILIES[stem].kind == "histogram" else name


def _known(expression: str) -> None:
    names = {_family(name) for name in NAMED.findall(expression)}
    assert names, expression
    assert names <= FAMILIES.keys(), expression
    labels = {label for name in names for label in FAMILIES[name].labels} | {"le", "job", "instance"}
    used = {label for clause in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression) for label in clause.split(", ")}
    used |= set(re.findall(r"([a-z_]+)=~?\"", expression))
    assert used <= labels, expression


def test_the_dashboard_names_what_there_is_and_all_of_it() -> None:
    board = json.loads((DOCS / "grafana.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    for expression in expressions:
        _known(expression)
        assert not re.search(r"\b(max|min) ?\(", expression)  # of several machines, beside sums of them
    assert {_family(name) for expression in expressions for name in NAMED.findall(expression)} == FAMILIES.keys()
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job"]
    assert {panel["datasource"]["uid"] for panel in board["panels"] if panel["type"] != "row"} == {"${datasource}"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_promtool_refuses_what_is_wrong(tmp_path: Path) -> None:
    """Or what it accepts would prove nothing."""
    promtool, rules = find_program("promtool", "scripts/bootstrap test"), tmp_path / "rules.yaml"
    rules.write_text("groups: [{name: a, rules: [{alert: B, expr: 'sum('}]}]")
    assert subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, check=False).returncode
    assert subprocess.run([promtool, "check", "metrics"], input=b"a{ 1\n", capture_output=True, check=False).returncode


def test_the_alert_rules_are_rules_and_name_what_there_is() -> None:
    promtool = find_program("promtool", "scripts/bootstrap test")
    rules = DOCS / "alerts.yaml"
    done = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]
    for rule in alerts:
        _known(rule["expr"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "cure"}
    assert len(alerts) >= 9
