"""The bare cost of a migration, for `bench/migrating.py` to start: GET, hash, PUT, in as many threads."""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from couchdb import client


def main(arguments: list[str]) -> None:
    couch, endpoint, key, secret, bucket, prefix, jobs = arguments
    config = Config(request_checksum_calculation="when_required", max_pool_connections=64)
    s3 = boto3.session.Session(key, secret, region_name="us-east-1").client("s3", endpoint_url=endpoint, config=config)
    database = client.Server(couch)["huimages"]

    def one(row: client.Row) -> None:
        name = next(iter(row["doc"]["_attachments"]))
        content = database.get_attachment(row["id"], name).read()
        if not hashlib.sha1(content, usedforsecurity=False).digest():
            raise RuntimeError("expected a digest")
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{row['id']}", Body=content)

    with ThreadPoolExecutor(int(jobs)) as threads:
        for _ in threads.map(one, database.view("_all_docs", include_docs=True).rows):
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
