"""Pruning under load: nothing that is served breaks, bounds are kept whatever is asked for, and a kill at any point loses nothing.

Shortened in `make test`; `make soak` runs the storm for a minute and fifty kills, and prints what it saw.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from renderer import memo
from renderer.errors import Conflict
from renderer.rendition import Ref
from tests.e2e.site import TOP, Site, jpeg, running
from tests.servers import find_program, stop
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
STORM_SECONDS = 65 if SOAK else 6
STORM_URLS = 2000 if SOAK else 300
KILLS = 50 if SOAK else 6
SIDES = range(40, 440, 2)

# wrk's own counts tell nothing of short bodies, and nothing of which status came
LUA = """
local paths, bad = {}, {}
for line in io.lines("PATHS") do paths[#paths + 1] = line end
local number = 0
function request() number = number % #paths + 1 return wrk.format("GET", paths[number]) end
function response(status, headers, body)
    if status ~= 200 then bad[#bad + 1] = tostring(status) end
    if status == 200 and tonumber(headers["Content-Length"]) ~= #body then bad[#bad + 1] = "short" end
    if #bad > 0 then wrk.thread:stop() end
end
local threads = {}
function setup(thread) table.insert(threads, thread) end
function done(summary, latency, requests)
    local wrong = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.connect + summary.errors.timeout
    io.write(string.format("REQUESTS %d WRONG %d\\n", summary.requests, wrong))
end
"""


def paths_of(refs: Sequence[Ref], count: int) -> list[str]:
    """So many URLs, neighbours of different originals; every other one by an alias."""
    wanted = [(side, ref) for side in SIDES for ref in refs][:count]
    return [f"/{side}x{side}!/{ref.name}/title.jpeg" if side % 4 else f"/i/huimages/{ref.name}/fit-{side}x_q75.jpg" for side, ref in wanted]


@contextmanager
def pruned(site: Site, **bounds: Any) -> Iterator[list[Any]]:
    """Pass after pass while the block runs; their summaries."""
    ended, summaries, trouble = threading.Event(), [], []
    pruner = site.wiring.pruner_within({"min_age": 1.0, **bounds})

    def prune() -> None:
        try:
            while not ended.is_set():
                summaries.append(pruner.run())
        except Exception as error:
            trouble.append(error)

    thread = threading.Thread(target=prune)
    thread.start()
    try:
        yield summaries
    finally:
        ended.set()
        thread.join()
    assert not trouble, trouble


def size_of(site: Site) -> tuple[int, int]:
    """Bytes on disk and files, without aliases; some may go while we look."""
    statuses: dict[int, int] = {}
    for folder, _, names in os.walk(site.wiring.cache.files):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(f"{folder}/{name}")
                statuses[status.st_ino] = status.st_blocks * 512
    return sum(statuses.values()), len(statuses)


def test_a_storm_of_evictions_under_load_breaks_no_answer(tmp_path: Path) -> None:
    wrk = find_program("wrk", "apt-get install wrk")
    with running(tmp_path / "site", {"nginx": {"miss_rate": "off", "miss_connections": "off", "herd_rate": "off"}}) as site:
        refs = [site.put(jpeg(450, 440, seed)) for seed in range(20)]
        paths = paths_of(refs, STORM_URLS)
        for path in paths:
            assert site.get(path).status == 200
        whole, _ = size_of(site)
        script, listed = tmp_path / "storm.lua", tmp_path / "paths"
        listed.write_text("\n".join(paths) + "\n")
        script.write_text(LUA.replace("PATHS", str(listed)))
        command = [wrk, "-t1", "-c8", f"-d{STORM_SECONDS}s", "--timeout", "30s", "-s", str(script), f"http://127.0.0.1:{site.port}"]
        with pruned(site, max_bytes=whole // 2, low_water=60) as summaries:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        evicted = sum(sum(summary.evicted.values()) for summary in summaries)
        rendered = len(site.misses()) - len(paths)
    found = next(line for line in done.stdout.splitlines() if line.startswith("REQUESTS")).split()
    assert int(found[3]) == 0, done.stdout
    assert evicted > 20
    assert rendered > 20
    if SOAK:
        print(f"\n{found[1]} requests in {STORM_SECONDS} s, none wrong; {evicted} evicted in {len(summaries)} passes, {rendered} remade")


def test_R11_a_client_that_asks_for_every_size_fills_no_disk_and_takes_little_from_the_others(tmp_path: Path) -> None:
    chance = random.Random(5)
    with running(tmp_path / "site", {"render": {"processes": 2}}) as site:
        refs = [site.put(jpeg(450, 440, seed)) for seed in range(12)]
        hot = [f"/{side}x{side}!/{ref.name}.jpeg" for ref in refs for side in (100, 150, 200)]
        weights = [1 / (number + 1) for number in range(len(hot))]
        for path in hot:
            site.get(path)
        bound = (40 if SOAK else 10) * size_of(site)[0]  # more than what is asked for within min_age
        scan = iter(paths_of(refs, 2_400 if SOAK else 900))
        pruner = site.wiring.pruner_within({"min_age": 0.5, "max_bytes": bound, "low_water": 90, "max_inodes": 4000 if SOAK else 1000})

        def hits(rounds: int, attack: int) -> float:
            """The hot set's hit ratio, with so many strange sizes asked for in between."""
            found = 0
            for number in range(rounds):
                for path in chance.choices(hot, weights, k=4):
                    found += site.get(path)["X-Onmiss"] == ""
                for path in [next(scan) for _ in range(attack)]:
                    site.get(path)
                if number % 10 == 9:
                    summary = pruner.run()
                    assert summary.unmet == []
                    assert size_of(site)[0] <= bound
            return found / (4 * rounds)

        quiet = hits(40, 0)
        attacked = hits(230 if SOAK else 60, 10)
    assert quiet > 0.97
    assert attacked > quiet - 0.05
    if SOAK:
        print(f"\nhot set: {quiet:.3f} of hits without the scan, {attacked:.3f} with it")


def test_killed_at_any_point_a_pass_loses_nothing_and_the_next_one_completes(tmp_path: Path) -> None:
    site, chance = Site(tmp_path / "site"), random.Random(11)
    refs = [site.put(jpeg(64, 48, seed)) for seed in range(3)]
    originals = {path: path.read_bytes() for path in (site.root / "originals").rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "renderer", "prune", "--root", str(site.root), "--config", str(site.file), "--quiet", "--nice", "0"]
    environ = {**os.environ, "PYTHONPATH": str(TOP)}
    killed = 0
    for _ in range(KILLS):
        plant(site, refs, 600)
        before = size_of(site)[1]
        process = subprocess.Popen([*command, "--max-bytes", "40kB", "--min-age", "1"], env=environ, stdin=subprocess.DEVNULL)
        enough = chance.randrange(1, 550)

        def is_far(before: int = before, enough: int = enough, process: subprocess.Popen[bytes] = process) -> bool:
            return process.poll() is not None or size_of(site)[1] <= before - enough

        wait_until(is_far, 30, "evictions")
        killed += process.poll() is None
        process.kill()
        process.wait()
        check(site)
    subprocess.run([*command, "--max-bytes", "40kB", "--min-age", "1"], env=environ, check=True, stdin=subprocess.DEVNULL)
    check(site)
    assert killed > KILLS // 2
    assert size_of(site)[0] <= 40_000
    assert {path: path.read_bytes() for path in originals} == originals
    assert list((site.wiring.cache.root / "trash").iterdir()) == []
    if SOAK:
        print(f"\n{killed} of {KILLS} passes were killed; {len(originals)} originals whole, no orphan")


def plant(site: Site, refs: Sequence[Ref], count: int) -> None:
    """Renditions with an alias each, published some minutes ago."""
    for number in range(count):
        ref, side = refs[number % len(refs)], 100 + number
        path = site.wiring.cache.files / ref.directory / f"fit-{side}x{side}_q75.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 3000)
        alias = path.with_name(f"~{side}x{side}.jpeg")
        alias.unlink(missing_ok=True)
        os.link(path, alias)
        os.utime(path, ns=(int((time.time() - 500) * 1e9), 1_300_000_000 * 10**9 + memo.spell(memo.Memo(30), 3000)))


def check(site: Site) -> None:
    """No name without its rendition, and nothing short."""
    for path in site.wiring.cache.files.rglob("~*"):
        assert path.with_name(f"fit-{path.name[1:].removesuffix('.jpeg')}_q75.jpg").samefile(path)
        assert path.stat().st_size == 3000


def test_a_full_disk_gets_room_by_eviction_and_the_request_its_picture(tmp_path: Path) -> None:
    """A cache on a file system of its own, of three megabytes."""
    mount = tmp_path / "site/cache"
    mount.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(mount)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("expected to be allowed to mount")
    try:
        with running(tmp_path / "site") as site:
            ref, other = site.put(jpeg(640, 480)), site.put(jpeg(64, 48))
            folder = site.wiring.cache.files / other.directory
            folder.mkdir(parents=True)
            for number in range(60):
                path = folder / f"fit-{100 + number}x_q75.jpg"
                try:
                    path.write_bytes(b"x" * 60_000)
                except OSError:
                    path.unlink()
                    break
                os.utime(path, ns=(int((time.time() - 500) * 1e9), memo.spell(memo.Memo(30), 60_000)))
            fill(mount / "filling")
            answer = site.get(f"/600x600/{ref.name}.jpeg")
            assert answer.status == 200
            assert answer.picture().size == (600, 450)
            assert "asking the pruner for room" in site.log.read_text()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(path: Path) -> None:
    """Until there is no room left."""
    with path.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        while filling.write(b"x" * 4096) == 4096:
            continue


def test_the_resident_pruner_keeps_the_bound_and_stops_when_it_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", {"cache": {"max_bytes": "40kB", "min_age": 1, "prune_seconds": 1}})
    refs = [site.put(jpeg(64, 48, seed)) for seed in range(3)]
    plant(site, refs, 60)
    command = [sys.executable, "-m", "renderer", "prune", "--watch", "--root", str(site.root), "--config", str(site.file)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TOP)}, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: size_of(site)[0] <= 40_000, 30, "a first pass")
        plant(site, refs, 60)
        wait_until(lambda: size_of(site)[0] <= 40_000, 30, "another pass")
        process.terminate()
        assert process.wait(10) == 0
    finally:
        stop(process)


def prune(site: Site, *words: str, check: Callable[[int], bool] = lambda code: code == 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", "prune", "--root", str(site.root), "--config", str(site.file), *words]
    environ = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert check(done.returncode), done.stderr
    return done


def test_the_command_says_what_it_did_and_leaves_when_another_is_at_work(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    plant(site, [site.put(jpeg(64, 48))], 30)
    said = prune(site, "--dry-run", "--max-bytes", "40kB").stderr
    assert "would be evicted: " in said
    assert "uses are known by: visited" in said
    assert len(json.loads(prune(site, "--dry-run", "--json").stdout)["evicted"]) == 0
    with site.wiring.pruner_within({})._alone():
        assert prune(site, check=lambda code: code == 3).stderr.startswith("onmiss: another pruner is at work")
        with pytest.raises(Conflict):
            site.wiring.pruner_within({}).run()
    assert prune(site, "--max-bytes", "1", "--min-age", "3600", check=lambda code: code == 1).stderr.endswith(f"got {30 * 4096}\n")
    assert prune(site, "--max-bytes", "10 parsecs", check=lambda code: code == 2).stderr.startswith("onmiss: --max-bytes: expected")
    assert prune(site, "--max-bytes", "40kB", "--low-water", "80", "--quiet").stderr == ""
    assert size_of(site)[0] <= 32_000
