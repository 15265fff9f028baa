"""All documents of a shard, page after page, in the order of names, however long the server is away in between."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from renderer.crew import Crew
from renderer.migrating.shards import Shard
from renderer.stores.couchdb import CouchSource
from renderer.stores.couchdb.attachments import Document

Row = tuple[str, Document | None]  # None for one that went while the list was made


def pages(source: CouchSource, crew: Crew, shard: Shard, cursor: str = "") -> Iterator[list[Row]]:
    """`cursor`: the last name that need not come again. A page is asked for from the last name of the one before, which may be deleted
    by then.
    """
    last = cursor
    while True:
        rows = crew.patiently(partial(source.page, last or shard.first))
        yield [(key, document) for key, document in rows if key != last and not shard.is_past(key)]
        if len(rows) < source.page_documents or shard.is_past(rows[-1][0]):
            return
        last = rows[-1][0]
