"""The commands of the admin listener, and who may give them."""

import hmac
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from healthlb.api.answers import answer, failure
from healthlb.api.source import Admin
from healthlb.model.changes import Actor

_log = logging.getLogger(__name__)

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: process, user, group (unix(7), SO_PEERCRED)."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_admin_routes(application: web.Application, admin: Admin, token: str | None) -> None:
    """Add the commands. Each one is logged with its caller, whether it was allowed or not."""

    async def reload(request: web.Request) -> web.StreamResponse:
        outcome = await admin.reload(Actor(caller(request)))
        _log.info("reload asked by %s: %s", caller(request), outcome.message)
        return answer(
            {"accepted": outcome.accepted, "message": outcome.message, "changes": outcome.changes}
            | ({} if outcome.accepted else {"error": outcome.message}),
            status=200 if outcome.accepted else 422,
        )

    application.router.add_post("/api/v1/reload", guarded(reload, token))


def guarded(handler: _Handler, token: str | None) -> _Handler:
    """Let a command through only from a UNIX socket or with the token, and never from another site's page.

    The token is what defeats DNS rebinding: a page whose name was made to point here has the right Host and Origin, but
    no token. The Origin test (RFC 6454 section 7, Fetch's Sec-Fetch-Site) refuses the rest before it comes to that.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        if _from_another_site(request):
            _log.warning("refused %s from %s: it came from another site's page", request.path, caller(request))
            return failure(403, "A page of another site may not give commands.")
        if not (_over_unix(request) or _has_token(request, token)):
            _log.warning("refused %s from %s: no valid token", request.path, caller(request))
            return failure(401, "This needs the admin token: Authorization: Bearer TOKEN.", WWW_Authenticate="Bearer")
        return await handler(request)

    return handle


def caller(request: web.Request) -> str:
    """Return who is calling: the process, user and group of a UNIX caller as the kernel knows them, or an address."""
    transport = request.transport
    if transport is None:
        return "a caller that has gone"
    if not _over_unix(request):
        return str(request.remote)
    peer = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(peer)
    return f"uid {user} gid {group} pid {process}"


def _over_unix(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and transport.get_extra_info("socket").family == socket.AF_UNIX


def _has_token(request: web.Request, token: str | None) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="replace"), (token or "").encode())
    return bool(token) and scheme.lower() == "bearer" and same


def _from_another_site(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
