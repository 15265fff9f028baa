"""What botocore raises, in our words: the one place where its exceptions are read.

Text that a server made up is not repeated but for its error code: reasons end up in logs and answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as foreign
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.fields import shown

# In the order in which they are tried; the families come last. botocore lets urllib3's errors through while a body is read.
_MEANINGS: tuple[tuple[type[Exception], type[StoreUnavailable]], ...] = (
    (foreign.ConnectTimeoutError, StoreSlow),
    (foreign.ReadTimeoutError, StoreSlow),
    (foreign.IncompleteReadError, StoreGarbled),
    (foreign.ResponseStreamingError, StoreGarbled),
    (foreign.FlexibleChecksumError, StoreGarbled),
    (ResponseParserError, StoreGarbled),
    (foreign.NoCredentialsError, StoreRefused),
    (foreign.PartialCredentialsError, StoreRefused),
    (foreign.ProfileNotFound, StoreRefused),
    (foreign.BotoCoreError, StoreUnavailable),
    (HTTPError, StoreUnavailable),
    (ValueError, StoreGarbled),  # a header that botocore expects to be a number or a date
)
_FOREIGN = tuple(kind for kind, _ in _MEANINGS)

_REFUSED_STATUSES = frozenset({301, 307, 401, 403})  # a redirect: the bucket is in another region
_REFUSED_CODES = frozenset({"ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"})  # S3 answers these with 400
_SLOW_CODES = frozenset({"RequestTimeout"})  # 400
_GARBLED_CODES = frozenset({"BadDigest", "InvalidDigest", "IncompleteBody"})  # 400: our bytes did not arrive as we sent them

_NEEDS = {
    "GetObject": "reading needs s3:GetObject, and s3:ListBucket, without which S3 answers 403 for a missing key too",
    "HeadObject": "reading needs s3:GetObject, and s3:ListBucket, without which S3 answers 403 for a missing key too",
    "ListObjectsV2": "listing needs s3:ListBucket",
    "PutObject": "import and uploads need s3:PutObject",
    "DeleteObject": "deletion needs s3:DeleteObject",
}


@contextmanager
def border(store: str, where: str) -> Iterator[None]:
    """`store` is the name in the configuration, `where` names bucket and endpoint."""
    try:
        yield
    except foreign.ClientError as error:
        raise _answered(store, where, error) from error
    except _FOREIGN as error:
        family = next(family for kind, family in _MEANINGS if isinstance(error, kind))
        raise family(store, f"expected an answer from {where}, got {type(error).__name__}{_cure(error)}") from error


def is_absence(error: foreign.ClientError) -> bool:
    """No such key. HEAD has no body and so no code: 404 alone. A missing bucket is no absence of a key."""
    return code_of(error) in ("NoSuchKey", "404", "NotFound")


def code_of(error: foreign.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: foreign.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answered(store: str, where: str, error: foreign.ClientError) -> StoreUnavailable:
    code, status = code_of(error), status_of(error)
    operation = error.operation_name
    if code == "NoSuchBucket" or status == 404:
        return StoreUnavailable(store, f"expected {where}, found no such bucket")
    got = f"expected {operation} on {where} to succeed, got {status} {shown(code)}"
    if status in _REFUSED_STATUSES or code in _REFUSED_CODES:
        return StoreRefused(store, f"{got} ({_NEEDS.get(operation, 'credentials or policy')})")
    if code in _SLOW_CODES:
        return StoreSlow(store, got)
    if code in _GARBLED_CODES:
        return StoreGarbled(store, got)
    return StoreUnavailable(store, got)


def _cure(error: Exception) -> str:
    if isinstance(error, foreign.NoCredentialsError):
        return " (set access_key_id and secret_access_key of the store, or any source of boto3's own chain)"
    return ""
