"""Putting an object only where there is none: in one request where the server knows `If-None-Match: *`, else after a look.

Amazon's S3 and most others honour the header. Some answer that they do not implement it, and some (rclone) pass over it and replace what is
there; nothing in their answer tells. So the first object that a process stores is put a second time, with the condition: 412 shows that
the header is honoured, and anything else has replaced an object by itself. From then on a server that honours it is asked once a put.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from renderer.stores.s3.border import code_of, is_absence, status_of

_TRIES = 5  # S3 answers 409 when another write of the same key came in between, and says to come again
_NOT_IMPLEMENTED = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})  # what is said of a header that is not known

# What buckets say that let nobody write anything twice. It is no answer to the condition, and is not asked for with every object again.
_NEVER_TWICE = frozenset({304, 403, 405, 409})


class Creation:
    """`is_honoured`: whether this server honours the condition; None while that is not known."""

    def __init__(self) -> None:
        self.is_honoured: bool | None = None

    def put(self, client: Any, wanted: Mapping[str, Any]) -> bool:
        """Whether the object was stored; False when there was one. `wanted`: what put_object takes. Errors are botocore's."""
        if not self.is_honoured and _is_there(client, wanted):
            return False
        if self.is_honoured is not False:
            stored = _put_if_absent(client, wanted)
            if stored is not None:
                if stored and self.is_honoured is None:
                    self._learn(client, wanted)
                return stored
            self.is_honoured = False
        wanted["Body"].seek(0)
        client.put_object(**wanted)
        return True

    def _learn(self, client: Any, wanted: Mapping[str, Any]) -> None:
        """What was stored a moment ago must now be in the way. The object is there: trouble here is nobody's but the next one's."""
        with suppress(BotoCoreError, HTTPError):
            try:
                self.is_honoured = _put_if_absent(client, wanted) is False
            except ClientError as error:
                if status_of(error) in _NEVER_TWICE:
                    self.is_honoured = False


def _is_there(client: Any, wanted: Mapping[str, Any]) -> bool:
    try:
        client.head_object(Bucket=wanted["Bucket"], Key=wanted["Key"])
    except ClientError as error:
        if is_absence(error):  # or no such bucket, as the put will say
            return False
        raise
    return True


def _put_if_absent(client: Any, wanted: Mapping[str, Any]) -> bool | None:
    """None where the server does not implement that."""
    for attempt in range(1, _TRIES + 1):
        wanted["Body"].seek(0)
        try:
            client.put_object(IfNoneMatch="*", **wanted)
        except ClientError as error:
            status = status_of(error)
            if status == 412:
                return False
            if status == 501 or (status == 400 and code_of(error) in _NOT_IMPLEMENTED):
                return None
            if status != 409 or attempt == _TRIES:
                raise
        else:
            return True
    raise AssertionError("the last try returns or raises")
