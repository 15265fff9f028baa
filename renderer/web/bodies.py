"""The body of a request as a stream: raw, or the one file of a form. It is never held in memory: nginx has it on disk, and so have we."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_content_length, get_input_stream

from renderer.errors import BadRequest, TooManyBytes
from renderer.stores.landing import full_disk_is_no_space

MOST_FORM_BYTES, MOST_PARTS = 100_000, 20  # of a form, beside its file


@contextmanager
def body_of(environ: dict[str, Any], temporary: Callable[[], Path], max_bytes: int) -> Iterator[BinaryIO]:
    """What was sent, to be read once. BadRequest for nothing and for a form without exactly one file, TooManyBytes for a raw body that says
    that it is longer than `max_bytes`, NoSpace for a form that finds none. `temporary`: names a new file for that of a form.
    """
    # a body that came in chunks nginx has put together, and says its length; of the client's own header nothing is true any more
    environ = {name: value for name, value in environ.items() if name != "HTTP_TRANSFER_ENCODING"}
    length = get_content_length(environ) or 0
    if not length:
        raise BadRequest("expected a file in the body, got nothing")
    kind, _ = parse_options_header(environ.get("CONTENT_TYPE", ""))
    if kind == "multipart/form-data":
        with _file_of_form(environ, temporary) as file:
            yield file
        return
    if length > max_bytes:
        raise TooManyBytes(f"expected at most {max_bytes} bytes for a file, got {length}")
    with _whole():
        yield cast(BinaryIO, get_input_stream(environ))


@contextmanager
def _file_of_form(environ: dict[str, Any], temporary: Callable[[], Path]) -> Iterator[BinaryIO]:
    opened: list[IO[bytes]] = []

    def on_disk(*_: object, **__: object) -> IO[bytes]:
        path = temporary()
        opened.append(path.open("x+b"))
        path.unlink()  # it has no name while it lives, and so leaves none
        return opened[-1]

    parser = FormDataParser(stream_factory=on_disk, max_form_memory_size=MOST_FORM_BYTES, max_form_parts=MOST_PARTS, silent=False)
    try:
        with _whole(), full_disk_is_no_space():
            _, _, found = parser.parse_from_environ(environ)
            files: list[FileStorage] = [file for _, file in found.items(multi=True)]
        if len(files) != 1:
            raise BadRequest(f"expected one file in the form, got {len(files)}")
        yield cast(BinaryIO, files[0].stream)
    finally:
        for file in opened:
            with suppress(OSError):  # what the disk had no room for is not wanted either
                file.close()


@contextmanager
def _whole() -> Iterator[None]:
    """What the library says of a body, as we say it."""
    try:
        yield
    except ClientDisconnected as error:
        raise BadRequest("expected a whole body, got a part of it") from error
    except RequestEntityTooLarge as error:
        most = f"{MOST_PARTS} parts and {MOST_FORM_BYTES} bytes beside its file"
        raise TooManyBytes(f"expected at most {most} for a form, got more") from error
    except ValueError as error:
        raise BadRequest("expected a form as its Content-Type says, got something else") from error
