"""Which codecs there are, and how old: for `doctor`, and for quarantine records, which expire when codecs change."""

from __future__ import annotations

from PIL import features

# our names to Pillow's
_FEATURES = {
    "pillow": "pil", "jpeg": "libjpeg_turbo", "png": "zlib", "webp": "webp", "avif": "avif", "tiff": "libtiff", "icc": "littlecms2",
}  # fmt: skip


def versions() -> dict[str, str]:
    """Name to version, Pillow first; a codec that is not built in is left out."""
    found = {name: features.version(feature) for name, feature in _FEATURES.items()}
    return {name: str(version) for name, version in found.items() if version}
