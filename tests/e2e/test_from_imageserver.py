"""Whoever comes from image-server finds everything: its README's commands, with curl and on its own picture, and what it had stored.

A command differs from the README's in host and port, and in a header with a token for what writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from renderer.config import Config
from renderer.signing import sign
from renderer.stores import Facts
from tests.e2e.site import TOP, Site, jpeg, running
from tests.e2e.test_imageserver import AUTHORIZED, ENVIRON, JSON, directory
from tests.e2e.test_imageserver_bugs import serving_pages
from tests.e2e.test_up import onmiss
from tests.running import Nginx, free_port
from tests.servers import BUCKET, S3Server, find_program
from tests.waiting import wait_until

REMOTE_BASE_PATH = "public/images"
WINE = "6e0072682e66287b662827da75b244a3"
README = "http://localhost:7000"
FRONT = """
{user} daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    {shown}
}}
"""


@dataclass(frozen=True)
class Wine:
    """The picture in image-server's README, below a directory like its own; another one where the corpus is not there."""

    top: Path
    content: bytes
    is_genuine: bool

    @property
    def digest(self) -> str:
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()

    @property
    def place(self) -> str:
        """As the README's URLs have it, of this picture."""
        return directory(self.content)


@pytest.fixture(scope="module")
def wine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Wine:
    top = tmp_path_factory.mktemp("image-server")
    try:
        found = request.getfixturevalue("corpus") / "ancestors/wine.jpg"
    except pytest.skip.Exception:
        found = None
    content = found.read_bytes() if found and found.is_file() else jpeg(800, 600, seed=600)
    file = top / "test/images/wine.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return Wine(top, content, bool(found))


def example(kind: str, number: int = 0) -> str:
    """What docs/from-image-server.md shows."""
    text = (TOP / "docs/from-image-server.md").read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return found[number]


def tree(server: S3Server) -> dict[str, Any]:
    """The documented configuration, but for places, credentials and the web site of this test."""
    shown: dict[str, Any] = yaml.safe_load(example("yaml"))
    shown["stores"]["archive"] |= server.settings()
    shown["fetch"] |= {"private_networks": ["127.0.0.0/8"]}
    return {section: values for section, values in shown.items() if section not in ("hosts", "cache", "statsd")}


@pytest.fixture(scope="module")
def old(rclone_server: S3Server, wine: Wine) -> dict[str, bytes]:
    """What image-server left in the bucket, by what follows `remote_base_path`."""
    other = jpeg(640, 480, seed=601)
    place = directory(other, "avatars")[1:]
    info = {"hash": place.removeprefix("avatars/").replace("/", ""), "height": 1, "width": 1, "content_type": "image/jpeg"}
    objects = {
        f"{place}/original": other, f"{place}/info.json": json.dumps(info).encode(), f"{place}/w200.jpg": jpeg(200, 150, seed=602),
        f"{place}/x300.webp": b"what it had not finished", f"{place}/test.txt": b"a side file",
    }  # fmt: skip
    for name, content in objects.items():
        rclone_server.client().put_object(
            Bucket=BUCKET, Key=f"{REMOTE_BASE_PATH}/{name}", Body=content, ACL="public-read", ContentType="image/txt"
        )
    return objects


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, rclone_server: S3Server, old: dict[str, bytes]) -> Iterator[Site]:
    """Configured on a bucket that image-server wrote."""
    with running(tmp_path_factory.mktemp("site"), tree(rclone_server), ENVIRON) as site:
        yield site


@dataclass(frozen=True)
class Curled:
    status: int
    kind: str
    body: bytes


Curl = Callable[..., Curled]


@pytest.fixture(scope="module")
def front(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One address for all, as image-server had it: the nginx that is documented."""
    port, directory_of = free_port(), tmp_path_factory.mktemp("front")
    text = example("nginx").replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("127.0.0.1:7000", f"127.0.0.1:{site.port}").replace("127.0.0.1:7001", f"127.0.0.1:{site.service_port}")
    with Nginx(FRONT.format(user="" if os.geteuid() else "user root;", directory=directory_of, shown=text), directory_of, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def curl(front: str, wine: Wine) -> Curl:
    """Runs a line of the README, of this site and this picture; what writes has a token."""
    program = find_program("curl", "apt-get install curl")

    def run(line: str, writes: bool = False) -> Curled:
        line = line.replace(README, front).replace(f"/{WINE[:3]}/{WINE[3:6]}/{WINE[6:9]}/{WINE[9:]}", wine.place.removeprefix("/p"))
        words = [program, *shlex.split(line)[1:], "-sS", "--max-time", "60", "-o", "said", "-w", "%{http_code} %{content_type}"]
        words += [word for name, text in AUTHORIZED.items() if writes for word in ("-H", f"{name}: {text}")]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=wine.top)
        status, _, kind = done.stdout.partition(" ")
        said = wine.top / "said"
        body = said.read_bytes() if said.exists() else b""
        said.unlink(missing_ok=True)
        return Curled(int(status), kind, body)

    return run


def told(wine: Wine) -> str:
    """To the letter, as the README prints it."""
    return f'{{\n  "hash": "{wine.digest}",\n  "height": 600,\n  "width": 800,\n  "content_type": "image/jpeg"\n}}\n'


@pytest.fixture(scope="module")
def posted(curl: Curl) -> Curled:
    return curl('curl --data-binary "@./test/images/wine.jpg" -X POST http://localhost:7000/p', writes=True)


@pytest.mark.feature(111)
def test_posting_the_body(posted: Curled, wine: Wine) -> None:
    assert posted == Curled(200, JSON, told(wine).encode())
    assert not wine.is_genuine or wine.digest == WINE


def test_posting_a_body_of_unknown_length(curl: Curl, wine: Wine, site: Site) -> None:
    """Not by way of the front, which would tell the length."""
    line = f'curl -H "Transfer-Encoding: chunked" --data-binary "@./test/images/wine.jpg" -X POST http://127.0.0.1:{site.service_port}/p'
    assert curl(line, writes=True) == Curled(200, JSON, told(wine).encode())
    assert curl(line.replace("@./test/images/wine.jpg", ""), writes=True).status == 400


@pytest.mark.feature(115)
def test_posting_with_outputs(curl: Curl, wine: Wine, site: Site) -> None:
    line = 'curl --data-binary "@./test/images/wine.jpg" -X POST http://localhost:7000/p?outputs=x300.jpg,x300.webp'
    assert curl(line, writes=True) == Curled(200, JSON, told(wine).encode())
    store = site.wiring.stores["archive"]
    mimes = {"x300.jpg": "image/jpeg", "x300.webp": "image/webp", "original": "image/jpeg", "info.json": "application/json"}
    for name, mime in mimes.items():
        facts = store.facts(f"{wine.place[1:]}/{name}")
        assert facts is not None, name
        assert facts.content_type == mime


@pytest.mark.feature(112)
def test_posting_a_url_whatever_stands_in_the_body(curl: Curl, wine: Wine) -> None:
    """Its Ruby client sends `{}` along."""
    with serving_pages() as web:
        web.content["/image.jpg"] = wine.content
        line = f"curl -X POST http://localhost:7000/p?source={web.url}"
        assert curl(f"{line}/image.jpg", writes=True) == Curled(200, JSON, told(wine).encode())
        outputs = "outputs=full_size.jpg,w620-q90.jpg,x262-q90.jpg"
        line = line.replace("source=", f"{outputs}&source=").replace("curl", "curl -H 'Content-Type: application/json' -d '{}'")
        assert curl(f"{line}/image.jpg", writes=True) == Curled(200, JSON, told(wine).encode())
        absent = curl(f"curl -X POST http://localhost:7000/p?source={web.url}/absent.jpg", writes=True)
    assert (absent.status, list(json.loads(absent.body))) == (404, ["error"])


@pytest.mark.feature(116)
def test_image_information(curl: Curl, posted: Curled) -> None:
    known = curl(f"curl http://localhost:7000/p/{WINE[:3]}/{WINE[3:6]}/{WINE[6:9]}/{WINE[9:]}/info.json")
    assert (known.status, known.kind, json.loads(known.body)) == (200, "application/json", json.loads(posted.body))


@pytest.mark.feature(117, 118, 119, 120, 121, 122)
def test_image_processing(curl: Curl, posted: Curled, wine: Wine) -> None:
    sizes = {
        "w200.jpg": (200, 150), "x200.jpg": (200, 200), "300x200.jpg": (300, 200), "x200-q30.jpg": (200, 200), "x300.webp": (300, 300),
        "full_size.jpg": (800, 600), "w200.gif": (200, 150),
    }  # fmt: skip
    lengths = {}
    for name, size in sizes.items():
        answer = curl(f"curl http://localhost:7000/p/{WINE[:3]}/{WINE[3:6]}/{WINE[6:9]}/{WINE[9:]}/{name}")
        assert (answer.status, answer.kind) == (200, "image/" + name.rpartition(".")[2].replace("jpg", "jpeg")), name
        (wine.top / name).write_bytes(answer.body)
        with Image.open(wine.top / name) as image:
            assert (image.size, "exif" in image.info) == (size, False), name
        lengths[name] = len(answer.body)
    assert lengths["x200-q30.jpg"] < lengths["x200.jpg"]
    original = curl(f"curl http://localhost:7000/p/{WINE[:3]}/{WINE[3:6]}/{WINE[6:9]}/{WINE[9:]}/original")
    assert original == Curled(200, "image/jpeg", wine.content)


@pytest.mark.feature(126, 127)
def test_processing_and_side_files(curl: Curl, posted: Curled, wine: Wine, site: Site) -> None:
    base = f"http://localhost:7000/p/{WINE[:3]}/{WINE[3:6]}/{WINE[6:9]}/{WINE[9:]}"
    assert curl(f"curl -X POST {base}/process?outputs=x100.jpg,x200.jpg", writes=True).status == 200
    assert site.wiring.stores["archive"].facts(f"{wine.place[1:]}/x100.jpg")
    (wine.top / "test.txt").write_bytes(b"of wine\n")
    assert curl(f'curl --data-binary "@./test.txt" -X POST {base}/test.txt', writes=True) == Curled(200, JSON, b"{}\n")
    assert curl(f"curl {base}/test.txt") == Curled(200, "text/plain; charset=utf-8", b"of wine\n")


@pytest.mark.feature(131)
def test_health(curl: Curl) -> None:
    assert curl("curl http://localhost:7000/status_check") == Curled(200, "application/json", b'{"message":"OK"}\n')


@pytest.mark.feature(128)
def test_a_batch(curl: Curl, posted: Curled, wine: Wine) -> None:
    (wine.top / "hashes").write_text(f"{wine.digest}\n{'0' * 32}")  # a last line without its end counts too
    begun = curl('curl --data-binary "@./hashes" -X POST http://localhost:7000/p/batch?outputs=x50.jpg', writes=True)
    assert begun.status == 200
    job = json.loads(begun.body)["job_id"]

    def done() -> Curled | None:
        told = curl(f"curl http://localhost:7000/p/batch/{job}")
        assert told.status in (200, 202)
        return told if told.status == 200 else None

    lines = wait_until(done, 20, "the batch to end")
    assert lines is not None
    fields = [line.split("\t") for line in lines.body.decode().splitlines()]
    assert [wine.digest, "800", "600"] in [[found[0], *found[2:4]] for found in fields]


@pytest.mark.feature(79)
def test_the_command_line(site: Site, posted: Curled, wine: Wine) -> None:
    """image --remote_base_path public/images --outputs x300.webp,x300.jpg process $INPUT"""
    old_path = f"{REMOTE_BASE_PATH}{wine.place}/"
    done = onmiss(site.root, "process", "--config", str(site.file), "--outputs", "x320.webp,x320.jpg", old_path, environ=dict(site.environ))
    assert (done.returncode, done.stdout.split("\t")[::2]) == (0, [wine.digest, "800"]), done.stderr
    for name in ("x320.webp", "x320.jpg"):
        assert site.wiring.stores["archive"].facts(f"{wine.place[1:]}/{name}"), name


@pytest.mark.feature(125, 130)
def test_what_is_in_its_bucket_is_found_and_its_renditions_are_replaced(site: Site, old: dict[str, bytes]) -> None:
    place = next(iter(old)).rpartition("/")[0]
    original = site.get(f"/{place}/original")
    assert (original.status, original.body, original["content-type"]) == (200, old[f"{place}/original"], "image/jpeg")
    answer = site.get(f"/{place}/w200.jpg")
    assert (answer.picture().size, answer.body == old[f"{place}/w200.jpg"]) == ((200, 150), False)
    assert site.get(f"/{place}/x300.webp").picture().size == (300, 300)
    assert json.loads(site.get(f"/{place}/info.json").body)["width"] == 640
    side = site.get(f"/{place}/test.txt")
    assert (side.body, side["content-type"]) == (b"a side file", "text/plain; charset=utf-8")

    def replaced() -> list[Facts | None] | None:
        found = [site.wiring.stores["archive"].facts(f"{place}/{name}") for name in ("w200.jpg", "x300.webp", "info.json")]
        return found if all(facts and facts.made_by for facts in found) else None

    assert wait_until(replaced, 10, "renditions with our mark")
    client, key = site.wiring.stores["archive"], f"{place}/original"
    facts = client.facts(key)
    assert facts is not None
    assert (facts.length, facts.made_by) == (len(old[key]), "")


def test_the_documented_configurations_and_variables_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "onmiss.yaml"
    file.write_text(example("yaml"))
    text = (TOP / "docs/from-image-server.md").read_text(encoding="utf-8")
    named = {"STORES__ARCHIVE__KIND": "s3", "STORES__ARCHIVE__BUCKET": "other", "STORES__ARCHIVE__REGION": "eu-central-1"}
    named |= {"HOSTS__IMAGES__LISTEN": "0.0.0.0:7000", "HOSTS__SERVICE__LISTEN": "0.0.0.0:7001", "STORES__ARCHIVE__PREFIX": "a/"}
    named |= {"CACHE__ROOT": str(tmp_path), "NEW_NAMESPACES__EXTENSIONS": "[jpg, gif, webp]", "NEW_NAMESPACES__OUTPUTS": "[x300.jpg]"}
    assert all(f"ONMISS_{name}" in text for name in named)
    environ = {f"ONMISS_{name}": value for name, value in named.items()} | {"IMAGES_TOKEN": "x" * 32}
    config = Config.load(file, tmp_path, environ)
    assert config.new_namespaces.outputs == ["x300.jpg"]
    assert config.stores["archive"].settings()["bucket"] == "other"
    file.write_text(example("yaml", 1))
    assert Config.load(file, tmp_path, {}).stores["public"].kind == "file"


@pytest.mark.feature(26)
def test_the_documented_signature_is_ours(tmp_path: Path) -> None:
    find_program("openssl", "apt-get install openssl")
    text = (TOP / "docs/dialects/imageserver.md").read_text(encoding="utf-8")
    [line] = re.findall(r"```sh\n(printf .*?)```", text, re.DOTALL)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, env={**os.environ, "KEY": "k" * 20}, cwd=tmp_path)
    p = Config.of({"namespaces": {"p": {"naming": "md5"}}}, tmp_path, {}).namespaces_built()["p"]
    assert done.stdout.strip() == sign(b"k" * 20, p.ref(WINE), "x200.jpg")


def test_local_only_mode_is_a_file_store_on_its_directory(tmp_path: Path) -> None:
    content = jpeg(400, 300, seed=603)
    place = directory(content)
    public = tmp_path / "public"
    folder = public / place[1:]
    folder.mkdir(parents=True, mode=0o700)
    for name, there in {"original": content, "info.json": b"{}", "w200.jpg": b"not ours", "notes.txt": b"a side file"}.items():
        (folder / name).write_bytes(there)
    (public / "tmp").mkdir()
    settings = yaml.safe_load(example("yaml", 1))
    settings["stores"]["public"]["root"] = str(public)
    with running(tmp_path / "site", settings, ENVIRON) as site:
        assert site.get(f"{place}/original").body == content
        assert site.get(f"{place}/w200.jpg").picture().size == (200, 150)
        assert json.loads(site.get(f"{place}/info.json").body)["height"] == 300
        assert site.get(f"{place}/notes.txt").body == b"a side file"
        site.wiring.pruner_within({"max_bytes": 1, "min_age": 0}).run()
    assert (folder / "original").read_bytes() == content
    assert (folder / "w200.jpg").read_bytes() == b"not ours"
