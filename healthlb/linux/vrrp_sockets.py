"""The sockets that adverts go out of and come in by (RFC 9568 section 5.1, raw(7), ip(7), ipv6(7), socket(7))."""

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal

from healthlb.core.vrrp.packet import PROTOCOL
from healthlb.core.vrrp.receive import Datagram
from healthlb.linux.bpf import attach
from healthlb.linux.netlink import SO_RCVBUFFORCE
from healthlb.linux.vrrp_filters import adverts, suspects
from healthlb.model.vrrp import Family

GROUPS: Final[dict[Family, str]] = {4: "224.0.0.18", 6: "ff02::12"}
"""Where adverts go that have no peers to go to (RFC 9568 sections 5.1.1.2 and 5.1.2.2)."""
HOP_LIMIT: Final = 255
INTERNETWORK_CONTROL: Final = 0xC0
"""The type of service (RFC 791 section 3.1) of what keeps the network going."""
PRIORITY: Final = 7
"""The kernel's queueing priority for the same (socket(7), SO_PRIORITY; above 6 needs CAP_NET_ADMIN)."""
IP_PKTINFO: Final = 8
IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29
ADVERTS_BUFFER, SUSPECTS_BUFFER = 1 << 20, 1 << 16
MESSAGE: Final = 8192
"""Bytes; the longest message has 255 IPv6 addresses, what is cut off is of a wrong length anyway."""
IP_HEADER: Final = 20
ANCILLARY: Final = 128


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An advert as crafted: the VRRP message with its checksum for this destination, at the configured priority.

    `envelope` is what an Ethernet frame and its IP header begin with, for an instance that has the virtual router's
    own hardware address; empty where the kernel makes them.
    """

    destination: str
    message: bytes
    envelope: bytes = b""


@dataclass(frozen=True, slots=True)
class Ends:
    """What the sockets of an instance need to know.

    `index` is that of the interface, `source` the address that adverts come from, `peers` empty for multicast.
    `count` is how many addresses an advert lists. `frames`: adverts go out as whole frames (`Outgoing.envelope`).
    """

    interface: str
    index: int
    family: Family
    version: Literal[2, 3]
    router_id: int
    source: str
    count: int
    peers: tuple[str, ...] = ()
    frames: bool = False


class VrrpSocket:
    """The sockets of one instance. Poll `fileno()` for POLLIN; raise OSError where the interface does not take them.

    The kernel sorts what arrives: what may well be an advert of this router (right version, type, router id, count,
    length and checksum) can be had from `receive`. What has our router id and is wrong in another way can be had from
    `receive_suspects`, to be counted: call that now and then, a flood of it delays nothing. The rest is not for us.
    An interface that was removed and made again has another index: close, and open anew.
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self._buffer = bytearray(MESSAGE)
        self._own = ip_address(ends.source).packed
        self._frames: socket.socket | None = None
        facts = (ends.family, ends.version, ends.router_id, ends.count)
        with contextlib.ExitStack() as stack:
            self._socket = stack.enter_context(self._open())
            attach(self._socket, adverts(*facts, unicast=bool(ends.peers)))
            _resize(self._socket, ADVERTS_BUFFER)
            self._suspects = stack.enter_context(self._open())
            attach(self._suspects, suspects(*facts, unicast=bool(ends.peers)))
            _resize(self._suspects, SUSPECTS_BUFFER)
            for sock in (self._socket, self._suspects):
                self._join(sock)
            self._prepare_sending()
            if ends.frames:
                self._frames = stack.enter_context(self._open_for_frames())
            stack.pop_all()

    def fileno(self) -> int:
        """Return the descriptor to poll for adverts."""
        return self._socket.fileno()

    def send(self, outgoing: Outgoing, message: bytes) -> None:
        """Send a message, that of `outgoing` or one with another priority, without waiting; raise OSError.

        What is too long for a frame leaves in fragments, with the interface's own hardware address.
        """
        if outgoing.envelope and self._sent_as_frame(outgoing.envelope + message):
            return
        if self.ends.family == 4:
            told = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4x", self.ends.index, self._own))]
            self._socket.sendmsg([message], told, socket.MSG_DONTWAIT, (outgoing.destination, 0))
        else:
            told = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16si", self._own, self.ends.index))]
            self._socket.sendmsg([message], told, socket.MSG_DONTWAIT, (outgoing.destination, 0, 0, self.ends.index))

    def receive(self, most: int = 64) -> Sequence[Datagram]:
        """Return what has arrived, at most so many, without waiting; raise OSError when the interface is gone.

        Fewer than `most` means that nothing is left.
        """
        return self._read(self._socket, most)

    def receive_suspects(self, most: int = 64) -> Sequence[Datagram]:
        """Return some of what has arrived that is hardly a good advert, to be judged and counted all the same."""
        return self._read(self._suspects, most)

    def close(self) -> None:
        """Close the sockets."""
        self._socket.close()
        self._suspects.close()
        if self._frames is not None:
            self._frames.close()

    def _open(self) -> socket.socket:
        kind = socket.AF_INET if self.ends.family == 4 else socket.AF_INET6
        sock = socket.socket(kind, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, PROTOCOL)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.ends.interface.encode() + b"\0")
            if self.ends.family == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 6)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        except OSError:
            sock.close()
            raise
        return sock

    def _join(self, sock: socket.socket) -> None:
        """Hear the group on this interface, unless there are peers, and no group that others of this host hear."""
        group = ip_address(GROUPS[self.ends.family]).packed
        if self.ends.family == 4:
            sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
            if not self.ends.peers:
                membership = struct.pack("=4s4xi", group, self.ends.index)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
            if not self.ends.peers:
                membership = struct.pack("=16si", group, self.ends.index)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)

    def _prepare_sending(self) -> None:
        sock = self._socket
        if self.ends.family == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOP_LIMIT)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOP_LIMIT)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=8xi", self.ends.index))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, INTERNETWORK_CONTROL)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOP_LIMIT)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.ends.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, INTERNETWORK_CONTROL)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY)

    def _sent_as_frame(self, frame: bytes) -> bool:
        """Send a frame where adverts go out as such; return whether it went, for it may be too long."""
        if self._frames is None:
            return False
        try:
            self._frames.send(frame, socket.MSG_DONTWAIT)
        except OSError as problem:
            if problem.errno != errno.EMSGSIZE:
                raise
            return False
        return True

    def _open_for_frames(self) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            sock.bind((self.ends.interface, 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY)
        except OSError:
            sock.close()
            raise
        return sock

    def _read(self, sock: socket.socket, most: int) -> list[Datagram]:
        read: Callable[[socket.socket], Datagram | None] = self._read4 if self.ends.family == 4 else self._read6
        found: list[Datagram] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(most):
                datagram = read(sock)
                if datagram is not None:
                    found.append(datagram)
        return found

    def _read4(self, sock: socket.socket) -> Datagram | None:
        """Return the next packet; a raw socket of IPv4 hands over its header, too."""
        size = sock.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
        if size < IP_HEADER:
            return None
        packet = bytes(memoryview(self._buffer)[:size])
        return Datagram(packet[(packet[0] & 15) * 4 :], packet[12:16], packet[16:20], packet[8])

    def _read6(self, sock: socket.socket) -> Datagram | None:
        size, told, _, sender = sock.recvmsg_into([self._buffer], ANCILLARY, socket.MSG_DONTWAIT)
        destination, hop_limit = b"", 0
        for level, kind, data in told:
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                destination = data[:16]
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = struct.unpack("=i", data[:4])
        source = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
        return Datagram(bytes(memoryview(self._buffer)[:size]), source, destination, hop_limit)


def _resize(sock: socket.socket, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
