"""The contact sheet: every picture of a folder on one page, and for what is none the sentence that says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.picture.pictures import quarters, saved

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/contact_sheet.py"


def test_a_page_shows_pictures_and_says_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    saved(quarters((640, 480)), tmp_path / "in/good.jpg")
    (tmp_path / "in/deep/<bad>.jpg").write_text("<script>alert(1)</script>")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert done.stdout.strip() == str(tmp_path / "out/index.html")
    assert [page.count(f"data:image/{kind};base64,") for kind in ("jpeg", "webp", "png")] == [1, 1, 1]
    assert page.count("expected a readable picture") == 3
    assert "<script>" not in page
    assert "&lt;bad&gt;" in page
    assert "640x480" in page


def test_a_folder_without_pictures_is_said_to_be_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a folder of pictures" in done.stderr
