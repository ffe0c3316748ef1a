"""Binding the sockets, and asking the kernel who is at the other end."""

import os
import pwd
import socket as sockets
import stat
import struct
from functools import lru_cache
from pathlib import Path

import trio

BACKLOG = 1024


async def listen_unix(path: Path) -> trio.socket.SocketType:
    """Bind a unix socket that only its owner may open.

    A file left behind by a dead daemon is taken over; the store's lock has already told that no other one is alive.

    Raises:
        OSError: it cannot be bound, or something else lies there; names the path.
    """
    _clear(path)
    listening = trio.socket.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        await listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"unix socket {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    return listening


def _clear(path: Path) -> None:
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise FileExistsError(f"{path} is there and is not a socket")
    path.unlink(missing_ok=True)


async def listen_tcp(address: str) -> trio.socket.SocketType:
    """Bind `host:port`; port 0 lets the kernel choose.

    Raises:
        OSError: taken or not ours; names the address.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    listening = trio.socket.socket(family, sockets.SOCK_STREAM)
    listening.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    try:
        await listening.bind((host, int(port)))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"TCP socket {address}: {error.strerror or error}") from error
    listening.listen(BACKLOG)
    return listening


def peer_of(client: sockets.socket) -> tuple[int | None, int | None]:
    """Process and user of the other end, as the kernel says; None where it does not (the file's mode guards then)."""
    if not hasattr(sockets, "SO_PEERCRED"):
        return None, None
    credentials = client.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    return pid, uid


@lru_cache(maxsize=64)
def name_user(uid: int | None) -> str:
    """Name a user of this machine; its number where the machine has no name for it, nothing where nobody knows."""
    if uid is None:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
