"""The sections about what is taken in over HTTP, and told to others: fetching by URL, namespaces made on first use, statsd."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from renderer.config.places import NamespaceSettings
from renderer.config.sections import Section
from renderer.config.values import Count, Seconds
from renderer.fields import shown


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"expected a network like 10.0.0.0/8 or fd00::/8, got {shown(text)}") from error


def _host(text: str) -> str:
    if not re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*", text):
        raise ValueError(f"expected a host name like img.example.net or *.example.net, in lower case, got {shown(text)}")
    return text


Network = Annotated[str, AfterValidator(_network)]
HostName = Annotated[str, AfterValidator(_host)]


class Fetch(Section):
    private_networks: list[Network] = Field(
        default_factory=list,
        description="Private networks that may be fetched from (10.1.0.0/16); all others, loopback and the like are refused. What clouds "
        "tell their machines (169.254.169.254) always is.",
    )
    hosts: list[HostName] = Field(
        default_factory=list, description="The only hosts that may be fetched from, `*.example.net` for all below one; empty = any."
    )
    seconds: Seconds = Field(default=30, description="Longest time of one fetch, redirects and body included, in seconds; then 504.")
    connect_seconds: Seconds = Field(default=5, description="Longest time to connect, in seconds.")
    redirects: Count = Field(default=5, ge=0, le=20, description="Most redirects that are followed; each target is judged anew.")
    at_once: Count = Field(default=8, ge=1, le=256, description="Most fetches at once.")
    waiting: Count = Field(default=64, ge=0, le=10_000, description="Most fetches waiting for their turn; beyond it: 503.")


class NewNamespaces(NamespaceSettings):
    """A namespace of image-server's needs no configuration of its own."""

    allowed: bool = Field(
        default=False, description="Whether posting to /NAME makes the namespace NAME, like this: lower-case letters, digits, `_` and `-`."
    )
    naming: Literal["md5"] = Field(default="md5", description="How originals are named there.")


class Statsd(Section):
    enabled: bool = Field(default=False, description="Whether counters and timings are sent to statsd, by UDP; docs/operations lists them.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Host of the statsd server; its address is looked up once.")
    port: Count = Field(default=8125, ge=1, le=65_535, description="UDP port of the statsd server.")
    prefix: str = Field(default="image_server.", pattern=r"^[A-Za-z0-9_.-]*$", description="What every name begins with.")
