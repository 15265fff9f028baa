"""What is known about originals is kept in one of these; the settings of each kind of catalog."""

from __future__ import annotations

import re
import urllib.parse
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from renderer.config.sections import Settings
from renderer.config.values import Count, Placed, Seconds, Secret, SecretText, Url

DatabaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_$()+-]*$", max_length=200)]  # what CouchDB allows, but for slashes


class SqliteSettings(Settings):
    kind: Literal["sqlite"] = Field(description="One file, for all processes of this machine.")
    path: Placed = Field(default=Placed("catalog.sqlite"), description="The file; its `-wal` and `-shm` stand beside it.")
    busy_seconds: Seconds = Field(default=10.0, description="Longest wait for another process that writes, in seconds.")


class CouchAccess(Settings):
    """Where a database of CouchDB is, and how it is asked: what a catalog and a source there have in common."""

    kind: Literal["couchdb"]
    url: Url = Field(default="http://127.0.0.1:5984", description="Address of the server; http://USER:PASSWORD@HOST is understood.")
    user: str = Field(default="", max_length=200, description="Who we are there; empty = nobody in particular.")
    password: SecretText = Field(default=Secret(), json_schema_extra={"secret": True}, description="A text, {env: NAME} or {file: PATH}.")
    database: DatabaseName = Field(default="huimages", description="Its name.")
    timeout_seconds: Seconds = Field(default=10.0, description="Longest time to wait for an answer, in seconds.")
    page_documents: Count = Field(default=100, ge=2, le=10_000, description="Most documents in memory at a time.")

    @model_validator(mode="before")
    @classmethod
    def _without_userinfo(cls, data: Any) -> Any:
        """huImages' variables had the password in the URL; from here on it is a secret like any other."""
        url = data.get("url") if isinstance(data, dict) else None
        found = re.fullmatch(r"(https?://)([^/@:]*):([^/@]*)@([^@]*)", url) if isinstance(url, str) else None
        if not found or data.get("user") or data.get("password"):
            return data
        user, password = map(urllib.parse.unquote, found.group(2, 3))
        return data | {"url": found[1] + found[4], "user": user, "password": password}

    def settings(self) -> dict[str, Any]:
        values = super().settings()
        user, password = (urllib.parse.quote(values.pop(name), safe="") for name in ("user", "password"))
        if user:
            scheme, _, rest = self.url.partition("://")
            values["url"] = f"{scheme}://{user}:{password}@{rest}"
        return values


class CouchSettings(CouchAccess):
    kind: Literal["couchdb"] = Field(description="CouchDB, with huImages' own documents: an existing database works unchanged.")
    database: DatabaseName = Field(
        default="huimages", description="Database of the namespace huimages; what its users noted is in the one with `_meta` at the end."
    )


class MemoryCatalogSettings(Settings):
    kind: Literal["memory"] = Field(description="The process's memory: for tests, gone with the process.")


class NoCatalogSettings(Settings):
    kind: Literal["none"] = Field(description="None: pictures by their URLs, without titles, tags and neighbours.")


BY_KIND: dict[str, type[Settings]] = {
    "sqlite": SqliteSettings, "couchdb": CouchSettings, "memory": MemoryCatalogSettings, "none": NoCatalogSettings,
}  # fmt: skip
CatalogSettings = Annotated[SqliteSettings | CouchSettings | MemoryCatalogSettings | NoCatalogSettings, Field(discriminator="kind")]
DEFAULT_CATALOG = {"kind": "sqlite"}
