"""S3 in trouble: every fault is one of our errors, and nothing is left behind."""

from __future__ import annotations

import base64
import hashlib
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable, TooManyBytes
from renderer.stores import Facts
from renderer.stores.s3 import S3Store
from tests.servers import unused_port
from tests.stores.faulty import LAST_MODIFIED_SECONDS, Answer, Exchange, FaultyServer, error, in_turn, serving, whole

PICTURE = b"\xff\xd8" + bytes(200_000)
MD5 = hashlib.md5(PICTURE).hexdigest()
PLENTY = 1_000_000

Connect = Callable[..., tuple[S3Store, FaultyServer]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(answer, …settings)`: a store in front of a server that answers everything so, and that server."""
    with ExitStack() as stack:

        def connecting(answer: Answer, **settings: Any) -> tuple[S3Store, FaultyServer]:
            server = stack.enter_context(serving(answer))
            return open_store(server.url, **settings), server

        yield connecting


def open_store(url: str, **settings: Any) -> S3Store:
    usual: dict[str, Any] = {
        "attempts": 1,
        "connect_seconds": 1.0,
        "read_seconds": 0.3,
        "access_key_id": "AKIATEST",
        "secret_access_key": "hush",
    }
    return S3Store("archive", "originals", endpoint_url=url, **(usual | settings))


@contextmanager
def failing(expected: type[StoreUnavailable], reason: str, tmp_path: Path) -> Iterator[Path]:
    """The body raises exactly `expected`, and leaves nothing at the target."""
    target = tmp_path / "target"
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        yield target
    assert type(caught.value) is expected
    assert caught.value.store == "archive"
    assert caught.value.__cause__ is not None or expected in (StoreGarbled, StoreSlow)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


ERRORS = [
    pytest.param(500, "InternalError", StoreUnavailable, id="500"),
    pytest.param(502, "BadGateway", StoreUnavailable, id="502"),
    pytest.param(503, "SlowDown", StoreUnavailable, id="slow-down"),
    pytest.param(403, "AccessDenied", StoreRefused, id="denied"),
    pytest.param(403, "SignatureDoesNotMatch", StoreRefused, id="wrong-secret"),
    pytest.param(403, "RequestTimeTooSkewed", StoreRefused, id="wrong-clock"),
    pytest.param(400, "ExpiredToken", StoreRefused, id="expired"),
    pytest.param(400, "RequestTimeout", StoreSlow, id="timeout"),
    pytest.param(404, "NoSuchBucket", StoreUnavailable, id="no-bucket"),
    pytest.param(418, "Odd", StoreUnavailable, id="unheard-of"),
]


@pytest.mark.parametrize(("status", "code", "expected"), ERRORS)
def test_an_error_of_s3_is_one_of_ours(connect: Connect, tmp_path: Path, status: int, code: str, expected: type[StoreUnavailable]) -> None:
    store, _ = connect(error(status, code))
    with failing(expected, "originals at http", tmp_path) as target:
        store.get("key", target, PLENTY)
    with failing(expected, "originals at http", tmp_path):
        list(store.names())


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda store, path: store.facts("key"), id="facts"),
        pytest.param(lambda store, path: store.put("key", path, Facts(1, 0)), id="put"),
        pytest.param(lambda store, path: store.delete("key"), id="delete"),
    ],
)
def test_a_refusal_names_the_permission_that_lacks(connect: Connect, attempt: Callable[[S3Store, Path], object]) -> None:
    store, _ = connect(error(403, "AccessDenied"))
    with pytest.raises(StoreRefused, match=r"s3:\w+Object"):
        attempt(store, Path(__file__))


def test_a_denied_get_explains_that_the_key_may_just_be_missing(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(error(403, "AccessDenied"))
    with failing(
        StoreRefused, "needs s3:GetObject, and s3:ListBucket, without which S3 answers 403 for a missing key too", tmp_path
    ) as target:
        store.get("key", target, PLENTY)


def test_a_missing_key_is_none_but_a_missing_bucket_is_an_error(connect: Connect, tmp_path: Path) -> None:
    absent, _ = connect(error(404, "NoSuchKey"))
    assert absent.get("key", tmp_path / "target", PLENTY) is None
    lost, _ = connect(error(404, "NoSuchBucket"))  # whose HEAD looks just like that of a missing key
    with pytest.raises(StoreUnavailable, match="found no such bucket"):
        lost.facts("key")


@pytest.mark.timeout(20)  # the server would hang for a minute, and boto3 by itself too
def test_a_server_that_hangs_is_slow(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(Exchange.hang)
    with failing(StoreSlow, "ReadTimeoutError", tmp_path) as target:
        store.get("key", target, PLENTY)


@pytest.mark.timeout(20)  # the server would hang for a minute, and boto3 by itself too
def test_a_body_that_hangs_is_slow(connect: Connect, tmp_path: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=len(PICTURE))
        exchange.wfile.write(PICTURE[:100_000])
        exchange.hang()

    store, _ = connect(answer)
    with failing(StoreSlow, "ReadTimeoutError", tmp_path) as target:
        store.get("key", target, PLENTY)


def test_a_body_that_drips_is_slow(connect: Connect, tmp_path: Path) -> None:
    """It never is silent for as long as a read timeout, and would take half a minute."""

    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=300 * 65536)
        while not exchange.server.over.wait(0.1):
            exchange.wfile.write(bytes(65536))

    store, _ = connect(answer, read_seconds=0.2)
    with failing(StoreSlow, "expected all of it from .* in 1.2 s", tmp_path) as target:
        store.get("key", target, 100 * PLENTY)


@pytest.mark.timeout(20)  # the server would hang for a minute, and boto3 by itself too
def test_a_connection_that_is_not_accepted_is_slow(tmp_path: Path) -> None:
    with socket.socket() as deaf, ExitStack() as stack:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # a backlog of 0 holds one or two; Linux lets the others wait for ever
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        store = open_store(f"http://127.0.0.1:{deaf.getsockname()[1]}", connect_seconds=0.2)
        with failing(StoreSlow, "ConnectTimeoutError", tmp_path) as target:
            store.get("key", target, PLENTY)


def test_a_refused_connection_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"http://127.0.0.1:{unused_port()}")
    with failing(StoreUnavailable, "EndpointConnectionError", tmp_path) as target:
        store.get("key", target, PLENTY)
    findings = store.check()
    assert [well for _, well in findings] == [False, False, True]
    assert "lacks" not in findings[0][0]  # it is no matter of permissions


def test_an_address_that_is_none_is_unavailable(tmp_path: Path) -> None:
    with failing(StoreUnavailable, "EndpointProviderError", tmp_path) as target:
        open_store("no address").get("key", target, PLENTY)


@pytest.mark.parametrize("end", [pytest.param(Exchange.finish_early, id="closed"), pytest.param(Exchange.reset, id="reset")])
def test_a_truncated_body_is_garbled(connect: Connect, tmp_path: Path, end: Answer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=len(PICTURE), ETag=f'"{MD5}"')
        exchange.wfile.write(PICTURE[:-1])
        end(exchange)

    store, _ = connect(answer)
    with failing(StoreGarbled, "originals at http", tmp_path) as target:
        store.get("key", target, PLENTY)


def test_a_connection_closed_before_the_answer_is_unavailable(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(Exchange.finish_early)
    with failing(StoreUnavailable, "ConnectionClosedError", tmp_path) as target:
        store.get("key", target, PLENTY)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"ETag": '"' + "0" * 32 + '"'}, id="etag"),
        pytest.param({"ETag": '"' + "A" * 32 + '"'}, id="upper-case-etag"),
        pytest.param({"x_amz_checksum_crc32": "AAAAAA=="}, id="crc32"),
        pytest.param({"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode(), "ETag": f'"{MD5}"'}, id="sha256"),
    ],
)
def test_a_wrong_checksum_is_garbled(connect: Connect, tmp_path: Path, headers: dict[str, str]) -> None:
    store, _ = connect(whole(PICTURE, **headers))
    with failing(StoreGarbled, "originals at http", tmp_path) as target:
        store.get("key", target, PLENTY)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"ETag": f'"{MD5}"'}, id="md5"),
        pytest.param({"ETag": f'"{MD5.upper()}"'}, id="upper-case"),
        pytest.param({"ETag": f'"{"0" * 32}-3"'}, id="of-parts"),
        pytest.param({"ETag": f'"{"0" * 32}"', "x_amz_server_side_encryption": "aws:kms"}, id="of-kms"),
        pytest.param({"ETag": f'"{"0" * 32}"', "x_amz_server_side_encryption_customer_algorithm": "AES256"}, id="of-a-customers-key"),
        pytest.param({"ETag": '"opaque"'}, id="opaque"),
        pytest.param({}, id="none"),
    ],
)
def test_only_an_etag_that_is_an_md5_is_compared(connect: Connect, tmp_path: Path, headers: dict[str, str]) -> None:
    store, _ = connect(whole(PICTURE, **headers))
    assert store.get("key", tmp_path / "target", PLENTY) == Facts(len(PICTURE), LAST_MODIFIED_SECONDS)
    assert (tmp_path / "target").read_bytes() == PICTURE


def test_R12_a_length_beyond_the_limit_is_refused_before_it_is_read(connect: Connect, tmp_path: Path) -> None:
    sent = []

    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=10_000_000_000)
        for _ in range(100):
            exchange.wfile.write(bytes(PLENTY))
            sent.append(PLENTY)

    store, _ = connect(answer)
    with pytest.raises(TooManyBytes, match="at most 1000000 bytes for an original, got 10000000000"):
        store.get("key", tmp_path / "target", PLENTY)
    assert sum(sent) < 50 * PLENTY  # what the sockets' buffers take
    assert list(tmp_path.iterdir()) == []


def test_R12_bytes_are_counted_where_no_length_is_announced(connect: Connect, tmp_path: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Transfer_Encoding="chunked", ETag=f'"{MD5}"')
        while not exchange.server.over.is_set():
            exchange.wfile.write(b"%x\r\n%s\r\n" % (65536, bytes(65536)))

    store, _ = connect(answer, read_seconds=10.0)
    with pytest.raises(TooManyBytes, match="at most 1000000 bytes"):
        store.get("key", tmp_path / "target", PLENTY)
    assert list(tmp_path.iterdir()) == []


def test_R12_memory_does_not_grow_with_the_original(connect: Connect, tmp_path: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=24 * PLENTY)
        for _ in range(24):
            exchange.wfile.write(MILLION)

    MILLION = bytes(PLENTY)
    store, _ = connect(answer, read_seconds=10.0)
    store.facts("warm")  # the client itself takes some megabytes
    tracemalloc.start()
    try:
        store.get("key", tmp_path / "target", 24 * PLENTY)
        assert tracemalloc.get_traced_memory()[1] < 4 * PLENTY
    finally:
        tracemalloc.stop()


def test_a_body_without_length_or_checksum_is_garbled(connect: Connect, tmp_path: Path) -> None:
    """Its end could be anywhere."""

    def answer(exchange: Exchange) -> None:
        exchange.begin()
        exchange.wfile.write(PICTURE)

    store, _ = connect(answer)
    with failing(StoreGarbled, "expected a length or a checksum", tmp_path) as target:
        store.get("key", target, PLENTY)


def test_an_answer_of_somebody_else_is_no_empty_listing(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(whole(b"<html>Welcome to the hotel's wireless network"))
    with failing(StoreUnavailable, "originals at http", tmp_path):
        list(store.names())


def test_a_prefix_of_no_key_is_not_even_asked_for(connect: Connect) -> None:
    """A server may fold `..` away, and list another folder."""
    store, server = connect(error(500, "InternalError"), prefix="mine")
    assert [list(store.names(prefix)) for prefix in ("../yours/", "a//", "a/../", ".")] == [[], [], [], []]
    assert server.seen == []


def test_a_header_that_cannot_be_read_is_garbled(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(whole(b"", Last_Modified="soon"))  # empty, because botocore leaves a body behind that it stumbles over
    with failing(StoreGarbled, "originals at http", tmp_path) as target:
        store.get("key", target, PLENTY)


def test_a_short_trouble_is_tried_again_and_a_long_one_is_given_up(connect: Connect, tmp_path: Path) -> None:
    store, server = connect(in_turn(error(503, "SlowDown"), whole(PICTURE)), attempts=2)
    assert store.get("key", tmp_path / "target", PLENTY) is not None
    assert len(server.seen) == 2
    (tmp_path / "target").unlink()
    store, server = connect(error(500, "InternalError"), attempts=2)
    with failing(StoreUnavailable, "InternalError", tmp_path) as target:
        store.get("key", target, PLENTY)
    assert len(server.seen) == 2


def test_the_store_recovers_by_itself(connect: Connect, tmp_path: Path) -> None:
    store, _ = connect(in_turn(error(500, "InternalError"), Exchange.finish_early, Exchange.hang, whole(PICTURE)))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.get("key", tmp_path / "target", PLENTY)
    assert store.get("key", tmp_path / "target", PLENTY) is not None


def test_odd_metadata_is_passed_over(connect: Connect) -> None:
    odd = {"x_amz_meta_time": "yesterday", "x_amz_meta_width": "1e3", "X_Amz_Meta_Height": "300"}
    store, _ = connect(whole(PICTURE, **odd))
    assert store.facts("key") == Facts(len(PICTURE), LAST_MODIFIED_SECONDS, height=300)


def test_a_condition_is_asked_for_in_one_request_once_it_is_known_to_be_honoured(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    absent, exists = error(404, "NoSuchKey"), error(412, "PreconditionFailed")
    store, server = connect(in_turn(absent, whole(b""), exists, whole(b""), exists))
    assert put_new(store, tmp_path)  # a look, a put, and another that shows whether the condition counts
    assert put_new(store, tmp_path)
    assert not put_new(store, tmp_path)
    assert [seen.method for seen in server.seen] == ["HEAD", "PUT", "PUT", "PUT", "PUT"]
    assert {seen.headers.get("If-None-Match") for seen in server.seen[1:]} == {"*"}
    assert {seen.body for seen in server.seen[1:]} == {PICTURE}


def test_where_the_condition_is_passed_over_we_look_before_we_put(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    absent, there = error(404, "NoSuchKey"), whole(b"")
    store, server = connect(in_turn(absent, there, there, there, absent, there))
    assert put_new(store, tmp_path)
    assert not put_new(store, tmp_path)
    assert put_new(store, tmp_path)
    assert [seen.method for seen in server.seen] == ["HEAD", "PUT", "PUT", "HEAD", "HEAD", "PUT"]
    assert "If-None-Match" not in server.seen[-1].headers


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")], ids=["501", "400"])
def test_where_the_condition_is_not_implemented_we_put_without(connect: Connect, tmp_path: Path, status: int, code: str) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    absent = error(404, "NoSuchKey")
    store, server = connect(in_turn(absent, error(status, code), whole(b""), absent, whole(b"")))
    assert put_new(store, tmp_path)
    assert put_new(store, tmp_path)
    conditions = [seen.headers.get("If-None-Match") for seen in server.seen if seen.method == "PUT"]
    assert conditions == ["*", None, None]
    assert server.seen[2].body == PICTURE


def test_a_write_that_came_in_between_is_tried_again_and_not_for_ever(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    absent, conflict, exists = error(404, "NoSuchKey"), error(409, "ConditionalRequestConflict"), error(412, "PreconditionFailed")
    store, server = connect(in_turn(absent, conflict, conflict, whole(b""), exists))
    assert put_new(store, tmp_path)
    assert [seen.body for seen in server.seen[1:]] == [PICTURE] * 4
    store, server = connect(in_turn(absent, conflict))
    with pytest.raises(StoreUnavailable, match="409 'ConditionalRequestConflict'"):
        put_new(store, tmp_path)
    assert len(server.seen) < 10


@pytest.mark.parametrize(("status", "code"), [(400, "BadDigest"), (403, "AccessDenied"), (500, "InternalError")])
def test_other_trouble_is_none_of_the_condition(connect: Connect, tmp_path: Path, status: int, code: str) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    store, server = connect(in_turn(error(404, "NoSuchKey"), error(status, code)))
    with pytest.raises(StoreUnavailable, match=code):
        put_new(store, tmp_path)
    assert len(server.seen) == 2


def test_what_was_stored_is_stored_though_the_server_fails_while_we_learn(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    store, _ = connect(in_turn(error(404, "NoSuchKey"), whole(b""), error(500, "InternalError")))
    assert put_new(store, tmp_path)


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (409, "ObjectLocked"), (405, "MethodNotAllowed")], ids=["403", "409", "405"]
)
def test_a_bucket_where_nothing_is_written_twice_is_tried_once_and_not_with_every_object(
    connect: Connect, tmp_path: Path, status: int, code: str
) -> None:
    (tmp_path / "source").write_bytes(PICTURE)
    absent, refused = error(404, "NoSuchKey"), [error(status, code)] * (5 if status == 409 else 1)
    store, server = connect(in_turn(absent, whole(b""), *refused, absent, whole(b"")))
    assert put_new(store, tmp_path)
    first = len(server.seen)
    assert put_new(store, tmp_path)
    assert [seen.method for seen in server.seen[first:]] == ["HEAD", "PUT"]
    assert "If-None-Match" not in server.seen[-1].headers


def put_new(store: S3Store, tmp_path: Path) -> bool:
    return store.put("key", tmp_path / "source", Facts(len(PICTURE), 0), only_new=True)


def test_put_sets_no_acl_and_sends_plain_bytes_with_their_md5(connect: Connect, tmp_path: Path) -> None:
    """Decision 5; and trailing checksums are what many servers do not read."""
    store, server = connect(whole(b""), prefix="/folder/")
    (tmp_path / "source").write_bytes(PICTURE)
    store.put("a b/é", tmp_path / "source", Facts(1, 1_200_000_000, "image/jpeg", 4, 3))
    (seen,) = server.seen
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert (seen.method, seen.path, seen.body) == ("PUT", "/originals/folder/a%20b/%C3%A9", PICTURE)
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(PICTURE).digest()).decode()
    assert headers["content-type"] == "image/jpeg"
    assert [headers[f"x-amz-meta-{name}"] for name in ("time", "width", "height")] == ["1200000000", "4", "3"]
    assert not [name for name in headers if "acl" in name or "grant" in name or "trailer" in name]
