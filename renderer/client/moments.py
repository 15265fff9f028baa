"""Times as applications give them: a datetime, or the text that huImages' documents have."""

from __future__ import annotations

from datetime import UTC, datetime

from renderer.catalog import document
from renderer.errors import BadRequest
from renderer.fields import shown

Moment = datetime | str


def seconds_of(moment: Moment) -> float:
    """Seconds since 1970 UTC; a time without a zone is UTC. BadRequest for what is no time."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    found = document.seconds(moment)
    if found is None:
        raise BadRequest(f"expected a datetime or YYYYMMDDTHHMMSS.uuuuuu for a time, got {shown(moment)}")
    return found
