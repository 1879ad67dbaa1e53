"""Who may give commands: a caller of the UNIX socket, or one with the token, and never another site's page."""

import hmac
import math
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from healthlb.api.answers import Handler, failure
from healthlb.api.callers import Callers, over_unix, remote
from healthlb.api.penalties import Penalties, Refusals, network
from healthlb.api.source import Admin

ANOTHER_SITE = "it came from another site's page"
NO_TOKEN = "no token"  # noqa: S105  the reason of a refusal
WRONG_TOKEN = "a wrong token"  # noqa: S105  the same
TOO_MANY = "too many wrong tokens"


class Guard:
    """Lets commands through to their handlers, and tells the director of those that it does not."""

    def __init__(
        self, admin: Admin, token: str | None, callers: Callers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._admin = admin
        self._token = token
        self._callers = callers
        self._clock = clock
        self._penalties = Penalties()
        self._refusals = Refusals()

    def guarded(self, command: str, handler: Handler) -> Handler:
        """Return a handler that lets a command through only from a UNIX socket or with the token.

        The token is what defeats DNS rebinding: a page whose name was made to point here has the right Host and Origin,
        but no token. The Origin test (RFC 6454 section 7, Fetch's Sec-Fetch-Site) refuses the rest before it comes to
        that. Wrong tokens are answered 429 with Retry-After (RFC 6585 section 4) after a few; a request without one is
        no guess.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            return self._refusal(command, request) or await handler(request)

        return handle

    def trusted(self, request: web.Request) -> bool:
        """Say whether a reader is one who may give commands; a wrong token counts as it does with a command."""
        return not _from_another_site(request) and (over_unix(request) or self._untrusted(request) is None)

    def _refusal(self, command: str, request: web.Request) -> web.Response | None:
        if _from_another_site(request):
            self._tell(command, request, ANOTHER_SITE)
            return failure(403, "A page of another site may not give commands.")
        if over_unix(request):
            return None
        reason = self._untrusted(request)
        if reason is None:
            return None
        self._tell(command, request, reason)
        if reason == TOO_MANY:
            seconds = math.ceil(self._penalties.left(remote(request), self._clock()))
            sentence = f"Too many wrong tokens came from this address; try again in {seconds} s."
            return failure(429, sentence, Retry_After=str(seconds))
        needed = "This needs the admin token: Authorization: Bearer TOKEN."
        sentence = "The admin token that was given is wrong." if reason == WRONG_TOKEN else needed
        return failure(401, sentence, WWW_Authenticate="Bearer")

    def _untrusted(self, request: web.Request) -> str | None:
        """Return why a caller over TCP is not trusted, None where it is."""
        given = _token(request)
        if not given:
            return NO_TOKEN
        caller, now = remote(request), self._clock()
        if self._penalties.left(caller, now):
            return TOO_MANY
        if self._token and hmac.compare_digest(given, self._token.encode()):
            return None
        self._penalties.failed(caller, now)
        return WRONG_TOKEN

    def _tell(self, command: str, request: web.Request, reason: str) -> None:
        place = self._callers.place(request)
        more = self._refusals.more(network(place), self._clock())
        if more is not None:
            self._admin.refused(command, place, reason, more)


def _token(request: web.Request) -> bytes:
    """Return the token that is given (RFC 6750 section 2.1); a password for a proxy on the way is none."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip().encode(errors="replace") if scheme.lower() == "bearer" else b""


def _from_another_site(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return True
    origin = request.headers.get("Origin")
    try:
        return origin is not None and urlsplit(origin).netloc != request.host
    except ValueError:
        return True
