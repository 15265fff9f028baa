"""Taking in over HTTP: what it saves to name the outputs with an upload, and what uploads cost in memory.

Outputs: image-server's users posted a photo and asked for its sizes one by one, each a miss of its own. A photo whose six sizes are named
with it is decoded twice, at a quarter and at an eighth of its size, instead of six times, and one request instead of seven goes through
nginx, flup and a pipe. Expected before it was measured: decoding is most of a small size, and two thirds of it are saved; both ways have
to receive, hash and store the bytes and to read a placeholder; so about half of the CPU time. Both take turns, every photo is new.

Memory: nothing may be held that grows with the upload. Every upload waits for the others before it sends its last bytes, so that all are
on their way at once: in nginx as it is shipped, which keeps a body on disk and hands it over when it is whole; in the front where nginx
hands it over as it comes.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.pictures import drawn
from bench.report import Section, Table, at_most, quartiles
from bench.site import Site
from renderer.web.nginx_text import fill
from tests.running import free_port
from tests.waiting import wait_until

OUTPUTS = ("x600.jpg", "x300.jpg", "x200.jpg", "w400.jpg", "w200.jpg", "x100.jpg")
PHOTO, QUALITY = (4000, 3000), 94  # 2 MB
PAIRS, WARMING = 40, 4  # photos of each way; the first are not counted
BOUND = 0.8
TOGETHER, SEPARATE = "one POST with outputs", "a POST, then six GETs"

UPLOADS, UPLOAD_BYTES, LAST_BYTES = 50, 5_000_000, 100_000  # at once; the last are sent when all the others have come
WAVES = 3  # of uploads, one after the other
MOST_MEGABYTES = 50.0
UNBUFFERED = """
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        client_max_body_size 0;
        location / {{
            {parameters}
            fastcgi_param ONMISS_HOST service;
            fastcgi_request_buffering off;
            fastcgi_pass renderer;
        }}
    }}
"""

SPACE, TOKEN = "p", "a token of the bench"
# none is renewed, and its CPU time forgotten
SECTIONS: dict[str, dict[str, Any]] = {"namespaces": {SPACE: {"naming": "md5", "tokens": [TOKEN]}}, "render": {"max_renders": 100_000}}


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds of the processes of onmiss and of nginx."""

    front: float
    render: float
    nginx: float

    @property
    def total(self) -> float:
        return self.front + self.render + self.nginx

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.front - before.front, self.render - before.render, self.nginx - before.nginx)


def measure(directory: Path) -> Section:
    photo = _photo()
    spent = _outputs(Site(directory / "outputs", SECTIONS), photo)
    ways = {"as shipped: nginx keeps the bodies on disk": False, "nginx hands the bodies over as they come": True}
    peaks = [_peak(directory / f"uploads-{number}", photo, *way) for number, way in enumerate(ways.items())]
    held = UPLOADS * UPLOAD_BYTES / 1e6
    return Section((
        f"A drawn JPEG of {PHOTO[0] * PHOTO[1] / 1e6:.0f} megapixels, {len(photo) / 1e6:.1f} MB, each time with other bytes behind its "
        f"end; {', '.join(OUTPUTS)}; {PAIRS} photos each way, alternating, one request at a time. CPU time of all processes of onmiss and "
        "of nginx, with what is done after the answer; the ratio is that of the totals, its quartiles are those of neighbours.",
        _saved(spent),
        f"{UPLOADS} uploads of {UPLOAD_BYTES / 1e6:.0f} MB at once, {WAVES} times: resident memory of the front, and its peak (VmHWM). "
        f"Were they held in memory, it would be {held:.0f} MB more.",
        Table(("", "before, MB", "peak, MB", "more, MB", "bound", ""), peaks),
    ))  # fmt: skip


def _photo() -> bytes:
    target = io.BytesIO()
    drawn(PHOTO, 1).save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def _outputs(site: Site, photo: bytes) -> dict[str, list[Spent]]:
    spent: dict[str, list[Spent]] = {TOGETHER: [], SEPARATE: []}
    work: dict[str, Callable[[Site, bytes], str]] = {TOGETHER: _together, SEPARATE: _separate}
    numbers = itertools.count()
    with site.rendered() as front, site.served() as nginx:
        pids = (front,), _rendering(site), (nginx.pid, *machine.children(nginx.pid))
        for turn in range(WARMING + PAIRS):
            for way in sorted(work, reverse=bool(turn % 2)):
                before = _cpu(pids)
                name = work[way](site, photo + b"%020d" % next(numbers))
                _settle(site, name)
                spent[way].append(_cpu(pids) - before)
                _expect_all(site, name)
        if _rendering(site) != pids[1]:
            raise RuntimeError(f"expected the forkserver and render processes {pids[1]} to live, got {_rendering(site)}")
    return {way: each[WARMING:] for way, each in spent.items()}


def _rendering(site: Site) -> tuple[int, ...]:
    forkserver, render = site.pids()
    return (forkserver, *render)


def _cpu(pids: Sequence[Sequence[int]]) -> Spent:
    return Spent(*(sum(map(machine.cpu_seconds, each)) * 1000 for each in pids))


def _together(site: Site, content: bytes) -> str:
    return _post(site, content, f"?outputs={','.join(OUTPUTS)}")


def _separate(site: Site, content: bytes) -> str:
    name, client = _post(site, content), site.client()
    for path in _paths(name):
        client.miss(path)
    return name


def _post(site: Site, content: bytes, query: str = "") -> str:
    """The photo's name."""
    connection = _asking(site.port + 1, len(content), query)
    connection.send(content)
    return _answered(connection)


def _asking(port: int, length: int, query: str = "") -> http.client.HTTPConnection:
    """A request without its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", f"/{SPACE}{query}")
    for name, value in (("Authorization", f"Bearer {TOKEN}"), ("Content-Type", "image/jpeg"), ("Content-Length", str(length))):
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def _answered(connection: http.client.HTTPConnection) -> str:
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"expected 200 for an upload, got {response.status}: {body[:100]!r}")
    return str(json.loads(body)["hash"])


def _paths(name: str) -> list[str]:
    place = "/".join((name[:3], name[3:6], name[6:9], name[9:]))
    return [f"/{SPACE}/{place}/{output}" for output in OUTPUTS]


def _settle(site: Site, name: str) -> None:
    """Until the placeholder is noted, which nobody waits for."""
    catalog, ref = site.wiring.catalog, site.terms.namespaces[SPACE].ref(name)
    if catalog is None:
        raise RuntimeError("expected a catalog, got none")
    wait_until(lambda: getattr(catalog.get(ref), "placeholder", ""), 30, "a placeholder")


def _expect_all(site: Site, name: str) -> None:
    """A measurement of six pictures is none if they are not there."""
    client = site.client()
    for path in _paths(name):
        answer = client.get(path)
        if answer.status != 200 or "x-onmiss" in answer.headers:
            raise RuntimeError(f"expected a hit of {path}, got {answer.status} {answer.headers}")


def _saved(spent: dict[str, list[Spent]]) -> Table:
    rows = []
    for way, photos in spent.items():
        parts = [sum(getattr(each, part) for each in photos) / len(photos) for part in ("total", "front", "render", "nginx")]
        rows.append([way, *(f"{part:.1f}" for part in parts), "", "", "", ""])
    pairs = [(one.total, other.total) for one, other in zip(spent[TOGETHER], spent[SEPARATE], strict=True)]
    ratio = sum(one for one, _ in pairs) / sum(other for _, other in pairs)
    lower, _, upper = quartiles([one / other for one, other in pairs])
    rows[0][5:] = [f"**{ratio:.2f}**", f"{lower:.2f} – {upper:.2f}", *at_most(ratio, BOUND, "×")]
    return Table(("", "CPU, ms a photo", "front", "render processes", "nginx", "ratio", "quartiles", "bound", ""), rows)


def _peak(root: Path, photo: bytes, name: str, is_unbuffered: bool) -> list[str]:
    site = Site(root, SECTIONS)
    unbuffered = free_port()
    extra = UNBUFFERED.format(port=unbuffered, parameters=fill("all.conf", asked=fill("asked.conf")))
    port, numbers = unbuffered if is_unbuffered else site.port + 1, itertools.count()
    with site.rendered() as front, site.served(extra):
        for _ in range(WARMING):
            _post(site, _padded(photo, next(numbers)))
        with suppress(PermissionError):  # then it is the peak since the start, which is no less
            Path(f"/proc/{front}/clear_refs").write_text("5")  # proc(5): the peak is what is resident now
        before = machine.megabytes(front, "VmRSS")
        for _ in range(WAVES):
            _upload_at_once(port, photo, numbers)
        peak = machine.megabytes(front, "VmHWM")
    more = peak - before
    return [name, f"{before:.1f}", f"{peak:.1f}", f"**{more:.1f}**", *at_most(more, MOST_MEGABYTES, "MB")]


def _padded(photo: bytes, number: int) -> bytes:
    """As long as an upload shall be, and unlike every other."""
    return photo + hashlib.shake_128(b"%d" % number).digest(UPLOAD_BYTES - len(photo))


def _upload_at_once(port: int, photo: bytes, numbers: Iterator[int]) -> None:
    """All are on their way before any is whole."""
    meeting = threading.Barrier(UPLOADS, timeout=60)

    def upload(number: int) -> None:
        content = memoryview(_padded(photo, number))
        connection = _asking(port, len(content))
        connection.send(content[:-LAST_BYTES])
        meeting.wait()
        connection.send(content[-LAST_BYTES:])
        _answered(connection)

    with ThreadPoolExecutor(UPLOADS) as threads:
        for _ in threads.map(upload, list(itertools.islice(numbers, UPLOADS))):
            pass
