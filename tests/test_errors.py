"""The family: every class says a whole sentence and survives the way home from a render process."""

from __future__ import annotations

import pickle

import pytest

from renderer import errors
from renderer.rendition import NAMINGS, Namespace

REF = Namespace("p", NAMINGS["md5"]).ref("e66287b662827da75b244a3e66287b66")

EXAMPLES: tuple[errors.RendererError, ...] = (
    errors.BadRequest("expected a size, got 'x'"),
    errors.NotUnderstood("File not found"),
    errors.MethodNotAllowed("BREW", ("GET", "HEAD")),
    errors.NotAllowed("expected a signature, got none"),
    errors.TokenNeeded("expected a token, got none"),
    errors.SourceRefused("a private address"),
    errors.Conflict("expected a free name, got one that is taken"),
    errors.Refused("expected fewer pixels, got 10"),
    errors.TooManyBytes("expected fewer bytes, got 10"),
    errors.NotFound(REF),
    errors.Gone(REF),
    errors.BrokenOriginal("a truncated JPEG", 60),
    errors.RenderKilled("out of time", 9),
    errors.StoreUnavailable("archive", "refused the connection"),
    errors.StoreRefused("archive", "403"),
    errors.StoreGarbled("archive", "10 of 20 bytes"),
    errors.StoreMismatch("couch", "the bytes of x do not have its hash", 60),
    errors.StoreSlow("archive", "nothing within 10 s"),
    errors.SourceUnavailable("status 500", 500),
    errors.SourceNotFound("status 404", 404),
    errors.SourceSlow("nothing whole within 30 s"),
    errors.Busy("the queue is full", 2),
    errors.NoSpace("the disk is full"),
    errors.ConfigError("stores.archive.bucket", "expected a text, got 5", "quote it"),
)


def family(parent: type[errors.RendererError]) -> set[type[errors.RendererError]]:
    return {child for direct in parent.__subclasses__() for child in (direct, *family(direct))}


def test_every_class_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == {kind for kind in family(errors.RendererError) if kind.__module__ == errors.__name__}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_comes_home_from_another_process_with_all_its_data(error: errors.RendererError) -> None:
    home = pickle.loads(pickle.dumps(error))
    assert type(home) is type(error)
    assert str(home) == str(error)
    assert vars(home) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_line_that_says_something(error: errors.RendererError) -> None:
    assert len(str(error)) > 10
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(errors.NotFound(REF), "expected an original for p/e66287b662827da75b244a3e66287b66, found none", id="not found"),
        pytest.param(
            errors.MethodNotAllowed("BREW\r\n", ("GET", "HEAD")), "expected GET or HEAD for this URL, got 'BREW\\r\\n'", id="method"
        ),
        pytest.param(errors.ConfigError("a.b", "expected 1, got 2", "write 1"), "a.b: expected 1, got 2 (write 1)", id="config"),
        pytest.param(errors.ConfigError("", "no such file"), "no such file", id="config without a key"),
    ],
)
def test_the_sentence_names_the_thing(error: errors.RendererError, sentence: str) -> None:
    assert str(error) == sentence


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (errors.NotUnderstood, errors.BadRequest),
        (errors.TokenNeeded, errors.NotAllowed),
        (errors.TooManyBytes, errors.Refused),
        (errors.Gone, errors.NotFound),
        (errors.StoreSlow, errors.StoreUnavailable),
        (errors.SourceRefused, errors.NotAllowed),
        (errors.SourceNotFound, errors.SourceUnavailable),
        (errors.SourceSlow, errors.SourceUnavailable),
        (errors.NoSpace, errors.Busy),
    ],
    ids=lambda kind: kind.__name__,
)
def test_who_catches_the_general_catches_the_special(special: type[Exception], general: type[Exception]) -> None:
    assert issubclass(special, general)
    assert not issubclass(general, special)


def test_absence_is_no_bad_request() -> None:
    assert not issubclass(errors.NotFound, errors.BadRequest)
    assert not issubclass(errors.StoreUnavailable, errors.NotFound)
    assert not issubclass(errors.SourceNotFound, errors.NotFound)  # whom nobody may take for an original of ours
