"""The HTML pages of the service host, a Flask application of its own: for now the list of the originals, with links to renditions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from flask import Flask, Response, abort, render_template, request

from renderer.dialects.paths import path_of
from renderer.errors import BadRequest
from renderer.messages import Terms
from renderer.originals import Originals
from renderer.rendition import Namespace

PAGE = 60  # pictures a page: twelve rows of five
SHOWN_SIZES = ("150x150", "150x150!", "small", "vga", "1024x768")


def create(originals: Originals, terms: Terms, images_url: str, keys: Sequence[bytes] = ()) -> Flask:
    """The application. `images_url`: where the images host is reached from a browser, without a slash at the end; `keys` sign its URLs."""
    app, namespaces = Flask(__name__), terms.namespaces

    @app.get("/")
    def start() -> str:
        name = request.args.get("namespace", next(iter(namespaces), ""))
        space = namespaces.get(name) or abort(404)
        after = request.args.get("after", "")
        names = (ref.name for ref in originals.names(space) if ref.name > after)
        page = list(itertools.islice(names, PAGE + 1))
        return render_template(
            "start.html", namespaces=namespaces, space=space, names=page[:PAGE], more=len(page) > PAGE, sizes=SHOWN_SIZES, picture=picture
        )

    def picture(space: Namespace, name: str, size: str, extension: str = "") -> str:
        return images_url + path_of(terms, space, name, size, extension, keys)

    @app.errorhandler(BadRequest)
    def refused(error: BadRequest) -> tuple[str, int]:
        return str(error), 400

    @app.after_request
    def harden(response: Response) -> Response:
        """No script, no frame, no sniffing, no caching: an operator's page."""
        policy = f"default-src 'none'; img-src 'self' {images_url}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'"
        response.headers.update(
            {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        )
        return response

    return app
