"""Purged and deleted while the site runs: gone from disk when the command returns, and soon after from nginx's open files."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from renderer.deletions import GONE_SECONDS, Deletions
from renderer.rendition import Ref
from tests.e2e.conftest import MakeSite
from tests.e2e.site import TOP, Answer, Site, encoded, jpeg
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
RENDERS = 1000 if SOAK else 200
CLIENTS = 32
PURGES = 20 if SOAK else 4  # and one
VALID_SECONDS = 5  # open_file_cache_valid
PATIENCE = VALID_SECONDS + 15  # seconds
OLD, NEW = (220, 20, 20), (20, 20, 220)


def command(site: Site, *words: str) -> list[str]:
    options = ["--config", str(site.file), "--root", str(site.root)]
    done = subprocess.run(
        [sys.executable, "-m", "renderer", words[0], *options, *words[1:]],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(TOP)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def plain(colour: tuple[int, int, int]) -> bytes:
    return encoded(Image.new("RGB", (1200, 900), colour), "JPEG")


def is_new(picture: Image.Image) -> bool:
    red, _, blue = picture.convert("RGB").getpixel((0, 0))
    return bool(blue > red)


@pytest.mark.parametrize("tree", [{}, {"nginx": {"miss_rate": "off", "open_file_cache": "off"}}], ids=["open-file-cache", "without"])
def test_a_purged_rendition_is_gone_from_disk_and_then_made_again(make_site: MakeSite, tree: dict[str, object]) -> None:
    site = make_site(tree)
    site.start()
    ref = site.put(jpeg())
    path = f"/150x150/{ref.name}/title.jpeg"
    first = site.get(path)
    assert first.status == 200
    wait_until(lambda: not site.get(path)["x-onmiss"], 5, "a hit, whose file nginx keeps open")
    bytes_before = sum({p.stat().st_ino: p.stat().st_size for p in site.wiring.cache.files.rglob("*") if p.is_file()}.values())
    assert command(site, "purge", "--id", ref.name) == [f"{ref}\t1\t{bytes_before}\trenditions"]
    assert site.cached() == []
    again = wait_until(lambda: missed(site.get(path)), 1 if tree else PATIENCE, "a miss")
    assert again.body == first.body
    assert len(site.misses()) == 2


def missed(answer: Answer) -> Answer | None:
    assert answer.status == 200
    return answer if answer["x-onmiss"] == "miss" else None


@pytest.mark.feature(57)
def test_a_deleted_original_is_410_in_every_size_and_can_be_imported_again(site: Site, tmp_path: Path) -> None:
    content = jpeg()
    (tmp_path / "again.jpeg").write_bytes(content)
    command(site, "import", str(tmp_path / "again.jpeg"))
    (ref,) = site.wiring.originals.names(site.config.namespaces_built()["huimages"])
    assert site.wiring.catalog is not None
    assert site.wiring.catalog.get(ref)
    known, unknown = f"/150x150/{ref.name}.jpeg", f"/80x80/{ref.name}.jpeg"
    length = len(site.get(known).body)
    assert command(site, "delete", ref.name) == [f"{ref}\t1\t{length}\toriginal, entry and renditions"]
    assert (site.cached(), site.wiring.originals.facts(ref), site.wiring.catalog.get(ref)) == ([], None, None)
    assert content not in [path.read_bytes() for path in site.root.rglob("*") if path.is_file()]
    gone = site.get(unknown)
    assert (gone.status, gone["cache-control"], gone["content-type"]) == (410, "max-age=10", "text/plain; charset=utf-8")
    assert site.get(unknown, "HEAD").comparable()[:2] == gone.comparable()[:2]
    wait_until(lambda: site.get(known).status == 410, PATIENCE, "a 410")
    command(site, "import", str(tmp_path / "again.jpeg"))
    wait_until(lambda: site.get(known).status == 200, 15, "the picture again")


@pytest.mark.feature(57)
def test_what_was_deleted_long_ago_is_404_as_if_it_had_never_been(site: Site) -> None:
    ref = site.put(jpeg())
    removal = site.wiring.removal
    removal.delete(ref)
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 410
    long_ago = Deletions(site.config.root / "deletions", now=lambda: time.time() - GONE_SECONDS - 1)
    long_ago.record(ref)
    long_ago.finish(ref)
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 404


class Crowd:
    """Asks for size after size of an original, RENDERS of them and then as many as it takes until `purged`."""

    def __init__(self, site: Site, ref: Ref) -> None:
        self.site, self.ref, self.purged, self.enough = site, ref, threading.Event(), threading.Event()
        self.answers = Counter[int]()
        self._numbers = itertools.count()

    def path(self, number: int) -> str:
        return f"/i/{self.ref}/fit-{100 + number % 500}x_q{50 + number // 500}.jpg"

    def ask(self) -> None:
        for number in self._numbers:
            if number >= RENDERS and self.purged.is_set():
                return
            wait_until(lambda path=self.path(number): self._answer(path) == 200, 60, "a picture")
            if number > RENDERS // 4:
                self.enough.set()

    def _answer(self, path: str) -> int:
        answer = self.site.get(path)
        self.answers[answer.status] += 1
        assert answer.status in (200, 503), answer.body
        return answer.status


def test_a_purge_amid_a_crowd_leaves_nothing_of_the_old_bytes(make_site: MakeSite) -> None:
    """Purged by this process, as soon as the bytes are others: then what is being rendered is still of the old ones."""
    site = make_site({"namespaces": {"scenes": {"naming": "path"}}})
    site.start()
    ref = site.put(plain(OLD), "scenes", "lion.jpg")
    crowd, receipts, survivors = Crowd(site, ref), [], []
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(crowd.ask) for _ in range(CLIENTS)]
        try:
            assert crowd.enough.wait(120)
            for colour in (NEW, OLD) * (PURGES // 2) + (NEW,):
                wait_until(lambda: len(site.cached()) > 10, 60, "something to purge")
                site.put(plain(colour), "scenes", "lion.jpg")
                receipts.append(site.wiring.removal.purge(ref))
                survivors += of_colour(site, new=colour == OLD)
        finally:
            crowd.purged.set()
        for each in asked:
            each.result(120)
    assert all(receipt.files > 0 for receipt in receipts)
    assert survivors == of_colour(site, new=False) == []
    for number in range(0, RENDERS, RENDERS // 20):
        wait_until(lambda path=crowd.path(number): is_new(site.get(path).picture()), PATIENCE, "the new picture everywhere")
    assert site.left_over() == []
    if SOAK:
        purged = sum(receipt.files for receipt in receipts)
        print(f"\n{purged} renditions in {len(receipts)} purges amid {dict(crowd.answers)} answers, no survivor")


def test_a_deletion_amid_a_crowd_leaves_nothing_and_every_url_that_was_a_hit_is_410(site: Site) -> None:
    """RENDERS of them, and then as many as it takes until the deletion returns."""
    ref = site.put(jpeg(1200, 900))
    numbers, found, halfway, deleted = itertools.count(), dict[str, int](), threading.Event(), threading.Event()

    def answered(path: str) -> bool:
        status = site.get(path).status
        assert status in (200, 410, 503)
        if status != 503:  # busy, or purged at this moment: the client asks again
            found[path] = status
        return status != 503

    def ask() -> None:
        for number in numbers:
            if number >= RENDERS and deleted.is_set():
                return
            path = f"/i/{ref}/fit-{100 + number % 500}x_q{50 + number // 500}.jpg"
            wait_until(lambda path=path: answered(path), 60, "an answer")
            if number > RENDERS // 2:
                halfway.set()

    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(ask) for _ in range(CLIENTS)]
        try:
            assert halfway.wait(120)
            receipt = site.wiring.removal.delete(ref)
            survivors = site.cached()
        finally:
            deleted.set()
        for each in asked:
            each.result(120)
    assert (survivors, site.cached(), receipt.original) == ([], [], True)
    assert receipt.files > RENDERS // 4
    assert list(found.values()).count(200) > RENDERS // 4
    # each of nginx's workers has open files of its own
    wait_until(lambda: {site.get(path).status for path in found} == {410}, PATIENCE, "410 for what was a hit, and for the rest")
    assert (site.cached(), site.left_over()) == ([], [])
    if SOAK:
        print(f"\n{receipt.files} renditions deleted amid {dict(Counter(found.values()))} answers, no survivor; now all of them are 410")


def of_colour(site: Site, new: bool) -> list[str]:
    """Published files of the old picture, or of the new one."""
    found = []
    for path in site.wiring.cache.files.rglob("*"):
        if path.is_file():
            with Image.open(path) as image:
                found += [path.name] * (is_new(image) == new)
    return found
