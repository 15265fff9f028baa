"""Python's side of the contract: what each URL means, that one dialect reads it, and that nginx will look for what Python leaves."""

from __future__ import annotations

import re

import pytest

from renderer import dialects
from renderer.config import Config
from renderer.dialects import DIALECTS
from renderer.errors import BadRequest
from renderer.messages import Reply, Request, Show, Terms
from renderer.ops import PIPELINE, outline
from renderer.recipe import Recipe
from renderer.web.failures import status_of
from tests.golden.contract import ENTRIES, GROUPS, Entry, looked_up

TERMS = {str(group): Config.of(group.configuration).terms() for group, _ in ENTRIES}


def entries(kind: str = "") -> pytest.MarkDecorator:
    """All entries of a kind, named by their URLs."""
    chosen = [(TERMS[group.name], entry) for group, entry in ENTRIES if not kind or getattr(entry, kind)]
    return pytest.mark.parametrize(("terms", "entry"), chosen, ids=[f"{entry.group}: {entry}" for _, entry in chosen])


def show(terms: Terms, request: Request) -> Show:
    intent = dialects.read(request, terms)
    assert isinstance(intent, Show)
    return intent


@entries("hit")
def test_a_url_means_one_rendition_with_one_alias(terms: Terms, entry: Entry) -> None:
    intent = show(terms, entry.request())
    rendition = intent.rendition
    assert rendition.ref.directory == entry.directory
    assert rendition.recipe.spell() == entry.file.rpartition(".")[0]
    if isinstance(rendition.recipe, Recipe):
        assert rendition.file_name() == entry.file
    alias = intent.alias.file_name(entry.file.rpartition(".")[2]) if intent.alias else ""
    assert alias == entry.alias


@entries("hit")
def test_exactly_one_dialect_reads_it(terms: Terms, entry: Entry) -> None:
    readers = [dialect.NAME for dialect in DIALECTS if dialect.read(entry.request(), terms) is not None]
    shapes = [dialect.NAME for dialect in DIALECTS if re.fullmatch(dialect.SHAPE, entry.request().path, re.DOTALL)]
    assert readers == shapes == [entry.hit]


@entries("hit")
def test_the_first_hit_that_matches_names_the_file(terms: Terms, entry: Entry) -> None:
    assert entry.directory / entry.looked_up in looked_up(terms, entry.request().path, entry.accept)


@entries("size_of")
def test_the_picture_has_the_promised_size(terms: Terms, entry: Entry) -> None:
    recipe = show(terms, entry.request()).rendition.recipe
    assert isinstance(recipe, Recipe)
    for before, after in entry.size_of:
        assert outline(recipe.operations, before) == after, f"{before}"


@entries("refused")
def test_a_refusal_has_the_promised_status(terms: Terms, entry: Entry) -> None:
    with pytest.raises(BadRequest) as caught:
        dialects.read(entry.request(), terms)
    assert status_of(caught.value) == entry.refused


@entries("refused")
def test_no_url_has_the_shape_of_two_dialects(terms: Terms, entry: Entry) -> None:
    shapes = [dialect.NAME for dialect in DIALECTS if re.fullmatch(dialect.SHAPE, entry.request().path, re.DOTALL)]
    assert len(shapes) <= 1
    assert shapes or entry.refused == 404 or re.search(dialects.REFUSED_URI, entry.request().asked)


@entries("redirect")
def test_a_query_is_redirected_to_the_path(terms: Terms, entry: Entry) -> None:
    reply = dialects.read(entry.request(), terms)
    assert isinstance(reply, Reply)
    assert (reply.status, dict(reply.headers)["Location"]) == (301, entry.redirect)
    target = Request("GET", entry.request().path, "", entry.redirect)
    assert show(terms, target)


def test_every_operation_is_promised() -> None:
    spelled = " ".join(entry.file for _, entry in ENTRIES if entry.hit == "native")
    assert [kind.word for kind in PIPELINE if (f"{kind.word}-" if kind.has_argument else kind.word) not in spelled] == []


def test_groups_have_different_names() -> None:
    assert len({group.name for group in GROUPS}) == len(GROUPS)
