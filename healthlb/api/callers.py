"""Who is calling, as the kernel or the token tells."""

import asyncio
import pwd
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

_CREDENTIALS = struct.Struct("iII")
"""`struct ucred`: process, user, group (unix(7), SO_PEERCRED)."""

PATIENCE = 0.5
"""Seconds that a user's name may take to be found; a directory server that is gone must not hold up a command."""
NAMES = 256
"""Users whose names are remembered."""
LOOKING = 4
"""Users whose names are being looked for at once; those of others are left out meanwhile."""


def over_unix(request: web.Request) -> bool:
    """Say whether a request came by a UNIX socket."""
    transport = request.transport
    return transport is not None and transport.get_extra_info("socket").family == socket.AF_UNIX


def remote(request: web.Request) -> str:
    """Return the address of a caller over TCP."""
    return str(request.remote)


def look_up(user: int) -> str:
    """Return a user's name, empty where there is none that can be shown; may block."""
    try:
        name = pwd.getpwuid(user).pw_name
    except (KeyError, OSError):
        return ""
    return name if name.isprintable() else ""


class Callers:
    """Words for callers. Names of users are looked up in threads, and remembered."""

    def __init__(self, look_up: Callable[[int], str] = look_up) -> None:
        self._look_up = look_up
        self._names: OrderedDict[int, str] = OrderedDict()
        self._looking: dict[int, asyncio.Future[str]] = {}

    async def who(self, request: web.Request) -> str:
        """Return `uid 0 (root) pid 812` for a caller over UNIX, `token from 192.0.2.1` for one with the token."""
        transport = request.transport
        if transport is None:
            return "a caller that has gone"
        if not over_unix(request):
            return f"token from {remote(request)}"
        process, user, _ = _credentials(transport)
        name = await self._name(user)
        return f"uid {user} ({name}) pid {process}" if name else f"uid {user} pid {process}"

    def place(self, request: web.Request) -> str:
        """Return who is calling in short, at once: `uid 0`, `192.0.2.1`."""
        transport = request.transport
        if transport is None or not over_unix(request):
            return remote(request)
        return f"uid {_credentials(transport)[1]}"

    async def _name(self, user: int) -> str:
        if user in self._names:
            return self._names[user]
        found = self._looking.get(user)
        if found is None:
            if len(self._looking) >= LOOKING:
                return ""
            found = self._looking[user] = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._look, args=(user, found), name="user name", daemon=True).start()
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(found)
        except TimeoutError:
            return ""

    def _look(self, user: int, found: asyncio.Future[str]) -> None:
        name = self._look_up(user)
        try:
            found.get_loop().call_soon_threadsafe(self._found, user, name, found)
        except RuntimeError:  # the loop is closed: nobody waits for the name any more
            return

    def _found(self, user: int, name: str, found: asyncio.Future[str]) -> None:
        del self._looking[user]
        if name:
            self._names[user] = name
        if len(self._names) > NAMES:
            self._names.popitem(last=False)
        found.set_result(name)


def _credentials(transport: asyncio.Transport) -> tuple[int, int, int]:
    peer = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(peer)
    return process, user, group
