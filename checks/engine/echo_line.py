"""A line: the ICMP socket of one IP version and one way (`checks.Way`) over which echoes go and come.

Where the system allows it (net.ipv4.ping_group_range, icmp(7)) it is a datagram socket that needs no capability: the
kernel sets identifier and checksum, and hands over replies to this identifier alone. Else it is a raw socket, with a
random identifier of ours and a filter in the kernel for it. ICMP errors about our requests come by the error queue.
"""

import contextlib
import errno
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Generic, TypeVar

from checks import UnusableError, Way
from checks.engine.raw import (
    ANCILLARY_BYTES,
    Instruction,
    Trouble,
    attach_filter,
    hear_errors,
    make_room,
    read_troubles,
)
from checks.engine.shared_sockets import SharedSocket
from checks.engine.ways import interface_index, open_socket
from checks.wire.icmp import REPLY, read_quoted_request, read_reply, strip_ip_header

FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
SO_TIMESTAMPNS = 35
"""The same number names the kernel's answer, a struct timespec of the wall clock (socket(7))."""
TIMESPEC = struct.Struct("@ll")
HEADERS = 68
"""Bytes of the longest IPv4 header and that of ICMP."""
PACKETS_PER_WAKE = 512
SEQUENCES = 1 << 16
NEITHER_WAY = "ping needs CAP_NET_RAW, or a group of the director within the sysctl net.ipv4.ping_group_range"

Name = tuple[str, int] | tuple[str, int, int, int]
Key = tuple[str, int]
"""From which address, in the kernel's spelling, an echo is awaited, and its sequence number."""
Waiting = TypeVar("Waiting")


class Reply:
    """An echo reply: its data, the whole message, and by the wall clock when the kernel got it, or None."""

    __slots__ = ("data", "key", "message", "received")

    def __init__(self, key: Key, message: bytes, data: bytes, received: int | None) -> None:
        self.key = key
        self.message = message
        self.data = data
        self.received = received


class Line(SharedSocket, Generic[Waiting]):
    """Sends requests and reads replies; `waiting` holds the carrier's echoes. Raise UnusableError or OSError."""

    def __init__(self, version: int, way: Way) -> None:
        super().__init__()
        self.waiting: dict[Key, Waiting] = {}
        self.version = version
        self.identifier = secrets.randbits(16)
        self.largest = 512
        self._sequence = secrets.randbits(16)
        self._family = FAMILY[version]
        with ExitStack() as stack:
            self.socket = stack.enter_context(closing(_open(version, replace(way, source_port=0))))
            self.is_raw = self.socket.type == socket.SOCK_RAW
            hear_errors(self.socket)
            make_room(self.socket)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if self.is_raw:
                attach_filter(self.socket, replies_only(version, self.identifier))
            self.stack = stack.pop_all()

    @property
    def busy(self) -> bool:
        """Return whether an echo may still come."""
        return bool(self.waiting)

    def name(self, address: str) -> Name:
        """Return what sendto(2) takes, in the kernel's spelling. Raise OSError, also for a name."""
        host, _, interface = address.partition("%")
        try:
            host = socket.inet_ntop(self._family, socket.inet_pton(self._family, host))
        except OSError as error:
            raise OSError(errno.EINVAL, f"'{address}' is not an address") from error
        if self.version == 4:
            return host, 0
        return host, 0, 0, interface_index(self.socket, interface) if interface else 0

    def free_key(self, name: Name) -> Key:
        """Return a key that nothing waits under. Raise UnusableError when all are taken."""
        for _ in range(SEQUENCES):
            self._sequence = (self._sequence + 1) % SEQUENCES
            key = (name[0], self._sequence)
            if key not in self.waiting:
                return key
        raise UnusableError(f"{SEQUENCES} echoes are awaited from {name[0]}, which is the most at once")

    def replies(self) -> tuple[int, list[Reply]]:
        """Return how many packets came, a wake's worth of them, and those that are echo replies."""
        replies: list[Reply] = []
        count = 0
        for _ in range(PACKETS_PER_WAKE):
            try:
                packet, ancillary, _, address = self.socket.recvmsg(self.largest + HEADERS, ANCILLARY_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue  # what ICMP said of an earlier packet, which is in the error queue, too
            count += 1
            message = strip_ip_header(packet) if self.is_raw and self.version == 4 else packet
            read = None if message is None else read_reply(self.version, message)
            if message is None or read is None or (self.is_raw and read[0] != self.identifier):
                continue
            replies.append(Reply((address[0], read[1]), message, read[2], _received(ancillary)))
        return count, replies

    def troubles(self) -> Iterator[tuple[Key, bytes, Trouble]]:
        """Yield what ICMP said about our requests, with the key of each and as much of its token as is quoted."""
        for trouble in read_troubles(self.socket):
            request = read_quoted_request(self.version, trouble.quoted)
            if request is not None and (not self.is_raw or request[0] == self.identifier):
                yield (trouble.address, request[1]), request[2], trouble


def _open(version: int, way: Way) -> socket.SocketType:
    # The error says which of the two is missing: neither is.
    with contextlib.suppress(PermissionError):
        return open_socket(FAMILY[version], socket.SOCK_DGRAM | FLAGS, way, PROTOCOL[version])
    try:
        return open_socket(FAMILY[version], socket.SOCK_RAW | FLAGS, way, PROTOCOL[version])
    except PermissionError as error:
        raise UnusableError(NEITHER_WAY) from error


def replies_only(version: int, identifier: int) -> tuple[Instruction, ...]:
    """Return a filter that lets echo replies with this identifier through; a raw socket of IPv6 sees no IP header."""
    head: tuple[Instruction, ...]
    if version == 4:
        load_byte, load_half = 0x50, 0x48  # BPF_LD | BPF_IND
        head = ((0xB1, 0, 0, 0),)  # X = length of the IPv4 header
    else:
        load_byte, load_half = 0x30, 0x28  # BPF_LD | BPF_ABS
        head = ()
    return (
        *head,
        (load_byte, 0, 0, 0),
        (0x15, 0, 3, REPLY[version]),
        (load_half, 0, 0, 4),
        (0x15, 0, 1, identifier),
        (0x06, 0, 0, 0x40000),
        (0x06, 0, 0, 0),
    )


def _received(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """Return when the kernel got the packet, in nanoseconds of the wall clock."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack_from(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None


def round_trip(sent: int, received: int | None, elapsed: float) -> float:
    """Return the seconds between two wall clock times, or `elapsed`, which is what we saw, if the clock was set.

    The kernel's own time of receipt keeps a busy director's delay out of the server's round trip.
    """
    if received is None:
        return elapsed
    seconds = (received - sent) / 1e9
    return seconds if 0 <= seconds <= elapsed else elapsed


def wall_clock() -> int:
    """Return the time in the kernel's own measure for packets."""
    return time.time_ns()
