"""One installation to be measured: nginx with the shipped configuration, the renderer behind it, originals in a file store.

What differs from the defaults: free ports, and no limit on misses, which would be measured else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha1
from pathlib import Path
from typing import Any

import yaml

from bench import machine
from renderer import dialects
from renderer.config import Config
from renderer.messages import Request, Show
from renderer.rendition import Ref
from renderer.stores import Facts
from renderer.web.nginx import configuration
from renderer.web.serve import accepts
from renderer.wiring import Wiring
from tests.running import Nginx, free_port
from tests.waiting import wait_until

TOP = Path(__file__).resolve().parent.parent
OWN_TIME = 1_300_000_000  # of all originals; 2011-03-13
UNLIMITED = {"miss_rate": "off", "miss_connections": "off"}


class Site:
    """Configured by its defaults and `sections`, everything below `root`. Nothing runs until it is served.

    `code`: the folder of the package that is run.
    """

    def __init__(self, root: Path, sections: Mapping[str, Mapping[str, Any]] | None = None, code: Path = TOP) -> None:
        root.mkdir(parents=True)
        self._code = code
        self.root, self.port, given = root, free_port(following=2), dict(sections or {})
        hosts = {"images": {"listen": f"127.0.0.1:{self.port}"}}  # the other two follow
        tree = {**given, "hosts": hosts, "nginx": {**UNLIMITED, **given.get("nginx", {})}}
        self._file = root / "onmiss.yaml"
        self._file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        self.config = Config.load(self._file, root, {})
        self.wiring, self.terms = Wiring(self.config), self.config.terms()
        self.log = root / "renderer.log"

    def put(self, content: bytes) -> Ref:
        """Store an original of huimages, as an import would."""
        space = self.terms.namespaces["huimages"]
        ref = space.ref(space.naming.name_of(sha1(content).digest()))
        incoming = self.root / "incoming"
        incoming.write_bytes(content)
        self.wiring.originals.put(ref, incoming, Facts(len(content), OWN_TIME))
        incoming.unlink()
        return ref

    def show(self, path: str) -> Show:
        """What the renderer will understand by a URL."""
        intent = dialects.read(Request("GET", path), self.terms)
        if not isinstance(intent, Show):
            raise TypeError(f"expected a URL of a picture, got {path}")
        return intent

    @contextmanager
    def served(self, extra: str = "") -> Iterator[Nginx]:
        """nginx runs inside the block. `extra`: text for the end of its http block."""
        for directory in (self.config.nginx.run, self.config.nginx.logs):
            Path(directory).mkdir(parents=True, exist_ok=True)
        inner, brace, rest = configuration(self.config).rpartition("}")
        with Nginx(inner + extra + brace + rest, self.root / "nginx", self.port, program=machine.find("nginx") or "nginx") as nginx:
            yield nginx

    @contextmanager
    def rendered(self) -> Iterator[int]:
        """The renderer runs inside the block; its process number."""
        command = [sys.executable, "-m", "renderer", "serve", "--config", str(self._file), "--root", str(self.root)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ONMISS_")} | {"PYTHONPATH": str(self._code)}
        with self.log.open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, cwd=self.root)
        try:
            wait_until(lambda: accepts(Path(self.config.serve.socket)) or process.poll() is not None, 30, "a renderer")
            if process.poll() is not None:
                raise RuntimeError(f"expected a renderer, got exit {process.returncode}: {self.log.read_text()}")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    @contextmanager
    def running(self) -> Iterator[int]:
        """Both; the renderer's process number."""
        with ExitStack() as stack:
            pid = stack.enter_context(self.rendered())
            stack.enter_context(self.served())
            yield pid

    def client(self) -> Client:
        return Client(self.port)

    def pids(self) -> tuple[int, tuple[int, ...]]:
        """The forkserver and the render processes, as the admin host names them."""
        found = json.loads(Client(self.port + 2).get("/").body)["render_processes"]
        return found["forkserver"], tuple(found["render"])


class Answer:
    """What came back: `headers` in lower case, as they came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status, self.body = int(first.split()[1]), body
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Client:
    """GETs over one connection that is kept alive. http.client would add 0.2 ms of its own to each answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 16)

    def get(self, path: str) -> Answer:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        answer = Answer(bytes(received[:end]), b"")
        whole = end + 4 + int(answer.headers["content-length"])
        while len(received) < whole:
            received += self._receive()
        answer.body = bytes(received[end + 4 :])
        return answer

    def miss(self, path: str) -> Answer:
        """The same, of a picture that nobody asked for before."""
        answer = self.get(path)
        if answer.status != 200 or answer.headers.get("x-onmiss") != "miss":
            raise RuntimeError(f"expected a miss of {path}, got {answer.status} {answer.headers}: {answer.body[:100]!r}")
        return answer

    def _receive(self) -> memoryview:
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError("expected an answer, got the end of the connection")
        return memoryview(self._buffer)[:count]
