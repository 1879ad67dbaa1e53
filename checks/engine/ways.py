"""How sockets are opened so that their packets leave the director the way that a check asks for (`checks.Way`).

Any carrier opens its sockets here, the raw ones, too: `open_socket(family, kind, way, protocol)`. What is missing (a
capability, a device, a namespace) is an UnusableError whose sentence names the option; what the kernel has run out of
is an OSError. Such a socket may live longer than its network: `lasting` says which ways are safe to keep sockets for.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator

from checks import DIRECT, UnusableError, Way

BIND_ADDRESS_NO_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT (ip(7)): the port is chosen at connect(2), so that targets can share ports."""
CLONE_NEWNET = 0x40000000
SIOCGIFINDEX = 0x8933
LONGEST_NAME = 15
NAMESPACES = "/run/netns"
OWN_NAMESPACE = "/proc/thread-self/ns/net"
OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the director may run out of for a while; not the way's fault."""

_libc = ctypes.CDLL(None, use_errno=True)


def open_socket(family: int, kind: int, way: Way, protocol: int = 0) -> socket.SocketType:
    """Return a new socket for `way`, bound to its source; `kind` takes SOCK_NONBLOCK and SOCK_CLOEXEC, too.

    Raise UnusableError or OSError.
    """
    if way == DIRECT:
        return socket.SocketType(family, kind, protocol)
    sock = _opened(family, kind, protocol, way.namespace)
    try:
        _set_out(sock, family, way)
    except BaseException:
        sock.close()
        raise
    return sock


def lasting(way: Way) -> bool:
    """Say whether a socket opened for this way is as good later: a device or a namespace may be made anew meanwhile."""
    named = way.namespace, way.interface, way.source if way.source is not None and "%" in way.source else None
    return named == (None, None, None) and not way.source_port


def interface_index(sock: socket.SocketType, name: str) -> int:
    """Return an interface's number in the socket's own namespace, netdevice(7). Raise OSError."""
    if len(name.encode()) > LONGEST_NAME:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    answer = fcntl.ioctl(sock.fileno(), SIOCGIFINDEX, struct.pack("16si20x", name.encode(), 0))
    index: int = struct.unpack_from("16si", answer)[1]
    return index


@contextlib.contextmanager
def within(namespace: str) -> Iterator[None]:
    """Have this thread and what it starts in another network namespace for a while. Raise UnusableError or OSError."""
    own = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter_path(namespace if namespace.startswith("/") else f"{NAMESPACES}/{namespace}", namespace)
        try:
            yield
        finally:
            _come_back(own, None)
    finally:
        os.close(own)


def source_address(sock: socket.SocketType, family: int, way: Way) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what bind(2) takes for the way's source and source port. Raise UnusableError."""
    if family != socket.AF_INET6:
        return way.source or "0.0.0.0", way.source_port  # noqa: S104  a client's socket: any address of ours
    address, _, interface = (way.source or "::").partition("%")
    return address, way.source_port, 0, interface_index(sock, interface) if interface else 0


def _set_out(sock: socket.SocketType, family: int, way: Way) -> None:
    if way.mark:
        _try(
            lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, way.mark),
            f"mark {way.mark}",
            {errno.EPERM: "needs CAP_NET_ADMIN (or CAP_NET_RAW, from Linux 5.17)"},
        )
    if way.interface is not None:
        name = way.interface
        _try(
            lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0"),
            f"interface {name}",
            {errno.EPERM: "needs CAP_NET_RAW", errno.ENODEV: "there is no such interface"},
        )
    if way.source is not None or way.source_port:
        _bind(sock, family, way)


def _bind(sock: socket.SocketType, family: int, way: Way) -> None:
    if way.source_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    elif sock.type != socket.SOCK_RAW:
        sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    if way.source is not None and (":" in way.source) != (family == socket.AF_INET6):
        wanted = "IPv6" if family == socket.AF_INET6 else "IPv4"
        raise UnusableError(f"source {way.source}: no {wanted} address, as this target needs it")
    port = f"source_port {way.source_port}"
    option = f"source {way.source}" + (f", {port}" if way.source_port else "") if way.source is not None else port
    _try(
        lambda: sock.bind(source_address(sock, family, way)),
        option,
        {
            errno.EADDRNOTAVAIL: "it is no address of this machine",
            errno.EADDRINUSE: "something else holds that port",
            errno.EACCES: "ports below ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
            errno.ENODEV: "there is no such interface",
        },
    )


def _try(act: Callable[[], object], option: str, sentences: dict[int, str]) -> None:
    try:
        act()
    except OSError as error:
        if error.errno in OUT_OF:
            raise
        sentence = sentences.get(error.errno or 0) or (error.strerror or str(error)).lower()
        raise UnusableError(f"{option}: {sentence}") from error


def _opened(family: int, kind: int, protocol: int, namespace: str | None) -> socket.SocketType:
    """Open a socket, in another namespace if there is one named; the thread is back in its own when this returns.

    A socket stays in the namespace that its thread was in when it was made (network_namespaces(7)).
    """
    if namespace is None:
        return socket.SocketType(family, kind, protocol)
    path = namespace if namespace.startswith("/") else f"{NAMESPACES}/{namespace}"
    own = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter_path(path, namespace)
        sock = None
        try:
            sock = socket.SocketType(family, kind, protocol)
        finally:
            _come_back(own, sock)
        return sock
    finally:
        os.close(own)


def _enter_path(path: str, namespace: str) -> None:
    option = f"namespace {namespace}"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in OUT_OF:
            raise
        raise UnusableError(f"{option}: {path}: {(error.strerror or str(error)).lower()}") from error
    try:
        sentences = {errno.EPERM: "needs CAP_SYS_ADMIN", errno.EINVAL: f"{path} is no network namespace"}
        _try(lambda: _enter(file), option, sentences)
    finally:
        os.close(file)


def _enter(file: int) -> None:
    if _libc.setns(file, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _come_back(own: int, sock: socket.SocketType | None) -> None:
    try:
        _enter(own)
    except OSError as error:
        if sock is not None:
            sock.close()
        # Every later probe would go out into the wrong network: worse than none at all.
        raise SystemExit(f"cannot leave a network namespace again: {error}") from error
