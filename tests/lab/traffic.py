"""Real traffic for a topology: web servers that answer their own name, and clients that ask.

A server is a thread of the test's own process with sockets in the server's machine, because starting a Python costs a
second in a guest; ending one looks to its peers like a killed process. Times are seconds.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from topology import Machine

PATIENCE = 20.0
"""Seconds that a client waits for a connection or an answer."""
ETH_P_ALL = 3
"""Every protocol (packet(7))."""


class NoAnswerError(Exception):
    """A client's question was refused, reset, cut short or not answered in time."""


class WebServer:
    """An HTTP/1.1 server with keep-alive that answers every GET, and every datagram to the same port, with its name.

    The address ``::`` stands for every address of both families. ``status`` may be set at any time: with 503 the server
    is reachable and sick. ``asked`` counts by path.
    """

    def __init__(self, machine: Machine, address: str, port: int, name: str) -> None:
        self.machine, self.address, self.port, self.name = machine, address, port, name
        self.status = 200
        self.asked = Counter[str]()
        self._stop: socket.socket | None = None
        self._thread: threading.Thread | None = None
        machine.net.at_end(self.kill)
        self.start()

    def start(self) -> None:
        """Listen, again after a kill; raise OSError if the port is taken."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self.machine.inside():
            both = self.address == "::"
            listener = socket.create_server((self.address, self.port), family=family, backlog=512, dualstack_ipv6=both)
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            datagrams.bind((self.address, self.port))
        self._stop, woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(listener, datagrams, woken), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Close the listener and every connection at once, as the kernel does for a killed process."""
        if self._stop is not None and self._thread is not None:
            self._stop.close()
            self._thread.join(PATIENCE)
            self._stop = None

    def _serve(self, listener: socket.socket, datagrams: socket.socket, woken: socket.socket) -> None:
        selector = selectors.DefaultSelector()
        pending: dict[socket.socket, bytes] = {}
        for own in (listener, datagrams, woken):
            own.setblocking(False)
            selector.register(own, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                break
            for readable in ready:
                # A client that went away is the client's affair.
                with contextlib.suppress(OSError):
                    if readable is listener:
                        connection, _ = listener.accept()
                        connection.setblocking(False)
                        selector.register(connection, selectors.EVENT_READ)
                        pending[connection] = b""
                    elif readable is datagrams:
                        datagrams.sendto(self.name.encode(), datagrams.recvfrom(2048)[1])
                    elif isinstance(readable, socket.socket) and not self._answer(readable, pending):
                        selector.unregister(readable)
                        del pending[readable]
                        readable.close()
        selector.close()
        for own in (listener, datagrams, woken, *pending):
            own.close()

    def _answer(self, connection: socket.socket, pending: dict[socket.socket, bytes]) -> bool:
        """Answer what has arrived whole; return False once the connection is over."""
        try:
            fresh = connection.recv(65536)
        except OSError:
            return False
        *requests, pending[connection] = (pending[connection] + fresh).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1].decode()
            self.asked[path] += 1
            reason = "OK" if self.status == 200 else "Sick"
            head = f"HTTP/1.1 {self.status} {reason}\r\nContent-Length: {len(self.name.encode())}\r\n\r\n"
            connection.sendall(f"{head}{self.name}".encode())
        return bool(fresh)


class Connection:
    """A client's connection that stays open; every ``ask`` is one request on it. A context manager."""

    def __init__(
        self, machine: Machine, address: str, port: int, *, source: str | None = None, patience: float = PATIENCE
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with machine.inside():
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        if source is not None:
            self._socket.bind((source, 0))
        self._socket.settimeout(patience)
        self._arrived = b""
        try:
            self._socket.connect((address, port))
        except OSError as error:
            self._socket.close()
            raise NoAnswerError(f"{address} port {port}: {error}") from error

    def ask(self, path: str = "/") -> str:
        """Return the body of the answer, whatever its status; raise NoAnswerError."""
        return self.exchange(path)[1]

    def exchange(self, path: str = "/") -> tuple[int, str]:
        """Return the answer's status and body; raise NoAnswerError."""
        try:
            self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
            head = self._until(lambda: b"\r\n\r\n" in self._arrived, lambda: self._arrived.index(b"\r\n\r\n") + 4)
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = self._until(lambda: len(self._arrived) >= length, lambda: length)
        except OSError as error:
            raise NoAnswerError(str(error)) from error
        return int(head.split(b" ", 2)[1]), body.decode()

    def lose_patience(self, seconds: float) -> None:
        """Wait for later answers that long only."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _until(self, enough: Callable[[], bool], size: Callable[[], int]) -> bytes:
        while not enough():
            fresh = self._socket.recv(65536)
            if not fresh:
                raise NoAnswerError("the server closed the connection")
            self._arrived += fresh
        cut = size()
        taken, self._arrived = self._arrived[:cut], self._arrived[cut:]
        return taken


def ask(
    machine: Machine,
    address: str,
    port: int,
    path: str = "/",
    *,
    source: str | None = None,
    patience: float = PATIENCE,
) -> str:
    """Ask once over a fresh connection and return the answering server's name; raise NoAnswerError."""
    with Connection(machine, address, port, source=source, patience=patience) as connection:
        return connection.ask(path)


def ask_udp(machine: Machine, address: str, port: int, *, source_port: int = 0, patience: float = PATIENCE) -> str:
    """Ask once from a UDP port, by default a fresh one, and return the answering server's name; raise NoAnswerError."""
    with machine.inside():
        asking = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.bind(("", source_port))
        asking.settimeout(patience)
        try:
            asking.sendto(b"?", (address, port))
            return asking.recv(2048).decode()
        except OSError as error:
            raise NoAnswerError(f"{address} port {port}: {error}") from error


def names(machine: Machine, address: str, port: int, count: int) -> list[str]:
    """Ask ``count`` times, each over a fresh connection, and return who answered; raise NoAnswerError."""
    return [ask(machine, address, port) for _ in range(count)]


class Capture:
    """Sees every frame that an interface sends or receives, from its start on. A context manager."""

    def __init__(self, machine: Machine, interface: str) -> None:
        with machine.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)

    def frames(self) -> list[bytes]:
        """Return the frames since the start or the last call, from the destination's hardware address on."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(self._socket.recv(65536))
        return frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()


class Load:
    """A client that asks again and again from a thread, over fresh connections, and counts. A context manager.

    ``answers`` counts by server's name; ``failures`` keeps each failed question's reason. Both stand still at exit.
    Loads on two virtual servers that share a real server need a ``source`` each: NAT leaves the client's address and
    port as they are, so one port used towards both is one connection at the real server.
    """

    def __init__(
        self, machine: Machine, address: str, port: int, *, source: str | None = None, pause: float = 0.01
    ) -> None:
        self.answers = Counter[str]()
        self.failures: list[str] = []
        self._target = (machine, address, port)
        self._source = source
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def wait_for(self, answers: int, *, deadline: float = 60.0) -> None:
        """Wait until that many more questions have been answered; raise NoAnswerError at the deadline."""
        wanted = self.answers.total() + answers
        limit = time.monotonic() + deadline
        while self.answers.total() < wanted:
            if time.monotonic() > limit:
                raise NoAnswerError(f"fewer than {answers} answers in {deadline:g} s; failures: {self.failures[-3:]}")
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE * 2)

    def _ask(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self.answers[ask(*self._target, source=self._source)] += 1
            except NoAnswerError as failure:
                self.failures.append(str(failure))
