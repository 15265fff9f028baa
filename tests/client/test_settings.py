"""huImages' environment variables over our configuration."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer import client
from renderer.client.settings import base_url, config_of
from renderer.config.catalogs import CouchSettings
from renderer.config.places import S3Settings
from renderer.errors import ConfigError
from tests.e2e.site import jpeg
from tests.servers import BUCKET, S3Server

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
FILE = {
    "stores": {"archive": {"kind": "s3", "bucket": "of-the-file", "endpoint_url": "http://127.0.0.1:9", "access_key_id": "ours"}},
    "namespaces": {"huimages": {"store": "archive", "prefix": "below/"}},
    "catalog": {"kind": "couchdb", "url": "http://couch.example:5984", "user": "me", "password": "sesame", "database": "mine"},
    "hosts": {"images": {"url": "http://images.example"}},
}


@pytest.fixture
def file(tmp_path: Path) -> dict[str, str]:
    """An environment that names a file that says something about everything."""
    path = tmp_path / "onmiss.yaml"
    path.write_text(yaml.safe_dump(FILE), encoding="utf-8")
    return {"ONMISS_CONFIG": str(path), "ONMISS_ROOT": str(tmp_path)}


def store_of(environ: dict[str, str]) -> S3Settings:
    config = config_of(environ)
    store = config.stores[config.namespaces["huimages"].store]
    assert isinstance(store, S3Settings)
    return store


def catalog_of(environ: dict[str, str]) -> CouchSettings:
    catalog = config_of(environ).catalog
    assert isinstance(catalog, CouchSettings)
    return catalog


def test_without_variables_the_file_counts(file: dict[str, str]) -> None:
    assert store_of(file).bucket == "of-the-file"
    assert catalog_of(file).url == "http://couch.example:5984"
    assert base_url(config_of(file), file) == "http://images.example"


@pytest.mark.parametrize(
    ("variables", "bucket"),
    [
        pytest.param({"HUIMAGES3BUCKET": "one", "S3BUCKET": "two"}, "one", id="both"),
        pytest.param({"S3BUCKET": "two"}, "two", id="the general one"),
        pytest.param({"HUIMAGES3BUCKET": "", "S3BUCKET": "two"}, "two", id="an empty one is not set"),
        pytest.param({"HUIMAGES3BUCKET": ""}, "of-the-file", id="none"),
        pytest.param({"HUIMAGESS3BUCKET": "three"}, "of-the-file", id="H-B19"),
    ],
)
def test_H_B18_a_bucket_that_is_set_is_that_of_huimages(file: dict[str, str], variables: dict[str, str], bucket: str) -> None:
    before = file | variables
    environ = dict(before)
    assert store_of(environ).bucket == bucket
    assert store_of(environ).endpoint_url == "http://127.0.0.1:9"
    assert config_of(environ).namespaces["huimages"].prefix == "below/"
    assert environ == before


def test_a_bucket_without_a_file_is_Amazons(tmp_path: Path) -> None:
    store = store_of({"ONMISS_ROOT": str(tmp_path), "S3BUCKET": "originals.i.hdimg.net"})
    assert (store.bucket, store.endpoint_url, store.access_key_id.text) == ("originals.i.hdimg.net", "", "")


@pytest.mark.parametrize(
    ("address", "url", "user", "password"),
    [
        pytest.param("http://other.example:5984/", "http://other.example:5984", "", "", id="nobody elsewhere"),
        pytest.param("http://couch.example:5984", "http://couch.example:5984", "me", "sesame", id="the file's own"),
        pytest.param("http://you:p%40ss@other.example", "http://other.example", "you", "p@ss", id="a user"),
        pytest.param("https://you:a@b@other.example:6984", "https://other.example:6984", "you", "a@b", id="a sign in the password"),
    ],
)
def test_a_catalog_that_is_set_counts(file: dict[str, str], address: str, url: str, user: str, password: str) -> None:
    found = catalog_of(file | {"HUIMAGESCOUCHSERVER": address, "COUCHSERVER": "http://another.example"})
    assert (found.url, found.user, found.password.text, found.database) == (url, user, password, "mine")
    assert catalog_of(file | {"COUCHSERVER": address}) == found


def test_a_catalog_may_be_set_over_another_kind(tmp_path: Path) -> None:
    environ = {"ONMISS_ROOT": str(tmp_path), "ONMISS_CATALOG__KIND": "none", "COUCHSERVER": "http://couch.example"}
    assert (catalog_of(environ).url, catalog_of(environ).database) == ("http://couch.example", "huimages")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("HUIMAGES3BUCKET", "x", id="bucket"),
        pytest.param("COUCHSERVER", "couch.example", id="no address"),
        pytest.param("HUIMAGESCOUCHSERVER", "ftp://you:sesame@couch.example", id="another protocol"),
    ],
)
def test_a_mistake_names_its_variable_and_no_secret(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as raised:
        config_of({"ONMISS_ROOT": str(tmp_path), name: value})
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with one"])
def test_the_path_of_IMAGESERVERURL_stays(installed: Path, monkeypatch: pytest.MonkeyPatch, slash: str) -> None:
    monkeypatch.setenv("IMAGESERVERURL", f"http://www.example/pictures{slash}")
    assert client.imageurl(ID) == f"http://www.example/pictures/o/{ID}.jpeg"


def test_without_IMAGESERVERURL_pages_find_pictures_at_the_images_host(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGESERVERURL")
    monkeypatch.setenv("ONMISS_HOSTS__IMAGES__URL", "http://images.example")
    assert client.imageurl(ID) == f"http://images.example/o/{ID}.jpeg"


def test_a_configuration_without_huimages_says_so(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONMISS_CONFIG", str(installed.parent / "file.yaml"))
    (installed.parent / "file.yaml").write_text("namespaces: {other: {}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected one called huimages"):
        client.imageurl(ID)


@pytest.mark.feature(172)
def test_huImages_own_variables_are_all_that_is_needed(
    installed: Path, monkeypatch: pytest.MonkeyPatch, moto_server: S3Server, couch_server: str
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": moto_server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": moto_server.endpoint_url,
        "HUIMAGES3BUCKET": BUCKET,
        "HUIMAGESCOUCHSERVER": couch_server,
    }.items():
        monkeypatch.setenv(name, value)
    content = jpeg(40, 30, uuid.uuid4().int)
    imageid = client.save_image(content, title="The skate picture")
    stored: Any = moto_server.client().get_object(Bucket=BUCKET, Key=imageid)
    assert stored["Body"].read() == content
    stored["Body"].close()
    doc = client.get_imagedoc(imageid)
    assert doc
    assert doc["title"] == ["The skate picture"]
    assert client.imageurl(imageid) == f"http://i.hdimg.net/o/{imageid}/The-skate-picture.jpeg"
    client.delete_image(imageid)
    assert client.get_imagedoc(imageid) == {}
