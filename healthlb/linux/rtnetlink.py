"""Addresses, links, routes and rules of the kernel, changed by messages that were made beforehand (rtnetlink(7)).

Whoever makes such messages may take its time; the process that speaks VRRP only sends them. This module therefore
needs nothing but a socket. healthlb.linux.addresses makes the messages.
"""

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from healthlb.linux.netlink import ERRNO, HEADER, NETLINK_CAP_ACK, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, SOL_NETLINK

NETLINK_ROUTE = 0
RTM_NEWADDR = 20
MESSAGES = 64
"""How many messages go out at once; the acknowledgements of so many fit any receive buffer."""
THERE_ALREADY = frozenset({errno.EEXIST})
GONE_ALREADY = frozenset({errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV, errno.ENOENT, errno.ENXIO})
"""How the kernel says that there is no such address, route, interface or rule, or no IPv6 on the interface."""
FLAGS = struct.Struct("=HI")
FLAGS_AT = 6
RECEIVE_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is put into the kernel and withdrawn again: a whole netlink message for each.

    `what` names it for a person, such as `address 198.51.100.1/24 on eth0`. Sequence numbers and the flag that asks
    for an acknowledgement are set when a message is sent.
    """

    what: str
    put: bytes
    withdraw: bytes

    @property
    def of_address(self) -> bool:
        """Whether it puts an address."""
        return bool(HEADER.unpack_from(self.put)[1] == RTM_NEWADDR)


@dataclass(frozen=True, slots=True)
class Placement:
    """What an instance has in the kernel: `links` from its setup to its end, `taken` while it is MASTER.

    Both are put in order and withdrawn in the opposite one. Putting what is there already is no fault, nor is
    withdrawing what is not: after an address was withdrawn because the file no longer lists it, put all of `taken`
    again, for the kernel may have removed further addresses of its subnet with it.
    """

    links: tuple[Change, ...] = ()
    taken: tuple[Change, ...] = ()


def open_socket() -> socket.socket:
    """Return a socket for requests; raise OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    try:
        sock.bind((0, 0))
        # A refusal then quotes only the header of its request instead of all of it.
        sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    except OSError:
        sock.close()
        raise
    return sock


class Rtnetlink:
    """A socket that messages are sent with. `deadline` is in seconds, for each call."""

    def __init__(self, *, deadline: float = 2.0, opener: Callable[[], socket.socket] = open_socket) -> None:
        self._deadline = deadline
        self._opener = opener
        self._socket: socket.socket | None = None
        self._sequence = 0

    def put(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Make the changes in order and return a clause for each that the kernel refused."""
        refused = self._refused([change.put for change in changes], THERE_ALREADY)
        return tuple(f"the kernel refuses {changes[at].what}: {reason}" for at, reason in sorted(refused.items()))

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Undo the changes, the last first, and return a clause for each that the kernel refused."""
        return tuple(reason for _, reason in self.kept(changes))

    def kept(self, changes: Sequence[Change]) -> list[tuple[Change, str]]:
        """Undo the changes, the last first, and return those that the kernel kept, each with the clause about it."""
        backwards = changes[::-1]
        refused = self._refused([change.withdraw for change in backwards], GONE_ALREADY)
        return [
            (backwards[at], f"the kernel keeps {backwards[at].what}: {reason}")
            for at, reason in sorted(refused.items(), reverse=True)
        ]

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _refused(self, messages: Sequence[bytes], fine: frozenset[int]) -> dict[int, str]:
        """Send messages in order and return why each one that was not carried out was not, by its position."""
        refused: dict[int, str] = {}
        until = time.monotonic() + self._deadline
        for start in range(0, len(messages), MESSAGES):
            part = messages[start : start + MESSAGES]
            answers: dict[int, int] = {}
            try:
                self._converse(part, answers, until)
                missing = ""
            except OSError as problem:
                # An answer that comes late must not be taken for that of a later message.
                self.close()
                missing = problem.strerror or str(problem)
            for position in range(len(part)):
                if position not in answers:
                    refused[start + position] = missing
                elif answers[position] and answers[position] not in fine:
                    refused[start + position] = _reason(answers[position])
        return refused

    def _converse(self, part: Sequence[bytes], answers: dict[int, int], until: float) -> None:
        """Send messages in one go and note the errno that each is answered with, 0 being done; raise OSError."""
        if self._socket is None:
            self._socket = self._opener()
        first, self._sequence = self._sequence + 1, (self._sequence + len(part)) % (1 << 31)
        if self._sequence < first:
            first, self._sequence = 1, len(part)
        whole = b"".join(_numbered(message, first + position) for position, message in enumerate(part))
        self._socket.send(whole, socket.MSG_DONTWAIT)
        while len(answers) < len(part):
            data = self._receive(self._socket, until)
            for sequence, number in acknowledgements(data):
                if first <= sequence < first + len(part):
                    answers[sequence - first] = number

    def _receive(self, sock: socket.socket, until: float) -> bytes:
        while True:
            try:
                return sock.recv(RECEIVE_BUFFER, socket.MSG_DONTWAIT)
            except BlockingIOError:
                poll = select.poll()
                poll.register(sock, select.POLLIN)
                remaining = until - time.monotonic()
                if remaining <= 0 or not poll.poll(remaining * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, f"no answer within {self._deadline:g} s") from None


def _reason(number: int) -> str:
    """Return why the kernel refused; it denies by EACCES what an interface does without (inet6_rtm_newaddr)."""
    more = " (is disable_ipv6 set there?)" if number == errno.EACCES else ""
    return os.strerror(number) + more


def _numbered(message: bytes, sequence: int) -> bytes:
    """Return a message with its sequence number, and with the flag that asks for an answer."""
    flags, _ = FLAGS.unpack_from(message, FLAGS_AT)
    end = FLAGS_AT + FLAGS.size
    return message[:FLAGS_AT] + FLAGS.pack(flags | NLM_F_REQUEST | NLM_F_ACK, sequence) + message[end:]


def acknowledgements(data: bytes) -> list[tuple[int, int]]:
    """Return the sequence number and the positive errno of each answer in a datagram."""
    found = []
    start = 0
    while len(data) - start >= HEADER.size:
        length, kind, _, sequence, _ = HEADER.unpack_from(data, start)
        if kind == NLMSG_ERROR and len(data) - start >= HEADER.size + ERRNO.size:
            found.append((sequence, -int(ERRNO.unpack_from(data, start + HEADER.size)[0])))
        start += max(HEADER.size, (length + 3) & ~3)
    return found
