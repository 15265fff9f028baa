"""The service host's page: what is there, linked, and nothing that a name could smuggle in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from renderer import browser
from renderer.browser import SHOWN_MADE
from renderer.deletions import Deletions
from renderer.dialects.huimages import operation_of
from renderer.dialects.links import Links
from renderer.errors import NotUnderstood
from renderer.limits import Limits
from renderer.messages import Terms
from renderer.namespaces import Namespaces, Pattern
from renderer.originals import Home, Originals
from renderer.rendition import NAMINGS, Namespace
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore

HASHED, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("fitter", NAMINGS["path"])
TERMS = Terms({"huimages": HASHED, "fitter": PATHS})
ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    homes = {space.name: Home(space, MemoryStore(name=space.name)) for space in (HASHED, PATHS)}
    return Originals(homes, tmp_path, Limits(), Deletions(tmp_path / "deletions"))


def pages(
    originals: Originals, keys: Sequence[bytes] = (), allowed: Mapping[str, Sequence[str]] | None = None, limits: Limits | None = None
) -> FlaskClient:
    sizes = {name: frozenset((operation_of(size),) for size in listed) for name, listed in (allowed or {}).items()}
    links = Links(TERMS, limits or Limits(sizes=sizes), "https://i.example.net", keys)
    return browser.create(originals, TERMS.namespaces, links, allowed or {}).test_client()


@pytest.fixture
def client(originals: Originals) -> FlaskClient:
    return pages(originals)


def put(originals: Originals, space: Namespace, name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    originals.put(space.ref(name), tmp_path / "x", Facts(1, 0))


def test_an_empty_house_says_how_to_fill_it(client: FlaskClient) -> None:
    assert "onmiss import" in client.get("/").text


def test_pictures_are_shown_and_linked_in_several_sizes(client: FlaskClient, originals: Originals, tmp_path: Path) -> None:
    put(originals, HASHED, ID, tmp_path)
    page = client.get("/")
    assert page.status_code == 200
    for size in ("150x150!", "vga", "1024x768"):
        assert f'"https://i.example.net/{size}/{ID}.jpeg"' in page.text


def test_other_namespaces_get_native_urls_with_their_names_encoded(client: FlaskClient, originals: Originals, tmp_path: Path) -> None:
    put(originals, PATHS, 'birds/<b>"emu" ä?.png', tmp_path)
    page = client.get("/?namespace=fitter").text
    assert "/i/fitter/birds/%3Cb%3E%22emu%22%20%C3%A4%3F.png/fill-150x150.jpg" in page
    assert "<b>" not in page


def test_long_lists_come_in_pages(client: FlaskClient, originals: Originals, tmp_path: Path) -> None:
    for number in range(browser.PAGE + 5):
        put(originals, PATHS, f"{number:03}.png", tmp_path)
    first = client.get("/?namespace=fitter").text
    assert f"{browser.PAGE - 1:03}.png" in first
    assert f"{browser.PAGE:03}.png" not in first
    second = client.get(f"/?namespace=fitter&after={browser.PAGE - 1:03}.png").text
    assert f"{browser.PAGE:03}.png" in second
    assert f"{browser.PAGE - 1:03}.png" not in second
    assert "more …" not in second


def test_with_keys_the_pages_pictures_are_signed(originals: Originals, tmp_path: Path) -> None:
    put(originals, HASHED, ID, tmp_path)
    page = pages(originals, keys=[b"a key"]).get("/").text
    assert page.count("~") == page.count(f"/{ID}.") > 3


def test_the_page_lists_all_that_are_configured_and_some_of_those_that_were_made(originals: Originals, tmp_path: Path) -> None:
    record = tmp_path / "made"
    record.mkdir()
    for number in range(2 * SHOWN_MADE):
        (record / f"made-{number:04}").touch()
    spaces = Namespaces(TERMS.namespaces, Pattern(Namespace("*", NAMINGS["md5"]), (), record))
    links = Links(Terms(spaces), Limits(), "https://i.example.net")
    page = browser.create(originals, spaces, links, {}).test_client().get("/").text
    listed = re.findall(r'href="\?namespace=([a-z0-9-]+)"', page)
    assert listed == ["huimages", "fitter", *(f"made-{number:04}" for number in range(SHOWN_MADE))]


def test_an_unknown_namespace_is_404(client: FlaskClient) -> None:
    with pytest.raises(NotUnderstood):
        client.get("/?namespace=nope")


def test_the_page_shows_no_size_that_is_refused(originals: Originals, tmp_path: Path) -> None:
    put(originals, HASHED, ID, tmp_path)
    page = pages(originals, allowed={"huimages": ["75x75!", "90x90"]}).get("/").text
    assert f"/75x75!/{ID}.jpeg" in page
    assert "150x150" not in page.replace("150px", "")
    small = pages(originals, limits=Limits(max_side_out=100)).get("/").text
    assert f"/100x100/{ID}.jpeg" in small


def test_the_page_runs_no_script_and_is_not_kept(client: FlaskClient) -> None:
    headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in headers
