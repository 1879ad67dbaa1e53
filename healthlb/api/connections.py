"""How many connections there may be, and how long each may take over what it is doing.

aiohttp has no deadline for a request that drips in or for an answer that drips out, so a connection here always has
one: for the next whole request head, and from there for the request's body and the answer. A stream has that time again
whenever its reader has taken something.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet

from aiohttp import web

from healthlb.model.snapshot import ListenerStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds on clients. Times are seconds, sizes bytes.

    `streams` of the connections may be streams; one that is silent says so often that it is `alive`.
    """

    connections: int = 256
    streams: int = 64
    idle: float = 15.0
    request: float = 30.0
    alive: float = 15.0
    body: int = 64 * 1024
    head_line: int = 8190
    head_lines: int = 64


_FULL_BODY = b'{"error": "There are too many connections; try again later."}\n'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)


class Traffic:
    """What came to a listener so far; it outlives a listener that moves, whose last connections end meanwhile."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.streams = 0
        self.refused_total = 0
        self.cut_total = 0
        self.servers: WeakSet[web.Server] = WeakSet()

    async def answered(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Count an answer, a stream too, as its head is sent."""
        self.answers[response.status] += 1

    def status(self, name: str) -> ListenerStatus:
        """Return what there is to tell, under the name of the listener."""
        connections = sum(len(server.connections) for server in self.servers)
        answers = tuple(sorted(self.answers.items()))
        return ListenerStatus(name, connections, self.streams, self.refused_total, self.cut_total, answers)


class Connections:
    """The open connections of one listener, each with the moment at which it is cut."""

    def __init__(self, limits: Limits, traffic: Traffic | None = None) -> None:
        self.limits = limits
        self.traffic = traffic or Traffic()
        self._cut_at: dict[web.RequestHandler, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def factory(self, runner: web.AppRunner, logger: logging.Logger) -> Callable[[], asyncio.Protocol]:
        """Return the protocol factory of a listening socket: each connection passes the gate, then speaks HTTP."""
        server = runner.server
        if server is None:
            raise RuntimeError("the runner must be set up before its connections come in")
        self.traffic.servers.add(server)
        limits = self.limits
        http = partial(
            _Handler,
            server,
            loop=asyncio.get_running_loop(),
            logger=logger,
            access_log=None,  # type: ignore[arg-type]  # none, as AppRunner takes it, too
            keepalive_timeout=limits.idle,
            lingering_time=1.0,
            max_line_size=limits.head_line,
            max_field_size=limits.head_line,
            max_headers=limits.head_lines,
        )
        return lambda: _Gate(self, server, http)

    def started(self, handler: web.RequestHandler) -> None:
        """Give a request that has arrived its whole time."""
        self._cut_at[handler] = asyncio.get_running_loop().time() + self.limits.request

    def waiting(self, handler: web.RequestHandler) -> None:
        """Give a connection its time for the next request."""
        self._cut_at[handler] = asyncio.get_running_loop().time() + self.limits.idle
        if self._timer is None:
            self._sweep_later()

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._cut_at.clear()

    def _sweep_later(self) -> None:
        period = min(self.limits.idle, self.limits.request) / 4
        self._timer = asyncio.get_running_loop().call_later(period, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        for handler, cut_at in list(self._cut_at.items()):
            if handler.transport is None:
                del self._cut_at[handler]
            elif cut_at <= now:
                self.traffic.cut_total += 1
                handler.transport.abort()
                del self._cut_at[handler]
        if self._cut_at:
            self._sweep_later()


class _Handler(web.RequestHandler):
    """Speaks HTTP as aiohttp does, but tells in JSON, too, what is wrong with a head that is no HTTP, or too large."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the answer; the fault is logged, and the connection closed after it. Who has gone is no fault."""
        if isinstance(exc, ConnectionError) and (self.transport is None or self.transport.is_closing()):
            self.force_close()
            return web.Response(status=status)
        answer = super().handle_error(request, status, exc, message)
        if isinstance(answer, web.Response):
            ours = status == 500
            sentence = "The director met a fault of its own." if ours else "The head of this request cannot be taken."
            answer.content_type = "application/json"
            answer.charset = None
            answer.body = json.dumps({"error": sentence}).encode() + b"\n"
            answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


class _Gate(asyncio.Protocol):
    """The first protocol of a connection: counts it, then hands its transport to HTTP or closes it."""

    def __init__(self, connections: Connections, server: web.Server, http: Callable[[], "_Handler"]) -> None:
        self._connections = connections
        self._server = server
        self._http = http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("HTTP needs a stream transport")
        if len(self._server.connections) >= self._connections.limits.connections:
            self._connections.traffic.refused_total += 1
            transport.write(_FULL)
            transport.close()
            return
        handler = self._http()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        self._connections.waiting(handler)
