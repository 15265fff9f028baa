"""Who is woken by what: the alert rules, judged by Prometheus' own promtool on series that were made up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.counting import TOP
from tests.servers import find_program

RULES = TOP / "docs/operations/alerts.yaml"

Series = dict[str, str]


def built(machine: str) -> str:
    return f'onmiss_build_info{{instance="{machine}",job="onmiss",version="1"}}'


def passed(machine: str) -> str:
    return f'onmiss_pruner_last_pass_timestamp_seconds{{instance="{machine}",job="onmiss"}}'


def requests(status: int) -> str:
    return f'onmiss_requests_total{{instance="a",job="onmiss",host="images",dialect="native",namespace="n",status="{status}"}}'


BOTH = {'up{instance="a",job="onmiss"}': "1x200", 'up{instance="b",job="onmiss"}': "1x200", built("a"): "1x200", built("b"): "1x200"}
ONE_DOWN = BOTH | {'up{instance="b",job="onmiss"}': "1x9 0x190", built("b"): "1x9 _x190"}


# alert, minute at which it is looked at, series by minute, instances for which it fires
CASES = [
    pytest.param("OnmissDown", 30, BOTH, [], id="all are there"),
    pytest.param("OnmissDown", 30, ONE_DOWN, ["b"], id="one of two is down"),
    pytest.param("OnmissDown", 30, {'up{instance="c",job="node"}': "0x60", built("a"): "1x60"}, [], id="another job is down"),
    pytest.param("OnmissDown", 30, {"up": "1x60"}, [None], id="nobody is there"),
    pytest.param("OnmissPrunerNotPassing", 30, {built("a"): "1x200"}, [], id="just started"),
    pytest.param("OnmissPrunerNotPassing", 150, BOTH | {passed("a"): "0+60x200"}, ["b"], id="one never passed"),
    pytest.param("OnmissPrunerNotPassing", 150, {built("a"): "1x200", passed("a"): "60x200"}, ["a"], id="the last pass is long ago"),
    pytest.param("OnmissPrunerNotPassing", 150, {built("a"): "1x100 _x100"}, [], id="a machine that is no more"),
    pytest.param("OnmissServerErrors", 30, {requests(503): "0+0.2x60", requests(200): "0+0.2x60"}, [], id="one now and then"),
    pytest.param("OnmissServerErrors", 30, {requests(503): "0+10x60", requests(200): "0+1000x60"}, [], id="few of many"),
    pytest.param("OnmissServerErrors", 30, {requests(503): "0+10x60", requests(200): "0+20x60"}, ["a"], id="many"),
]


@pytest.mark.parametrize(("alert", "minute", "series", "fired"), CASES)
def test_it_fires_for_whom_it_should(alert: str, minute: int, series: Series, fired: list[str | None], tmp_path: Path) -> None:
    told = judged(tmp_path, alert, minute, series)
    firing = told.partition("got:")[2]
    assert firing
    for machine in ("a", "b", "c"):
        assert (f'instance="{machine}"' in firing) == (machine in fired)
    assert firing.count(f'alertname="{alert}"') == len(fired)


def judged(directory: Path, alert: str, minute: int, series: Series) -> str:
    """What promtool says of an expectation that is not met; so it says what fires."""
    never: dict[str, Any] = {"exp_labels": {"never": "x"}, "exp_annotations": {}}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": [never]}],
    }
    file = directory / "tests.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    command = [find_program("promtool", "scripts/bootstrap test"), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr + done.stdout
