"""A URL to a file: from real servers on loopback, which the rules allow here and nowhere else."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from renderer import __version__
from renderer.errors import Busy, NoSpace, SourceNotFound, SourceRefused, SourceSlow, SourceUnavailable, TooManyBytes
from renderer.fetching import Fetcher, Rules
from renderer.fetching.urls import read_url
from tests.servers import unused_port
from tests.waiting import wait_until

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
MAX_BYTES = 100_000
PICTURE = bytes(range(256)) * 300  # more than one block
NAME = "pictures.example"

Script = Callable[[socket.socket], None]


class Source:
    """A server that says, for each path, the bytes it is told to say, and nothing else; `asked` is what it was asked, as it came."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, bytes | Script] = {}
        self.asked: list[bytes] = []
        self.stopping = threading.Event()
        self._context = context
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def drip(self, connection: socket.socket, byte: bytes, most: int = 100) -> None:
        """`byte`, 20 times a second, for 5 seconds if nobody hangs up: whoever waits that long fails, but ends."""
        with suppress(OSError):
            for _ in range(most):
                if not self.stopping.wait(0.05):
                    connection.sendall(byte)

    def close(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        with ExitStack() as stack, suppress(OSError):
            connection: socket.socket = stack.enter_context(plain)
            connection.settimeout(10)
            if self._context:
                connection = stack.enter_context(self._context.wrap_socket(plain, server_side=True))
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += connection.recv(65536) or b"\r\n\r\n"
            self.asked.append(request)
            path = request.split(b" ")[1].decode(errors="replace") if b" " in request else ""
            answer = self.answers.get(path, said(b"", "404 Not Found"))
            answer(connection) if callable(answer) else connection.sendall(answer)


def said(body: bytes, status: str = "200 OK", *headers: str, length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def moved(to: str, status: int = 302) -> bytes:
    return said(b"over there", f"{status} Moved", f"Location: {to}")


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return said(body, "200 OK", "Transfer-Encoding: chunked", length=False)


@contextmanager
def running(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[Source]:
    source = Source(host, context)
    try:
        yield source
    finally:
        source.close()


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with running() as source:
        yield source


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of NAME and signed by itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(key.private_bytes(*encodings) + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def secure(certificate: Path) -> Iterator[Source]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running(context=context) as source:
        yield source


class Names:
    """A resolver that knows `known`, each name's answers in turn, the last one for ever; and counts."""

    def __init__(self, **known: Sequence[Sequence[str]]) -> None:
        self.known = {name.replace("_", "."): list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.known.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def rules(**changes: object) -> Rules:
    return Rules(**{"private_networks": LOOPBACK, "seconds": 20.0, **changes})  # type: ignore[arg-type]


def fetched(url: str, tmp_path: Path, fetcher: Fetcher | None = None) -> bytes:
    target = tmp_path / "fetched"
    length = (fetcher or Fetcher(rules())).fetch(url, target, MAX_BYTES)
    assert length == target.stat().st_size
    return target.read_bytes()


@pytest.fixture
def left(tmp_path: Path) -> Iterator[None]:
    """Whatever went wrong, no file is left."""
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.mark.feature(112)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said(PICTURE), id="of a known length"),
        pytest.param(said(PICTURE, length=False), id="as long as the connection"),
        pytest.param(chunked(PICTURE[:1000], PICTURE[1000:]), id="in chunks"),
        pytest.param(said(PICTURE, "200 OK", "Content-Type: text/html", "Content-Encoding: identity"), id="of another type"),
    ],
)
def test_the_bytes_behind_a_url_are_in_the_file(source: Source, tmp_path: Path, answer: bytes) -> None:
    source.answers["/whole"] = answer
    assert fetched(source.url("/whole"), tmp_path) == PICTURE


def test_a_request_says_who_asks_and_nothing_else(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{unused_port()}")
    source.answers["/a%20%C3%A4/b?c=d&e=%2F"] = said(PICTURE)
    names = Names(pictures_example=[["127.0.0.1"]])
    assert fetched(source.url("/a ä/b?c=d&e=%2F#fragment", "Pictures.Example."), tmp_path, Fetcher(rules(), resolve=names)) == PICTURE
    first, *headers = source.asked[-1].decode().strip().split("\r\n")
    assert first == "GET /a%20%C3%A4/b?c=d&e=%2F HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: image/*,*/*;q=0.5",
        "Connection: close",
        f"Host: {NAME}:{source.port}",
        f"User-Agent: onmiss/{__version__}",
    ]


def test_ipv6_is_asked_like_the_other(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("expected IPv6, found none")
    with running("::1") as source:
        source.answers["/"] = said(PICTURE)
        assert fetched(source.url("", "[::1]"), tmp_path) == PICTURE
        assert f"Host: [::1]:{source.port}\r\n".encode() in source.asked[0]


@pytest.mark.feature(112)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_at_the_source_is_not_found(source: Source, tmp_path: Path, status: int) -> None:
    source.answers["/absent"] = said(b"sorry", f"{status} Sorry")
    with pytest.raises(SourceNotFound, match=f"^expected a picture at the URL, got status {status}$"):
        fetched(source.url("/absent"), tmp_path)


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 429, 500, 503])
def test_any_other_status_is_said(source: Source, tmp_path: Path, status: int) -> None:
    source.answers["/other"] = said(b"", f"{status} Other")
    with pytest.raises(SourceUnavailable, match=f"got status {status}$") as failure:
        fetched(source.url("/other"), tmp_path)
    assert (failure.value.status, type(failure.value)) == (status, SourceUnavailable)


@pytest.mark.feature(113)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    "host",
    """
    127.0.0.1 169.254.169.254 10.0.0.1 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] [fd00:ec2::254]
    127.0.0.1. localhost LOCALHOST localhost.
    """.split(),
)
def test_by_the_default_rules_there_is_no_way_into_our_network(source: Source, tmp_path: Path, host: str) -> None:
    before = len(source.asked)
    with pytest.raises(SourceRefused, match=r"^expected a URL that we may fetch, got a private address$"):
        fetched(source.url("/whole", host), tmp_path, Fetcher(Rules()))
    assert len(source.asked) == before


@pytest.mark.feature(113)
@pytest.mark.parametrize(
    "host",
    """
    2130706433 017700000001 0x7f000001 0177.0.0.1 0x7f.1 0x7f.0.0.1 127.1 127.0.1 127.0.0.01 127.0.0.0x1 127.0.0.256 1.2.3.4.5 0 00
    ١٢٧.0.0.1 １２７．０．０．１ ①②⑦.⓪.⓪.① 127。0。0。1 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ straße.example ＬＯＣＡＬＨＯＳＴ
    [fe80::1%25eth0] [fe80::1%eth0] [::1%1] [v1.x] [127.0.0.1] [::1]x [::1 ::1 [] %31%32%37.0.0.1 localhost%00.example a..example .example
    ex*mple a,b a\\b localhost\\.example 127.0.0.1\\@pictures.example pictures.example\\@127.0.0.1
    """.split(),
)
def test_an_odd_spelling_is_refused_though_everything_be_allowed(host: str, tmp_path: Path) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    names = Names()
    with pytest.raises(SourceRefused):
        fetched(f"http://{host}/", tmp_path, Fetcher(rules(private_networks=everything), resolve=names))
    assert names.asked == []


@pytest.mark.feature(113)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("ftp://pictures.example/", "a scheme other than http and https", id="ftp"),
        pytest.param("file:///etc/passwd", "a scheme other than http and https", id="file"),
        pytest.param("gopher://127.0.0.1/_x", "a scheme other than http and https", id="gopher"),
        pytest.param("data:image/png;base64,", "a scheme other than http and https", id="data"),
        pytest.param("//pictures.example/", "a scheme other than http and https", id="no scheme"),
        pytest.param("/etc/passwd", "a scheme other than http and https", id="a path"),
        pytest.param("", "a scheme other than http and https", id="empty"),
        pytest.param("http:///x", "a host or port that cannot be", id="no host"),
        pytest.param("http:pictures.example/", "a host or port that cannot be", id="no slashes"),
        pytest.param("http://user:secret@pictures.example/", "credentials", id="credentials"),
        pytest.param("http://@pictures.example/", "credentials", id="no credentials, but their place"),
        pytest.param("http://pictures.example:0/", "a host or port that cannot be", id="port 0"),
        pytest.param("http://pictures.example:65536/", "a host or port that cannot be", id="port 65536"),
        pytest.param("http://pictures.example:8o/", "a host or port that cannot be", id="no port"),
        pytest.param("http://pictures.example/a\r\nHost: b", "control characters", id="two lines"),
        pytest.param("http://pictures.example/\0", "control characters", id="NUL"),
        pytest.param("http://127.0.0.1\t/", "control characters", id="tab"),
        pytest.param(f"http://{'a' * 64}.example/", "a host or port that cannot be", id="too long a label"),
        pytest.param(f"http://{'a.' * 127}example/", "a host or port that cannot be", id="too long a name"),
        pytest.param(f"http://pictures.example/{'a' * 8000}", "too long a URL", id="too long"),
    ],
)
def test_what_is_no_plain_url_is_refused_with_its_reason(url: str, reason: str, tmp_path: Path) -> None:
    names = Names()
    with pytest.raises(SourceRefused) as failure:
        fetched(url, tmp_path, Fetcher(rules(), resolve=names))
    assert (failure.value.reason, names.asked) == (reason, [])


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Bücher.example./", "xn--bcher-kva.example"),
        ("http://BÜCHER.example/", "xn--bcher-kva.example"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://a_b.example/", "a_b.example"),
        ("http://[::ffff:8.8.8.8]/", "8.8.8.8"),
        ("http://[2A00:1450:0:0::1]/", "2a00:1450::1"),
    ],
)
def test_a_host_has_one_spelling(url: str, host: str) -> None:
    assert read_url(url).host == host


@pytest.mark.feature(113)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("answers", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::ffff:10.0.0.1"], ["fe80::1%1"]])
def test_one_address_in_our_network_spoils_all_others(source: Source, tmp_path: Path, answers: list[str]) -> None:
    before = len(source.asked)
    with pytest.raises(SourceRefused, match="a private address"):
        fetched(source.url("/whole", NAME), tmp_path, Fetcher(rules(), resolve=Names(pictures_example=[answers])))
    assert len(source.asked) == before


@pytest.mark.feature(113)
def test_the_log_knows_the_address_and_the_client_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(SourceRefused) as failure:
        fetched(f"http://{NAME}/a?key=secret", tmp_path, Fetcher(rules(), resolve=Names(pictures_example=[["10.9.8.7"]])))
    assert "10.9.8.7" not in f"{failure.value} {failure.value.args}"
    assert "http://pictures.example/a leads to 10.9.8.7 (private)" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.feature(113)
def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_asked(source: Source, tmp_path: Path) -> None:
    source.answers["/whole"] = said(PICTURE)
    names = Names(pictures_example=[["127.0.0.1"], ["10.0.0.1"]])  # only we know this name: nothing else could find the server
    fetcher = Fetcher(rules(), resolve=names)
    assert fetched(source.url("/whole", NAME), tmp_path, fetcher) == PICTURE
    assert names.asked == [NAME]
    with pytest.raises(SourceRefused):
        fetched(source.url("/whole", NAME), tmp_path, fetcher)


def test_the_next_address_is_tried_when_one_takes_no_connection(source: Source, tmp_path: Path) -> None:
    source.answers["/whole"] = said(PICTURE)
    names = Names(pictures_example=[["127.0.0.9", "127.0.0.1", "127.0.0.8"]], nobody_example=[["127.0.0.8", "127.0.0.9"]])
    assert fetched(source.url("/whole", NAME), tmp_path, Fetcher(rules(), resolve=names)) == PICTURE
    with pytest.raises(SourceUnavailable, match=r"got no connection$"):
        fetched(source.url("/whole", "nobody.example"), tmp_path, Fetcher(rules(), resolve=names))


@pytest.mark.parametrize("names", [Names(), Names(pictures_example=[[]])], ids=["unknown", "without addresses"])
def test_a_name_that_leads_nowhere_is_told_from_a_silent_host_by_nobody(tmp_path: Path, names: Names) -> None:
    with pytest.raises(SourceUnavailable, match=r"got no connection$"):
        fetched(f"http://{NAME}/", tmp_path, Fetcher(rules(), resolve=names))


@pytest.mark.parametrize("host", [NAME, "a.example.net", "a.b.example.net", "127.0.0.1"])
def test_a_host_on_the_list_is_asked(source: Source, tmp_path: Path, host: str) -> None:
    source.answers["/whole"] = said(PICTURE)
    listed = rules(hosts=("Pictures.example", "*.example.net", "127.0.0.1"))
    names = Names(pictures_example=[["127.0.0.1"]], a_example_net=[["127.0.0.1"]], a_b_example_net=[["127.0.0.1"]])
    assert fetched(source.url("/whole", host), tmp_path, Fetcher(listed, resolve=names)) == PICTURE


@pytest.mark.parametrize("host", ["example.net", "badexample.net", "a.pictures.example", "pictures.example.org", "127.0.0.2", "localhost"])
def test_a_host_that_is_not_on_the_list_is_not_even_looked_up(tmp_path: Path, host: str) -> None:
    names = Names()
    with pytest.raises(SourceRefused, match="a host that is not on the list"):
        fetched(f"http://{host}/", tmp_path, Fetcher(rules(hosts=(NAME, "*.example.net", "127.0.0.1")), resolve=names))
    assert names.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(source: Source, tmp_path: Path, status: int) -> None:
    source.answers |= {"/x/from": moved("../to here", status), "/to%20here": moved(source.url("/end"), status), "/end": said(PICTURE)}
    assert fetched(source.url("/x/from"), tmp_path) == PICTURE


@pytest.mark.feature(113)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("http://10.0.0.1/", "a private address"),
        ("http://169.254.169.254/latest/meta-data/", "a private address"),
        ("//[::ffff:10.0.0.1]/", "a private address"),
        ("http://inside.example/", "a private address"),
        ("http://2130706433/", "an address in an unusual spelling"),
        ("file:///etc/passwd", "a scheme other than http and https"),
        ("http://user@pictures.example/", "credentials"),
        ("http://[::1", "a host or port that cannot be"),
        ("http://elsewhere.example/", "a host that is not on the list"),
    ],
)
def test_a_redirect_obeys_the_same_rules(source: Source, tmp_path: Path, to: str, reason: str) -> None:
    source.answers["/from"] = moved(to)
    names = Names(pictures_example=[["127.0.0.1"]], inside_example=[["10.0.0.1"]])
    listed = () if "list" not in reason else (NAME,)
    with pytest.raises(SourceRefused) as failure:
        fetched(source.url("/from", NAME), tmp_path, Fetcher(rules(hosts=listed), resolve=names))
    assert failure.value.reason == reason


@pytest.mark.usefixtures("left")
def test_redirects_come_to_an_end(source: Source, tmp_path: Path) -> None:
    source.answers |= {"/loop": moved("/loop"), "/nowhere": said(b"", "302 Moved"), "/1": moved("/2"), "/2": moved("/3")}
    before = len(source.asked)
    with pytest.raises(SourceUnavailable, match="got more than 5 redirects"):
        fetched(source.url("/loop"), tmp_path)
    assert len(source.asked) == before + 6
    with pytest.raises(SourceUnavailable, match="got a redirect to nowhere"):
        fetched(source.url("/nowhere"), tmp_path)
    with pytest.raises(SourceUnavailable, match="got more than 1 redirects"):
        fetched(source.url("/1"), tmp_path, Fetcher(rules(redirects=1)))


def test_a_certificate_is_checked_for_the_name_and_not_for_the_address(
    source: Source, secure: Source, certificate: Path, tmp_path: Path
) -> None:
    source.answers["/up"] = moved(secure.url("/whole", NAME))
    secure.answers["/whole"] = said(PICTURE)
    names = Names(pictures_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    fetcher = Fetcher(rules(ca_file=certificate), resolve=names)
    assert fetched(secure.url("/whole", NAME), tmp_path, fetcher) == PICTURE
    assert fetched(source.url("/up"), tmp_path, fetcher) == PICTURE
    for url, whom in (
        (secure.url("/whole", "other.example"), fetcher),
        (secure.url("/whole"), fetcher),
        (secure.url("/whole", NAME), Fetcher(rules(), resolve=names)),
    ):
        with pytest.raises(SourceUnavailable, match="got no encryption that can be trusted"):
            fetched(url, tmp_path, whom)


@pytest.mark.usefixtures("left")
def test_encryption_is_not_given_up_on_the_way(source: Source, secure: Source, certificate: Path, tmp_path: Path) -> None:
    secure.answers["/down"] = moved(source.url("/whole"))
    fetcher = Fetcher(rules(ca_file=certificate), resolve=Names(pictures_example=[["127.0.0.1"]]))
    with pytest.raises(SourceRefused, match="a redirect from https to http"):
        fetched(secure.url("/down", NAME), tmp_path, fetcher)


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    ("beginning", "byte"),
    [
        pytest.param(b"", b"H", id="first line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", b"x", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", b"x", id="body without a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1", id="size of a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", id="chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n", id="trailers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", id="patience"),
        pytest.param(b"HTTP/1.1 302 Moved\r\n", b"x: y\r\n", id="redirect"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_byte_now_and_then_is_too_slow(
    source: Source, secure: Source, certificate: Path, tmp_path: Path, beginning: bytes, byte: bytes, scheme: str
) -> None:
    server = secure if scheme == "https" else source
    server.answers["/drip"] = lambda connection: (connection.sendall(beginning), server.drip(connection, byte))[1]
    fetcher = Fetcher(rules(seconds=0.25, ca_file=certificate), resolve=Names(pictures_example=[["127.0.0.1"]]))
    with pytest.raises(SourceSlow, match=r"got nothing whole within 0\.25 s"):
        fetched(server.url("/drip", NAME), tmp_path, fetcher)


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
def test_the_time_is_for_all_redirects_together(source: Source, tmp_path: Path) -> None:
    def slowly_on(connection: socket.socket) -> None:
        source.stopping.wait(0.15)
        connection.sendall(moved("/slowly"))

    source.answers["/slowly"] = slowly_on
    with pytest.raises(SourceSlow):
        fetched(source.url("/slowly"), tmp_path, Fetcher(rules(seconds=0.4, redirects=100)))


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
def test_a_handshake_and_a_resolver_are_not_waited_for_either(source: Source, tmp_path: Path) -> None:
    with running() as silent, ExitStack() as stack:
        with pytest.raises(SourceUnavailable, match="got no connection in time"):  # it waits for a whole request, and TLS for an answer
            fetched(silent.url("/").replace("http:", "https:"), tmp_path, Fetcher(rules(connect_seconds=0.2)))
        with pytest.raises(SourceSlow):
            fetched(silent.url("/").replace("http:", "https:"), tmp_path, Fetcher(rules(seconds=0.2)))
        over, answered = threading.Event(), threading.Event()
        stack.callback(over.set)

        def resolve(host: str, port: int) -> Sequence[str]:
            over.wait(5)
            answered.set()
            return ["127.0.0.1"]

        with pytest.raises(SourceSlow):
            fetched(source.url("/whole", NAME), tmp_path, Fetcher(rules(seconds=0.2), resolve=resolve))
        assert not answered.is_set()


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n", id="announced, and never sent"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc", id="a number that nobody reads"),
        pytest.param(said(bytes(MAX_BYTES + 1), length=False), id="as long as the connection"),
        pytest.param(chunked(bytes(MAX_BYTES), b"x"), id="in chunks"),
        pytest.param(chunked(bytes(10 * MAX_BYTES)), id="in one chunk"),
    ],
)
def test_more_bytes_than_we_take_are_refused(source: Source, tmp_path: Path, answer: bytes) -> None:
    source.answers["/large"] = answer
    with pytest.raises(TooManyBytes, match="expected at most 100000 bytes"):
        fetched(source.url("/large"), tmp_path)


def test_as_many_bytes_as_we_take_are_taken(source: Source, tmp_path: Path) -> None:
    source.answers["/full"] = chunked(bytes(MAX_BYTES))
    assert len(fetched(source.url("/full"), tmp_path)) == MAX_BYTES


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said(PICTURE)[:-1], id="a byte short"),
        pytest.param(said(PICTURE)[: -len(PICTURE)], id="no body"),
        pytest.param(chunked(PICTURE)[:-5], id="no last chunk"),
        pytest.param(chunked(PICTURE)[:-1000], id="within a chunk"),
        pytest.param(CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", id="a chunk of no size"),
        pytest.param(CHUNKED + b"1;" + b"x" * 70_000 + b"\r\na\r\n0\r\n\r\n", id="an endless line"),
        pytest.param(said(PICTURE, "200 OK", "Content-Encoding: gzip"), id="gzip"),
        pytest.param(said(PICTURE, "200 OK", "Content-Encoding: identity, br"), id="br"),
        pytest.param(said(PICTURE, "200 OK", "Transfer-Encoding: gzip, chunked", length=False), id="gzip on the way"),
        pytest.param(said(PICTURE, "200 OK", "Content-Length: 5"), id="two lengths"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="too many headers"),
    ],
)
def test_a_body_that_is_not_whole_and_plain_is_never_kept(source: Source, tmp_path: Path, answer: bytes) -> None:
    source.answers["/broken"] = answer
    with pytest.raises(SourceUnavailable, match=r"got a (broken answer|body in the encoding '[a-z, ]*')$"):
        fetched(source.url("/broken"), tmp_path)


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
def test_a_chunk_of_minus_one_byte_is_not_all_that_will_ever_come(source: Source, tmp_path: Path) -> None:
    source.answers["/minus"] = lambda connection: (connection.sendall(CHUNKED + b"-1\r\n"), source.drip(connection, b"x"))[1]
    with pytest.raises(SourceUnavailable, match="got a broken answer"):
        fetched(source.url("/minus"), tmp_path, Fetcher(rules(seconds=2)))


@pytest.mark.feature(114)
@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(
    ("start", "crumb"),
    [
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim answers"),
        pytest.param(CHUNKED + b"1\r\na\r\n0\r\n", b"A: b\r\n", id="trailers"),
        pytest.param(CHUNKED, b"1\r\na\r\n", id="chunks of a byte"),
    ],
)
def test_nobody_keeps_us_at_work_with_what_is_no_body(source: Source, tmp_path: Path, start: bytes, crumb: bytes) -> None:
    def go_on(connection: socket.socket) -> None:
        connection.sendall(start)
        while not source.stopping.is_set():
            connection.sendall(crumb * 100)

    source.answers["/crumbs"] = go_on
    with pytest.raises(SourceUnavailable, match="got a broken answer"):
        fetched(source.url("/crumbs"), tmp_path, Fetcher(rules(seconds=3)))


def test_an_honest_answer_may_have_many_headers_and_small_chunks(source: Source, tmp_path: Path) -> None:
    chunks = [PICTURE[start : start + 300] for start in range(0, len(PICTURE), 300)]
    headers = "".join(f"X-{number}: {'x' * 200}\r\n" for number in range(95)).encode()
    source.answers["/honest"] = chunked(*chunks).replace(b"\r\n", b"\r\n" + headers, 1)
    assert fetched(source.url("/honest"), tmp_path) == PICTURE


@pytest.mark.usefixtures("left")
def test_a_full_disk_is_no_fault_of_the_source(source: Source, tmp_path: Path) -> None:
    source.answers["/whole"] = said(PICTURE)
    (tmp_path / "fetched").symlink_to("/dev/full")
    with pytest.raises(NoSpace):
        fetched(source.url("/whole"), tmp_path)


def outcomes_of(fetches: Sequence[Callable[[], int]], meanwhile: Callable[[list[object]], None]) -> list[object]:
    """What came of each, lengths and classes of errors, all begun together; `meanwhile` sees them come."""
    outcomes: list[object] = []

    def run(fetch: Callable[[], int]) -> None:
        try:
            outcomes.append(fetch())
        except Exception as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=run, args=(fetch,)) for fetch in fetches]
    for thread in threads:
        thread.start()
    try:
        meanwhile(outcomes)
    finally:
        for thread in threads:
            thread.join()
    return outcomes


def test_so_many_at_once_and_so_many_that_wait(source: Source, tmp_path: Path) -> None:
    gate = threading.Event()
    source.answers["/held"] = lambda connection: (gate.wait(10), connection.sendall(said(PICTURE)))[1]
    fetcher = Fetcher(rules(), at_once=2, waiting=1)
    before = len(source.asked)

    def open_the_gate(outcomes: list[object]) -> None:
        try:
            wait_until(lambda: len(source.asked) - before == 2 and len(outcomes) == 2)
        finally:
            gate.set()

    fetches = [partial(fetcher.fetch, source.url("/held"), tmp_path / str(number), MAX_BYTES) for number in range(5)]
    outcomes = outcomes_of(fetches, open_the_gate)
    assert outcomes == [Busy, Busy, *[len(PICTURE)] * 3]
    assert fetched(source.url("/held"), tmp_path, fetcher) == PICTURE  # and all have left


@pytest.mark.usefixtures("left")
def test_a_turn_is_not_waited_for_longer_than_a_fetch_may_take(source: Source, tmp_path: Path) -> None:
    source.answers["/drip"] = lambda connection: source.drip(connection, b"H")
    fetcher = Fetcher(rules(seconds=0.25), at_once=1)
    fetches = [partial(fetcher.fetch, source.url("/drip"), tmp_path / str(number), MAX_BYTES) for number in range(4)]
    outcomes = outcomes_of(fetches, lambda outcomes: None)
    assert set(outcomes) == {SourceSlow, Busy}
