"""A whole installation for a test: real nginx, a real renderer on a FastCGI socket, originals somewhere real. Each part stops by its id."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from renderer.config import Config
from renderer.rendition import Namespace, Ref
from renderer.stores import Facts
from renderer.web import serve
from renderer.web.nginx import configuration
from renderer.wiring import Wiring
from tests.servers import find_program, listens, stop, unused_ports
from tests.waiting import wait_until

TOP = Path(__file__).resolve().parents[2]
OWN_TIME = 1_300_000_000  # 2011-03-13: the own time of originals that tests put
# As fast as a test can ask: the limits on misses have tests of their own.
UNLIMITED = {"miss_rate": "off", "miss_connections": "off"}


@dataclass(frozen=True)
class Answer:
    """What nginx said. `headers` as they came, in order; names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The one header of this name; '' for none; AssertionError when it came twice."""
        values = [value for header, value in self.headers if header == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""

    def comparable(self) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """All but what may differ between a miss and a hit."""
        return self.status, tuple(header for header in self.headers if header[0] not in ("date", "x-onmiss")), self.body

    def picture(self) -> Image.Image:
        image = Image.open(io.BytesIO(self.body))
        image.load()
        return image


class Site:
    """Configured by `tree` (as the YAML file would have it) below `root`. Nothing runs until it is started."""

    def __init__(self, root: Path, tree: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.root, self.environ = root, dict(environ or {})
        root.mkdir(parents=True, exist_ok=True)
        ports = unused_ports(3)
        hosts = {name: {"listen": f"127.0.0.1:{port}"} for name, port in zip(("images", "service", "admin"), ports, strict=True)}
        merged: dict[str, Any] = {"hosts": hosts, "nginx": UNLIMITED, "render": {"processes": 2}, "serve": {"socket": "s"}}
        for section, values in (tree or {}).items():
            merged[section] = {**merged.get(section, {}), **values} if isinstance(values, dict) else values
        self.file = root / "onmiss.yaml"
        self.file.write_text(yaml.safe_dump(merged), encoding="utf-8")
        self.config = Config.load(self.file, root, self.environ)
        self.wiring = Wiring(self.config)
        self.port, self.service_port, self.admin_port = ports
        self.renderer: subprocess.Popen[bytes] | None = None
        self.nginx: subprocess.Popen[bytes] | None = None
        self.log = root / "renderer.log"

    # originals

    def put(self, content: bytes, namespace: str = "huimages", name: str = "") -> Ref:
        """Store an original as an import would, without a render process."""
        space: Namespace = self.config.namespaces_built()[namespace]
        if space.naming.immutable:
            name = space.naming.name_of(hashlib.new(space.naming.algorithm, content).digest())
        ref = space.ref(name)
        path = self.root / "incoming"
        path.write_bytes(content)
        self.wiring.originals.put(ref, path, Facts(len(content), OWN_TIME))
        path.unlink()
        return ref

    # parts

    def start(self) -> None:
        self.start_renderer()
        self.start_nginx()

    def start_renderer(self, *options: str) -> None:
        command = [sys.executable, "-m", "renderer", "serve", "--config", str(self.file), "--root", str(self.root), *options]
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(TOP)}
        with self.log.open("ab") as output:
            self.renderer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, cwd=self.root)
        wait_until(lambda: serve.accepts(Path(self.config.serve.socket)) or self._is_dead(self.renderer), 30, "a renderer")
        assert self.renderer.poll() is None, self.log.read_text()

    def stop_renderer(self, number: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        """Signal it and wait; returns its exit code."""
        assert self.renderer is not None
        self.renderer.send_signal(number)
        code = self.renderer.wait(seconds)
        self.renderer = None
        return code

    def start_nginx(self) -> None:
        program = find_program("nginx", "apt-get install nginx-light")
        for directory in (self.config.nginx.run, self.config.nginx.logs):
            Path(directory).mkdir(parents=True, exist_ok=True)
        conf = self.root / "nginx.conf"
        conf.write_text(configuration(self.config), encoding="utf-8")
        error_log = Path(self.config.nginx.logs) / "error.log"
        with (self.root / "nginx.out").open("ab") as output:
            command = [program, "-c", str(conf), "-e", str(error_log)]
            # a session of its own: the workers of a killed master can be found by it
            self.nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        wait_until(lambda: listens(self.port) or self._is_dead(self.nginx), 10, "nginx")
        assert self.nginx.poll() is None, (self.root / "nginx.out").read_text() + error_log.read_text()

    def stop_nginx(self) -> None:
        if self.nginx is not None:
            stop(self.nginx)
            self.nginx = None

    def kill_nginx(self) -> None:
        """kill -9 of the master and its workers."""
        assert self.nginx is not None
        os.killpg(self.nginx.pid, signal.SIGKILL)
        self.nginx.wait(5)
        self.nginx = None

    def close(self) -> None:
        self.stop_nginx()
        if self.renderer is not None:
            stop(self.renderer, 35)
            self.renderer = None

    @staticmethod
    def _is_dead(process: subprocess.Popen[bytes] | None) -> bool:
        return process is not None and process.poll() is not None

    # asking

    def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """`path` goes over the wire as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection._validate_path = lambda url: None  # type: ignore[attr-defined]  # hostile paths are what we test
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = tuple((name.lower(), value) for name, value in response.getheaders())
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def load(self) -> dict[str, Any]:
        """What the admin host says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request("GET", "/")
            loaded: dict[str, Any] = json.loads(connection.getresponse().read())
            return loaded
        finally:
            connection.close()

    # looking

    def cached(self) -> list[str]:
        """Every file that nginx could serve, relative to the generation."""
        files = self.wiring.cache.files
        return sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_file())

    def misses(self) -> list[str]:
        """The renderer's log lines of misses."""
        return [line for line in self.log.read_text().splitlines() if " renderer.misses: " in line]

    def left_over(self) -> list[str]:
        return sorted(path.name for path in (self.wiring.cache.root / "tmp").iterdir())


@contextmanager
def running(root: Path, tree: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Iterator[Site]:
    """A started site, stopped at the end whatever happens."""
    site = Site(root, tree, environ)
    try:
        site.start()
        yield site
    finally:
        site.close()


def jpeg(width: int = 640, height: int = 480, seed: int = 1, **save: Any) -> bytes:
    """A JPEG with something on it: coloured blocks, so that a flip or a wrong crop shows. Another seed, other bytes."""
    return encoded(picture(width, height, seed), "JPEG", **{"quality": 85, **save})


def picture(width: int, height: int, seed: int = 1) -> Image.Image:
    chance = random.Random(seed)
    small = Image.new("RGB", (8, 6))
    small.putdata([tuple(chance.randrange(256) for _ in range(3)) for _ in range(48)])
    return small.resize((width, height), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, form: str, **save: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **save)
    return target.getvalue()
