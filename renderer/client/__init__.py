"""huImages' client library: what an application says to keep pictures, and to show them.

    import huimages                                         # or: from renderer import client as huimages

    imageid = huimages.save_image(open("skate.jpg", "rb").read(), title="The skate picture", references={"artnr": "14600"})
    huimages.scaled_imageurl(imageid, "150x150!")           # http://i.hdimg.net/150x150!/23EQ…L01/The-skate-picture.jpeg
    huimages.scaled_tag(imageid, "thumb", class_="photo")   # <img src="…" width="50" height="37" class="photo" alt="…" />

SIZES are texts. `320x240`: as large as fits into that many pixels, never enlarged. `75x75!`: exactly so many,
cropped from the middle. `o`: the original. And ten names: mini 23x40, thumb 50x200, sidebar 179x600, small
240x160, medium 480x320, full 477x800, vga 640x480, svga 800x600, xvga 1024x768, square 75x75!. What a page is
told of a picture's size is what the renderer makes.

SETTINGS are those of the command `onmiss` (ONMISS_CONFIG, ONMISS_ROOT, ONMISS_SECTION__KEY); over these,
huImages' variables, where they are set:

    HUIMAGES3BUCKET, else S3BUCKET            the bucket of the originals; AWS_ACCESS_KEY_ID and the like are boto3's
    HUIMAGESCOUCHSERVER, else COUCHSERVER     http://USER:PASSWORD@HOST:5984, the catalog
    IMAGESERVERURL                            where pages find pictures; a path in it stays
    HUIMAGESALTADDITION                       ends every alternative text; read at each tag

Nothing is opened or read before the first use, and nothing is written into the environment. `Library(config)`
is the same with a configuration of one's own.

FAILURES are a family, `renderer.errors`. While the catalog does not answer, URLs end in the ID, tags have no
size, `get_imagedoc` says None; it is left alone for some seconds. What changes something, or was asked for
nothing but what the catalog knows, raises StoreUnavailable. An ID that can be none raises BadRequest where
something is to be done to it.

PROCESSES. `save_image` reads the header in a render process, which is started by the first call and ends with
the application; a script needs no `if __name__ == "__main__"`. Threads may share everything. After a fork
(gunicorn, with `preload_app` or without), and as a child of multiprocessing, each process opens its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renderer.client.library import Content, Library
from renderer.client.moments import Moment
from renderer.client.said import References
from renderer.formats import AVIF, WEBP, Format
from renderer.markup import SIZE_NAMES, Value

__all__ = [
    "save_image", "delete_image", "get_imagedoc", "get_length",
    "imageurl", "scaled_imageurl", "scaled_imagedata", "scaled_dimensions", "scaled_tag", "srcset", "picture_tag",
    "get_random_imageid", "get_next_imageid", "get_previous_imageid", "update_metadata", "set_title",
    "Library", "SIZE_NAMES",
]  # fmt: skip

library = Library()  # the environment's; opened by the first call


def save_image(
    imagedata: Content,
    contenttype: str | None = None,
    timestamp: Moment | None = None,
    title: str = "",
    references: References | None = None,
    filename: str = "image.jpeg",
    typ: str = "",
) -> str:
    """Keep an original, byte for byte, and return its ID: 34 characters, made of the bytes alone.

    `imagedata`: bytes, or a file open for reading. `contenttype`: may be said and is not needed, the type is
    read from the bytes. `timestamp`: the picture's own time, a datetime (without a zone: UTC) or
    YYYYMMDDTHHMMSS.uuuuuu; default now. `title`, each value of `references` (`{"artnr": "14600"}`, or lists)
    and `typ` are added to what is known, once. `filename`: names the picture in URLs as long as it has no
    title.

    The same bytes again are the same ID and are not stored again; the first own time stays, `mtime` becomes
    now. BrokenOriginal for what is no picture, Refused for what is too large, before anything is stored. When
    the catalog does not answer, StoreUnavailable: the bytes are stored then, and saying it again does the rest.
    """
    return library.save_image(imagedata, contenttype, timestamp, title, references, filename, typ)


def delete_image(imageid: str) -> None:
    """Delete the original, what the catalog and its users noted of it, and every rendition in this
    installation's cache.

    One that is not there is fine. nginx may show an open file for 5 seconds more. Busy or StoreUnavailable: to
    be repeated. An application on a machine without the cache asks the service host instead: DELETE
    /originals/huimages/ID.
    """
    library.delete_image(imageid)


def get_imagedoc(imageid: str) -> dict[str, Any] | None:
    """What is known of an image; {} when nothing is, None when the catalog does not answer.

    `_id`; `ctime`, its own time, and `mtime`, of the last change: UTC, YYYYMMDDTHHMMSS.uuuuuu; `width`,
    `height`: upright pixels, 0 = not known; `title`: a list, oldest first; `types`: a list; `references`: key
    to list; where known `filename`, `length` in bytes, `content_type`, `placeholder` (a ThumbHash in base64),
    `deleted`, `automatic`. The dict is the caller's own. A change made by this process is seen at once, one
    made elsewhere within 10 seconds.
    """
    return library.get_imagedoc(imageid)


def get_length(imageid: str) -> int:
    """Bytes of the original, be it in the catalog or only in the store. NotFound, or what the store raises."""
    return library.get_length(imageid)


def imageurl(imageid: str, size: str = "o") -> str:
    """The URL of the original, or of a size."""
    return library.imageurl(imageid, size)


def scaled_imageurl(imageid: str, size: str = "150x150") -> str:
    """The URL of a size. It ends in the oldest title, else the file's name, in plain characters; in the ID
    where neither is known.

    Signed where `signing.keys` are set. What is no size stands in the URL as it is, and the host says so.
    """
    return library.scaled_imageurl(imageid, size)


def scaled_imagedata(imageid: str, size: str = "150x150") -> bytes | None:
    """The bytes of a size, fetched from the images host; None unless it answers 200, within a minute."""
    return library.scaled_imagedata(imageid, size)


def scaled_dimensions(imageid: str, size: str = "150x150") -> tuple[int, int] | tuple[None, None]:
    """Width and height in pixels of a size, as the renderer makes it; (None, None) where that is not known, or
    it is no size."""
    return library.scaled_dimensions(imageid, size)


def scaled_tag(imageid: str, size: str = "150x150", *args: str, **kwargs: Value) -> str:
    """An <img> with `src`, `width` and `height` where known, and `alt`.

    `args`: attributes as HTML has them (`'class="photo"'`, `"ismap"`); `kwargs`: names and values, `class_` for
    `class`, True for a name alone, None for none. What is given wins, and stands there once. `alt`, unless
    given: the newest title, else the file's name, with HUIMAGESALTADDITION behind it. All values are escaped,
    quotes too. BadRequest for what is no size or no attribute.
    """
    return library.scaled_tag(imageid, size, *args, **kwargs)


def srcset(imageid: str, sizes: Sequence[str]) -> str:
    """`URL 320w, URL 640w`: each true width once, narrow ones first, of the sizes that are answered; '' where
    no width is known."""
    return library.srcset(imageid, sizes)


def picture_tag(imageid: str, sizes: Sequence[str], formats: Sequence[Format] = (AVIF, WEBP), **kwargs: Value) -> str:
    """A <picture>: the sizes as `srcset`s in each of `formats` and in JPEG, the largest as its <img>.

    Loaded when it comes near and decoded aside, with the ThumbHash in `data-thumbhash`; `kwargs` are the
    <img>'s attributes and win. `sizes_` says how wide the page shows it, as HTML's `sizes`.
    """
    return library.picture_tag(imageid, sizes, formats, **kwargs)


def get_random_imageid() -> str:
    """Any image but deleted and automatic ones. NotFound when there is none."""
    return library.get_random_imageid()


def get_next_imageid(imageid: str) -> str:
    """The one after it in the order of IDs, deleted ones left out; at the end itself."""
    return library.get_next_imageid(imageid)


def get_previous_imageid(imageid: str) -> str:
    """The one before it; at the beginning itself."""
    return library.get_previous_imageid(imageid)


def update_metadata(
    imageid: str, timestamp: Moment | None = None, title: str = "", references: References | None = None, typ: str = ""
) -> str:
    """Add a title, references, a type to what is known of an image, each once; returns the ID. NotFound when
    nothing is known of it.

    `timestamp`: when that was, for `mtime`; default now. Who was quicker is not overwritten: the change is made
    anew on theirs.
    """
    return library.update_metadata(imageid, timestamp, title, references, typ)


def set_title(imageid: str, newtitle: str) -> None:
    """Add a title, unless it is empty or there already. URLs keep the oldest one, `alt` says the newest.

    NotFound when there is no such image; of one that only the store has an entry is made.
    """
    library.set_title(imageid, newtitle)
