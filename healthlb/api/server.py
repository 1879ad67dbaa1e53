"""Serving an application on a listener."""

import asyncio
import logging
import socket
import ssl as tls

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from healthlb.api.application import CONNECTIONS
from healthlb.api.connections import Connections
from healthlb.api.listening import BACKLOG, ListenError, inode, open_socket, remove_socket
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

_HANDSHAKE = 5.0
_SHUTDOWN = 2.0

__all__ = ["ListenError", "RunningServer", "serve"]


class _OneLine(logging.Filter):
    """What a client sent wrong is a line of one sentence, not an error of the director with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            if isinstance(fault, HttpProcessingError):
                record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = f"{record.getMessage()}: {type(fault).__name__}: {' '.join(str(fault).split())}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


_log = logging.getLogger(f"{__name__}.http")
_log.addFilter(_OneLine())


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
    limits = connections.limits
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_log,
        handler_cancellation=True,
        keepalive_timeout=limits.idle,
        lingering_time=1.0,
        max_line_size=limits.head_line,
        max_field_size=limits.head_line,
        max_headers=limits.head_lines,
        shutdown_timeout=_SHUTDOWN,
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
        connections.factory(runner),
        sock=opened,
        ssl=ssl,
        ssl_handshake_timeout=_HANDSHAKE if ssl is not None else None,
        backlog=BACKLOG,
    )
