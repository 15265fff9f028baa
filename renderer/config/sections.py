"""The sections of the configuration file, one class each; `docs/configuration.md` and `onmiss config` say what the descriptions say."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from renderer.config.values import (
    Bytes,
    BytesOrOff,
    Count,
    CountOrOff,
    LargeCountOrOff,
    Listen,
    Placed,
    Seconds,
    SecondsOrOff,
    Secret,
    SecretText,
    SocketPath,
    Url,
    split_listen,
)  # fmt: skip
from renderer.fields import shown


class Section(BaseModel):
    """Frozen, and a stranger among its keys is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, data: Any) -> Any:
        """A section that the file leaves out, or leaves empty, has all its defaults; those need the root, so they are validated too."""
        if not isinstance(data, dict):
            return data
        sections = [name for name, info in cls.model_fields.items() if _is_section(info.annotation)]
        return data | {name: {} for name in sections if data.get(name) is None}


class Settings(Section):
    """What something is made of that comes in several kinds: its fields, but for `kind`, are its constructor's arguments."""

    def settings(self) -> dict[str, Any]:
        """The arguments of the constructor, secrets in the clear."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "kind"}
        return {name: value.text if isinstance(value, Secret) else value for name, value in values.items()}


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


class Cache(Section):
    """Where renditions are, and what `onmiss prune` keeps them within. A bound that is off is none."""

    root: Placed = Field(default=Placed("cache"), description="Directory of the renditions. `files/` below it is what nginx serves.")
    generation: Count = Field(
        default=1,
        ge=1,
        le=999_999,
        description="Raise it when rendering itself changes, and reload nginx: all renditions are made anew, the old are the pruner's.",
    )
    max_bytes: BytesOrOff = Field(default=None, description="Most bytes of renditions on disk (200GB), or off.")
    max_inodes: LargeCountOrOff = Field(default=None, description="Most inodes of renditions and their directories, or off.")
    min_free: BytesOrOff = Field(default=1_000_000_000, description="Least free bytes of the file system under the cache, or off.")
    min_free_inodes: LargeCountOrOff = Field(default=10_000, description="Least free inodes of that file system, or off.")
    low_water: Count = Field(
        default=95, ge=10, le=99, description="When a bound is passed, the cache is brought to so many percent of it, and left alone then."
    )
    min_age: Seconds = Field(default=60, description="A rendition that was published less than so many seconds ago is never evicted.")
    max_age: SecondsOrOff = Field(
        default=None, description="A rendition goes so long after it was published (30d, 12h, seconds), used or not; or off."
    )
    policy: Literal["value", "lru", "age"] = Field(
        default="value",
        description="Who goes first: what saves least time for its bytes, by use, cost and size; what was not used for longest; the old.",
    )
    recency: Literal["auto", "visited", "log", "age"] = Field(
        default="auto",
        description="How uses are known: visited, by the access times that a relatime mount keeps; log, by nginx's access log; age, not at "
        "all; auto, the first of these that works here.",
    )
    prune_seconds: Seconds = Field(default=60, description="How often the resident pruner looks (`onmiss prune --watch`), in seconds.")


class LimitsSection(Section):
    max_original_bytes: Bytes = Field(
        default=64_000_000, description="Largest original that is taken in or fetched, in bytes (64MB, 2GiB)."
    )
    max_pixels_in: Count = Field(default=100_000_000, ge=1, description="Most pixels of an original, width times height.")
    max_side_out: Count = Field(default=8192, ge=1, le=65_535, description="Longest side of a rendition, in pixels.")
    max_pixels_out: Count = Field(default=40_000_000, ge=1, description="Most pixels of a rendition, width times height.")
    max_pixels_slow: Count = Field(
        default=12_000_000, ge=1, description="The same for PNG, GIF and AVIF, which cost a hundred times the time of a JPEG to encode."
    )
    max_pixels_frames: Count = Field(
        default=20_000_000,
        ge=1,
        description="Most frames times pixels of an animation, of the original and of the rendition; beyond it, or beyond "
        "max_pixels_slow in a slow format, the first frame is shown. After a change raise cache.generation.",
    )
    sizes: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Namespace to the only sizes allowed there: 150x150, 75x75!, a size name, or operations like fill-75x75. "
        "A namespace that is not listed allows all.",
    )


Quality = Annotated[Count, Field(ge=1, le=100)]


class QualitySection(Section):
    jpeg: Quality = Field(default=75, description="Quality of a JPEG where a URL names none, 1 to 100.")
    webp: Quality = Field(default=75, description="Quality of a WebP where a URL names none, 1 to 100.")
    avif: Quality = Field(default=60, description="Quality of an AVIF where a URL names none, 1 to 100.")
    progressive: bool = Field(
        default=False, description="Progressive JPEG where a URL names no output; costs about six times the encode time."
    )


class Render(Section):
    resampler: Literal["pillow", "vips"] = Field(
        default="pillow",
        description="Who resamples: pillow, or vips, which is faster and needs the extra `onmiss[fast]`. Same sizes and looks, other "
        "bytes: its name is part of the cache's generation, so reload nginx after a change.",
    )
    accept: list[Literal["heic", "jpeg2000"]] = Field(
        default_factory=list,
        description="Formats of originals that are read besides JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP and ICO: heic (needs the extra "
        "`onmiss[heif]`), jpeg2000. Their decoders have a record of security holes.",
    )
    truncated: Literal["reject", "show"] = Field(
        default="reject", description="What becomes of a JPEG that ends too early: 415, or shown as far as it goes."
    )
    keep: list[Literal["copyright"]] = Field(
        default_factory=list,
        description="What of an original's metadata goes out with its renditions: nothing, or the copyright notice of its EXIF. It enters "
        "the recipe (`k`). After a change raise cache.generation.",
    )
    processes: Count = Field(default=0, ge=0, le=1024, description="Render processes; 0 = as many as processors, at least 2.")
    seconds: Seconds = Field(default=15, description="Longest time of one render, in seconds; beyond it the process is killed.")
    queue: Count = Field(default=64, ge=1, le=100_000, description="Most renders waiting for a process; beyond it the answer is 503.")
    max_renders: Count = Field(default=500, ge=1, description="Renders after which a process is replaced.")
    memory: Bytes = Field(default=2_000_000_000, description="Address space of a render process, in bytes.")
    open_files: Count = Field(default=64, ge=16, le=4096, description="Most open files of a render process.")

    def count(self) -> int:
        """How many render processes there shall be."""
        return self.processes or max(2, os.cpu_count() or 1)


class Serve(Section):
    socket: SocketPath = Field(
        default=SocketPath("run/onmiss.sock"),
        description="FastCGI socket between nginx and the renderer. A relative path that is too long for a socket (over 100 bytes) "
        "moves to a directory of its own below the system's temporary directory.",
    )
    threads: Count = Field(default=320, ge=4, le=900, description="Threads that answer requests; of those above waiting 3/4 may write.")
    waiting: Count = Field(default=176, ge=2, description="Most requests in work or waiting at once; fewer than threads. Beyond it: 503.")
    waiting_per_original: Count = Field(
        default=104, ge=1, description="Most requests at once for one original; fewer than waiting. Beyond it: 503."
    )
    wait_seconds: Seconds = Field(
        default=30,
        description="Longest wait of a request for its picture, whoever makes it, in seconds. Beyond it: 503; it is made all the same.",
    )
    drain_seconds: Seconds = Field(default=30, description="Longest time that requests in flight have to finish at a stop, in seconds.")


Gravity = Literal["c", "n", "ne", "e", "se", "s", "sw", "w", "nw"]


MarkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,30}$")]


class WatermarkSettings(Section):
    file: Placed = Field(description="A picture, PNG with alpha at best. Never change it under the same name: renditions are made once.")
    percent: Count = Field(
        default=20, ge=1, le=100, description="Its width in percent of the rendition's. After a change raise cache.generation."
    )
    opacity: Count = Field(default=50, ge=1, le=100, description="How much it covers, in percent; likewise.")
    gravity: Gravity = Field(default="se", description="Where it stands: c for the centre, or a side or corner as on a map; likewise.")


ServerName = Annotated[str, StringConstraints(pattern=r"^(_|(\*\.)?[A-Za-z0-9.-]+)$", max_length=253)]
_NAMES = "Host names that it answers to; `_` stands for any."
_URL = "Address under which clients reach it, as it stands in printed URLs; empty = http:// and `listen`."


_EVERYWHERE = ("*", "0.0.0.0")  # noqa: S104  # listens there; is reached, as far as we know, here


class _Host(Section):
    listen: Listen
    url: Url = Field(default="", description=_URL)
    names: list[ServerName] = Field(default=["_"], min_length=1, description=_NAMES)

    def base_url(self) -> str:
        """Without a slash at the end."""
        host, port = split_listen(self.listen)
        return self.url or f"http://{'127.0.0.1' if host in _EVERYWHERE else host}:{port}"


class ImagesHost(_Host):
    listen: Listen = Field(default="127.0.0.1:8080", description="HOST:PORT of the public, cookieless host of pictures: GET and HEAD only.")


class ServiceHost(_Host):
    listen: Listen = Field(
        default="127.0.0.1:8081",
        description="HOST:PORT of the host of pages, uploads and JSON; unless given, on loopback, one port above the images'.",
    )
    tokens: list[SecretText] = Field(
        default_factory=list,
        json_schema_extra={"secret": True},
        description="Bearer tokens, at least 16 characters each: a text, {env: NAME} or {file: PATH}. Who sends one of them may post, "
        "delete and purge; with none, nobody may over HTTP.",
    )


def _loopback(text: str) -> str:
    host, _ = split_listen(text)
    if host != "localhost" and not host.startswith("127.") and host != "[::1]":
        raise ValueError(f"expected a loopback address like 127.0.0.1:8082, got {shown(text)}")
    return text


class AdminHost(Section):
    listen: Annotated[Listen, AfterValidator(_loopback)] = Field(
        default="127.0.0.1:8082", description="HOST:PORT of metrics and health; loopback only; unless given, two ports above the images'."
    )

    def base_url(self) -> str:
        """Without a slash at the end."""
        return f"http://{self.listen}"


class Hosts(Section):
    images: ImagesHost
    service: ServiceHost
    admin: AdminHost

    @model_validator(mode="before")
    @classmethod
    def _next_ports(cls, data: Any) -> Any:
        """Who moves the images host alone moves the others with it: they stay on loopback, on the next two ports."""
        try:
            _, port = split_listen(data["images"]["listen"])
        except (KeyError, TypeError, ValueError):
            return data
        moved = {"service": f"127.0.0.1:{port + 1}", "admin": f"127.0.0.1:{port + 2}"}
        given = {name: data.get(name) or {} for name in moved}
        return data | {name: {"listen": moved[name]} | host for name, host in given.items() if isinstance(host, dict)}


class Nginx(Section):
    program: str = Field(default="nginx", min_length=1, description="The nginx program, a name in PATH or a path.")
    run: Placed = Field(default=Placed("run/nginx"), description="Directory of nginx's pid file and temporary files.")
    logs: Placed = Field(default=Placed("logs"), description="Directory of nginx's logs.")
    worker_processes: Annotated[Count, Field(ge=1, le=512)] | Literal["auto"] = Field(
        default="auto", description="nginx worker processes; auto = one per processor."
    )
    user: str = Field(
        default="", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$|^$", description="Account of nginx's workers; empty = the one that starts it."
    )
    miss_rate: CountOrOff = Field(default=200, description="Misses per second and client address, then 429; or off.")
    miss_burst: Count = Field(
        default=400, ge=0, le=100_000, description="Misses of one client address above miss_rate that are let through at once."
    )
    miss_connections: CountOrOff = Field(
        default=256, description="Misses of one client address at once, slow downloads included, or bodies to the service host; or off."
    )
    herd_rate: CountOrOff = Field(
        default=100, description="Simultaneous misses of one URL are let through at this rate per second: followers find the file; or off."
    )
    open_file_cache: CountOrOff = Field(
        default=20_000, description="Open files that a worker remembers, for at most 5 seconds after a file was purged; or off."
    )
    access_log: bool = Field(default=True, description="Whether requests of pictures are logged; see docs/nginx.md for the format.")


class Signing(Section):
    keys: list[SecretText] = Field(
        default_factory=list,
        json_schema_extra={"secret": True},
        description="Keys of URL signatures, at least 16 characters each: a text, {env: NAME} or {file: PATH}. The first one signs, all "
        "are accepted. With none, no URL needs a signature; with one, every miss does.",
    )


class Log(Section):
    format: Literal["text", "json"] = Field(default="text", description="One line of text, or one JSON object a line.")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    file: Placed | Literal[""] = Field(default="", description="File of the renderer's log; empty = standard error.")
