"""Tells the neighbours where an address is now, by frames that were crafted beforehand (packet(7))."""

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

PRIORITY = 7
"""The kernel's queueing priority of what keeps the network going (socket(7), SO_PRIORITY)."""
GONE = frozenset({errno.ENODEV, errno.ENXIO})
"""How sending fails when the interface is no more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame and the index of the interface that it leaves by. `what` names it for a person."""

    index: int
    data: bytes
    what: str


class Announcer:
    """Packet sockets that only send, one for each interface, opened when it is first needed.

    They stay open whatever fails, as long as the interface is there: to close one takes the kernel up to a tenth of a
    second (Linux net/packet/af_packet.c, packet_release), and an interface that is down fails for every frame. When one
    is opened, those of interfaces that are no more are closed, once everything is sent.
    """

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}

    def announce(self, frames: Sequence[Frame]) -> tuple[str, ...]:
        """Send the frames in order, never waiting, and return a clause for each that could not be sent."""
        problems = []
        before = len(self._sockets)
        for frame in frames:
            try:
                self._send(frame)
            except OSError as problem:
                if problem.errno in GONE:
                    self._forget(frame.index)
                reason = os.strerror(problem.errno) if problem.errno else str(problem)
                problems.append(f"{frame.what} cannot be sent: {reason}")
        if len(self._sockets) > before:
            self._tidy()
        return tuple(problems)

    def close(self) -> None:
        """Close the sockets."""
        for index in tuple(self._sockets):
            self._forget(index)

    def _send(self, frame: Frame) -> None:
        sock = self._sockets.get(frame.index)
        if sock is None:
            sock = self._sockets[frame.index] = _open(frame.index)
        sock.send(frame.data, socket.MSG_DONTWAIT)

    def _tidy(self) -> None:
        for index in self._sockets.keys() - {index for index, _ in socket.if_nameindex()}:
            self._forget(index)

    def _forget(self, index: int) -> None:
        sock = self._sockets.pop(index, None)
        if sock is not None:
            sock.close()


def _open(index: int) -> socket.socket:
    """Return a socket that sends by an interface and receives nothing (protocol 0); raise OSError."""
    name = socket.if_indextoname(index)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        sock.bind((name, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY)
    except OSError:
        sock.close()
        raise
    return sock
