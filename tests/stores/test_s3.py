"""S3 on real servers: signatures, permissions, credentials, and what the contract does not ask for."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError

from renderer.errors import ConfigError, StoreRefused, StoreUnavailable
from renderer.stores import Facts, open_store
from renderer.stores.s3 import S3Store
from renderer.stores.s3.client import Access, LazyClient
from tests.s3_faults import s3_faults
from tests.servers import BUCKET, S3Server, run_moto

PLENTY = 1_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(b"picture")
    return tmp_path / "source"


@pytest.mark.parametrize(
    "settings", [pytest.param({"secret_access_key": "wrong"}, id="secret"), pytest.param({"access_key_id": "AKIAWRONG"}, id="key")]
)
def test_wrong_credentials_are_refused(rclone_server: S3Server, source: Path, settings: dict[str, str]) -> None:
    store = S3Store("archive", **rclone_server.settings(**settings))
    target = source.with_name("target")
    for attempt in (
        lambda: store.get("key", target, PLENTY),
        lambda: store.facts("key"),
        lambda: list(store.names()),
        lambda: store.put("key", source, Facts(1, 0)),
        lambda: store.delete("key"),
    ):
        with pytest.raises(StoreRefused):
            attempt()
    assert not target.exists()
    assert [well for _, well in store.check()] == [False, False, True]


def test_credentials_come_from_boto3s_own_chain(rclone_server: S3Server, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_server.secret_access_key)
    store = S3Store("archive", **rclone_server.settings(access_key_id="", secret_access_key="", prefix="chain"))
    store.put("key", source, Facts(7, 0))
    assert store.facts("key") is not None


def test_no_credentials_at_all_are_refused_with_the_cure(rclone_server: S3Server) -> None:
    store = S3Store("archive", **rclone_server.settings(access_key_id="", secret_access_key=""))
    with pytest.raises(StoreRefused, match="set access_key_id and secret_access_key"):
        store.facts("key")


def test_credentials_may_come_later(rclone_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(rclone_server.endpoint_url, "us-east-1", "auto", 1, 1, 1, "", "")
    patient, eager = LazyClient(access), LazyClient(access, ask_again_seconds=0)
    for lazy in (patient, eager):
        with pytest.raises(NoCredentialsError):
            lazy.get()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    assert eager.get() is eager.get()
    with pytest.raises(NoCredentialsError):  # not every request asks all sources again
        patient.get()


@pytest.mark.parametrize("kind", ["moto", "rclone"])
def test_a_missing_bucket_is_named(request: pytest.FixtureRequest, source: Path, kind: str) -> None:
    store = S3Store("archive", **request.getfixturevalue(f"{kind}_server").settings(bucket="no-such-bucket"))
    for attempt in (
        lambda: store.get("key", source.with_name("target"), PLENTY),
        lambda: store.facts("key"),
        lambda: list(store.names()),
        lambda: store.put("key", source, Facts(1, 0)),
    ):
        with pytest.raises(StoreUnavailable, match="expected bucket no-such-bucket at http"):
            attempt()
    assert [well for _, well in store.check()] == [False, False, True]


def test_a_prefix_is_a_folder(moto_server: S3Server, source: Path) -> None:
    inside = S3Store("inside", **moto_server.settings(prefix="/folder/"))
    beside = S3Store("beside", **moto_server.settings(prefix="fold"))
    around = S3Store("around", **moto_server.settings())
    inside.put("key", source, Facts(7, 0))
    assert list(inside.names()) == ["key"]
    assert list(beside.names()) == []
    assert list(around.names("folder/")) == ["folder/key"]


def test_foreign_keys_are_passed_over(moto_server: S3Server) -> None:
    """The console makes `folder/` keys, and S3 allows what no file system does."""
    client = moto_server.client()
    for key in ("foreign/", "foreign/.hidden", "foreign/a//b", "foreign/good", "foreign/x/"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert list(S3Store("archive", **moto_server.settings(prefix="foreign")).names()) == ["good"]


def test_an_object_of_somebody_else_has_the_time_of_its_upload(moto_server: S3Server) -> None:
    client = moto_server.client()
    client.put_object(Bucket=BUCKET, Key="foreign-time", Body=b"x", ContentType="image/gif")
    uploaded = client.head_object(Bucket=BUCKET, Key="foreign-time")["LastModified"]
    facts = S3Store("archive", **moto_server.settings()).facts("foreign-time")
    assert facts == Facts(1, int(uploaded.timestamp()), "image/gif")


def test_an_object_in_parts_is_read(moto_server: S3Server, tmp_path: Path) -> None:
    """Its ETag is no MD5 of its bytes."""
    client, place = moto_server.client(), {"Bucket": BUCKET, "Key": "parts"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    contents = [b"a" * 5 * 1024 * 1024, b"b"]
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(**place, UploadId=upload, PartNumber=number, Body=content)["ETag"]}
        for number, content in enumerate(contents, 1)
    ]
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    S3Store("archive", **moto_server.settings()).get("parts", tmp_path / "target", 10 * PLENTY)
    assert (tmp_path / "target").read_bytes() == b"".join(contents)


@pytest.mark.parametrize("kind", ["moto", "rclone"])
def test_a_range_of_keys_is_told_by_one_request(request: pytest.FixtureRequest, source: Path, kind: str) -> None:
    server: S3Server = request.getfixturevalue(f"{kind}_server")
    store = S3Store("archive", **server.settings(prefix="ranged"))
    for key in ("A", "AB", "B", "C", "CA", "D"):
        store.put(key, source, Facts(7, 1_200_000_000))
    with s3_faults(server) as proxy:
        near = S3Store("archive", **proxy.server.settings(prefix="ranged"))
        found = near.listed("AB", "CA", 10)
        assert [method for method, _ in proxy.arrived] == ["GET"]
    assert found == {key: Facts(7, 0) for key in ("AB", "B", "C", "CA")}
    assert {facts.md5 for facts in found.values()} == {hashlib.md5(b"picture").hexdigest()}
    assert store.listed("B", "B", 10) == {"B": Facts(7, 0)}
    assert store.listed("E", "F", 10) == {}
    assert store.listed("A", "D", 3) is None  # more than that


@pytest.mark.parametrize("kind", ["moto", "rclone"])
def test_an_object_tells_its_MD5_unless_it_came_in_parts(request: pytest.FixtureRequest, source: Path, kind: str) -> None:
    server: S3Server = request.getfixturevalue(f"{kind}_server")
    store = S3Store("archive", **server.settings(prefix="digest"))
    store.put("whole", source, Facts(7, 0))
    found = store.facts("whole")
    assert found is not None
    assert found.md5 == hashlib.md5(b"picture").hexdigest()
    if kind == "moto":  # rclone keeps what came in parts as one
        upload = server.client().create_multipart_upload(Bucket=BUCKET, Key="digest/parts")["UploadId"]
        part = {"Bucket": BUCKET, "Key": "digest/parts", "UploadId": upload, "PartNumber": 1}
        tag = server.client().upload_part(**part, Body=b"picture")["ETag"]
        server.client().complete_multipart_upload(
            Bucket=BUCKET, Key="digest/parts", UploadId=upload, MultipartUpload={"Parts": [{"ETag": tag, "PartNumber": 1}]}
        )
        parts = store.facts("parts")
        assert parts is not None
        assert parts.md5 == ""


def test_objects_are_private(moto_server: S3Server, source: Path) -> None:
    """Decision 5: only the owner is granted anything."""
    S3Store("archive", **moto_server.settings()).put("private", source, Facts(7, 0))
    grants = moto_server.client().get_object_acl(Bucket=BUCKET, Key="private")["Grants"]
    assert [grant["Grantee"]["Type"] for grant in grants] == ["CanonicalUser"]


def test_a_store_is_opened_without_its_server(tmp_path: Path) -> None:
    assert open_store("s3", "archive", bucket="b", endpoint_url="http://127.0.0.1:9").name == "archive"
    assert open_store("file", "disk", root=tmp_path / "later").name == "disk"
    assert not (tmp_path / "later").exists()


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(Access("http://x", "", "auto", 1, 1, 1, "AKIA", "hush"))


ROLES = {
    "reader": ["s3:GetObject", "s3:ListBucket"],
    "getter": ["s3:GetObject"],
    "lister": ["s3:ListBucket"],
    "nobody": ["s3:GetObjectTagging"],
    "importer": ["s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject"],
}


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Settings of a store by role, on a server of its own, which enforces what each may do."""
    with run_moto(tmp_path_factory.mktemp("roles")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        server.client().put_object(Bucket=BUCKET, Key="original", Body=b"picture")
        settings = {name: server.settings(attempts=1, **_user(server, name, actions)) for name, actions in ROLES.items()}
        url = f"{server.endpoint_url}/moto-api/reset-auth"  # from now on 0 requests go unchecked
        with urllib.request.urlopen(urllib.request.Request(url, data=b"0", headers={"Content-Type": "text/plain"}, method="POST")):
            yield settings


def _user(server: S3Server, name: str, actions: list[str]) -> dict[str, str]:
    session = boto3.session.Session(server.access_key_id, server.secret_access_key, region_name="us-east-1")
    iam = session.client("iam", endpoint_url=server.endpoint_url)
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}


def test_R26_getobject_and_listbucket_suffice_for_reading(roles: dict[str, dict[str, Any]], tmp_path: Path, source: Path) -> None:
    store = S3Store("reader", **roles["reader"])
    target = tmp_path / "target"
    assert store.get("original", target, PLENTY) is not None
    assert store.facts("original") is not None
    assert store.get("absent", target, PLENTY) is None
    assert store.facts("absent") is None
    assert list(store.names()) == ["original"]
    assert all(well for _, well in store.check())
    with pytest.raises(StoreRefused, match="import and uploads need s3:PutObject"):
        store.put("new", source, Facts(7, 0))
    with pytest.raises(StoreRefused, match="deletion needs s3:DeleteObject"):
        store.delete("original")


def test_R26_check_writes_nothing_and_names_what_each_permission_is_for(roles: dict[str, dict[str, Any]]) -> None:
    store = S3Store("importer", **roles["importer"])
    sentences = " ".join(sentence for sentence, _ in store.check())
    for permission in ("s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject"):
        assert permission in sentences
    assert list(store.names()) == ["original"]


def test_R26_check_tells_a_missing_getobject_from_a_missing_listbucket(roles: dict[str, dict[str, Any]]) -> None:
    assert [well for _, well in S3Store("lister", **roles["lister"]).check()] == [False, True, True]
    (read, read_well), (listed, listed_well), _ = S3Store("nobody", **roles["nobody"]).check()
    assert (read_well, listed_well) == (False, False)
    assert "it may be s3:ListBucket alone that lacks" in read
    assert "listing needs s3:ListBucket" in listed
    with pytest.raises(StoreRefused, match="s3:ListBucket, without which S3 answers 403 for a missing key too"):
        S3Store("lister", **roles["lister"]).facts("original")


def test_R26_check_of_an_original_that_was_there_once_tells_the_two_apart_without_a_listing(roles: dict[str, dict[str, Any]]) -> None:
    wells = {role: [well for _, well in S3Store(role, **roles[role]).check("original")] for role in ("getter", "nobody")}
    assert wells == {"getter": [True, False, True], "nobody": [False, False, True]}


def test_a_kind_whose_library_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "renderer.stores.s3", None)
    with pytest.raises(ConfigError, match=r"stores\.archive\.kind: s3 needs a library that is missing"):
        open_store("s3", "archive", bucket="b")
