"""Opening boto3's client, on first use: credentials are looked for then, and never at import."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import EndpointProviderError, NoCredentialsError

Addressing = Literal["auto", "path", "virtual"]

# As many as there are threads in a front by default; more of them are not refused, their connections are just not kept.
_POOL_CONNECTIONS = 128


@dataclass(frozen=True)
class Access:
    """How to reach a server and as whom. Empty keys: boto3's own chain. `attempts` counts the first one."""

    endpoint_url: str
    region: str
    addressing: Addressing
    connect_seconds: float
    read_seconds: float
    attempts: int
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Access({self.endpoint_url!r})"  # no secret in a traceback

    def open(self) -> Any:
        """boto3's client. A session of our own, because boto3's default one is not safe to share between threads."""
        session = boto3.session.Session(self.access_key_id or None, self.secret_access_key or None)
        if session.get_credentials() is None:
            raise NoCredentialsError()
        try:
            return session.client("s3", endpoint_url=self.endpoint_url or None, region_name=self.region or None, config=self._config())
        except ValueError as error:
            raise EndpointProviderError(msg=str(error)) from error

    def _config(self) -> Config:
        return Config(
            connect_timeout=self.connect_seconds,
            read_timeout=self.read_seconds,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            max_pool_connections=_POOL_CONNECTIONS,
            tcp_keepalive=True,
            s3={"addressing_style": self.addressing},
            # newer checksums travel as aws-chunked trailers, which many servers but Amazon's do not read; Content-MD5 they all do
            request_checksum_calculation="when_required",
            response_checksum_validation="when_supported",
        )


class LazyClient:
    """One client for all threads, opened by the first that needs it.

    `ask_again_seconds`: where none of boto3's sources has credentials, the last one it asks is the machine's metadata service, which may
    take seconds; not every request shall wait for that.
    """

    def __init__(self, access: Access, ask_again_seconds: float = 10.0) -> None:
        self._access, self._ask_again_seconds = access, ask_again_seconds
        self._lock = threading.Lock()
        self._client: Any = None
        self._ask_again_at = 0.0

    def get(self) -> Any:
        """A client without credentials is not kept: they may come, and then the store recovers by itself."""
        with self._lock:
            if self._client is None:
                if time.monotonic() < self._ask_again_at:
                    raise NoCredentialsError()
                try:
                    self._client = self._access.open()
                except NoCredentialsError:
                    self._ask_again_at = time.monotonic() + self._ask_again_seconds
                    raise
            return self._client
