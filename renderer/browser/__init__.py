"""The HTML pages of the service host, a Flask application of its own: for now the list of the originals, with links to renditions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from flask import Flask, Response, abort, render_template, request

from renderer.dialects.huimages import NAMESPACE, SIZE_NAMES
from renderer.errors import BadRequest
from renderer.originals import Originals
from renderer.rendition import Namespace

PAGE = 60  # pictures a page: twelve rows of five
SHOWN_SIZES = ("150x150", "150x150!", "small", "vga", "1024x768")


def create(originals: Originals, namespaces: Mapping[str, Namespace], images_url: str) -> Flask:
    """The application. `images_url`: where the images host is reached from a browser, without a slash at the end."""
    app = Flask(__name__)

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

    def picture(space: Namespace, name: str, size: str, extension: str = "jpeg") -> str:
        """The URL of a picture for the page: huImages' own where the namespace is huImages', else the native one."""
        size = SIZE_NAMES.get(size, size) if space.name != NAMESPACE else size
        if space.name == NAMESPACE:
            return f"{images_url}/{size}/{name}.{extension}"
        word, box = ("fill", size[:-1]) if size.endswith("!") else ("fit", size)
        return f"{images_url}/i/{space.name}/{name}/{word}-{box}.{extension.replace('jpeg', 'jpg')}"

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
