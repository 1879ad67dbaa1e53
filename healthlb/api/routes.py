"""What each route takes and answers: told once, to the router and to openapi.json."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import HttpVersion11, web

from healthlb.api import kinds, queries, shapes
from healthlb.api.answers import JSON, Handler, failure
from healthlb.api.negotiation import acceptable
from healthlb.api.queries import QueryError, query_of

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """One status: when it is given, and its body by content type: a TypedDict, several of them, or None for text.

    `part`: with the parameter `fields` only what it names is there.
    """

    when: str
    bodies: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    part: bool = False


def told(when: str, shape: Any, *headers: str, part: bool = False) -> Answer:
    """Return an answer in JSON."""
    return Answer(when, {JSON: shape}, headers, part)


UNREAD = told("The director did not answer in time, or there are too many connections.", shapes.Failure, "Retry-After")
UNFORESEEN = told("The director met a fault of its own.", shapes.Failure)
MISTAKEN = told("The query is not understood.", shapes.Failure)
UNACCEPTABLE = told("The Accept header takes nothing that there is.", shapes.Failure)
SAME = Answer("Nothing has changed since the answer with the ETag that was given.", {}, ("ETag",))
TAGGED = ("ETag", "Vary")


@dataclass(frozen=True, slots=True)
class Route:
    """A method on a path. GET answers HEAD as well.

    `asked` are the parameters of its query, of which those in `repeated` may be there more than once and those in
    `needed` are to be there; where it is None the query is not looked at. `headers` are request headers that mean
    something. `body` are the keys of its JSON body, `required` the one that must be there, if any. `guarded`: over TCP
    it needs the token; `trusted`: with the token it tells more.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    asked: Mapping[str, queries.Kind] | None = None
    repeated: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    headers: Mapping[str, queries.Kind] = field(default_factory=dict)
    body: Mapping[str, kinds.Kind[Any]] | None = None
    required: str = ""
    guarded: bool = False
    trusted: bool = False


def reading(
    path: str,
    summary: str,
    answers: Mapping[int, Answer],
    asked: Mapping[str, queries.Kind] | None = NOTHING,
    repeated: tuple[str, ...] = (),
    **more: Any,
) -> Route:
    """Return a route that answers a document with an ETag to those who take it."""
    same = {304: SAME, 400: MISTAKEN, 406: UNACCEPTABLE, 500: UNFORESEEN, 503: UNREAD}
    return Route("GET", path, summary, {**answers, **same}, asked, repeated, **more)


ROUTES: web.AppKey[list[Route]] = web.AppKey("routes", list)

Asked = Mapping[str, Any]
"""What the parameters of a query stand for."""

Answering = Callable[[web.Request, Asked], Awaitable[web.StreamResponse]]


def add_route(application: web.Application, route: Route, handler: Handler) -> None:
    """Serve a route."""
    application[ROUTES].append(route)
    if route.method == "GET":
        application.router.add_get(route.path, handler, expect_handler=_expected)
    else:
        application.router.add_route(route.method, route.path, handler, expect_handler=_expected)


async def _expected(request: web.Request) -> None:
    """Let a client go on that waits for it; what else one expects is passed over (RFC 9110 section 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What is counted is the size of the answer.
        request.writer.output_size = 0


def add_reading(application: web.Application, route: Route, answering: Answering) -> None:
    """Serve a route that is asked something; what cannot be taken of the query or the Accept is answered here."""
    offered, kinds_of = tuple(route.answers[200].bodies), route.asked or {}

    async def handle(request: web.Request) -> web.StreamResponse:
        if not acceptable(", ".join(request.headers.getall("Accept", [])), offered):
            return failure(406, f"{request.path} is to be had as {' or '.join(offered)}.")
        try:
            asked = query_of(request, kinds_of, route.repeated)
        except QueryError as error:
            return failure(400, str(error))
        if missing := [name for name in route.needed if name not in asked]:
            return failure(400, " ".join(f"{name}: is required." for name in missing))
        return await answering(request, asked)

    add_route(application, route, handle)
