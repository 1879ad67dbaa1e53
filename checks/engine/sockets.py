"""TCP sockets as the engine wants them, and what connect(2) takes."""

import errno
import functools
import ipaddress
import socket
import struct
from pathlib import Path

from checks import Target

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def show(target: Target) -> str:
    """Return `address:port`, an IPv6 address in brackets."""
    return f"[{target.address}]:{target.port}" if ":" in target.address else f"{target.address}:{target.port}"


def fresh_socket(family: socket.AddressFamily) -> socket.SocketType:
    """Return a nonblocking TCP socket that resets on close. Raise OSError."""
    sock = socket.SocketType(family, STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return sock


SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def socket_address(target: Target) -> tuple[socket.AddressFamily, SocketAddress]:
    """Return what connect(2) takes; raise OSError for a name, which would be looked up while the loop waits."""
    if "%" not in target.address:
        return _plain_socket_address(target)
    address, _, interface = target.address.partition("%")
    return socket.AF_INET6, (address, target.port, 0, socket.if_nametoindex(interface))


@functools.lru_cache(maxsize=65536)
def _plain_socket_address(target: Target) -> tuple[socket.AddressFamily, SocketAddress]:
    try:
        address = ipaddress.ip_address(target.address)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"'{target.address}' is not an address") from error
    if isinstance(address, ipaddress.IPv4Address):
        return socket.AF_INET, (str(address), target.port)
    return socket.AF_INET6, (str(address), target.port, 0, 0)


def first_ephemeral_port() -> int:
    """Return the lowest port that the kernel gives to a socket of its own choice (ip-sysctl, ip_local_port_range)."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 1024


def is_connected_to_itself(sock: socket.SocketType) -> bool:
    """Say whether the kernel chose the target's own port for us: nobody listens there (TCP simultaneous open)."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False
