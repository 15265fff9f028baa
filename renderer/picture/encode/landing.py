"""Where encoded bytes land: a new file that is whole, or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from renderer.errors import Busy, NoSpace, Refused, RendererError

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def created(target: Path) -> Iterator[IO[bytes]]:
    """`target`, made anew; for everyone to read once it is whole, and gone again when writing fails. A full disk is NoSpace."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, 0o644)  # nginx's user reads it, whatever the umask
    except FileExistsError:
        raise  # names in `tmp/` are unique: a bug
    except OSError as error:
        target.unlink(missing_ok=True)
        raise _in_our_words(error) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _in_our_words(error: OSError) -> RendererError:
    """Nothing that is read is an OSError inside `created`: it is the place where renditions are made that fails."""
    if error.errno in _FULL_DISK:
        return NoSpace("the disk for renditions is full", 10)
    if error.errno == errno.EFBIG:
        return Refused("expected a rendition within the file size of a render process, got a larger one")
    return Busy(f"the place for renditions cannot be written: {error.strerror}", 10)
