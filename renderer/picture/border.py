"""The border to PIL and to the memory limit: what they raise becomes ours here, and nowhere else.

Pillow's plugins raise nearly anything on a hostile file. An OSError with an `errno` is not among it: that is the disk's fault, not the
picture's, and must never mark an original as broken (decision 23).
"""

from __future__ import annotations

import resource
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from renderer.errors import BrokenOriginal, Refused, RendererError
from renderer.formats import Format
from renderer.limits import Limits

NO_MEMORY = "expected a picture that fits a render process, got one that needs more memory than a render process has"

# What was seen of Pillow 13 on fuzzed files; OSError stands for most.
_UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, AttributeError,
    AssertionError, struct.error, zlib.error,
)  # fmt: skip
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@contextmanager
def reading(form: Format, limits: Limits) -> Iterator[None]:
    """Around everything that PIL does to bytes of others: BrokenOriginal or Refused come out, or an honest OSError of the disk."""
    Image.MAX_IMAGE_PIXELS = limits.max_pixels_in  # PIL judges frames and embedded pictures that our own look at the header cannot see
    with warnings.catch_warnings(), within_memory():
        warnings.simplefilter("ignore")  # remarks about odd metadata; the picture is what counts
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except RendererError:
            raise
        except _BOMB as error:
            raise Refused(f"expected at most {limits.max_pixels_in} pixels for an original, got more") from error
        except _UNREADABLE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise _unreadable(form, error) from error


@contextmanager
def tolerating_cuts() -> Iterator[None]:
    """Pillow shows what is there of a file that ends too early. A switch of the whole process: for one file, and back."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def within_memory() -> Iterator[None]:
    """A MemoryError is Refused: the process's limit was met, and the same picture would meet it again."""
    try:
        yield
    except MemoryError as error:
        raise Refused(NO_MEMORY) from error


# What codecs say of broken data and of a failed allocation alike; libwebp's decoder wants eight bytes for every pixel at once.
_MAYBE_NO_MEMORY = ("could not create decoder object", "broken data stream when reading image file")


def _is_short_of_memory() -> bool:
    """Whether less than half of the address space that this process may have is free."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return most != resource.RLIM_INFINITY and pages * resource.getpagesize() > most / 2


def _unreadable(form: Format, error: Exception) -> RendererError:
    if "out of memory" in str(error).lower() or (str(error) in _MAYBE_NO_MEMORY and _is_short_of_memory()):
        return Refused(NO_MEMORY)
    if isinstance(error, UnidentifiedImageError):  # its text has the file's path in it
        return BrokenOriginal(f"{form.pillow} data whose header cannot be read")
    return BrokenOriginal(f"{form.pillow} data that cannot be decoded: {str(error)[:200] or type(error).__name__}")
