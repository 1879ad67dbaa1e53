"""TCP and UDP sockets as the engine wants them, and what connect(2) takes."""

import errno
import functools
import ipaddress
import socket
import struct
from pathlib import Path

from checks import Target, Way
from checks.engine.ways import interface_index, open_socket

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def show(target: Target) -> str:
    """Return `address:port`, an IPv6 address in brackets."""
    return f"[{target.address}]:{target.port}" if ":" in target.address else f"{target.address}:{target.port}"


def stream_socket(family: socket.AddressFamily, way: Way) -> socket.SocketType:
    """Return a nonblocking TCP socket that resets on close. Raise OSError or UnusableError."""
    sock = open_socket(family, STREAM, way)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return sock


IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
IP_RECVERR = 11
IPV6_RECVERR = 25


def datagram_socket(family: socket.AddressFamily, way: Way) -> socket.SocketType:
    """Return a nonblocking UDP socket that hears of every ICMP error, ip(7) IP_RECVERR. Raise OSError or UnusableError.

    Without it, a connected socket is told of closed ports only, not of hosts and networks that are out of reach. What
    is longer than a path's MTU is sent in fragments (IP_PMTUDISC_DONT), not refused.
    """
    sock = open_socket(family, DATAGRAM, way)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
    return sock


SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def scoped(sock: socket.SocketType, target: Target, address: SocketAddress) -> SocketAddress:
    """Return what connect(2) takes on this socket: `address`, with the number of the interface after a `%` if any.

    The number is the one in the socket's own namespace. Raise OSError.
    """
    host, _, interface = target.address.partition("%")
    return (host, target.port, 0, interface_index(sock, interface)) if interface else address


@functools.lru_cache(maxsize=65536)
def socket_address(target: Target) -> tuple[socket.AddressFamily, SocketAddress]:
    """Return family and address; raise OSError for a name, which would be looked up while the loop waits."""
    try:
        address = ipaddress.ip_address(target.address)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"'{target.address}' is not an address") from error
    if isinstance(address, ipaddress.IPv4Address):
        return socket.AF_INET, (str(address), target.port)
    return socket.AF_INET6, (str(address).partition("%")[0], target.port, 0, 0)


def first_ephemeral_port() -> int:
    """Return the lowest port that the kernel gives to a socket of its own choice (ip-sysctl, ip_local_port_range)."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 1024


def is_connected(sock: socket.SocketType) -> bool:
    """Say whether there is a connection now (getpeername(2))."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def is_connected_to_itself(sock: socket.SocketType) -> bool:
    """Say whether the kernel chose the target's own port for us: nobody listens there (TCP simultaneous open)."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False
