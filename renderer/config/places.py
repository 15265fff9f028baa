"""Where originals live: the settings of each kind of store, and the namespaces that use them.

A store's settings are its constructor's arguments under the same names; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from renderer.config.catalogs import CouchAccess, DatabaseName
from renderer.config.sections import Section, Settings
from renderer.config.values import BytesOrOff, Count, Placed, Seconds, SecondsOrOff, Secret, SecretText, Url

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$", max_length=64)]

# Below a prefix of one namespace nothing of another may be named, so it is a plain path.
Prefix = Annotated[str, StringConstraints(pattern=r"^$|^([A-Za-z0-9_-][A-Za-z0-9._-]*/?)+$", max_length=200)]


Extension = Literal["jpg", "jpeg", "png", "gif", "webp", "avif"]

_COUCH_REQUESTS = 2  # for an original: its document, and the attachment


class StoreSettings(Settings):
    """Of one kind of store. `is_written`: it takes originals too; else it is a source only. `keeps_maker`: it keeps what made a
    rendition, so that it can be told from what others made.
    """

    is_written: ClassVar[bool] = True
    keeps_maker: ClassVar[bool] = True

    def slowest_seconds(self) -> float:
        """How long a fetch may be silent before the store gives up, in seconds."""
        return 0


class FileSettings(StoreSettings):
    kind: Literal["file"] = Field(description="A directory on this machine.")
    root: Placed = Field(default=Placed("originals"), description="The directory.")

    keeps_maker: ClassVar[bool] = False

    def place(self) -> tuple[str, ...]:
        """Equal for two stores that keep their objects in the same place."""
        return (self.kind, str(self.root))


class S3Settings(StoreSettings):
    kind: Literal["s3"] = Field(description="A bucket of Amazon S3 or any server that speaks its protocol.")
    bucket: str = Field(min_length=3, max_length=255, description="Name of the bucket.")
    prefix: str = Field(default="", max_length=500, description="What every key in the bucket begins with.")
    endpoint_url: Url = Field(default="", description="Address of the server; empty = Amazon's.")
    region: str = Field(default="", description="Region; empty = as boto3 finds it.")
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="Whether the bucket stands in the path or in the host name."
    )
    connect_seconds: Seconds = Field(default=3.0, description="Longest time to connect, in seconds.")
    read_seconds: Seconds = Field(default=10.0, description="Longest silence while reading, in seconds.")
    attempts: Count = Field(default=3, ge=1, le=10, description="Attempts in all before the store counts as down.")
    access_key_id: SecretText = Field(
        default=Secret(),
        json_schema_extra={"secret": True},
        description="Access key; empty = boto3's own chain (environment, ~/.aws, instance). A text, {env: NAME} or {file: PATH}.",
    )
    secret_access_key: SecretText = Field(
        default=Secret(),
        json_schema_extra={"secret": True},
        description="Secret of the access key, in the same ways.",
    )

    def place(self) -> tuple[str, ...]:
        """Equal for two stores that keep their objects in the same place."""
        return (self.kind, self.endpoint_url, self.bucket, self.prefix)

    def slowest_seconds(self) -> float:
        return self.attempts * (self.connect_seconds + self.read_seconds)


class MemorySettings(StoreSettings):
    kind: Literal["memory"] = Field(description="The process's memory: for tests, gone with the process.")

    def place(self) -> tuple[str, ...]:
        """Equal for two stores that keep their objects in the same place; a memory is nobody else's."""
        return (self.kind, str(id(self)))


class CouchSourceSettings(CouchAccess, StoreSettings):
    kind: Literal["couchdb"] = Field(description="The attachments of huImages' documents in CouchDB. They are read only.")
    database: DatabaseName = Field(default="huimages", description="Database that has the documents.")

    is_written: ClassVar[bool] = False

    def place(self) -> tuple[str, ...]:
        """Equal for two stores that keep their objects in the same place."""
        return (self.kind, self.url, self.database)

    def slowest_seconds(self) -> float:
        return _COUCH_REQUESTS * self.timeout_seconds


BY_KIND: dict[str, type[StoreSettings]] = {
    "file": FileSettings, "s3": S3Settings, "couchdb": CouchSourceSettings, "memory": MemorySettings,
}  # fmt: skip
Stores = dict[Name, Annotated[FileSettings | S3Settings | CouchSourceSettings | MemorySettings, Field(discriminator="kind")]]


class NamespaceSettings(Section):
    store: str = Field(default="disk", description="The store that holds its originals: a name under `stores`.")
    legacy: list[str] = Field(
        default_factory=list,
        description="Names under `stores`, in the order in which they are asked for what the store does not have. That is served, and then "
        "put into the store; they themselves are only read. Their keys have no `prefix`.",
    )
    naming: Literal["sha1", "md5", "path"] = Field(
        default="sha1", description="How originals are named: sha1 (huImages' IDs) and md5 are made of the bytes, path is given."
    )
    originals: Literal["as-is", "scrubbed", "forbidden"] = Field(
        default="scrubbed", description="What is shown of an original itself: as-is, scrubbed (without GPS and maker data), or forbidden."
    )
    prefix: Prefix = Field(default="", description="What every name begins with in the store.")
    accept_mismatch: bool = Field(
        default=False,
        description="Whether an original may have other bytes than its name says, for collections whose IDs were not made of the bytes. "
        "Nothing tells then what is damaged.",
    )
    quota: BytesOrOff = Field(default=None, description="Most bytes of this namespace's renditions on disk, or off.")
    max_age: SecondsOrOff = Field(
        default=None, description="Its renditions go so long after they were published (30d, 12h, seconds); off = cache.max_age."
    )
    local_copy: BytesOrOff = Field(
        default=None, description="Most bytes of local copies of its originals, or off; the store has what is pruned of them."
    )
    renditions: str = Field(
        default="",
        description="The store, a name under `stores`, that its renditions are put into as well and looked for before they are made; "
        "empty = none. It must be an s3.",
    )
    extensions: list[Extension] = Field(
        default_factory=list,
        description="The only extensions that image-server's URLs may have there, others are 404; empty = jpg, jpeg, png, gif, webp, avif.",
    )
    outputs: list[str] = Field(
        default_factory=list, description="What image-server's batches make where they name no outputs: x300.jpg, w200.webp."
    )
    negotiate: list[Literal["webp", "avif"]] = Field(
        default_factory=list,
        description="Formats that a browser which accepts them gets instead of a JPEG under the same URL, with `Vary: Accept`. Caches in "
        "front must honour that. After a change reload nginx.",
    )
    tokens: list[SecretText] = Field(
        default_factory=list,
        json_schema_extra={"secret": True},
        description="Bearer tokens that may write to this namespace only, as hosts.service.tokens may to all.",
    )

    def slowest_seconds(self, stores: Mapping[str, StoreSettings]) -> float:
        """How long a fetch may be silent before the store and every legacy source gave up, one after the other, in seconds."""
        return sum(stores[name].slowest_seconds() for name in (self.store, *self.legacy))


DEFAULT_STORES = {"disk": {"kind": "file"}}
DEFAULT_NAMESPACES: dict[str, dict[str, str]] = {"huimages": {}}
