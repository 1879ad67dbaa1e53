"""A lane: the raw socket of one IP version and one way (`checks.Way`) over which half-open probes go.

A few source ports are held by sockets that are bound and never listen, so that no other program gets them and the
kernel, which knows of no connection there, answers each SYN-ACK with a reset (RFC 9293 section 3.10.7.1). A filter in
the kernel lets only answers to those ports reach us. Probes take turns at the ports, so that a server or a firewall
that still remembers the last one from the same port is in nobody's way.

IPv4: we write the IP header, too, because the checksum needs the source address before the kernel would choose it. It
is looked up per target by a connected UDP socket and kept for ROUTE_SECONDS; a SYN that is sent again looks anew. IPv6:
the kernel chooses the address and sets the checksum.
"""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Generic, TypeVar

from checks import Way
from checks.engine.raw import Instruction, Trouble, attach_filter, hear_errors, make_room, read_troubles
from checks.engine.shared_sockets import SharedSocket
from checks.engine.ways import interface_index, open_socket
from checks.wire.segment import TCP, Syn4, Syn6, header_length, read_answer, read_quoted_syn, read_syn_ack

RAW = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
HELD = socket.SOCK_STREAM | socket.SOCK_CLOEXEC
PORTS = 8
"""Source ports of a lane, unless its way says which."""
ROUTE_SECONDS = 60.0
ROUTES = 65536
"""Routes kept before all are forgotten."""
PACKET_BYTES = 128
PACKETS_PER_WAKE = 512

Peer = bytes | str
"""Who answers: an IPv4 address, packed, or an IPv6 address in the kernel's spelling."""
Heard = tuple[tuple[int, int, int, bool], Peer, bytes]
"""The fields of an `Answer`, who sent it, and the packet."""
Flight = TypeVar("Flight")


class Route:
    """Where packets for one target go and, for IPv4, the addresses in them and what these add to the checksum."""

    __slots__ = ("addresses", "expires", "name", "peer", "sums")

    def __init__(self, name: tuple[str, int] | tuple[str, int, int, int], peer: Peer, expires: float) -> None:
        self.name = name
        self.peer = peer
        self.expires = expires
        self.addresses = b""
        self.sums = 0


class Lane(SharedSocket, Generic[Flight]):
    """Sends SYNs and reads what answers; `flights` are the carrier's probes, by the sequence number of their SYN.

    Raise PermissionError where CAP_NET_RAW is missing, UnusableError or OSError where something else is.
    """

    def __init__(self, version: int, way: Way, syn: bytes) -> None:
        super().__init__()
        self.flights: dict[int, Flight] = {}
        self._version = version
        self._way = replace(way, source_port=0)
        self._syn4 = Syn4(syn) if version == 4 else None
        self._syn6 = Syn6(syn) if version == 6 else None
        self._routes: dict[str, Route] = {}
        self._turn = 0
        self._family = socket.AF_INET if version == 4 else socket.AF_INET6
        with ExitStack() as stack:
            self.socket = stack.enter_context(closing(open_socket(self._family, RAW, self._way, TCP)))
            if version == 4:
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            else:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 16)
            hear_errors(self.socket)
            make_room(self.socket)
            self._ports = stack.enter_context(hold_ports(self._family, way))
            attach_filter(self.socket, answers_only(version, self._ports))
            self.stack = stack.pop_all()

    @property
    def busy(self) -> bool:
        """Return whether a SYN may still be answered."""
        return bool(self.flights)

    def next_port(self) -> int:
        """Return the source port whose turn it is."""
        self._turn += 1
        return self._ports[self._turn % len(self._ports)]

    def route(self, address: str, now: float) -> Route:
        """Return the way to a target that was looked up not long ago, or look it up. Raise OSError."""
        route = self._routes.get(address)
        return route if route is not None and route.expires > now else self.look_up(address, now)

    def look_up(self, address: str, now: float) -> Route:
        """Look the way to a target up. Raise OSError, also for a name."""
        if len(self._routes) >= ROUTES:
            self._routes.clear()
        host, _, interface = address.partition("%")
        try:
            packed = socket.inet_pton(self._family, host)
        except OSError as error:
            raise OSError(errno.EINVAL, f"'{address}' is not an address") from error
        host = socket.inet_ntop(self._family, packed)
        if self._version == 4:
            route = Route((host, 0), packed, now + ROUTE_SECONDS)
            route.addresses = self._source_towards(host) + packed
            assert self._syn4 is not None  # noqa: S101  made beside the version
            route.sums = self._syn4.sums(route.addresses)
        else:
            scope = interface_index(self.socket, interface) if interface else 0
            route = Route((host, 0, 0, scope), host, now + ROUTE_SECONDS)
        self._routes[address] = route
        return route

    def _source_towards(self, host: str) -> bytes:
        if self._way.source is not None:
            return socket.inet_aton(self._way.source)
        with closing(open_socket(socket.AF_INET, DATAGRAM, self._way)) as asking:
            asking.connect((host, 9))  # nothing is sent
            return socket.inet_aton(asking.getsockname()[0])

    def send(self, route: Route, own_port: int, port: int, sequence: int) -> bytes:
        """Send a SYN and return it. Raise OSError; what an earlier packet met may be raised here, too (raw(7))."""
        if self._syn4 is not None:
            packet = self._syn4.patched(route.addresses, route.sums, own_port, port, sequence)
        else:
            assert self._syn6 is not None  # noqa: S101  one of the two is there
            packet = self._syn6.patched(own_port, port, sequence)
        self.socket.sendto(packet, route.name)
        return packet

    def receive(self) -> tuple[int, list[Heard]]:
        """Return how many packets came, a wake's worth of them, and those that answer a SYN."""
        receive = self._receive4 if self._version == 4 else self._receive6
        answers: list[Heard] = []
        count = 0
        for _ in range(PACKETS_PER_WAKE):
            try:
                heard = receive()
            except BlockingIOError:
                break
            except OSError:
                continue  # what ICMP said of an earlier packet, which is in the error queue, too
            count += 1
            if heard is not None:
                answers.append(heard)
        return count, answers

    def _receive4(self) -> Heard | None:
        packet = self.socket.recv(PACKET_BYTES)
        usual = read_syn_ack(packet)
        if usual is not None:
            return *usual, packet
        start = header_length(packet)
        answer = None if start is None else read_answer(packet, start)
        return None if answer is None else (answer, packet[12:16], packet)

    def _receive6(self) -> Heard | None:
        packet, address = self.socket.recvfrom(PACKET_BYTES)
        answer = read_answer(packet, 0)
        return None if answer is None else (answer, address[0], packet)

    def troubles(self) -> list[tuple[tuple[int, int, int], Trouble]]:
        """Return what ICMP said about our SYNs, each with the SYN's source port, port and sequence number."""
        found = []
        for trouble in read_troubles(self.socket):
            start = header_length(trouble.quoted) if self._version == 4 else 0
            syn = None if start is None else read_quoted_syn(trouble.quoted, start)
            if syn is not None:
                found.append((syn, trouble))
        return found


def answers_only(version: int, ports: Sequence[int]) -> tuple[Instruction, ...]:
    """Return a filter that takes SYN-ACKs and resets to these ports; a raw socket of IPv6 sees no IP header."""
    head: tuple[Instruction, ...]
    if version == 4:
        load_port, load_flags = 0x48, 0x50  # BPF_LD | BPF_IND, half word and byte
        head = ((0xB1, 0, 0, 0),)  # X = length of the IPv4 header
    else:
        load_port, load_flags = 0x28, 0x30  # BPF_LD | BPF_ABS
        head = ()
    return (
        *head,
        (load_port, 0, 0, 2),
        *((0x15, len(ports) - place, 0, port) for place, port in enumerate(ports)),  # ours: on to the flags
        (0x06, 0, 0, 0),
        (load_flags, 0, 0, 13),
        (0x45, 3, 0, 0x04),  # RST: take
        (0x54, 0, 0, 0x12),
        (0x15, 1, 0, 0x12),  # SYN and ACK: take
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFF),
    )


@contextmanager
def hold_ports(family: socket.AddressFamily, way: Way) -> Iterator[tuple[int, ...]]:
    """Keep source ports for ourselves: the way's own, or a few that the kernel has free. Raise OSError if none is."""
    if way.source_port:
        with closing(open_socket(family, HELD, replace(way, interface=None, mark=0))):
            yield (way.source_port,)
        return
    unbound = Way(namespace=way.namespace)
    with ExitStack() as stack:
        ports: list[int] = []
        for _ in range(PORTS):
            sock = stack.enter_context(closing(open_socket(family, HELD, unbound)))
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind(("", 0))
            except OSError as error:
                if ports:
                    break
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from error
            ports.append(int(sock.getsockname()[1]))
        yield tuple(ports)
