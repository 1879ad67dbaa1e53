"""The sockets of probes: TCP ones are kept, reset and used again, because making them anew is what costs most.

connect(2) with AF_UNSPEC dissolves a connection: a RST goes out, no TIME_WAIT stays, what was queued either way is
thrown away, and the port and the address that the kernel had chosen are given back (tcp_disconnect in the kernel's
net/ipv4/tcp.c). The socket stays in the epoll; it reports the hang-up once, to nobody.
"""

import ctypes
import select
import socket

from checks import Way
from checks.engine.sockets import datagram_socket, stream_socket
from checks.engine.ways import lasting

INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
MOST_KEPT = 1024
"""Idle sockets that a pool keeps at most."""
UNUSED_SECONDS = 10.0
"""How long a socket is kept without being used."""
UNSPECIFIED = bytes(16)
"""A sockaddr whose family is AF_UNSPEC."""

# The call neither blocks nor takes longer than letting other threads run would: PyDLL keeps the lock.
_connect = ctypes.PyDLL(None).connect


class Line:
    """One socket. `used` is when it was last taken, in the loop's seconds."""

    __slots__ = ("connect", "file", "idle", "socket", "used")

    def __init__(self, sock: socket.SocketType, idle: "list[Line] | None") -> None:
        self.socket = sock
        self.file = sock.fileno()
        self.connect = sock.connect_ex
        self.idle = idle
        self.used = 0.0


class Pool:
    """The sockets of one family, kind and way; `idle` ones are the latest used last. Without `keeps` there are none."""

    __slots__ = ("datagrams", "family", "idle", "keeps", "way")

    def __init__(self, family: socket.AddressFamily, way: Way, *, datagrams: bool, scoped: bool = False) -> None:
        self.family = family
        self.way = way
        self.datagrams = datagrams
        self.idle: list[Line] = []
        self.keeps = lasting(way) and not datagrams and not scoped


class Lines:
    """All sockets of one epoll. Counts what it `opened_total` and `reset_total`, and how many are `open` now."""

    def __init__(self, epoll: select.epoll) -> None:
        self.epoll = epoll
        self._pools: dict[tuple[socket.AddressFamily, Way, bool, bool], Pool] = {}
        self.open = 0
        self.opened_total = 0
        self.reset_total = 0

    @property
    def kept(self) -> int:
        """Return how many sockets are idle."""
        return sum(len(pool.idle) for pool in self._pools.values())

    def pool(self, family: socket.AddressFamily, way: Way, *, datagrams: bool, scoped: bool = False) -> Pool:
        """Return the pool that a probe takes its sockets from: look it up once, not for each probe.

        `scoped` ones connect to link-local addresses of IPv6, which binds a socket to the interface (ipv6(7)).
        """
        key = (family, way, datagrams, scoped)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(family, way, datagrams=datagrams, scoped=scoped)
        return pool

    def fresh(self, pool: Pool) -> Line:
        """Make a socket; it is not in the epoll yet. Raise OSError or UnusableError."""
        sock = (datagram_socket if pool.datagrams else stream_socket)(pool.family, pool.way)
        self.open += 1
        self.opened_total += 1
        return Line(sock, pool.idle if pool.keeps else None)

    def release(self, line: Line) -> None:
        """Leave the connection, and keep the socket if there is room. The peer is told by a RST."""
        idle = line.idle
        if idle is not None and len(idle) < MOST_KEPT and not _connect(line.file, UNSPECIFIED, 16):
            self.reset_total += 1
            idle.append(line)
            return
        self.discard(line)

    def discard(self, line: Line) -> None:
        """Close a socket that is in the epoll."""
        # Closing alone would do, unless a child that is just being forked still holds the description.
        self.epoll.unregister(line.file)
        self.drop(line)

    def drop(self, line: Line) -> None:
        """Close a socket that is not in the epoll."""
        self.open -= 1
        line.socket.close()

    def make_room(self) -> int:
        """Close every idle socket; return how many there were."""
        return self.sweep(float("inf"))

    def sweep(self, now: float) -> int:
        """Close the idle sockets that were not used for a while; return how many."""
        unused = now - UNUSED_SECONDS
        closed = 0
        for pool in self._pools.values():
            for line in [line for line in pool.idle if line.used <= unused]:
                pool.idle.remove(line)
                self.discard(line)
                closed += 1
        return closed
