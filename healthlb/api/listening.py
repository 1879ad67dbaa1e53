"""Opening the socket that HTTP is served on, or one sentence that says why it can't be."""

import contextlib
import errno
import socket
import stat
from pathlib import Path

from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

BACKLOG = 128
_LIVE_SECONDS = 1.0


class ListenError(Exception):
    """The socket can't be opened; the text is one clear sentence with the remedy."""


def open_socket(listener: Listener, socket_mode: int = 0o660) -> socket.socket:
    """Return a listening, non-blocking socket; raise `ListenError` when there can be none.

    A UNIX socket is bound before it listens, so its mode holds before the first client can connect.
    """
    if listener.path is not None:
        return _unix(Path(listener.path), socket_mode)
    if listener.endpoint is None:
        raise ListenError("The API listener has neither an address nor a socket path; give it one in the file.")
    return _tcp(listener.endpoint)


def inode(listener: Listener) -> int | None:
    """Return what identifies the file of a UNIX socket that was just made; None for TCP."""
    return None if listener.path is None else Path(listener.path).stat().st_ino


def remove_socket(listener: Listener, made: int | None) -> None:
    """Remove a UNIX socket if it is still the one that was made, not a successor's."""
    if listener.path is not None and made is not None:
        path = Path(listener.path)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == made:
                path.unlink()


def _tcp(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if endpoint.family == "inet6" else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((endpoint.address, endpoint.port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise ListenError(f"The API can't listen on {endpoint}: {_tcp_remedy(error, endpoint)}.") from error
    opened.setblocking(False)
    return opened


def _tcp_remedy(error: OSError, endpoint: Endpoint) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken by another program; stop it or choose another port"
        case errno.EADDRNOTAVAIL:
            return f"{endpoint.address} is no address of this machine; choose one that `ip address` lists"
        case errno.EACCES:
            return f"port {endpoint.port} needs CAP_NET_BIND_SERVICE; choose a port above 1023"
        case errno.EAFNOSUPPORT:
            return "the kernel has no IPv6; choose an IPv4 address"
        case _:
            return error.strerror or str(error)


def _unix(path: Path, mode: int) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _clear_stale(path)
        opened.bind(str(path))
        path.chmod(mode)
        opened.listen(BACKLOG)
    except ListenError:
        opened.close()
        raise
    except (OSError, ValueError) as error:
        opened.close()
        raise ListenError(f"The API can't listen on unix:{path}: {_unix_remedy(error, path)}.") from error
    opened.setblocking(False)
    return opened


def _unix_remedy(error: OSError | ValueError, path: Path) -> str:
    """Sentence for a failed bind; sun_path holds 108 bytes with its final zero (unix(7))."""
    if not isinstance(error, OSError) or error.errno is None:
        return "a socket path has at most 107 bytes and no zero byte; choose a shorter path"
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            where = f"no permission to make it in {path.parent}"
            return f"{where}; run as a user that may, choose another directory, or write api.admin: none"
        case errno.EADDRINUSE:
            return "another program made it at the same moment; is a director running already"
        case errno.ENOTDIR | errno.EEXIST:
            return f"{path.parent} is no directory; choose another path"
        case _:
            return error.strerror or str(error)


def _clear_stale(path: Path) -> None:
    """Remove the socket that a killed director left behind; refuse a live one, and anything that is no socket."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"The API can't listen on unix:{path}: a file that is no socket is there; remove it first.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_LIVE_SECONDS)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            if error.errno not in {errno.EAGAIN, errno.ETIMEDOUT}:
                raise
    raise ListenError(f"The API can't listen on unix:{path}: another program serves it; is a director running already?")
