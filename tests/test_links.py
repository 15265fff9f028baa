"""URLs for pages and commands: each is one that the dialects read back as what was wished for."""

from __future__ import annotations

import urllib.parse

import pytest

from renderer import dialects
from renderer.dialects.links import Links
from renderer.errors import BadRequest, NotUnderstood, Refused
from renderer.limits import Limits
from renderer.messages import Request, Show, Terms
from renderer.rendition import NAMINGS, Namespace
from renderer.signing import check

PARTED = Namespace("p", NAMINGS["md5"])
TERMS = Terms({"p": PARTED, "huimages": Namespace("huimages", NAMINGS["sha1"])})
NAME, PLACE = "6e0072682e66287b662827da75b244a3", "/p/6e0/072/682/e66287b662827da75b244a3"
KEY = b"a key of sixteen letters"


@pytest.mark.parametrize(
    ("size", "path"),
    [("x200.jpg", f"{PLACE}/x200.jpg"), ("300x200-q30.webp", f"{PLACE}/300x200-q30.webp"), ("fit-20x_q80", f"/i/p/{NAME}/fit-20x_q80.jpg")],
)
def test_a_file_name_of_image_server_s_gets_its_url(size: str, path: str) -> None:
    assert Links(TERMS, Limits(), "https://i.example.net").url(PARTED, NAME, size) == f"https://i.example.net{path}"
    signed = urllib.parse.urlsplit(Links(TERMS, Limits(), "https://i.example.net", [KEY]).url(PARTED, NAME, size)).path
    show = dialects.read(Request("GET", signed, asked=signed), TERMS)
    assert isinstance(show, Show)
    assert len(show.signature) == 22
    check([KEY], show.rendition.ref, show.wish, show.signature)


@pytest.mark.parametrize(
    ("space", "size", "error"),
    [("p", "x200.bmp", NotUnderstood), ("p", "w9000.jpg", Refused), ("p", "x0200.jpg", BadRequest), ("huimages", "x200.jpg", BadRequest)],
)
def test_nobody_gets_a_url_that_we_refuse(space: str, size: str, error: type[Exception]) -> None:
    name = NAME if space == "p" else "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
    with pytest.raises(error):
        Links(TERMS, Limits(), "https://i.example.net").url(TERMS.namespaces[space], name, size)
