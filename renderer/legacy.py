"""Asking legacy sources, one after the other, for an original that the store of its namespace does not have, or does not give.

It never heard of stores: what is found is the caller's to serve, to keep and to move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from renderer.errors import Gone, StoreGarbled, StoreUnavailable
from renderer.stores import Facts, Source

log = logging.getLogger(__name__)


def fetch(
    sources: Iterable[tuple[Source, str]], target: Path, max_bytes: int, verify: Callable[[Path, str], None]
) -> Facts | None:  # fmt: skip
    """The first whole original under its key, as `Source.get`; None only when each source answered that it has none.

    Gone when a source says that it was deleted there: no older source brings it back.

    `verify`: raises StoreGarbled for bytes that are not those of the original; it gets them and the name of the source. When no source has
    them, but some failed, what the first of these raised is raised.
    """
    failure: StoreUnavailable | None = None
    for source, key in sources:
        try:
            facts = source.get(key, target, max_bytes)
            if facts is not None:
                verify(target, source.name)
                return facts
        except Gone as error:
            if failure is not None:
                raise failure from error
            raise
        except StoreGarbled as error:
            log.error("%s", error)  # somebody has to look at it: no later attempt does better
            failure = failure or error
        except StoreUnavailable as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None
