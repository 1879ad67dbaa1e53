"""Many TCP connections over one serial line: how a guest's HTTP endpoint is reached from the machine around it.

User Mode Linux has no network without root, but its serial line can be one end of a socket pair. A frame is a header,
kind (1 byte), channel (4) and length (4) in network order, and that many bytes. Each side has one thread that reads
the line and one for each connection; that is plenty for a browser or two.

Into the guest goes one frame at a time, small enough for the terminal's buffer of 4,096 bytes (N_TTY_BUF_SIZE), and
the next when the guest has said that it took it: a serial line of User Mode Linux that was full once stays silent.
"""

import contextlib
import os
import socket
import struct
import termios
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass

HEADER = struct.Struct("!BII")
HELLO, OPEN, DATA, END, TAKEN = range(5)
CHUNK_INWARD = 2048
CHUNK_OUTWARD = 16384
STALLED = 10.0
"""Seconds after which a peer that takes no bytes is let go, so that it cannot hold up the others."""


class LineClosedError(Exception):
    """The other end of the serial line is gone."""


@dataclass(slots=True)
class _Channel:
    connection: socket.socket
    ends: int = 0  # 2: both sides have said all that they had to say


class Multiplexer:
    """One end of the line. The guest has a ``connect``, which makes the connection that an opened channel leads to."""

    def __init__(self, line: int, connect: Callable[[], socket.socket] | None = None) -> None:
        self._line = line
        self._connect = connect
        self._writing = threading.Lock()
        self._changing = threading.Lock()
        self._taken = threading.Semaphore(0)
        self._channels: dict[int, _Channel] = {}
        self._opened = 0

    def hello(self) -> None:
        """Tell the other side that this one reads: what is sent to a terminal that nobody has made raw is garbled."""
        self._send(HELLO, 0)

    def wait_for_hello(self) -> None:
        """Wait for the other side; raise LineClosedError. Call it before ``serve``."""
        while self._receive()[0] != HELLO:
            pass

    def carry(self, connection: socket.socket) -> None:
        """Open a channel for a connection that was accepted here; the multiplexer closes it."""
        with self._changing:
            self._opened += 1
            number = self._opened
        # The answer may be here before _send returns.
        self._register(number, connection)
        self._send(OPEN, number)
        self._start_pump(number, connection)

    def serve(self) -> None:
        """Read the line until it ends."""
        with contextlib.suppress(LineClosedError):
            while True:
                kind, number, payload = self._receive()
                if kind == TAKEN:
                    self._taken.release()
                    continue
                if self._connect is not None:
                    self._send(TAKEN, 0)
                if kind == OPEN and self._connect is not None:
                    try:
                        connection = self._connect()
                    except OSError:
                        self._send(END, number)
                    else:
                        self._register(number, connection)
                        self._start_pump(number, connection)
                elif channel := self._channels.get(number):
                    if kind == DATA:
                        self._deliver(channel, payload)
                    elif kind == END:
                        with contextlib.suppress(OSError):
                            channel.connection.shutdown(socket.SHUT_WR)
                        self._end(number)

    def _register(self, number: int, connection: socket.socket) -> None:
        connection.settimeout(None)
        seconds = struct.pack("ll", int(STALLED), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        self._channels[number] = _Channel(connection)

    def _start_pump(self, number: int, connection: socket.socket) -> None:
        threading.Thread(target=self._pump, args=(number, connection), daemon=True).start()

    def _pump(self, number: int, connection: socket.socket) -> None:
        chunk = CHUNK_INWARD if self._connect is None else CHUNK_OUTWARD
        with contextlib.suppress(OSError, LineClosedError):
            while fresh := connection.recv(chunk):
                self._send(DATA, number, fresh)
        with contextlib.suppress(LineClosedError):
            self._send(END, number)
        self._end(number)

    def _deliver(self, channel: _Channel, payload: bytes) -> None:
        try:
            channel.connection.sendall(payload)
        except OSError:
            with contextlib.suppress(OSError):
                channel.connection.shutdown(socket.SHUT_RDWR)

    def _end(self, number: int) -> None:
        with self._changing:
            channel = self._channels[number]
            channel.ends += 1
            if channel.ends == 2:
                del self._channels[number]
                channel.connection.close()

    def _send(self, kind: int, number: int, payload: bytes = b"") -> None:
        rest = memoryview(HEADER.pack(kind, number, len(payload)) + payload)
        with self._writing:
            while rest:
                try:
                    rest = rest[os.write(self._line, rest) :]
                except OSError as error:
                    raise LineClosedError(str(error)) from error
            if self._connect is None and not self._taken.acquire(timeout=STALLED):
                raise LineClosedError("the guest takes no more frames")

    def _receive(self) -> tuple[int, int, bytes]:
        kind, number, length = HEADER.unpack(self._exactly(HEADER.size))
        return kind, number, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        taken = bytearray()
        while len(taken) < size:
            try:
                fresh = os.read(self._line, size - len(taken))
            except OSError as error:
                raise LineClosedError(str(error)) from error
            if not fresh:
                raise LineClosedError("end of line")
            taken += fresh
        return bytes(taken)


def open_serial(name: str) -> int:
    """Return a descriptor for what LAB_SERIAL names: ``fd:N``, or a terminal, which is made raw; raise OSError."""
    if name.startswith("fd:"):
        return int(name[3:])
    line = os.open(name, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line, termios.TCSANOW)
    return line
