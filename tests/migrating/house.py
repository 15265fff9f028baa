"""An old house to move out of: documents in a CouchDB that has a password, a bucket on a server with real signatures, and the command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from couchdb import client

from renderer.cli import main
from renderer.config import Config
from renderer.migrating import Outcome
from renderer.migrating.journal import opened
from renderer.rendition import NAMINGS, Ref
from renderer.wiring import Wiring
from tests.couch_shim import CouchShim
from tests.e2e.site import TOP, jpeg
from tests.s3_faults import S3Faults
from tests.servers import BUCKET

STAMPS = {"ctime": "20080102T030405.000006", "mtime": "20090102T030405.000006"}
CTIME = 1_199_243_045  # the same, by `date -u`


def key_of(content: bytes) -> str:
    return NAMINGS["sha1"].name_of(hashlib.sha1(content).digest())


def photo(number: int) -> bytes:
    """Alike, and each with bytes of its own."""
    return _PHOTO + b"%08d" % number


_PHOTO = jpeg(64, 48)


class OldHouse:
    """`couch` and `s3` can misbehave; behind them are real servers. All of it is below `root`."""

    def __init__(self, root: Path, couch: CouchShim, s3: S3Faults, **namespace: Any) -> None:
        self.root, self.couch, self.s3, self.title = root, couch, s3, f"old-{uuid.uuid4().hex}"
        self.prefix = self.title
        self.database = client.Server(couch.upstream_url).create(self.title)
        self.file, self.namespace = root / "onmiss.yaml", namespace
        root.mkdir(exist_ok=True)
        self.configure()

    def configure(self, **archive: Any) -> None:
        """Write the configuration, with further settings of the S3 store."""
        couch = {
            "kind": "couchdb", "url": self.couch.url, "user": self.couch.user, "password": {"env": "OLD_PASSWORD"},
            "database": self.title, "timeout_seconds": 5, "page_documents": 7,
        }  # fmt: skip
        tree = {
            "stores": {"archive": {"kind": "s3", **self.s3.server.settings(), "prefix": self.prefix, **archive}, "couch": couch},
            "namespaces": {"huimages": {"store": "archive", "legacy": ["couch"], **self.namespace}},
            "render": {"processes": 1},
        }
        self.file.write_text(yaml.safe_dump(tree), encoding="utf-8")

    # what is in it

    def save(self, key: str, *attachments: tuple[str, bytes, str], **fields: Any) -> str:
        """As huImages did: the document, then its attachments one by one."""
        self.database[key] = {"width": 640, "height": 480, **STAMPS, **fields}
        for name, content, content_type in attachments:
            self.database.put_attachment(self.database[key], content, name, content_type)
        return key

    def fill(self, count: int) -> list[str]:
        """So many documents with a photo each; their names in the order of bytes."""
        return sorted(self.save(key_of(photo(number)), ("test.jpeg", photo(number), "image/jpeg")) for number in range(count))

    # the command

    def words(self, *words: str) -> list[str]:
        return ["migrate", "couchdb-to-s3", "--config", str(self.file), "--root", str(self.root), *words]

    def run(self, *words: str) -> int:
        """In this process; the exit code."""
        return main(self.words(*words))

    def begun(self, *words: str) -> subprocess.Popen[bytes]:
        """In a process of its own; what it says is in `root`/said."""
        with (self.root / "said").open("ab") as said:
            command = [sys.executable, "-m", "renderer", *self.words(*words)]
            environ = {**os.environ, "PYTHONPATH": str(TOP)}
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.root, env=environ)

    def said(self) -> str:
        return (self.root / "said").read_text()

    # what came of it

    def stored(self) -> dict[str, bytes]:
        """Every object, by its key without the prefix."""
        bucket = self.s3.server.client()
        pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        keys = {entry["Key"] for page in pages for entry in page.get("Contents", ())}  # rclone may list one twice
        return {key.removeprefix(f"{self.prefix}/"): bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def object(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.s3.server.client().head_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")
        return found

    def put_object(self, key: str, content: bytes, **facts: Any) -> None:
        self.s3.server.client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}", Body=content, **facts)

    def drop_object(self, key: str) -> None:
        self.s3.server.client().delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")

    def wiring(self) -> Wiring:
        return Wiring(Config.load(self.file, self.root, os.environ))

    def ref(self, key: str) -> Ref:
        return self.wiring().config.namespaces_built()["huimages"].ref(key)

    def journal(self, name: str = "huimages") -> dict[str, Outcome]:
        """What it says of each document in this house."""
        path = self.root / f"migration/{name}.sqlite"
        store = " ".join(("s3", self.s3.server.endpoint_url, BUCKET, self.prefix))
        identity = {"namespace": "huimages", "source": f"{self.title} at {self.couch.url}", "store": store, "shard": "all"}
        with opened(path, identity) as journal:
            return journal.known(row["id"] for row in self.database.view("_all_docs").rows)

    def states(self) -> dict[str, str]:
        return {key: outcome.state for key, outcome in self.journal().items()}

    def fetched(self, key: str = "") -> int:
        """How many attachments were asked for: of this document, or of all."""
        return sum(1 for method, path in self.couch.seen if method == "GET" and path.count("/") > 2 and key in path and "/_" not in path)
