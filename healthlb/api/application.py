"""The routes: what may be read, and on the admin socket also what may be changed."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from healthlb.api import exposition, readiness, shapes
from healthlb.api.answers import JSON, READ_ONLY, SENDING, Handler, Sending, answer, bounded, document, faults_as_json
from healthlb.api.callers import Callers
from healthlb.api.commands import Commands
from healthlb.api.connections import Connections, Limits, Traffic
from healthlb.api.events import Events
from healthlb.api.guard import Guard
from healthlb.api.metrics import metrics
from healthlb.api.openapi.serving import Openapi
from healthlb.api.page.routes import add_page_routes
from healthlb.api.reading import Reading
from healthlb.api.rendering import SharedRenderings
from healthlb.api.routes import ROUTES, UNFORESEEN, UNREAD, Answer, Route, add_route, told
from healthlb.api.source import Admin, EventSource, Failovers, HistorySource, SnapshotSource
from healthlb.model.snapshot import Snapshot

MAX_AGE = 1.0
"""Seconds that kernel counters may be old; readers within it share one snapshot and its renderings."""

CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)

HEALTHZ = Route(
    "GET", "/healthz", "Whether the process answers", {200: told("It does.", shapes.Alive), 500: UNFORESEEN}
)
READYZ = Route(
    "GET",
    "/readyz",
    "Whether every check has its first verdict and the table is in sync",
    {
        200: told("It is so.", shapes.Readiness),
        503: Answer("It is not, or the director did not answer in time.", {JSON: shapes.Readiness | shapes.Failure}),
        500: UNFORESEEN,
    },
)
METRICS = Route(
    "GET",
    "/metrics",
    "The same for Prometheus",
    {200: Answer("The text format.", {exposition.CONTENT_TYPE: None}, ("Vary",)), 500: UNFORESEEN, 503: UNREAD},
)


def read_only_application(
    source: SnapshotSource,
    limits: Limits | None = None,
    max_age: float = MAX_AGE,
    *,
    events: EventSource | None = None,
    history: HistorySource | None = None,
    traffic: Traffic | None = None,
) -> web.Application:
    """Return the application of the read-only listener; one application serves one listener."""
    application = _bare(limits or Limits(), traffic)
    application[READ_ONLY] = True
    _add_documents(application, source, max_age, trusted=lambda _: False)
    _add_page(application, source, max_age, events, history)
    Events(events, application[CONNECTIONS]).add_routes(application)
    Openapi(application).add_route()
    return application


def admin_application(
    source: SnapshotSource,
    admin: Admin,
    token: str | None = None,
    limits: Limits | None = None,
    max_age: float = MAX_AGE,
    *,
    events: EventSource | None = None,
    history: HistorySource | None = None,
    traffic: Traffic | None = None,
    failovers: Failovers | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Return the application of the admin listener: the same to read, and the commands.

    Over a UNIX socket its file mode is the permission. Over TCP a command needs `token`; without one all are refused.
    """
    application = _bare(limits or Limits(connections=32, streams=8), traffic)
    callers = Callers()
    guard = Guard(admin, token, callers, clock)
    _add_documents(application, source, max_age, guard.trusted)
    _add_page(application, source, max_age, events, history)
    Events(events, application[CONNECTIONS]).add_routes(application)
    Commands(admin, callers, application[CONNECTIONS], failovers).add_routes(application, guard)
    Openapi(application, needs_token=token is not None).add_route()
    return application


def _bare(limits: Limits, traffic: Traffic | None) -> web.Application:
    connections = Connections(limits, traffic)
    application = web.Application(middlewares=[bounded(connections), faults_as_json], client_max_size=limits.body)
    application[CONNECTIONS] = connections
    application.on_response_prepare.append(connections.traffic.answered)
    application[ROUTES] = []
    application[SENDING] = Sending()
    return application


def _add_documents(
    application: web.Application, source: SnapshotSource, max_age: float, trusted: Callable[[web.Request], bool]
) -> None:
    scrapes = SharedRenderings(source, metrics)

    async def scrape(request: web.Request) -> web.StreamResponse:
        return await document(request, await scrapes.current(max_age), exposition.CONTENT_TYPE, tagged=False)

    async def stop(_application: web.Application) -> None:
        await scrapes.close()

    add_route(application, HEALTHZ, _healthz)
    add_route(application, READYZ, _readyz(source, max_age))
    add_route(application, METRICS, scrape)
    Reading(source, max_age, trusted).add_routes(application)
    application.on_cleanup.append(stop)


def _add_page(
    application: web.Application,
    source: SnapshotSource,
    max_age: float,
    events: EventSource | None,
    history: HistorySource | None,
) -> None:
    connections = application[CONNECTIONS]
    add_page_routes(application, source, max_age, connections=connections, index=_index, events=events, history=history)


async def _index(request: web.Request) -> web.StreamResponse:
    return answer({"name": "healthlb", "paths": [each.path for each in request.app[ROUTES] if each.method == "GET"]})


async def _healthz(_request: web.Request) -> web.StreamResponse:
    return answer({"status": "ok"})


def _readyz(source: SnapshotSource, max_age: float) -> Handler:
    async def handle(_request: web.Request) -> web.StreamResponse:
        snapshot = await source.snapshot(max_age)
        if snapshot.ready:
            return answer({"ready": True, "reasons": []})
        because = await _sentences(snapshot)
        return answer({"ready": False, "reasons": because, "error": " ".join(because)}, status=503)

    return handle


async def _sentences(snapshot: Snapshot) -> list[str]:
    """Collect the reasons, giving the loop its turn now and then."""
    found = []
    for position, sentence in enumerate(readiness.reasons(snapshot)):
        if sentence:
            found.append(sentence)
        if position % 1000 == 999:
            await asyncio.sleep(0)
    return found or ["The director has not said yet that it is ready."]
