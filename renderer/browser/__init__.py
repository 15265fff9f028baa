"""The HTML pages of the service host, a Flask application of its own: for now the list of the originals, with links to renditions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from flask import Flask, Response, render_template, request

from renderer.dialects.links import Links
from renderer.errors import NotUnderstood
from renderer.fields import shown
from renderer.namespaces import configured
from renderer.originals import Originals
from renderer.rendition import Namespace

PAGE = 60  # pictures a page: twelve rows of five
SHOWN_MADE = 100  # of the namespaces that were made on first use, behind all that are configured
SHOWN_SIZES = ("150x150!", "150x150", "small", "vga", "1024x768")  # the first is that of the page's own pictures


def create(originals: Originals, namespaces: Mapping[str, Namespace], links: Links, listed: Mapping[str, Sequence[str]]) -> Flask:
    """The application. `listed`: namespace to the only sizes there; one that is not in it allows all.

    Its errors leave it as exceptions: what they look like is decided in one place for all hosts.
    """
    app = Flask(__name__)
    app.config.update(PROPAGATE_EXCEPTIONS=True, TRAP_HTTP_EXCEPTIONS=True)

    @app.get("/")
    def start() -> str:
        name = request.args.get("namespace", next(iter(namespaces), ""))
        if name not in namespaces:
            raise NotUnderstood(f"expected a configured namespace, got {shown(name)}")
        space, after = namespaces[name], request.args.get("after", "")
        names = (ref.name for ref in originals.names(space) if ref.name > after)
        page = list(itertools.islice(names, PAGE + 1))
        sizes = links.sizes(space, SHOWN_SIZES, listed.get(name, ()))
        shown_spaces = list(itertools.islice(namespaces, len(configured(namespaces)) + SHOWN_MADE))
        return render_template(
            "start.html", namespaces=shown_spaces, space=space, names=page[:PAGE], more=len(page) > PAGE, sizes=sizes, picture=links.url
        )

    @app.after_request
    def harden(response: Response) -> Response:
        """No script, no frame, no sniffing, no caching: an operator's page."""
        policy = f"default-src 'none'; img-src 'self' {links.base_url}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'"
        response.headers.update(
            {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        )
        return response

    return app
