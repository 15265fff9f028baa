"""nginx's own errors: what they say, and where a request goes for which one arises.

Of several `error_page` for one status the first counts, so that a location's own stand before these.
"""

from __future__ import annotations

from renderer.web.nginx_text import fill

SENTENCES = {
    400: "bad request",
    401: "expected the header Authorization: Bearer with a token",
    403: "forbidden",
    404: "File not found",
    405: "method not allowed",
    408: "request timed out",
    411: "length required",
    412: "precondition failed",
    413: "request too large",
    414: "URI too long",
    415: "unsupported media type",
    417: "expectation failed",
    421: "misdirected request",
    429: "too many requests, try again",
    494: "request header too large",
    500: "internal error",
    501: "not implemented",
    503: "busy, try again",
    505: "HTTP version not supported",
}

def errors() -> str:
    return fill("errors.conf", statuses=" ".join(map(str, SENTENCES)))


def refusals() -> str:
    """Errors of the images host: where the method or a body is wrong, a named location sorts out which."""
    return fill("refusals.conf", errors=errors())
