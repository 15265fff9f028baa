"""What huImages' environment variables say, over our own configuration.

Read once, at first use; nothing is ever written back into the environment (H-B18). A variable that is set wins over the file, an empty one
is not set.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

from renderer.config import Config
from renderer.config.catalogs import CouchSettings
from renderer.config.places import S3Settings
from renderer.config.values import Secret
from renderer.errors import ConfigError
from renderer.markup import NAMESPACE

# The first that is set counts.
BUCKETS = ("HUIMAGES3BUCKET", "S3BUCKET")
CATALOGS = ("HUIMAGESCOUCHSERVER", "COUCHSERVER")
IMAGES_HOST = "IMAGESERVERURL"
ALT_ADDITION = "HUIMAGESALTADDITION"


def config_of(environ: Mapping[str, str]) -> Config:
    """ONMISS_CONFIG and ONMISS_ROOT as for the command, and huImages' variables; ConfigError names the key or variable."""
    config = Config.load(None, None, environ)
    changes = _bucket(config, environ) | _catalog(config, environ)
    return config.model_copy(update=changes).checked() if changes else config


def base_url(config: Config, environ: Mapping[str, str]) -> str:
    """Where pages find pictures; a path in it stays."""
    return environ.get(IMAGES_HOST) or config.hosts.images.base_url()


def _bucket(config: Config, environ: Mapping[str, str]) -> dict[str, object]:
    """The bucket instead of that of huimages' store, if that is S3 with its endpoint and keys; else one of Amazon's."""
    variable, bucket = _first(BUCKETS, environ)
    space = config.namespaces.get(NAMESPACE)
    if not bucket or space is None:
        return {}
    own = config.stores.get(space.store)
    try:
        checked = S3Settings(kind="s3", bucket=bucket)
    except ValueError as error:
        raise ConfigError(variable, f"expected the name of a bucket, got {bucket!r}") from error
    store = own.model_copy(update={"bucket": bucket}) if isinstance(own, S3Settings) else checked
    name = "huimages-bucket"
    return {
        "stores": {**config.stores, name: store},
        "namespaces": {**config.namespaces, NAMESPACE: space.model_copy(update={"store": name})},
    }


def _catalog(config: Config, environ: Mapping[str, str]) -> dict[str, object]:
    """CouchDB at that address; of the file's, if it names one too, all that is not said otherwise."""
    variable, address = _first(CATALOGS, environ)
    if not address:
        return {}
    own = config.catalog if isinstance(config.catalog, CouchSettings) else CouchSettings(kind="couchdb")
    user, password, url = _parts(address)
    if not user and url == own.url:  # elsewhere the file's user is nobody, and its password is not to be shown
        user, password = own.user, own.password.text
    try:
        settings = CouchSettings(
            kind="couchdb",
            url=url,
            user=user,
            password=Secret(password),
            database=own.database,
            timeout_seconds=own.timeout_seconds,
            page_documents=own.page_documents,
        )
    except ValueError:  # whose text may hold the password
        raise ConfigError(variable, "expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT") from None
    return {"catalog": settings}


def _parts(address: str) -> tuple[str, str, str]:
    """User, password and the address without them."""
    scheme, _, rest = address.partition("://")
    credentials, _, place = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    return urllib.parse.unquote(user), urllib.parse.unquote(password), f"{scheme}://{place}".rstrip("/")


def _first(variables: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, str]:
    return next(((name, environ[name]) for name in variables if environ.get(name)), ("", ""))
