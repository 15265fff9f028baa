"""What a renderer would do for nginx's tests: plant the rendition and its alias, and say where it is."""

from __future__ import annotations

import urllib.parse

from renderer import dialects
from renderer.errors import RendererError
from renderer.messages import Reply, Request, Show
from renderer.web.failures import reply_to
from tests.nginx.answering import Params
from tests.nginx.standing import Standing

PICTURE = bytes(range(256)) * 8  # 2048 bytes


class Making:
    """Answers like the renderer, with PICTURE for every rendition; with `links` it leaves the alias too, for the next time."""

    def __init__(self, links: bool = False) -> None:
        self.links = links
        self.standing: Standing | None = None

    def __call__(self, params: Params) -> str:
        if self.standing is None:
            raise AssertionError("expected to be told where the cache is")
        path = params["PATH_INFO"]
        request = Request(params["REQUEST_METHOD"], path, params["QUERY_STRING"], params["REQUEST_URI"].partition("?")[0])
        try:
            intent = dialects.read(request, self.standing.config.terms())
        except RendererError as error:
            return printed(reply_to(error))
        if not isinstance(intent, Show):
            return printed(intent)
        file = intent.rendition.ref.directory / intent.rendition.file_name("png")
        self.standing.plant(file, PICTURE)
        if self.links and intent.alias:
            self.standing.plant(intent.rendition.ref.directory / intent.alias.file_name("png"), PICTURE)
        accel = urllib.parse.quote(f"/_done/{self.standing.config.generation()}/{file}")
        return printed(Reply(200, (("X-Onmiss", "miss"), ("X-Accel-Redirect", accel))))


def printed(reply: Reply) -> str:
    headers = [
        ("Status", f"{reply.status} so"),
        *reply.headers,
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(reply.body))),
    ]
    return "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n" + reply.body.decode()
