"""Every error has a status, and none is cached for long."""

from __future__ import annotations

import inspect
import pickle

import pytest

from renderer import errors
from renderer.errors import RendererError
from renderer.web import failures

SAMPLES = [
    errors.BadRequest("expected X for Y, got Z"),
    errors.NotUnderstood("File not found"),
    errors.MethodNotAllowed("POST", ("GET", "HEAD")),
    errors.NotAllowed("expected a signature"),
    errors.TokenNeeded("expected a token"),
    errors.SourceRefused("a private address"),
    errors.Conflict("changed meanwhile"),
    errors.Refused("too wide"),
    errors.TooManyBytes("too many bytes"),
    errors.NotFound("p/x"),
    errors.Gone("p/x"),
    errors.BrokenOriginal("an empty file", 60),
    errors.RenderKilled("time limit", 0),
    errors.StoreUnavailable("archive", "connection refused by 10.0.0.1"),
    errors.StoreRefused("archive", "403 for AKIA"),
    errors.StoreGarbled("archive", "truncated"),
    errors.StoreMismatch("archive", "other bytes", 60),
    errors.StoreSlow("archive", "no answer"),
    errors.SourceUnavailable("status 500", 500),
    errors.SourceNotFound("status 410", 410),
    errors.SourceSlow("nothing whole within 30 s"),
    errors.Busy("too many wait", 2),
    errors.NoSpace("the disk is full", 10),
    errors.ConfigError("watermarks.own.file", "expected a picture, got none"),
]
IDS = [type(sample).__name__ for sample in SAMPLES]


def test_every_error_that_a_request_can_meet_has_a_status_of_its_own_or_its_parents() -> None:
    classes = {value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, RendererError)}
    assert classes - {RendererError} == {type(sample) for sample in SAMPLES}
    assert all(any(parent in failures.STATUS for parent in kind.__mro__) for kind in classes - {RendererError})


@pytest.mark.parametrize("error", SAMPLES, ids=IDS)
def test_no_error_is_cached_for_more_than_seconds(error: RendererError) -> None:
    reply = failures.reply_to(error)
    caching = dict(reply.headers)["Cache-Control"]
    assert caching == ("max-age=10" if reply.status in (404, 410) else "no-store")
    assert dict(reply.headers)["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "error", [error for error in SAMPLES if failures.status_of(error) in (502, 503, 504)], ids=lambda e: type(e).__name__
)
def test_what_may_pass_says_when_to_try_again_and_tells_nothing_of_what_is_behind_us(error: RendererError) -> None:
    reply = failures.reply_to(error)
    assert int(dict(reply.headers)["Retry-After"]) > 0
    assert not any(secret in reply.body for secret in (b"10.0.0.1", b"AKIA", b"archive"))


@pytest.mark.parametrize("error", SAMPLES, ids=IDS)
def test_errors_come_home_from_a_render_process_as_they_left(error: RendererError) -> None:
    home = pickle.loads(pickle.dumps(error))
    assert type(home) is type(error)
    assert str(home) == str(error)
    assert vars(home) == vars(error)


def test_a_mistake_of_the_operator_is_none_of_the_clients_business() -> None:
    assert failures.reply_to(errors.ConfigError("watermarks.own.file", "expected a picture")).body == b"internal error\n"


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        pytest.param(
            errors.SourceRefused("a private address"), 403, "expected a URL that we may fetch, got a private address", id="refused"
        ),
        pytest.param(errors.SourceNotFound("status 410", 410), 404, "expected a picture at the URL, got status 410", id="not found"),
        pytest.param(errors.SourceUnavailable("status 418", 418), 502, "expected a picture at the URL, got status 418", id="unavailable"),
        pytest.param(errors.SourceSlow("no end of it"), 504, "expected a picture at the URL, got no end of it", id="slow"),
    ],
)
def test_who_gave_us_a_url_is_told_what_became_of_it(error: RendererError, status: int, body: str) -> None:
    reply = failures.reply_to(error)
    assert (reply.status, reply.body.decode()) == (status, body + "\n")


def test_405_says_what_is_allowed() -> None:
    reply = failures.reply_to(errors.MethodNotAllowed("POST", ("GET", "HEAD")))
    assert (reply.status, dict(reply.headers)["Allow"]) == (405, "GET, HEAD")


def test_an_unknown_class_is_a_500() -> None:
    class Novel(RendererError):
        """An error that nobody gave a row."""

    assert failures.status_of(Novel()) == 500
