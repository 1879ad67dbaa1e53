"""The routes: what may be read, and on the admin socket also what may be changed."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from healthlb.api import document as json_document
from healthlb.api import exposition, readiness
from healthlb.api.answers import JSON, READ_ONLY, Handler, answer, bounded, document, failure, faults_as_json
from healthlb.api.callers import Callers
from healthlb.api.commands import Commands
from healthlb.api.connections import Connections, Limits, Traffic
from healthlb.api.events import Events
from healthlb.api.guard import Guard
from healthlb.api.metrics import metrics
from healthlb.api.page.routes import add_page_routes
from healthlb.api.reading import add_reading_routes
from healthlb.api.rendering import Fragments, SharedRenderings, in_slices
from healthlb.api.source import Admin, EventSource, HistorySource, SharedSource, SnapshotSource
from healthlb.model.snapshot import Snapshot

MAX_AGE = 1.0
"""Seconds that kernel counters may be old; readers within it share one snapshot and its renderings."""

CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)

_INDEX = {
    "name": "healthlb",
    "paths": [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/status",
        "/api/v1/virtual_servers",
        "/api/v1/real_servers",
        "/api/v1/overrides",
        "/api/v1/events",
    ],
}


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
    crowd = _add_documents(application, source, max_age, trusted=lambda _: False)
    _add_page(application, crowd, max_age, events, history)
    Events(events, application[CONNECTIONS]).add_routes(application)
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
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Return the application of the admin listener: the same to read, and the commands.

    Over a UNIX socket its file mode is the permission. Over TCP a command needs `token`; without one all are refused.
    """
    application = _bare(limits or Limits(connections=32, streams=8), traffic)
    callers = Callers()
    guard = Guard(admin, token, callers, clock)
    crowd = _add_documents(application, source, max_age, guard.trusted)
    _add_page(application, crowd, max_age, events, history)
    Events(events, application[CONNECTIONS]).add_routes(application)
    Commands(admin, callers, application[CONNECTIONS]).add_routes(application, guard)
    return application


def _bare(limits: Limits, traffic: Traffic | None) -> web.Application:
    connections = Connections(limits, traffic)
    application = web.Application(middlewares=[bounded(connections), faults_as_json], client_max_size=limits.body)
    application[CONNECTIONS] = connections
    application.on_response_prepare.append(connections.traffic.answered)
    return application


def _add_documents(
    application: web.Application, source: SnapshotSource, max_age: float, trusted: Callable[[web.Request], bool]
) -> SharedSource:
    crowd = SharedSource(source)

    def shared(path: str, fragments: Fragments, content_type: str) -> None:
        renderings = SharedRenderings(crowd, fragments)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await document(request, await renderings.current(max_age), content_type)

        async def stop(_application: web.Application) -> None:
            await renderings.close()

        application.router.add_get(path, handle)
        application.on_cleanup.append(stop)

    application.router.add_get("/healthz", _healthz)
    application.router.add_get("/readyz", _readyz(crowd, max_age))
    shared("/metrics", metrics, exposition.CONTENT_TYPE)
    shared("/api/v1/status", json_document.status, JSON)
    shared("/api/v1/virtual_servers", json_document.virtual_servers, JSON)
    application.router.add_get("/api/v1/virtual_servers/{name}", _virtual_server(crowd, max_age))
    add_reading_routes(application, crowd, max_age, trusted)

    async def stop_source(_application: web.Application) -> None:
        await crowd.close()

    application.on_cleanup.append(stop_source)
    return crowd


def _add_page(
    application: web.Application,
    source: SnapshotSource,
    max_age: float,
    events: EventSource | None,
    history: HistorySource | None,
) -> None:
    connections = application[CONNECTIONS]
    add_page_routes(application, source, max_age, connections=connections, index=_index, events=events, history=history)


async def _index(_request: web.Request) -> web.StreamResponse:
    return answer(_INDEX)


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


def _virtual_server(source: SnapshotSource, max_age: float) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        snapshot = await source.snapshot(max_age)
        for one in snapshot.virtual_servers:
            if one.name == name:
                return await document(request, await in_slices(json_document.virtual_server(one)), JSON)
        return failure(404, f"There is no virtual server {name!r}.")

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
