"""The Unix socket that nginx connects to: opened once, handed from renderer to renderer, and removed by whoever opened it.

A renderer that takes over inherits the listening descriptor. So there is one queue of connections, and none is lost between two renderers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

from renderer.errors import ConfigError

PEER = struct.Struct("iII")  # pid, uid, gid: struct ucred, unix(7)


class Door:
    """The socket at `path`; `inherited`: a descriptor that listens already."""

    def __init__(self, path: Path, inherited: int | None = None) -> None:
        self.is_inherited = inherited is not None
        self.path, self.inode = path, 0
        if inherited is not None:
            self.listening = socket.socket(fileno=inherited)
            self.path = Path(self.listening.getsockname())

    def open(self) -> None:
        """Listen. From now on whoever connects sees that it is us who do."""
        if not self.is_inherited:
            make_socket_directory(self.path.parent)
            self.path.unlink(missing_ok=True)  # a stale one: whether somebody listens was asked before
            self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listening.bind(str(self.path))
        self.listening.setblocking(False)  # two may accept from it, and one of them comes too late
        self.listening.listen(socket.SOMAXCONN)  # once more for an inherited one: the kernel notes who said it last
        if not self.is_inherited:
            self.path.chmod(0o660)
            self.inode = self.path.stat().st_ino

    def close(self) -> None:
        """For us; the file goes only if it is ours."""
        self.listening.close()
        if not self.is_inherited:
            remove(self.path, self.inode)


def remove(path: Path, inode: int) -> None:
    """Remove the socket's file if it is the one with this inode: somebody else may already listen under the same name."""
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()
            if path.parent.name.startswith("onmiss-"):  # ours alone: the place of sockets with too long a path
                path.parent.rmdir()


def make_socket_directory(directory: Path) -> None:
    """Make it, for us to write and others to pass through; ConfigError when somebody else could put a socket of his own there."""
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o002:
        cure = "remove it, or name another place in serve.socket"
        raise ConfigError("serve.socket", f"expected a directory that only we can write, got {directory}", cure)


def listener(path: Path) -> int | None:
    """The process that listens on the socket at `path`, of several that share it the youngest; None where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return None
        peer: int = PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
        return peer


def accepts(path: Path) -> bool:
    """Whether somebody listens on the socket at `path`; a file alone means nothing."""
    return listener(path) is not None
