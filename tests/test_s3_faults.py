"""The proxy in front of real S3 servers: signatures stay valid, each fault is felt once, and what the server answered is counted."""

from __future__ import annotations

import base64
import hashlib
import http.client
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.faults import Fault, always, asks, drop, first, garble, garble_request, hang, lose, nth, sometimes, truncate
from tests.s3_faults import S3Faults, Seen, bad_digest, internal_error, key_of, s3_faults, slow_down
from tests.servers import BUCKET
from tests.waiting import wait_until

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["rclone_server", "moto_server"])
def s3(request: pytest.FixtureRequest) -> Iterator[S3Faults]:
    upstream = request.getfixturevalue(request.param)
    before = set(threading.enumerate())
    with s3_faults(upstream) as s3:
        yield s3
    assert set(threading.enumerate()) <= before


@pytest.fixture
def rclone(rclone_server: Any) -> Iterator[S3Faults]:
    with s3_faults(rclone_server) as s3:
        yield s3


@pytest.fixture
def key() -> str:
    return f"{uuid.uuid4().hex}/a b+ü%.jpg"


def _client(s3: S3Faults, attempts: int = 1, read_seconds: float = 10) -> Any:
    """boto3's, set up as the store sets it up."""
    server = s3.server
    session = boto3.session.Session(server.access_key_id, server.secret_access_key, region_name="us-east-1")
    config = Config(
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        request_checksum_calculation="when_required",
    )
    return session.client("s3", endpoint_url=server.endpoint_url, config=config)


def _put(client: Any, key: str, content: bytes = CONTENT) -> None:
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    client.put_object(Bucket=BUCKET, Key=key, Body=content, ContentMD5=md5)


def _read(client: Any, key: str) -> bytes:
    with closing(client.get_object(Bucket=BUCKET, Key=key)["Body"]) as body:
        return bytes(body.read())


def _code(error: ClientError) -> tuple[int, str]:
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def test_everything_passes_and_is_seen(s3: S3Faults, key: str) -> None:
    with closing(_client(s3)) as client:
        _put(client, key)
        assert _read(client, key) == CONTENT
        assert client.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(CONTENT)
        assert [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]] == [key]
        client.delete_object(Bucket=BUCKET, Key=key)
        with pytest.raises(ClientError):
            client.head_object(Bucket=BUCKET, Key=key)
    codes = [("PUT", key, 200), ("GET", key, 200), ("HEAD", key, 200), ("GET", "", 200), ("DELETE", key, 204), ("HEAD", key, 404)]
    assert s3.seen == [Seen(*code) for code in codes]
    assert s3.puts(key) == 1


def test_signatures_are_still_checked(rclone: S3Faults, key: str) -> None:
    with closing(replace(rclone.server, secret_access_key="wrong").client()) as client, pytest.raises(ClientError) as raised:
        _put(client, key)
    assert _code(raised.value) == (403, "SignatureDoesNotMatch")
    assert rclone.puts(key) == 0


def test_newer_checksums_pass_too(s3: S3Faults, key: str) -> None:
    with closing(s3.server.client()) as client:
        client.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        assert _read(client, key) == CONTENT


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(internal_error(), (500, "InternalError"), id="internal-error"),
        pytest.param(slow_down(), (503, "SlowDown"), id="slow-down"),
        pytest.param(bad_digest(), (400, "BadDigest"), id="bad-digest"),
    ],
)
def test_errors_of_s3(s3: S3Faults, key: str, fault: Fault, code: tuple[int, str]) -> None:
    s3.fault = nth(1, fault, only=asks("PUT"))
    with closing(_client(s3)) as client:
        with pytest.raises(ClientError) as raised:
            _put(client, key)
        assert _code(raised.value) == code
        assert s3.seen == []
        _put(client, key)
    assert s3.puts(key) == 1
    assert [key_of(path) for _, path in s3.arrived] == [key, key]


def test_a_client_tries_again_what_may_pass(s3: S3Faults, key: str) -> None:
    s3.fault = first(2, slow_down())
    with closing(_client(s3, attempts=3)) as client:
        _put(client, key)
    assert (s3.counted("PUT"), s3.puts(key)) == (3, 1)


def test_a_server_finds_a_garbled_body_itself(rclone: S3Faults, key: str) -> None:
    rclone.fault = nth(1, garble_request())
    with closing(_client(rclone)) as client:
        with pytest.raises(ClientError) as raised:
            _put(client, key)
        assert _code(raised.value)[0] == 400
        assert rclone.puts(key) == 0
        _put(client, key)
        assert _read(client, key) == CONTENT


def test_a_dropped_put_did_not_happen_and_a_lost_one_did(s3: S3Faults, key: str) -> None:
    with closing(_client(s3)) as client:
        for fault, happened in ((drop(), 0), (lose(), 1)):
            s3.fault = always(fault)
            with pytest.raises(ConnectionClosedError):
                _put(client, key)
            assert s3.puts(key) == happened


def test_one_that_hangs_is_not_served_when_its_client_has_gone(s3: S3Faults, key: str) -> None:
    fault = hang()
    s3.fault = always(fault)
    with closing(_client(s3, read_seconds=0.3)) as client, pytest.raises(ReadTimeoutError):
        client.head_object(Bucket=BUCKET, Key=key)
    wait_until(lambda: fault.held == 0)
    fault.release()
    assert s3.seen == []


def test_one_that_hangs_ends_with_the_proxy(rclone_server: Any, key: str) -> None:
    fault = hang()
    with ThreadPoolExecutor() as pool, s3_faults(rclone_server) as s3, closing(_client(s3)) as client:
        s3.fault = always(fault)
        waiting = pool.submit(_put, client, key)
        wait_until(lambda: fault.held == 1)
        s3.stop()
        assert isinstance(waiting.exception(5), BotoCoreError)
    assert s3.seen == []


def test_a_body_that_is_cut_short(s3: S3Faults, key: str) -> None:
    with closing(_client(s3)) as client:
        _put(client, key)
        s3.fault = always(truncate(100))
        with pytest.raises(ResponseStreamingError):
            _read(client, key)


def test_a_body_that_is_garbled(rclone: S3Faults, key: str) -> None:
    with closing(_client(rclone)) as client:
        _put(client, key)
        rclone.fault = always(garble(at=5))
        found = _read(client, key)
    assert (found[:5], found[5], found[6:]) == (CONTENT[:5], CONTENT[5] ^ 1, CONTENT[6:])


def _ask_leave(s3: S3Faults, connection: http.client.HTTPConnection) -> None:
    connection.connect()
    place = f"/{BUCKET}/{uuid.uuid4().hex}"
    connection.sock.sendall(f"PUT {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n".encode())


def test_a_body_waits_for_leave(s3: S3Faults) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=5)) as connection:
        _ask_leave(s3, connection)
        assert connection.sock.recv(12) == b"HTTP/1.1 100"


def test_a_body_that_is_refused_gets_no_leave_and_the_connection_ends(s3: S3Faults) -> None:
    s3.fault = always(internal_error())
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=5)) as connection:
        _ask_leave(s3, connection)
        with connection.sock.makefile("rb") as answer:
            said = answer.read()
    assert said.startswith(b"HTTP/1.1 500")
    assert b"Connection: close" in said


def test_a_refused_body_is_no_beginning_of_the_next_request(s3: S3Faults) -> None:
    s3.fault = nth(1, internal_error())
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=5)) as connection:
        codes = []
        for body in (CONTENT * 100, b""):
            connection.request("PUT", f"/{BUCKET}/{uuid.uuid4().hex}", body=body)
            with closing(connection.getresponse()) as response:
                codes.append((response.status, bool(response.read()), response.getheader("Connection")))
    assert codes[0] == (500, True, None)
    assert [seen.status for seen in s3.seen] == [codes[1][0]]  # whatever the server behind says of what is not signed


def test_a_server_that_breaks_off_is_not_covered_up(s3: S3Faults, key: str) -> None:
    with s3_faults(s3.server) as outer, closing(_client(outer)) as client:
        client.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        s3.fault = always(truncate(100))
        with pytest.raises(ResponseStreamingError):
            _read(client, key)


def test_it_goes_away_and_comes_back(s3: S3Faults, key: str) -> None:
    with closing(_client(s3)) as client:
        _put(client, key)
        port = s3.port
        s3.stop()
        with pytest.raises(EndpointConnectionError):
            _put(client, key)
        s3.start()
        assert s3.port == port
        _put(client, key)
    assert s3.puts(key) == 2


def test_a_crowd_with_faults_ends_with_everything_stored_once(s3: S3Faults, key: str) -> None:
    s3.fault = sometimes(0.2, 42, internal_error(), only=asks("PUT"))
    keys = [f"{key}-{number}" for number in range(64)]
    with closing(_client(s3, attempts=10)) as client, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: _put(client, one), keys))
    assert s3.stored() == dict.fromkeys(keys, 1)
    assert s3.counted("PUT") > len(keys)
