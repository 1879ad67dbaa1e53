"""Interfaces and their addresses, as the kernel tells of them: at first all, then every change (rtnetlink(7))."""

import errno
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from healthlb.linux.netlink import (
    HEADER,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    SO_RCVBUFFORCE,
    MalformedError,
    attributes,
)
from healthlb.linux.rtnetlink import NETLINK_ROUTE
from healthlb.model.vrrp import Family

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR."""
IFLA_ADDRESS, IFLA_IFNAME = 1, 3
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFF_UP, IFF_RUNNING = 0x1, 0x40
IFA_F_SECONDARY, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x01, 0x08, 0x40
SCOPE_LINK = 253
LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, which of them changed."""
ADDRESS = struct.Struct("=BBBBI")
"""struct ifaddrmsg: family, prefix length, flags, scope, index."""
FAMILIES: Mapping[int, Family] = {socket.AF_INET: 4, socket.AF_INET6: 6}
RECEIVE_BUFFER = 1 << 18
EVENT_BUFFER = 1 << 20
DATAGRAMS = 256
"""How many are taken in before the caller has its turn again."""
AWAY = frozenset({errno.ENETDOWN, errno.ENODEV, errno.ENXIO})
"""How sockets fail while an interface is down or gone, which is no problem of their own."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an interface. `secondary`: the kernel does not choose it as a source by itself.

    `usable`: duplicate address detection is over and found none (RFC 4862 section 5.4).
    """

    address: str
    prefix: int
    family: Family
    link_local: bool = False
    secondary: bool = False
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `up`: an operator wants it up and its carrier is there (IFF_UP and IFF_RUNNING).

    `hardware_address` is spelled 02:00:00:00:00:01, empty where there is none.
    """

    index: int
    name: str
    up: bool
    hardware_address: str = ""
    addresses: tuple[Address, ...] = ()

    def source(self, family: Family, unlike: frozenset[str] = frozenset()) -> str:
        """Return the address that adverts come from, empty if there is none; `unlike` are the virtual ones.

        The primary IPv4 address, or the IPv6 link-local one (RFC 9568 sections 5.1.1.1 and 5.1.2.1).
        """
        fit = [
            address
            for address in self.addresses
            if address.family == family
            and address.usable
            and address.address not in unlike
            and (family == 4 or address.link_local)
        ]
        # A virtual address that the kernel got first makes the director's own the secondary one.
        fit.sort(key=lambda address: address.secondary)
        return fit[0].address if fit else ""


@dataclass(slots=True)
class _Seen:
    name: str = ""
    up: bool = False
    hardware_address: str = ""
    addresses: dict[tuple[str, int], Address] = field(default_factory=dict)


class Links:
    """What is known of every interface, by name. Poll `fileno()` for POLLIN, then call `read()`.

    `deadline` is in seconds, for reading everything. Raise OSError where that fails.
    """

    def __init__(self, *, deadline: float = 5.0) -> None:
        self.known: Mapping[str, Link] = {}
        self._deadline = deadline
        self._seen: dict[int, _Seen] = {}
        self._buffer = bytearray(RECEIVE_BUFFER)
        self._socket = _open(GROUPS)
        try:
            self._read_all()
        except BaseException:
            self._socket.close()
            raise
        self._tell()

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    def read(self) -> frozenset[str]:
        """Take in what the kernel has told and return the names of interfaces that changed.

        It never waits, unless the kernel lost messages: then everything is read again. Raise OSError.
        """
        try:
            for _ in range(DATAGRAMS):
                self._take(self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass
        except OSError as problem:
            if problem.errno != errno.ENOBUFS:
                raise
            self._forget_the_rest()
            self._read_all()
        return self._tell()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _forget_the_rest(self) -> None:
        """Empty the socket: what was lost came after what it still holds, which would undo it."""
        heard = True
        while heard:
            try:
                self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                heard = False
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise

    def _tell(self) -> frozenset[str]:
        """Publish what was seen and return the names that differ from what was known."""
        before = self.known
        self.known = {
            seen.name: Link(index, seen.name, seen.up, seen.hardware_address, tuple(seen.addresses.values()))
            for index, seen in self._seen.items()
            if seen.name
        }
        return frozenset(name for name in {*before, *self.known} if before.get(name) != self.known.get(name))

    def _read_all(self) -> None:
        """Read interfaces and addresses anew, again if they change meanwhile.

        That has a socket of its own: what the other one hears meanwhile is taken in afterwards, in its order.
        """
        until = time.monotonic() + self._deadline
        whole = False
        while not whole:
            self._seen.clear()
            with _open(0) as sock:
                whole = self._dump(sock, RTM_GETLINK, until) and self._dump(sock, RTM_GETADDR, until)

    def _dump(self, sock: socket.socket, kind: int, until: float) -> bool:
        """Ask for everything of a kind and take it in; return False if it changed on the way. Raise OSError."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        sock.send(HEADER.pack(HEADER.size + LINK.size, kind, NLM_F_REQUEST | NLM_F_DUMP, kind, 0) + bytes(LINK.size))
        finished = interrupted = False
        while not finished:
            remaining = until - time.monotonic()
            if remaining <= 0 or not poll.poll(remaining * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"the kernel did not list its interfaces in {self._deadline:g} s")
            for answered, flags in self._take(sock.recv_into(self._buffer)):
                finished = finished or answered == NLMSG_DONE
                interrupted = interrupted or answered == NLMSG_ERROR or bool(flags & NLM_F_DUMP_INTR)
            finished = finished or interrupted
        return not interrupted

    def _take(self, size: int) -> list[tuple[int, int]]:
        """Take in one datagram and return the type and flags of its messages."""
        headers = []
        with memoryview(self._buffer) as view:
            for kind, flags, start, end in _messages(view, size):
                headers.append((kind, flags))
                try:
                    if kind in {RTM_NEWLINK, RTM_DELLINK}:
                        self._link(kind, view, start, end)
                    elif kind in {RTM_NEWADDR, RTM_DELADDR}:
                        self._address(kind, view, start, end)
                except (MalformedError, struct.error):
                    continue  # a kernel that speaks otherwise than its header files say
        return headers

    def _link(self, kind: int, view: memoryview, start: int, end: int) -> None:
        family, _, index, flags, _ = LINK.unpack_from(view, start)
        if family != socket.AF_UNSPEC:
            return  # a bridge tells of its ports: one that leaves it is not gone (Linux net/bridge/br_netlink.c)
        if kind == RTM_DELLINK:
            self._seen.pop(index, None)
            return
        seen = self._seen.setdefault(index, _Seen())
        seen.up = flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING
        for attribute, first, last in attributes(view, start + LINK.size, end):
            if attribute == IFLA_IFNAME:
                seen.name = bytes(view[first:last]).rstrip(b"\0").decode(errors="replace")
            elif attribute == IFLA_ADDRESS:
                seen.hardware_address = bytes(view[first:last]).hex(":") if any(view[first:last]) else ""

    def _address(self, kind: int, view: memoryview, start: int, end: int) -> None:
        number, prefix, flags, scope, index = ADDRESS.unpack_from(view, start)
        family = FAMILIES.get(number)
        seen = self._seen.get(index)
        if family is None or seen is None:
            return
        found: dict[int, bytes] = {}
        for attribute, first, last in attributes(view, start + ADDRESS.size, end):
            found[attribute] = bytes(view[first:last])
        raw = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, b"")
        if len(raw) != (4 if family == 4 else 16):
            return
        if len(found.get(IFA_FLAGS, b"")) == 4:
            (flags,) = struct.unpack("=I", found[IFA_FLAGS])
        text = socket.inet_ntop(number, raw)
        if kind == RTM_DELADDR:
            seen.addresses.pop((text, prefix), None)
            return
        seen.addresses[text, prefix] = Address(
            text,
            prefix,
            family,
            link_local=family == 6 and scope == SCOPE_LINK,
            # For IPv6 the same bit says that it is a temporary one (RFC 8981).
            secondary=bool(flags & IFA_F_SECONDARY),
            usable=not flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED),
        )


def _open(groups: int) -> socket.socket:
    """Return a socket that hears of changes in these groups; raise OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    try:
        sock.bind((0, groups))
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, EVENT_BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, EVENT_BUFFER)
    except OSError:
        sock.close()
        raise
    return sock


def _messages(view: memoryview, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the type, flags, start and end of the payload of each message of a datagram."""
    start = 0
    while size - start >= HEADER.size:
        length, kind, flags, _, _ = HEADER.unpack_from(view, start)
        if not HEADER.size <= length <= size - start:
            return
        yield kind, flags, start + HEADER.size, start + length
        start += (length + 3) & ~3
