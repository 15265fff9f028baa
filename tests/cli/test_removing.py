"""`onmiss purge` and `onmiss delete`, as processes: receipts, summaries, exit codes, and questions before much is removed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.cache import Cache
from renderer.catalog import Entry
from renderer.rendition import Ref
from tests.e2e.site import TOP, Site, jpeg

# the first one is that which is meant without a word: the file is written in order of the names
TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}}
ENVIRON = {**os.environ, "PYTHONPATH": str(TOP)}
NOBODY = "A" * 32 + "01"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs: the commands work on files."""
    return Site(tmp_path / "site", TREE)


def onmiss(site: Site, *words: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
    command, given = spelled(site, *words), stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, env=ENVIRON, cwd=site.root)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def spelled(site: Site, *words: str) -> list[str]:
    return [sys.executable, "-m", "renderer", words[0], "--config", str(site.file), "--root", str(site.root), *words[1:]]


def filled(site: Site, seed: int = 1, name: str = "", renditions: int = 2) -> Ref:
    """An original with so many renditions of 7 bytes, each with an alias, half of them of another generation."""
    ref = site.put(jpeg(64, 48, seed), "scenes" if name else "huimages", name)
    for number in range(renditions):
        cache = site.wiring.cache if number % 2 else Cache(site.wiring.cache.root, "0")
        path = cache.files / ref.directory / f"fit-{number + 1}x_q75.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
        os.link(path, path.with_name(f"~{number + 1}x.jpeg"))
    return ref


def served(site: Site) -> list[str]:
    return [path.name for path in site.wiring.cache.served.rglob("*") if path.is_file()]


def test_purge_prints_a_receipt_and_keeps_the_original(site: Site) -> None:
    ref, other = filled(site), filled(site, 2)
    done = onmiss(site, "purge", "--id", ref.name, f"huimages/{NOBODY}")
    assert (done.returncode, done.stdout) == (0, f"{ref}\t2\t14\trenditions\nhuimages/{NOBODY}\t0\t0\tnothing\n")
    assert done.stderr == "2 names: 0 originals and 2 renditions of 0.0 MB removed, 0 failed\n"
    assert site.wiring.originals.facts(ref)
    assert len(served(site)) == 4
    assert other.name in onmiss(site, "purge", "--namespace", "huimages", "--yes").stdout


def test_delete_prints_a_receipt_and_leaves_nothing(site: Site) -> None:
    ref = filled(site)
    done = onmiss(site, "delete", ref.name)
    assert (done.returncode, done.stdout) == (0, f"{ref}\t2\t14\toriginal and renditions\n")
    assert (site.wiring.originals.facts(ref), served(site)) == (None, [])
    again = onmiss(site, "delete", ref.name)
    assert (again.returncode, again.stdout) == (0, f"{ref}\t0\t0\tnothing\n")


def test_a_name_that_standard_output_cannot_show_stops_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = [filled(site, 1, "Käse.jpg"), filled(site, 2, "lamp.jpg")]
    monkeypatch.setitem(ENVIRON, "PYTHONIOENCODING", "ascii")
    done = onmiss(site, "delete", *map(str, refs))
    assert (done.returncode, served(site)) == (0, [])
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["scenes/K\\xe4se.jpg", "scenes/lamp.jpg"]


def test_delete_takes_the_catalogs_entry_too_and_says_so(site: Site) -> None:
    ref, lost = filled(site), site.config.namespaces_built()["huimages"].ref(NOBODY)
    catalog = site.wiring.catalog
    assert catalog is not None
    for known in (ref, lost):
        catalog.change(known, lambda _: Entry(titles=("Käse",)))
    would, done = onmiss(site, "delete", "--dry-run", ref.name, lost.name), onmiss(site, "delete", ref.name, lost.name)
    assert done.stdout == would.stdout == f"{ref}\t2\t14\toriginal, entry and renditions\n{lost}\t0\t0\tentry\n"
    assert (catalog.get(ref), catalog.get(lost)) == (None, None)


def test_delete_takes_names_of_another_namespace(site: Site) -> None:
    first, second = filled(site, name="a/b.jpg"), filled(site, name="c.jpg", renditions=0)
    assert onmiss(site, "delete", "--namespace", "scenes", "a/b.jpg").stdout == f"{first}\t2\t14\toriginal and renditions\n"
    assert onmiss(site, "delete", "scenes/c.jpg").stdout == f"{second}\t0\t0\toriginal\n"


@pytest.mark.parametrize(
    "words", [("purge", "--id"), ("purge", "--namespace", "huimages", "--name"), ("delete",)], ids=["purge-id", "purge-name", "delete"]
)
def test_a_dry_run_says_what_would_go_and_removes_nothing(site: Site, words: tuple[str, ...]) -> None:
    ref = filled(site)
    would = onmiss(site, *words, ref.name, "--dry-run")
    assert "would be removed" in would.stderr
    assert site.wiring.originals.facts(ref)
    assert len(served(site)) == 4
    assert onmiss(site, *words, ref.name).stdout == would.stdout


def test_a_whole_namespace_is_purged_by_what_is_cached_and_only_after_a_yes(site: Site) -> None:
    refs, kept = [filled(site, name=f"{number}/p.jpg", renditions=number) for number in (1, 2, 3)], filled(site)
    filled(site, name="never/seen.jpg", renditions=0)
    unsure = onmiss(site, "purge", "--namespace", "scenes")
    assert (unsure.returncode, unsure.stdout) == (2, "")
    assert "--yes" in unsure.stderr
    would = onmiss(site, "purge", "--namespace", "scenes", "--dry-run")
    done = onmiss(site, "purge", "--namespace", "scenes", "--yes")
    lines = [f"{ref}\t{number}\t{7 * number}\trenditions" for number, ref in enumerate(refs, 1)]
    assert sorted(done.stdout.splitlines()) == sorted(would.stdout.splitlines()) == lines
    assert len(served(site)) == 4
    assert onmiss(site, "purge", "--id", kept.name).stdout == f"{kept}\t2\t14\trenditions\n"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1)], ids=["yes", "no"])
def test_on_a_terminal_it_asks(site: Site, answer: str, code: int) -> None:
    filled(site)
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        command = spelled(site, "purge", "--namespace", "huimages")
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False, timeout=60, env=ENVIRON)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "every rendition of huimages" in done.stderr
    assert len(served(site)) == (0 if code == 0 else 4)


def test_progress_is_shown_on_a_terminal_and_the_receipts_are_not_mixed_with_it(site: Site) -> None:
    ref = filled(site)
    ours, theirs = pty.openpty()
    try:
        command = spelled(site, "purge", "--id", ref.name)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False, timeout=60, env=ENVIRON)
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == f"{ref}\t2\t14\trenditions\n"
    assert shown.count("1 names: ") == 2  # progress, and the summary in its place
    assert shown.startswith("\r\033[K")


def test_names_from_standard_input_are_taken_as_they_were_printed_and_a_bad_one_stops_nothing(site: Site) -> None:
    ref, path = filled(site), filled(site, name="wall/Käse.jpg")
    lines = f"{ref}\t2\t14\trenditions\n\n{ref.name}\nnope\nnope/{ref.name}\n{path}\r\n".encode() + b"scenes/\xff.jpg\n"
    done = onmiss(site, "purge", "--stdin", stdin=lines)
    assert done.returncode == 1
    assert done.stdout == f"{ref}\t2\t14\trenditions\n{ref}\t0\t0\tnothing\n{path}\t2\t14\trenditions\n"
    assert done.stderr.count("expected ") == 3
    assert done.stderr.endswith("3 names: 0 originals and 4 renditions of 0.0 MB removed, 3 failed\n")


def test_standard_input_may_belong_to_one_namespace(site: Site) -> None:
    ref = filled(site, name="wall/lion.jpg")
    done = onmiss(site, "purge", "--stdin", "--namespace", "scenes", "--quiet", stdin="wall/lion.jpg\n")
    assert (done.returncode, done.stdout, served(site)) == (0, "", []), ref


@pytest.mark.parametrize(
    "words",
    [
        ("purge",),
        ("purge", "--id", "nope"),
        ("purge", "--id", f"nope/{NOBODY}"),
        ("purge", "--id", NOBODY, "--stdin"),
        ("purge", "--name", NOBODY),
        ("purge", "--namespace", "nope", "--yes"),
        ("purge", "--stdin", "--namespace", "nope"),
        ("delete", "nope"),
        ("delete", NOBODY, "--namespace", "nope"),
    ],
    ids=lambda words: "-".join(word.strip("-")[:9] for word in words),
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(site: Site, words: tuple[str, ...]) -> None:
    filled(site)
    tried = onmiss(site, *words)
    assert (tried.returncode, tried.stdout) == (2, "")
    assert tried.stderr.startswith("onmiss: ")
    assert "expected" in tried.stderr
    assert len(served(site)) == 4


def test_a_store_that_is_not_there_fails_a_deletion_and_not_a_purge(site: Site) -> None:
    ref = filled(site)
    absent = site.root.parent / "not-mounted"
    site.file.write_text(f"stores: {{disk: {{kind: file, root: {absent}}}}}\nnamespaces: {{huimages: {{store: disk}}}}\n", encoding="utf-8")
    purged, deleted = onmiss(site, "purge", "--id", ref.name), onmiss(site, "delete", ref.name)
    assert (purged.returncode, purged.stdout) == (0, f"{ref}\t2\t14\trenditions\n")
    assert (deleted.returncode, deleted.stdout) == (1, "")
    assert deleted.stderr.startswith(f"{ref}: store disk: ")
    assert deleted.stderr.endswith(" 1 failed\n")
