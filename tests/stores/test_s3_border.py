"""What botocore raises that no server of ours can be made to cause."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, PartialCredentialsError, ProfileNotFound
from botocore.parsers import ResponseParserError
from urllib3.exceptions import SSLError

from renderer.errors import StoreGarbled, StoreRefused, StoreUnavailable, TooManyBytes
from renderer.stores.s3.border import border


def answered(status: int, code: str) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


FOREIGN = [
    pytest.param(ResponseParserError("<html>"), StoreGarbled, id="unreadable"),
    pytest.param(SSLError("bad record"), StoreUnavailable, id="tls-in-a-body"),
    pytest.param(PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), StoreRefused, id="half-a-key"),
    pytest.param(ProfileNotFound(profile="none"), StoreRefused, id="no-profile"),
    pytest.param(CredentialRetrievalError(provider="sts", error_msg="down"), StoreUnavailable, id="no-sts"),
    pytest.param(answered(400, "BadDigest"), StoreGarbled, id="our-bytes-arrived-changed"),
    pytest.param(answered(301, "PermanentRedirect"), StoreRefused, id="another-region"),
    pytest.param(ClientError({}, "PutObject"), StoreUnavailable, id="empty"),
]


@pytest.mark.parametrize(("foreign", "expected"), FOREIGN)
def test_every_foreign_error_becomes_one_of_ours(foreign: Exception, expected: type[StoreUnavailable]) -> None:
    with pytest.raises(StoreUnavailable) as caught, border("archive", "bucket originals"):
        raise foreign
    assert type(caught.value) is expected
    assert caught.value.__cause__ is foreign


def test_our_own_errors_pass() -> None:
    with pytest.raises(TooManyBytes), border("archive", "bucket originals"):
        raise TooManyBytes("expected less")


def test_what_a_server_makes_up_does_not_break_a_log_line() -> None:
    with pytest.raises(StoreUnavailable) as caught, border("archive", "bucket originals"):
        raise answered(500, "Odd\r\nForged: line" + "x" * 1000)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
