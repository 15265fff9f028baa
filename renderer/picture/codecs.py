"""Which codecs there are, and how old: for `doctor`, and for quarantine records, which expire when codecs change."""

from __future__ import annotations

from importlib import metadata

from PIL import features

# our names to Pillow's
_FEATURES = {
    "pillow": "pil", "jpeg": "libjpeg_turbo", "png": "zlib", "webp": "webp", "avif": "avif", "tiff": "libtiff", "icc": "littlecms2",
    "jpeg2000": "jpg_2000",
}  # fmt: skip


def versions() -> dict[str, str]:
    """Name to version, Pillow first; a codec that is not built in is left out."""
    found = {name: features.version(feature) for name, feature in _FEATURES.items()} | {"heic": _installed("pillow-heif")}
    return {name: str(version) for name, version in found.items() if version}


def _installed(package: str) -> str | None:
    """A package's version, without loading it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
