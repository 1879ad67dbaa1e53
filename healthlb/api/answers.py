"""What every answer has in common: JSON errors, security headers, HEAD, and documents sent in chunks."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from healthlb.api.connections import Connections
from healthlb.api.negotiation import known, takes_gzip
from healthlb.api.rendering import SLICE, Rendering

JSON = "application/json"

READ_ONLY: web.AppKey[bool] = web.AppKey("read_only", bool)
"""In an application that takes no commands."""


class Sending:
    """Who sends on one listener: of each turn of the loop a crowd with documents to come has a slice, one by one.

    Who has the slice keeps it until it is used up, or until its client has to take what was sent: the loop turns as
    seldom for a crowd as for one reader.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._since: float | None = None
        self._sender: object = None

    async def turn(self, sender: object) -> None:
        """Return when this one may send a chunk: at once, or after whoever waits and after the loop's other work.

        A write into a socket that has room never suspends.
        """
        if sender is self._sender and not self._used_up():
            return
        async with self._lock:
            if self._used_up():
                await asyncio.sleep(0)
            if self._since is None:
                self._since = time.perf_counter()
                asyncio.get_running_loop().call_soon(self._end)
            self._sender = sender

    def _used_up(self) -> bool:
        return self._since is not None and time.perf_counter() - self._since >= SLICE

    def _end(self) -> None:
        """Begin another turn of the loop, with a slice that nobody has had yet."""
        self._since = None
        self._sender = None


SENDING: web.AppKey[Sending] = web.AppKey("sending", Sending)
"""Of each application."""

_log = logging.getLogger(__name__)

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "healthlb",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: Any, status: int = 200, **headers: str) -> web.Response:
    """Return a small JSON answer; `headers` are given with underscores for hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value).encode() + b"\n"
    return web.Response(body=body, status=status, content_type=JSON, headers=SECURITY | named)


def failure(status: int, sentence: str, **headers: str) -> web.Response:
    """Return the one shape that errors have: `{"error": "…"}`."""
    return answer({"error": sentence}, status, **headers)


def no_room(sentence: str) -> web.Response:
    """Return the answer to one who wants a stream where there are too many; the connection is another's at once."""
    refusal = failure(503, sentence, Retry_After="5")
    refusal.force_close()
    return refusal


def stream_headers(content_type: str) -> dict[str, str]:
    """Return the headers of an answer that goes on, which a proxy is not to collect."""
    return SECURITY | {"Content-Type": content_type, "X-Accel-Buffering": "no"}


async def document(
    request: web.Request,
    rendering: Rendering,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    tagged: bool = True,
) -> web.StreamResponse:
    """Send a rendering chunk by chunk, each after the client has taken most of the one before, and in its turn.

    With an ETag (`tagged`) a client that has it already is told so, and a cache of its own may keep it, to ask again.
    Where `headers` has none it is weak, as it stands for both forms, plain and gzip (RFC 9110 section 8.8.1).
    """
    named = {**SECURITY, "Vary": "Accept-Encoding", **(headers or {})}
    if tagged:
        named = {"ETag": f'W/"{rendering.tag}"', **named, "Cache-Control": "private, no-cache"}
        if known(request.headers.getall("If-None-Match", []), named["ETag"]):
            return web.Response(status=304, headers=named)
    turn = request.app[SENDING].turn
    response = web.StreamResponse(headers=named | {"Content-Type": content_type})
    gzip = takes_gzip(request.headers.get("Accept-Encoding", ""))
    if gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.content_length = rendering.compressed_length if gzip else rendering.length
    await turn(response)
    await response.prepare(request)
    if request.method != "HEAD":
        for chunk in rendering.compressed if gzip else rendering.plain():
            await turn(response)
            await response.write(chunk)
    await response.write_eof()
    return response


def bounded(connections: Connections) -> Middleware:
    """Return the middleware that gives each request its time."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        connections.started(request.protocol)
        try:
            return await handler(request)
        finally:
            connections.waiting(request.protocol)

    return middleware


@web.middleware
async def faults_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that can go wrong into one JSON sentence, and what was not foreseen into a log line as well."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        return failure(405, f"{request.path} answers {allow} only, not {request.method}.", Allow=allow)
    except web.HTTPNotFound:
        if READ_ONLY in request.app and request.method not in {"GET", "HEAD"}:
            return failure(404, "This listener is for reading only; the one at api.admin takes commands.")
        return failure(404, f"There is nothing at {request.path}.")
    except web.HTTPRequestEntityTooLarge:
        return failure(413, "The request's body is too large.")
    except web.HTTPException as error:
        return failure(error.status, f"{error.reason}.")
    except TimeoutError:
        return failure(503, "The director did not answer in time; is the kernel's table being read?", Retry_After="1")
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001  (a fault in one answer must not end in a traceback or a broken socket)
        _log.error("answering %s %s failed: %s: %s", request.method, request.path, type(error).__name__, error)
        return failure(500, "The director met a fault of its own; its log says which.")
