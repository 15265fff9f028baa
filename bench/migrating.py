"""Moving originals out of CouchDB: objects a second, CPU time and memory by the number of jobs, and what a finished journal costs.

`onmiss migrate couchdb-to-s3 --run` as people call it, from npm's pouchdb-server into rclone's S3 server, all on one machine. Bare is what
must be done to the same bytes in any case, in a process of its own: GET the attachment, hash it, PUT it with boto3; no document, no header,
no journal, no look whether it is there, none whether the document still is.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from couchdb import client

from bench import machine
from bench.pictures import drawn
from bench.report import Section, Table, at_most
from renderer.migrating import COPIED, Outcome
from renderer.migrating.journal import opened
from renderer.migrating.running import LISTED, POSITION
from renderer.rendition import NAMINGS
from tests.couch import run_couch
from tests.servers import BUCKET, S3Server, run_rclone

DOCUMENTS, DOCUMENT_BYTES = 5000, 200_000
JOBS = (1, 4, 16)
MOST_MEGABYTES, MOST_RESUME_SECONDS, RESUMED = 150, 10, 100_000
LOOK_SECONDS = 0.25
BARE = Path(__file__).with_name("bare_migration.py")


@dataclass(frozen=True)
class Spent:
    """Of one run: wall clock, CPU of the process and its render processes, the most that was resident, of itself and of all of them."""

    seconds: float
    cpu: float
    alone: float
    together: float


def measure(directory: Path) -> Section:
    for name in ("couch", "rclone"):
        (directory / name).mkdir()
    with run_couch(directory / "couch") as couch, run_rclone(directory / "rclone") as s3:
        size = _fill(couch)
        rows = [row for jobs in JOBS for row in _beside(directory, couch, s3, jobs, size)]
        resumed = _resume(directory, couch, s3)
        listed = _again(directory, couch, s3)
    return Section((
        f"{DOCUMENTS} documents with a photo of {size / DOCUMENTS / 1000:.0f} kB each, pouchdb-server to rclone, all on this machine; "
        "ours and bare in turns. CPU: of the process and its render processes, not of the two servers, which share the cores with it. "
        "RSS: the most that was seen, of the process, and with forkserver and render processes, in which shared pages count several times.",
        Table(("jobs", "", "originals/s", "MB/s", "CPU, ms/original", "RSS, MB", "with render processes", "bound", ""), rows),
        f"The same command again, when all is done, with a journal of {RESUMED} documents (100,000 rows, list done):",
        Table(("", "seconds", "bound", ""), resumed),
        f"A new journal, {DOCUMENTS} documents of which the store has every original (one listing for 500 of them, no download):",
        Table(("jobs", "documents/s", "CPU, ms/document"), listed),
    ))  # fmt: skip


def _fill(url: str) -> int:
    """Real JPEG data; every document has bytes of its own, behind the end of the picture."""
    database = client.Server(url).create("huimages")
    picture = io.BytesIO()
    drawn((1024, 683), 1).save(picture, "JPEG", quality=92)
    content = picture.getvalue()

    def one(number: int) -> int:
        filling = hashlib.shake_128(b"%d" % number).digest(max(16, DOCUMENT_BYTES - len(content)))
        own = content + filling
        key = NAMINGS["sha1"].name_of(hashlib.sha1(own, usedforsecurity=False).digest())
        document = {"_id": key, "ctime": "20080102T030405.000006", "mtime": "20080102T030405.000006", "title": [f"Photo {number}"]}
        database.save(document)
        database.put_attachment(document, own, f"photo {number}.jpg", "image/jpeg")
        return len(own)

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(one, range(DOCUMENTS)))


def _configured(directory: Path, couch: str, s3: S3Server, name: str, **couch_settings: object) -> list[str]:
    """The options of a command with a root and a prefix of its own."""
    root = directory / name
    root.mkdir(exist_ok=True)
    archive = {"kind": "s3", **s3.settings(bucket=BUCKET), "prefix": name}
    tree = {
        "stores": {"archive": archive, "couch": {"kind": "couchdb", "url": couch, **couch_settings}},
        "namespaces": {"huimages": {"store": "archive", "legacy": ["couch"]}},
        "render": {"max_renders": 1_000_000},  # none is renewed, and its CPU time forgotten
    }
    (root / "onmiss.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return ["--config", str(root / "onmiss.yaml"), "--root", str(root)]


def _beside(directory: Path, couch: str, s3: S3Server, jobs: int, size: int) -> Iterator[list[str]]:
    keys = s3.access_key_id, s3.secret_access_key
    ways = {
        "bare": [sys.executable, str(BARE), couch, s3.endpoint_url, *keys, BUCKET, f"bare-{jobs}", str(jobs)],
        "run": [*_command(), "--run", "--quiet", "--jobs", str(jobs), *_configured(directory, couch, s3, f"run-{jobs}")],
    }
    for name, command in ways.items():
        print(f"migrating: {name}, {jobs} jobs", flush=True)
        spent = _timed(command)
        bound = at_most(spent.alone, MOST_MEGABYTES, "MB") if name == "run" and jobs == max(JOBS) else ("", "")
        yield [
            str(jobs), name, f"{DOCUMENTS / spent.seconds:.0f}", f"{size / 1e6 / spent.seconds:.0f}",
            f"{spent.cpu * 1000 / DOCUMENTS:.2f}", f"{spent.alone:.0f}", f"{spent.together:.0f}", *bound,
        ]  # fmt: skip


def _command() -> list[str]:
    return [sys.executable, "-m", "renderer", "migrate", "couchdb-to-s3"]


def _timed(command: list[str]) -> Spent:
    before, began = machine.children_cpu_seconds(), time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(BARE.parent.parent)})
    with _watched(process.pid) as peaks:
        code = process.wait()
    if code:
        raise RuntimeError(f"expected {command[:4]} to succeed, got exit code {code}")
    spent = machine.children_cpu_seconds() - before
    return Spent(time.monotonic() - began, spent + peaks.get("children", 0.0), peaks["alone"], peaks["together"])


@contextmanager
def _watched(pid: int) -> Iterator[dict[str, float]]:
    """The peaks of a process and of those below it, and the CPU time that those had used when they were last seen."""
    peaks = {"alone": 0.0, "together": 0.0, "children": 0.0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            try:
                below = [grandchild for child in machine.children(pid) for grandchild in (child, *machine.children(child))]
                alone = machine.megabytes(pid, "VmRSS")
                peaks["alone"] = max(peaks["alone"], alone)
                peaks["together"] = max(peaks["together"], alone + sum(machine.megabytes(each, "VmRSS") for each in below))
                peaks["children"] = max(peaks["children"], sum(map(machine.cpu_seconds, below)))
            except (OSError, ValueError):  # one of them ended
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def _resume(directory: Path, couch: str, s3: S3Server) -> list[list[str]]:
    """A journal as a run of so many documents leaves it."""
    options = _configured(directory, couch, s3, "resumed")
    journal = directory / "resumed/journal.sqlite"
    position = str(client.Server(couch)["huimages"].info()["update_seq"])
    identity = {
        "namespace": "huimages", "source": f"huimages at {couch}", "shard": "all",
        "store": f"s3 {s3.endpoint_url} {BUCKET} resumed",
    }  # fmt: skip
    with opened(journal, identity) as open_journal:
        for number in range(RESUMED):
            name = NAMINGS["sha1"].name_of(hashlib.sha1(b"%d" % number, usedforsecurity=False).digest())
            open_journal.note(Outcome(name, COPIED, "2-a", 200_000, "0" * 40, "0" * 32, "image/jpeg", "a.jpg"))
        open_journal.note(None, ((LISTED, "yes"), (POSITION, position)))
    spent = _timed([*_command(), "--run", "--quiet", "--journal", str(journal), *options])
    return [["--run again", f"{spent.seconds:.2f}", *at_most(spent.seconds, MOST_RESUME_SECONDS, "s")]]


def _again(directory: Path, couch: str, s3: S3Server) -> list[list[str]]:
    rows = []
    for jobs in JOBS:
        options = _configured(directory, couch, s3, f"run-{jobs}")
        spent = _timed([*_command(), "--run", "--quiet", "--jobs", str(jobs), "--journal", str(directory / f"new-{jobs}.sqlite"), *options])
        rows.append([str(jobs), f"{DOCUMENTS / spent.seconds:.0f}", f"{spent.cpu * 1000 / DOCUMENTS:.2f}"])
    return rows
