"""The command `onmiss nginx`."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.cli import main
from renderer.config import Config
from renderer.web.nginx import configuration
from tests.running import Nginx, free_port


@pytest.mark.feature(94)
def test_what_it_prints_is_a_configuration_that_nginx_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port(following=2)
    assert main(["nginx", "--root", str(tmp_path / "root"), "--port", str(port)]) == 0
    printed = capsys.readouterr().out
    assert printed == configuration(Config.load(None, tmp_path / "root", {}).with_ports(port))
    assert Nginx(printed, tmp_path).check() == ""


def test_a_place_that_cannot_be_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root").write_text("a file")
    assert main(["nginx", "--root", str(tmp_path / "root")]) == 2
    assert capsys.readouterr().err.startswith("onmiss: nginx.run: expected a directory that can be made, got Not a directory")
