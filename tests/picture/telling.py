"""Pictures that tell more than they show: what cameras, editors and attackers put around the coded pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from renderer.formats import GIF, JPEG, PNG, WEBP, Format
from tests.picture.pictures import GREEN, RED, png_chunk, quarters, shades

ZIP = b"PK\x03\x04\x14\0\0\0\0\0secret.class" + bytes(40) + b"PK\x05\x06" + bytes(18)  # as behind a GIFAR
PHP = b"<?php system('secret'); ?>"
HTML = b"--><script>alert('secret')</script><!--"
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta exif:GPSLatitude='50,30N'>secret</x:xmpmeta>"
MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + bytes(8) + b"<a exif:GPSLongitude='7'>secret</a>"
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x05\0\x05secret"


def encoded(image: Image.Image, form: Format, **settings: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form.pillow, **settings)
    return content.getvalue()


def opened(content: bytes, form: Format) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=[form.pillow])


def telling_exif(orientation: int = 1) -> bytes:
    """A position, a maker's note, a name, and a notice of whose it is."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8298] = orientation, "a secret description", "© Somebody"
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 1.0, 2.0), 3: "E", 4: (7.0, 3.0, 4.0)})
    exif.get_ifd(0x8769).update({0x927C: b"secret note of a maker", 0x9286: b"ASCII\0\0\0secret"})
    return exif.tobytes()


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def in_front(marker: int, payload: bytes) -> Callable[[bytes], bytes]:
    return lambda jpeg: jpeg[:2] + segment(marker, payload) + jpeg[2:]


def before_scan(added: bytes) -> Callable[[bytes], bytes]:
    """In front of the last scan: in a progressive JPEG between two of them."""

    def dirtied(jpeg: bytes) -> bytes:
        at = jpeg.rindex(b"\xff\xda")
        return jpeg[:at] + added + jpeg[at:]

    return dirtied


def before_end(added: bytes) -> Callable[[bytes], bytes]:
    return lambda jpeg: jpeg[:-2] + added + jpeg[-2:]


def with_thumbnail(jpeg: bytes) -> bytes:
    """A picture of 2x2 in the JFIF header, where there is one."""
    if jpeg[6:11] != b"JFIF\0":
        return jpeg
    return jpeg[:2] + segment(0xE0, jpeg[6:18] + b"\x02\x02" + b"secretsecret") + jpeg[20:]


def behind(added: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content + added


def chunk_at(at: int, kind: bytes, payload: bytes) -> Callable[[bytes], bytes]:
    return lambda png: png[:at] + png_chunk(kind, payload) + png[at:]


def riff_chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def in_riff(added: bytes) -> Callable[[bytes], bytes]:
    return lambda webp: b"RIFF" + struct.pack("<I", len(webp) - 8 + len(added)) + webp[8:] + added


def blocks_at(at: int, added: bytes) -> Callable[[bytes], bytes]:
    """In a GIF, `at` bytes before its end."""
    return lambda gif: gif[: len(gif) - at] + added + gif[len(gif) - at :]


def frames() -> list[Image.Image]:
    return [shades((40, 30)), Image.new("RGB", (40, 30), GREEN), Image.new("RGB", (40, 30), RED)]


def moving(form: Format, **settings: Any) -> bytes:
    first, *rest = frames()
    return encoded(first, form, save_all=True, append_images=rest, duration=[100, 200, 300], loop=2, **settings)


IN_JPEG: dict[str, Callable[[bytes], bytes]] = {
    "EXIF": in_front(0xE1, telling_exif()),
    "XMP": in_front(0xE1, XMP),
    "extended XMP": in_front(0xE1, MORE_XMP),
    "IPTC": in_front(0xED, IPTC),
    "comment": in_front(0xFE, HTML),
    "comment behind the frame": before_scan(segment(0xFE, PHP)),
    "second Adobe of none": in_front(0xEE, b"secret"),
    "thumbnail of JFIF": with_thumbnail,
    "JFXX": in_front(0xE0, b"JFXX\0\x13secret"),
    "list of pictures": in_front(0xE2, b"MPF\0II*\0secret"),
    "Ducky": in_front(0xEC, b"Ducky\0secret"),
    "unknown": in_front(0xFB, b"secret"),
    "800 segments": lambda jpeg: jpeg[:2] + segment(0xE5, b"secret") * 800 + jpeg[2:],
    "garbage between segments": before_scan(b"secret"),
    "second picture": behind(b"\xff\xd8" + segment(0xE1, telling_exif()) + b"\xff\xd9"),
    "short Adobe": in_front(0xEE, b"Adobesecret"),
    "short JFIF": before_scan(segment(0xE0, b"JFIF\0secret")),
    "profile behind a scan": before_end(segment(0xE2, b"ICC_PROFILE\0\1\1secret")),
    "Adobe behind a scan": before_end(segment(0xEE, b"Adobe\0\0\0\0\0\0\2")),
    "tables behind the end": behind(b"\0\2" + segment(0xDB, b"secret")),
    "ZIP": behind(ZIP),
    "PHP": behind(PHP),
}  # fmt: skip
IN_PNG: dict[str, Callable[[bytes], bytes]] = {
    "text": chunk_at(33, b"tEXt", b"Comment\0" + PHP),
    "compressed text": chunk_at(33, b"zTXt", b"Comment\0\0" + zlib.compress(b"secret")),
    "international text": chunk_at(33, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a exif:GPSLatitude='7'>secret</a>"),
    "EXIF": chunk_at(33, b"eXIf", telling_exif().removeprefix(b"Exif\0\0")),
    "EXIF behind the pixels": chunk_at(-12, b"eXIf", telling_exif().removeprefix(b"Exif\0\0")),
    "time": chunk_at(33, b"tIME", bytes(7)),
    "unknown": chunk_at(33, b"seCr", b"secret"),
    "200 texts": lambda png: png[:33] + png_chunk(b"tEXt", b"a\0secret") * 200 + png[33:],
    "ZIP": behind(ZIP),
    "PHP": behind(PHP),
}  # fmt: skip
IN_WEBP: dict[str, Callable[[bytes], bytes]] = {
    "unknown": in_riff(riff_chunk(b"SECR", b"secret!")),
    "EXIF": in_riff(riff_chunk(b"EXIF", telling_exif())),
    "XMP": in_riff(riff_chunk(b"XMP ", XMP)),
    "second picture": in_riff(riff_chunk(b"VP8 ", b"secret")),
    "ZIP": behind(ZIP),
    "HTML": behind(HTML),
}  # fmt: skip
IN_GIF: dict[str, Callable[[bytes], bytes]] = {
    "comment": blocks_at(1, b"\x21\xfe\x06secret\0"),
    "comment in front": lambda gif: gif[:781] + b"\x21\xfe\x06secret\0" + gif[781:],
    "XMP": blocks_at(1, b"\x21\xff\x0bXMP DataXMP<x>secret</x>\x01" + bytes(range(255, -1, -1)) + b"\0"),
    "text": blocks_at(1, b"\x21\x01\x0c" + bytes(12) + b"\x06secret\0"),
    "padding": blocks_at(1, bytes(5)),
    "GIFAR": behind(ZIP),
}  # fmt: skip

CLEAN: dict[str, tuple[Format, bytes]] = {
    "baseline.jpg": (JPEG, encoded(shades((70, 50)), JPEG)),
    "progressive.jpg": (JPEG, encoded(shades((70, 50)), JPEG, progressive=True, quality=95)),
    "gray.jpg": (JPEG, encoded(shades((70, 50)).convert("L"), JPEG)),
    "cmyk.jpg": (JPEG, encoded(shades((70, 50)).convert("CMYK"), JPEG)),
    "rgb.jpg": (JPEG, encoded(shades((70, 50)), JPEG, keep_rgb=True)),
    "restarts.jpg": (JPEG, encoded(shades((70, 50)), JPEG, restart_marker_blocks=1, subsampling="4:2:2")),
    "colour.png": (PNG, encoded(shades((70, 50)), PNG)),
    "palette.png": (PNG, encoded(quarters((70, 50), "P"), PNG, transparency=3)),
    "deep.png": (PNG, encoded(Image.linear_gradient("L").convert("I;16"), PNG)),
    "moving.png": (PNG, moving(PNG)),
    "lossy.webp": (WEBP, encoded(shades((70, 50)), WEBP)),
    "lossless.webp": (WEBP, encoded(quarters((71, 51)), WEBP, lossless=True)),
    "alpha.webp": (WEBP, encoded(shades((70, 50)).convert("RGBA").rotate(30), WEBP)),
    "lossless-alpha.webp": (WEBP, encoded(shades((70, 50)).convert("RGBA").rotate(30), WEBP, lossless=True)),
    "moving.webp": (WEBP, moving(WEBP, minimize_size=True)),
    "still.gif": (GIF, encoded(shades((70, 50)), GIF)),
    "moving.gif": (GIF, moving(GIF)),
}  # fmt: skip
ADDED = {JPEG.name: IN_JPEG, PNG.name: IN_PNG, WEBP.name: IN_WEBP, GIF.name: IN_GIF}
NOT_OPENED = ("garbage between segments", "unknown", "second picture")  # Pillow's own reading ends there
