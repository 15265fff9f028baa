"""Bulk import: the whole of it, against the bare cost of what must be done to the same bytes, into a file store and into an S3 server.

Bare is: hash the bytes as they are read, have a render process read the header, put the file, by the same store class with the same
number of threads; no copy, no catalog, no names found, no order kept, nothing printed. Both take turns.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.pictures import drawn
from bench.report import Section, Table, at_most
from renderer.cli.importing import USUAL_JOBS
from renderer.config import Config
from renderer.importing import Importing
from renderer.importing.finding import Patterns, find
from renderer.importing.resume import State
from renderer.importing.wishes import Wishes
from renderer.stores import Facts
from renderer.wiring import Wiring
from tests.servers import BUCKET, S3Server, run_rclone

PHOTOS, PHOTO_BYTES = 2000, 200_000
BOUND = 1.5
TURNS = 3


@dataclass(frozen=True)
class Spent:
    seconds: float
    cpu: float


def measure(directory: Path) -> Section:
    folder, total = _photos(directory / "photos")
    with run_rclone(_made(directory / "rclone")) as server:
        ways: dict[str, dict[str, Any]] = {"file store": {"kind": "file"}, "S3 (rclone)": {"kind": "s3", **_settings(server)}}
        rows = [row for name, store in ways.items() for row in _beside(directory, name, store, folder, total)]
    return Section((
        f"{PHOTOS} photos of {total / PHOTOS / 1000:.0f} kB, {USUAL_JOBS} jobs, catalog in SQLite, with --resume; medians of {TURNS} turns "
        "each. Bare: hash, header by the same render processes, put by the same store class with as many threads. CPU: of the process "
        "that imports and of its render processes, not of the S3 server.",
        Table(("into", "", "files/s", "MB/s", "CPU, ms/file", "÷ bare", "bound", ""), rows),
    ))  # fmt: skip


def _photos(folder: Path) -> tuple[Path, int]:
    """Real JPEG data; every file has bytes of its own, behind the end of the picture."""
    folder.mkdir(parents=True)
    picture = io.BytesIO()
    drawn((1024, 683), 1).save(picture, "JPEG", quality=92)
    content = picture.getvalue()
    for number in range(PHOTOS):
        filling = hashlib.shake_128(b"%d" % number).digest(max(16, PHOTO_BYTES - len(content)))
        (folder / f"{number:05}.jpg").write_bytes(content + filling)
    return folder, sum(path.stat().st_size for path in folder.iterdir())


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _settings(server: S3Server) -> dict[str, Any]:
    return server.settings(bucket=BUCKET)


def _beside(directory: Path, name: str, store: dict[str, Any], folder: Path, total: int) -> Iterator[list[str]]:
    spent: dict[str, list[Spent]] = {"bare": [], "import": []}
    work: dict[str, Callable[[Wiring, Path, Path], None]] = {"bare": _bare, "import": _import}
    for turn in range(TURNS):
        for way in sorted(work, reverse=bool(turn % 2)):
            print(f"importing: {name}, {way}, turn {turn + 1}", flush=True)
            root = directory / f"{way}-{turn}"
            own = {**store, **({"prefix": f"{way}-{turn}"} if store["kind"] == "s3" else {})}
            with _wired(root, own) as wiring:
                spent[way].append(_timed(wiring, lambda work=work[way], wiring=wiring, root=root: work(wiring, folder, root)))
            shutil.rmtree(root)
    seconds = {way: statistics.median(each.seconds for each in spent[way]) for way in spent}
    for way, turns in spent.items():
        cpu = statistics.median(each.cpu for each in turns) * 1000 / PHOTOS
        ratio = seconds[way] / seconds["bare"]
        bound = (f"**{ratio:.2f}**", *at_most(ratio, BOUND, "×")) if way == "import" else ("", "", "")
        yield [name, way, f"{PHOTOS / seconds[way]:.0f}", f"{total / 1e6 / seconds[way]:.0f}", f"{cpu:.2f}", *bound]


@contextmanager
def _wired(root: Path, store: dict[str, Any]) -> Iterator[Wiring]:
    render = {"max_renders": 100_000}  # none is renewed, and its CPU time forgotten
    wiring = Wiring(Config.of({"stores": {"disk": store}, "render": render}, _made(root)))
    wiring.workers.start()
    try:
        yield wiring
    finally:
        wiring.workers.stop(2)


def _timed(wiring: Wiring, work: Callable[[], None]) -> Spent:
    def cpu() -> float:
        return time.process_time() + sum(map(machine.cpu_seconds, wiring.workers.pids().render))

    before, began = cpu(), time.monotonic()
    work()
    return Spent(time.monotonic() - began, cpu() - before)


def _import(wiring: Wiring, folder: Path, root: Path) -> None:
    space = next(iter(wiring.config.namespaces_built().values()))
    with closing(State(root / "state")) as state:
        importing = Importing(wiring.ingest, Wishes(space, title="A photo"), USUAL_JOBS, state, wiring.catalog)
        for outcome in importing.outcomes(find(str(folder), Patterns())):
            if outcome.what != "taken in":
                raise RuntimeError(f"expected {outcome.shown} to be taken in, got it {outcome.what}: {outcome.reason}")


def _bare(wiring: Wiring, folder: Path, root: Path) -> None:
    space = next(iter(wiring.config.namespaces_built().values()))
    home = wiring.originals.homes[space.name]

    def one(path: Path) -> None:
        with path.open("rb") as file:
            name = space.naming.name_of(hashlib.file_digest(file, "sha1").digest())
        header, status = wiring.workers.header(path), path.stat()
        facts = Facts(status.st_size, int(status.st_mtime), header.format.mime, header.width, header.height)
        home.store.put(home.key(name), path, facts, only_new=True)

    with ThreadPoolExecutor(USUAL_JOBS) as threads:
        for _ in threads.map(one, sorted(folder.iterdir())):
            pass
