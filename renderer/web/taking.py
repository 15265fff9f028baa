"""Taking in over HTTP, for who has a bearer token: originals by their bytes or their URL, files beside them, renditions ahead, batches.

What is asked the dialects say, each in its own URLs, and how it is answered. The token is judged before the body is looked at. It stands in
front of the other pages of the service host; a picture that is asked for there is shown the way to the images host.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from renderer import dialects, metrics
from renderer.beside import Besides, info_of
from renderer.cache import Cache
from renderer.dialects import Receiver
from renderer.errors import BadRequest, RendererError
from renderer.fetching import Fetcher
from renderer.ingest import Ingest
from renderer.jobs import Jobs
from renderer.messages import Batch, BatchQuestion, Deposit, Preparation, Reply, Request, Show, SideFile, Terms, Wish, Writing, plain
from renderer.namespaces import Namespaces
from renderer.preparing import KNOWN, Preparing, first_failure
from renderer.rendition import Ref
from renderer.web import failures
from renderer.web.app import Application, Environ, StartResponse, read_request, send
from renderer.web.bodies import body_of
from renderer.web.seats import Seats
from renderer.web.tokens import Tokens

log = logging.getLogger(__name__)

MOST_BATCH_BYTES = 16_000_000  # of a list of hashes: half a million


@dataclass(frozen=True)
class Helpers:
    """The use cases behind."""

    ingest: Ingest
    fetcher: Fetcher
    besides: Besides
    preparing: Preparing
    jobs: Jobs
    cache: Cache
    seats: Seats


class Taking:
    """`max_bytes`: of an original; `images_url`: of the images host; `behind`: what answers all other URLs of the host."""

    def __init__(
        self, terms: Terms, tokens: Tokens, helpers: Helpers, max_bytes: int, images_url: str, behind: Application
    ) -> None:  # fmt: skip
        self._terms, self._tokens, self._helpers, self._max_bytes = terms, tokens, helpers, max_bytes
        self._images_url, self._behind = images_url, behind

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = read_request(environ)
        try:
            reply = self._elsewhere(request) or self._reply(request, environ)
        except RendererError as error:
            if failures.status_of(error) >= 500:
                log.warning("%s %s: %s", request.method, request.asked, error)
            reply = failures.reply_to(error, dialects.answer_to_writing(request))
        except Exception:  # a bug, or a disk: the traceback is the operator's, never the client's
            log.exception("%s %s", request.method, request.asked)
            reply = dialects.answer_to_writing(request)(500, "internal error", (("Cache-Control", "no-store"),))
        return send(reply, start_response) if reply else self._behind(environ, start_response)

    def _elsewhere(self, request: Request) -> Reply | None:
        """The old servers had one host for all: who asks here for a picture is sent to the images host."""
        if request.method not in ("GET", "HEAD"):
            return None
        with suppress(BadRequest):
            if isinstance(dialects.read(request, self._terms), Show):
                return plain(307, "pictures are on the images host", (("Location", self._images_url + request.asked),))
        return None

    def _reply(self, request: Request, environ: Environ) -> Reply | None:
        """None when nobody understands it. A stranger does not even learn what is wrong with what he asks."""
        found, problem = None, None
        try:
            found = dialects.receive(request, self._terms)
        except BadRequest as error:
            problem = error
        is_writing = request.method == "POST" and (found or problem)
        holder = self._tokens.holder(environ.get("HTTP_AUTHORIZATION", "")) if is_writing else None
        if problem:
            raise problem
        if found is None:
            return None
        dialect, writing = found
        if holder:
            holder.expect(writing.namespace.name)
            log.info("%s by %s", request.asked, holder.name)
        return self._handled(dialect, writing, environ)

    def _handled(self, dialect: Receiver, writing: Writing, environ: Environ) -> Reply:
        handle, handler = self._table(writing)
        began = time.monotonic()
        try:
            with nullcontext() if isinstance(writing, BatchQuestion) else self._helpers.seats.seat(writing.namespace.name):
                return handle(dialect, writing, environ)
        finally:
            metrics.latency(handler, time.monotonic() - began)

    def _table(self, writing: Writing) -> tuple[Callable[[Receiver, Any, Environ], Reply], str]:
        """The use case of each kind of writing, and the name of its handler in image-server's metrics."""
        table: dict[type, tuple[Callable[[Receiver, Any, Environ], Reply], str]] = {
            Deposit: (self._deposit, "new_image"),
            SideFile: (self._side_file, "new_file"),
            Preparation: (self._prepare, "resize_many"),
            Batch: (self._batch, "create_batch"),
            BatchQuestion: (self._batch_question, "batch"),
        }
        return table[type(writing)]

    def _deposit(self, dialect: Receiver, deposit: Deposit, environ: Environ) -> Reply:
        space, spaces = deposit.namespace, self._terms.namespaces
        made = spaces if isinstance(spaces, Namespaces) else Namespaces(spaces)
        try:
            made.expect_room(space.name)
            self._helpers.preparing.judge(space, deposit.wishes)
            with self._brought(deposit, environ) as stream:
                taken = self._helpers.ingest.take(space, stream, int(time.time()), only_whole=True)
            made.note_use(space.name)
            self._make(taken.ref, (*deposit.wishes, KNOWN))
        except Exception:
            metrics.new_image(space.name, ok=False)
            raise
        metrics.new_image(space.name, ok=True)
        return dialect.deposited(info_of(taken.ref, taken.header))

    @contextmanager
    def _brought(self, deposit: Deposit, environ: Environ) -> Iterator[BinaryIO]:
        if not deposit.source:
            with body_of(environ, self._helpers.cache.temporary, self._max_bytes) as stream:
                yield stream
            return
        path = self._helpers.cache.temporary()
        try:
            self._helpers.fetcher.fetch(deposit.source, path, self._max_bytes)
            metrics.fetched("source_downloaded")
            with path.open("rb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _make(self, ref: Ref, wishes: tuple[Wish, ...], only_missing: bool = False) -> None:
        failure = first_failure(self._helpers.preparing.prepare(ref, wishes, only_missing))
        if failure:
            raise failure

    def _side_file(self, dialect: Receiver, side_file: SideFile, environ: Environ) -> Reply:
        rendition = side_file.show.rendition
        with body_of(environ, self._helpers.cache.temporary, self._max_bytes) as stream:
            self._helpers.besides.store(rendition.ref, side_file.show.wish, stream)
        return dialect.stored()

    def _prepare(self, dialect: Receiver, preparation: Preparation, _: Environ) -> Reply:
        self._make(preparation.ref, preparation.wishes, only_missing=True)
        return dialect.prepared()

    def _batch(self, dialect: Receiver, batch: Batch, environ: Environ) -> Reply:
        with body_of(environ, self._helpers.cache.temporary, MOST_BATCH_BYTES) as stream:
            return dialect.batched(self._helpers.jobs.begin(batch.namespace, stream, batch.wishes))

    def _batch_question(self, dialect: Receiver, question: BatchQuestion, _: Environ) -> Reply:
        return dialect.batch_told(*self._helpers.jobs.told(question.namespace, question.job))

