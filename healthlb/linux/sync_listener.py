"""Hears whether the peer's connection sync packets arrive, beside the kernel that works with them.

Multicast comes to every socket that has joined the group. Ours is given next to no room: what it has no room for is
dropped without a trace, so that a busy peer costs one packet a look.
"""

import contextlib
import ipaddress
import socket
import struct
from typing import Self

HEADER = struct.Struct("!BBHBbH")
"""struct ip_vs_sync_mesg (Linux ip_vs_sync.c): reserved, sync id, size, number of connections, version, spare."""
IP_MULTICAST_ALL = 49
IPV6_MULTICAST_ALL = 29
LEAST_ROOM = 2304
MOST_AT_ONCE = 64


class SyncListener:
    """A socket in the group of a sync daemon; raise OSError where it cannot be had. Nothing here blocks."""

    def __init__(self, interface: str, group: str, port: int, number: int) -> None:
        self._number = number
        index = socket.if_nametoindex(interface)
        address = ipaddress.ip_address(group)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LEAST_ROOM)
            if family == socket.AF_INET:
                self._socket.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
                membership = address.packed + bytes(4) + struct.pack("=i", index)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
                self._socket.bind((group, port))
            else:
                self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
                membership = address.packed + struct.pack("=I", index)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
                self._socket.bind((group, port, 0, index))
        except OSError:
            self._socket.close()
            raise

    def heard(self) -> str:
        """Return whom packets with our sync id came from since the last look, empty for nobody."""
        source = ""
        for _ in range(MOST_AT_ONCE):
            try:
                data, sender = self._socket.recvfrom(HEADER.size)
            except OSError:
                break
            if len(data) == HEADER.size and HEADER.unpack(data)[1] == self._number:
                source = sender[0].partition("%")[0]
        return source

    def close(self) -> None:
        """Leave the group."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
