"""Sockets that serve all targets of an IP version and a way (`checks.Way`), as raw ones do."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from socket import SocketType
from typing import Generic, TypeVar

from checks import Way
from checks.engine.raw import count_drops
from checks.engine.ways import lasting

USED_SECONDS = 10.0
"""How long a socket is used whose device or namespace may be made anew meanwhile."""
IDLE_SECONDS = 60.0
"""How long a socket is kept that nobody uses."""

Key = tuple[Way, int]
"""A way, and 4 or 6."""


class SharedSocket:
    """A socket of many probes. A subclass opens `socket` in `stack`, which `close` closes, and says if it is `busy`."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.used = 0.0
        self.expires = float("inf")
        self.retired = False
        self.lossy_until = float("-inf")
        """Until when answers have been lost because our buffer was full: what began before may have had one."""
        self._drops = 0
        self.socket: SocketType

    @property
    def busy(self) -> bool:
        """Return whether a probe still waits for something to come here."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket and what was opened beside it."""
        self.stack.close()

    def note_losses(self, now: float) -> None:
        """Look whether packets found no room in the receive buffer since this was last called."""
        drops, self._drops = self._drops, count_drops(self.socket)
        if drops != self._drops:
            self.lossy_until = now


Kind = TypeVar("Kind", bound=SharedSocket)


class SharedSockets(Generic[Kind]):
    """Opens them when they are needed and closes them when they are not; the loop calls `on_readable` with each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_readable: Callable[[Kind], None]) -> None:
        self._loop = loop
        self._on_readable = on_readable
        self._sockets: dict[Key, Kind] = {}
        self._retired: list[Kind] = []

    def get(self, key: Key, now: float) -> Kind | None:
        """Return the socket to use now, or None if one has to be opened."""
        shared = self._sockets.get(key)
        if shared is None or shared.expires <= now:
            return None
        shared.used = now
        return shared

    def add(self, key: Key, shared: Kind, now: float) -> None:
        """Use this one from now on, and close what is idle."""
        for each, old in list(self._sockets.items()):
            if each == key or now - old.used > IDLE_SECONDS:
                del self._sockets[each]
                old.retired = True
                self._retired.append(old)
        shared.used = now
        if not lasting(key[0]):
            shared.expires = now + USED_SECONDS
        self._sockets[key] = shared
        self._loop.add_reader(shared.socket.fileno(), self._on_readable, shared)
        self.close_retired()

    def all(self) -> list[Kind]:
        """Return those on which something may come."""
        return [*self._sockets.values(), *self._retired]

    def close_retired(self) -> None:
        """Close those that are used no more and have nothing to wait for."""
        for shared in [shared for shared in self._retired if not shared.busy]:
            self._retired.remove(shared)
            self._close(shared)

    def close(self) -> None:
        """Close all."""
        for shared in self.all():
            self._close(shared)
        self._sockets.clear()
        self._retired.clear()

    def _close(self, shared: Kind) -> None:
        self._loop.remove_reader(shared.socket.fileno())
        shared.close()
