"""The command `onmiss config`."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.cli import main
from renderer.config import Config
from renderer.config.spelling import spell


@pytest.mark.feature(81)
def test_it_prints_a_file_that_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--root", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "onmiss.yaml").write_text(printed, encoding="utf-8")
    assert main(["config", "--config", str(tmp_path / "onmiss.yaml")]) == 0
    assert capsys.readouterr().out == printed == spell(Config.load(None, tmp_path, {}))


def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "onmiss.yaml").write_text("serve: {thread: 5}")
    assert main(["config", "--config", str(tmp_path / "onmiss.yaml")]) == 2
    assert capsys.readouterr().err == "onmiss: serve.thread: expected a known key (did you mean threads?)\n"
