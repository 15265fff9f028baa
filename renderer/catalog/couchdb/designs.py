"""The views that huImages called, made anew: its design documents were never published, so these are what its calls imply.

A design document that is there already is somebody's: only views that it lacks are added. Ours carry a version, and are replaced by those
of a later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION = 1  # count up with every change of a function below
_MARK = "onmiss"

Views = Mapping[str, Mapping[str, Mapping[str, str]]]  # design document: view: map and reduce

IMAGE_VIEWS: Views = {
    "all": {
        "without_deleted_and_automatic": {
            "map": "function (doc) {"
            " var automatic = doc.automatic || (Array.isArray(doc.types) && doc.types.indexOf('automatic') >= 0);"
            " if (!doc.deleted && !automatic) { emit(doc._id, null); } }"
        }
    }
}
_EACH_TAG = "function (doc) {{ if (Array.isArray(doc.tags)) {{ doc.tags.forEach(function (tag) {{ emit({}, {}); }}); }} }}"
NOTE_VIEWS: Views = {
    "tags": {
        "tags_per_document": {"map": _EACH_TAG.format("doc.imageid", "tag")},
        "tagcount": {"map": _EACH_TAG.format("tag", "1"), "reduce": "_sum"},
        "document_per_tag": {"map": _EACH_TAG.format("tag", "doc.imageid")},
    },
    "favorites": {"all": {"map": "function (doc) { if (doc.favorite) { emit(doc.userid, doc.imageid); } }"}},
    "ratings": {
        "all": {
            "map": "function (doc) { if (typeof doc.rating === 'number') { emit(doc.imageid, [1, doc.rating]); } }",
            "reduce": "function (keys, values) {"
            " var count = 0, sum = 0; values.forEach(function (one) { count += one[0]; sum += one[1]; }); return [count, sum]; }",
        }
    },
}


def design_id(name: str) -> str:
    return f"_design/{name}"


def design(name: str, views: Mapping[str, Mapping[str, str]], old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The design document to be written where `old` is; None when that will do."""
    ours = {view: dict(functions) for view, functions in views.items()}
    if old is None:
        return {"_id": design_id(name), "language": "javascript", "views": ours, _MARK: VERSION}
    theirs = dict(old.get("views") or {})
    if old.get(_MARK, VERSION) < VERSION:
        return dict(old) | {"views": theirs | ours, _MARK: VERSION}
    if ours.keys() <= theirs.keys():
        return None
    return dict(old) | {"views": ours | theirs}
