"""Serving an application on a listener."""

import asyncio
import logging
import socket
import ssl as tls
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from healthlb.api.application import CONNECTIONS
from healthlb.api.connections import Connections
from healthlb.api.listening import BACKLOG, ListenError, inode, open_socket, remove_socket
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

_HANDSHAKE = 5.0
_SHUTDOWN = 2.0
TOLD_EVERY = 60.0
"""Seconds from one line on what a client sent wrong to the next."""
LONGEST = 300
"""Characters of a fault that a line tells."""

__all__ = ["ListenError", "RunningServer", "serve"]


class OneLine(logging.Filter):
    """Makes a fault a line of one sentence without a traceback.

    What clients send wrong is no error of the director, and one line in `TOLD_EVERY` seconds is enough for all of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told_at = -TOLD_EVERY
        self._untold = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be written, as it is then."""
        fault = record.exc_info[1] if record.exc_info else None
        if fault is None:
            return True
        more = ""
        if isinstance(fault, HttpProcessingError):
            now = self._clock()
            if now - self._told_at < TOLD_EVERY:
                self._untold += 1
                return False
            more = f" (and {self._untold} more such requests since the last that was told)" if self._untold else ""
            self._told_at, self._untold = now, 0
            record.levelno, record.levelname = logging.INFO, "INFO"
        said = "".join(each if each.isprintable() else " " for each in str(fault)[:LONGEST])
        record.msg = f"{record.getMessage()}: {type(fault).__name__}: {' '.join(said.split())}{more}"
        record.args, record.exc_info, record.exc_text = (), None, None
        return True


_log = logging.getLogger(f"{__name__}.http")
_log.addFilter(OneLine())


class RunningServer:
    """A listener that is being served. `listener` says where; a port 0 that was asked for is the one that was given."""

    def __init__(
        self,
        listener: Listener,
        runner: web.AppRunner,
        server: asyncio.Server,
        connections: Connections,
        made: int | None,
        *,
        ssl: tls.SSLContext | None = None,
        socket_mode: int = 0o660,
    ) -> None:
        self.listener = listener
        self.connections = connections
        self._runner = runner
        self._server = server
        self._made = made
        self._ssl = ssl
        self._socket_mode = socket_mode

    def give_way(self) -> None:
        """Stop listening, so that another may take the address; requests under way go on."""
        self._server.close()
        remove_socket(self.listener, self._made)
        self._made = None

    async def come_back(self) -> None:
        """Listen again after `give_way`; raise `ListenError` when the address has been taken meanwhile."""
        opened = open_socket(self.listener, self._socket_mode)
        self._server = await _listening(self._runner, self.connections, opened, self._ssl)
        self._made = inode(self.listener)

    async def close(self) -> None:
        """Stop listening, let requests under way have a moment, cut what is left, and remove the socket file."""
        self._server.close()
        self.connections.close()
        await self._runner.cleanup()
        remove_socket(self.listener, self._made)


async def serve(
    application: web.Application,
    listener: Listener,
    ssl: tls.SSLContext | None = None,
    socket_mode: int = 0o660,
) -> RunningServer:
    """Serve an application until `close()`; raise `ListenError` when its listener can't be opened.

    There is no access log: a line a scrape would bury the lines that matter. `socket_mode` is that of a UNIX socket's
    file: 0o660 lets the process's group in, 0o600 its user alone.
    """
    opened = open_socket(listener, socket_mode)
    connections = application[CONNECTIONS]
    runner = web.AppRunner(
        application, access_log=None, logger=_log, handler_cancellation=True, shutdown_timeout=_SHUTDOWN
    )
    try:
        await runner.setup()
        server = await _listening(runner, connections, opened, ssl)
    except BaseException:
        opened.close()
        await runner.cleanup()
        raise
    if listener.path is None:
        address, port = opened.getsockname()[:2]
        listener = Listener(Endpoint(address, port))
    return RunningServer(listener, runner, server, connections, inode(listener), ssl=ssl, socket_mode=socket_mode)


async def _listening(
    runner: web.AppRunner, connections: Connections, opened: socket.socket, ssl: tls.SSLContext | None
) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        connections.factory(runner, _log),
        sock=opened,
        ssl=ssl,
        ssl_handshake_timeout=_HANDSHAKE if ssl is not None else None,
        backlog=BACKLOG,
    )
