"""A store in S3, or in any server that speaks its protocol.

Objects are private: no ACL is ever set (decision 5). The original's own time and sides travel as `x-amz-meta-time`, `-width` and
`-height`, so that a migrated copy keeps them; which generation made a rendition, as `-made-by`. Reading asks for GetObject and ListBucket
and nothing else (R26).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from io import BufferedReader
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.stores import Facts
from renderer.stores.keys import begins_key, checked, is_key
from renderer.stores.landing import Landing, landing
from renderer.stores.s3.border import border, is_absence
from renderer.stores.s3.client import Access, Addressing, LazyClient
from renderer.stores.s3.creation import Creation

_CHUNK_BYTES = 64 * 1024
_MOST_KEYS = 1000  # of a page, whatever is asked for
# A read timeout bounds the silence, not the whole: a body that drips must end too. 64 MB in a minute are 1 MB/s.
_BODY_READ_TIMEOUTS = 6
_MD5 = re.compile(r"[0-9a-f]{32}")
_VERIFIED_BY_BOTOCORE = ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256", "ChecksumSHA512")


class S3Store:
    """`prefix`: a folder in the bucket, '' = all of it. `endpoint_url`: '' = Amazon. `addressing`: auto, path or virtual.

    `attempts`: tries in all of one request; `page_keys`: how many keys a page of a listing asks for, S3's most being 1000.
    """

    spread = False
    keeps_maker = True

    def __init__(
        self,
        name: str,
        bucket: str,
        prefix: str = "",
        endpoint_url: str = "",
        region: str = "",
        addressing: Addressing = "auto",
        connect_seconds: float = 3.0,
        read_seconds: float = 10.0,
        attempts: int = 3,
        access_key_id: str = "",
        secret_access_key: str = "",
        page_keys: int = 1000,
    ) -> None:
        self.name, self.bucket, self.page_keys = name, bucket, page_keys
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.where = f"bucket {bucket} at {endpoint_url or 'Amazon S3'}"
        self._body_seconds = read_seconds * _BODY_READ_TIMEOUTS
        self._lazy = LazyClient(
            Access(endpoint_url, region, addressing, connect_seconds, read_seconds, attempts, access_key_id, secret_access_key)
        )
        self._creation = Creation()
        self._bucket_seen = False

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        place = self._place(key)
        with landing(target, max_bytes) as ground, self._border():
            response = _unless_absent(self._client.get_object, place)
            if response is None:
                return None
            with closing(response["Body"]) as body:
                self._pour(body, response, ground)
            facts = _facts(response, ground.length)
            ground.settle(facts.time)
            return facts

    def facts(self, key: str) -> Facts | None:
        place = self._place(key)
        with self._border():
            response = _unless_absent(self._client.head_object, place)
            if response is None:
                self._expect_bucket()
                return None
            return _facts(response, response.get("ContentLength", 0))

    def names(self, prefix: str = "") -> Iterator[str]:
        """One page at a time is held in memory."""
        if not begins_key(prefix):
            return
        with self._border():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, PaginationConfig={"PageSize": self.page_keys}
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self.prefix)
                    if is_key(key):
                        yield key

    def listed(self, first: str, last: str, most: int = 1000) -> dict[str, Facts] | None:
        """As Lists. A listing begins behind a key, so with one that is a little before `first`."""
        before = self.prefix + checked(first)
        start = before[:-1] + chr(ord(before[-1]) - 1)
        with self._border():
            page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, StartAfter=start, MaxKeys=min(most, _MOST_KEYS))
        found = {entry["Key"].removeprefix(self.prefix): entry for entry in page.get("Contents", ())}
        if page.get("IsTruncated") and max(found, default="") < last:
            return None
        inside = ((key, entry) for key, entry in found.items() if first <= key <= last)
        return {key: Facts(int(entry["Size"]), 0, md5=_md5_of(entry)) for key, entry in inside}

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        wanted = self._place(key) | {"Metadata": _metadata(facts)}
        if facts.content_type:
            wanted["ContentType"] = facts.content_type
        with source.open("rb") as original, self._border():
            wanted |= {"Body": original, "ContentMD5": _content_md5(original)}
            if only_new:
                return self._creation.put(self._client, wanted)
            self._client.put_object(**wanted)
        return True

    def delete(self, key: str) -> bool:
        """S3 itself does not say whether there was something, so we look first."""
        if self.facts(key) is None:
            return False
        with self._border():
            self._client.delete_object(**self._place(key))
        return True

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        """Nothing is written: reading must be possible for a role that may do nothing else (R26)."""
        read, listed = self._trouble(lambda: self._read_first_byte(known_key)), self._trouble(self._list_one)
        untold = isinstance(read, StoreRefused) and isinstance(listed, StoreRefused) and not known_key
        return [
            self._sentence("s3:GetObject, to read originals" + untold * " (it may be s3:ListBucket alone that lacks)", read),
            self._sentence("s3:ListBucket, for an honest 404, import and migration", listed),
            (f"store {self.name}: s3:PutObject for import and uploads, s3:DeleteObject for deletion: not tried", True),
        ]

    def _sentence(self, need: str, trouble: StoreUnavailable | None) -> tuple[str, bool]:
        return f"store {self.name}: {need}: {trouble.reason if trouble else f'allowed on {self.where}'}", not trouble

    def _trouble(self, attempt: Callable[[], object]) -> StoreUnavailable | None:
        try:
            with self._border():
                attempt()
        except StoreUnavailable as error:
            return error
        return None

    def _read_first_byte(self, known_key: str) -> None:
        """Of an object that is there 403 says that GetObject lacks; of a key that nobody has, that it or ListBucket does."""
        place = self._place(known_key) if known_key else {"Bucket": self.bucket, "Key": f"{self.prefix}onmiss-{secrets.token_hex(16)}"}
        response = _unless_absent(self._client.get_object, place | {"Range": "bytes=0-0"})
        if response is not None:
            response["Body"].close()

    def _list_one(self) -> None:
        self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)

    @property
    def _client(self) -> Any:
        return self._lazy.get()

    def _border(self) -> AbstractContextManager[None]:
        return border(self.name, self.where)

    def _place(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": self.prefix + checked(key)}

    def _expect_bucket(self) -> None:
        """HEAD answers 404 for a missing key and for a missing bucket alike; once is enough to tell them apart."""
        if not self._bucket_seen:
            self._list_one()
            self._bucket_seen = True

    def _pour(self, body: Any, response: Mapping[str, Any], ground: Landing) -> None:
        """All of the body; that there are as many bytes as announced, and what checksums S3 itself offers, botocore verifies."""
        announced, promised = response.get("ContentLength"), _promised_md5(response)
        if announced is None and not promised:
            raise StoreGarbled(self.name, f"expected a length or a checksum from {self.where}, got neither")
        ground.expect(announced or 0)
        digest, deadline = hashlib.md5(usedforsecurity=False), time.monotonic() + self._body_seconds
        while chunk := body.read(_CHUNK_BYTES):
            ground.write(chunk)
            digest.update(chunk)
            if time.monotonic() > deadline:
                raise StoreSlow(self.name, f"expected all of it from {self.where} in {self._body_seconds:g} s, got {ground.length} bytes")
        if promised and digest.hexdigest() != promised:
            raise StoreGarbled(self.name, f"expected MD5 {promised} from {self.where}, got {digest.hexdigest()}")


def _unless_absent(call: Callable[..., Any], place: Mapping[str, Any]) -> Any:
    """What `call` answers of `place`, None for a key that is not there."""
    try:
        return call(**place)
    except ClientError as error:
        if is_absence(error):
            return None
        raise


def _promised_md5(response: Mapping[str, Any]) -> str:
    """What the bytes must be compared with, '' where botocore does so itself: once is enough."""
    verified = any("-" not in response.get(name, "-") for name in _VERIFIED_BY_BOTOCORE)
    return "" if verified else _md5_of(response)


def _md5_of(response: Mapping[str, Any]) -> str:
    """The ETag where that is the MD5 of the bytes (not of parts, not of what a key of KMS or of a customer made of them), else ''."""
    if response.get("SSECustomerAlgorithm") or response.get("ServerSideEncryption", "").startswith("aws:kms"):
        return ""
    etag = response.get("ETag", "").strip('"').lower()
    return etag if _MD5.fullmatch(etag) else ""


def _content_md5(original: BufferedReader) -> str:
    digest = hashlib.file_digest(original, lambda: hashlib.md5(usedforsecurity=False)).digest()
    original.seek(0)
    return base64.b64encode(digest).decode("ascii")


def _metadata(facts: Facts) -> dict[str, str]:
    known = {"time": facts.time, "width": facts.width, "height": facts.height}
    maker = {"made-by": facts.made_by} if facts.made_by else {}
    return {name: str(value) for name, value in known.items() if value or name == "time"} | maker


def _facts(response: Mapping[str, Any], length: int) -> Facts:
    """Servers written in Go send header names in their own case."""
    metadata = {name.lower(): value for name, value in response.get("Metadata", {}).items()}
    own_time = _whole(metadata.get("time", ""))
    return Facts(
        length=length,
        time=_last_modified(response) if own_time is None else own_time,
        content_type=response.get("ContentType", ""),
        width=_whole(metadata.get("width", "")) or 0,
        height=_whole(metadata.get("height", "")) or 0,
        md5=_md5_of(response),
        made_by=metadata.get("made-by", ""),
    )


def _last_modified(response: Mapping[str, Any]) -> int:
    return int(response["LastModified"].timestamp()) if "LastModified" in response else 0


def _whole(text: str) -> int | None:
    """Metadata that somebody else wrote is not worth an error."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,11}", text) else None
