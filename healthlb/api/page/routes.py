"""The routes of the page, all for reading only: the page itself, its files, and the JSON that its script lives on."""

from collections.abc import Iterator

from aiohttp import web

from healthlb.api import queries
from healthlb.api import shapes as api
from healthlb.api.answers import JSON, SECURITY, Handler, document, failure
from healthlb.api.connections import Connections
from healthlb.api.negotiation import known, takes_gzip
from healthlb.api.orders import moment
from healthlb.api.page import rows, shapes
from healthlb.api.page.assets import assets
from healthlb.api.page.first_view import HTML, FirstView
from healthlb.api.page.headers import not_modified
from healthlb.api.page.live import Live
from healthlb.api.page.stream import IDS, Changes
from healthlb.api.picking import encode
from healthlb.api.rendering import in_slices
from healthlb.api.routes import (
    SAME,
    TAGGED,
    UNFORESEEN,
    UNREAD,
    Answer,
    Answering,
    Asked,
    Route,
    add_reading,
    add_route,
    reading,
    told,
)
from healthlb.api.source import EventSource, HistorySource, SnapshotSource

MOST_HISTORIES = 100
"""Virtual servers whose last hour is answered at once."""

PAGE = Route(
    "GET",
    "/",
    "The page for a browser, what there is to read for a program",
    {200: Answer("It.", {JSON: api.Index, HTML: None}, TAGGED), 304: SAME, 500: UNFORESEEN, 503: UNREAD},
)
ASSET = Route(
    "GET",
    "/assets/{name}",
    "A file of the page",
    {
        200: Answer("The file.", dict.fromkeys(sorted({each.content_type for each in assets().values()})), TAGGED),
        304: SAME,
        404: told("There is no such file.", api.Failure),
        500: UNFORESEEN,
    },
)
OVERVIEW = reading("/api/v1/overview", "All that the page draws", {200: told("Its state.", shapes.Overview, *TAGGED)})
LIVE = reading(
    "/api/v1/live",
    "What has changed on the page, as a stream",
    {200: Answer("Differences.", {"text/event-stream": None})},
    {"after": IDS},
    headers={"Last-Event-ID": IDS},
)
_UNKNOWN = told("There is no virtual server of this name.", api.Failure)
ROWS = reading(
    "/api/v1/rows",
    "What changes with every probe",
    {200: told("The rows.", shapes.Rows, *TAGGED), 404: _UNKNOWN},
    {
        "virtual_server": queries.name,
        "real_server": queries.name,
        "from": queries.whole(0, 10**6),
        "count": queries.whole(1, rows.MOST),
    },
    needed=("virtual_server",),
)
HISTORY = reading(
    "/api/v1/history",
    "The last hour of virtual servers",
    {200: told("Those that are known.", shapes.History, *TAGGED), 404: told("There is none.", api.Failure)},
    {"virtual_server": queries.name},
    ("virtual_server",),
    needed=("virtual_server",),
)


def add_page_routes(
    application: web.Application,
    source: SnapshotSource,
    max_age: float,
    *,
    connections: Connections,
    index: Handler,
    events: EventSource | None,
    history: HistorySource | None,
) -> None:
    """Add the routes; what they share ends with the listener. `index` answers programs at `/`."""
    live = Live(source, max_age)
    changes = Changes(live, connections)
    page = FirstView(source, max_age, index, events)

    async def stop_streams(_application: web.Application) -> None:
        await changes.streams.close()

    async def stop(_application: web.Application) -> None:
        await page.close()
        await live.close()

    add_route(application, PAGE, page.answer)
    add_route(application, ASSET, _asset)
    add_reading(application, OVERVIEW, _overview(live))
    add_reading(application, LIVE, changes.answer)
    add_reading(application, ROWS, _rows(source, max_age))
    add_reading(application, HISTORY, _history(history))
    application.on_shutdown.append(stop_streams)
    application.on_cleanup.append(stop)


async def _asset(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    asset = assets().get(name)
    if asset is None:
        return failure(404, f"There is nothing at {request.path}.")
    if known(request.headers.getall("If-None-Match", []), asset.tag):
        return not_modified(asset.tag, Cache_Control="no-cache", Vary="Accept-Encoding")
    gzip = takes_gzip(request.headers.get("Accept-Encoding", ""))
    headers = SECURITY | {"Content-Type": asset.content_type, "ETag": asset.tag}
    headers |= {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    headers |= {"Content-Encoding": "gzip"} if gzip else {}
    return web.Response(body=asset.compressed if gzip else asset.plain, headers=headers)


def _overview(live: Live) -> Answering:
    async def handle(request: web.Request, _asked: Asked) -> web.StreamResponse:
        state, rendering = await live.rendering()
        return await document(request, rendering, JSON, {"ETag": f'W/"{state.id}"'})

    return handle


def _rows(source: SnapshotSource, max_age: float) -> Answering:
    async def handle(request: web.Request, asked: Asked) -> web.StreamResponse:
        snapshot = await source.snapshot(max_age)
        for one in snapshot.virtual_servers:
            if one.name == asked["virtual_server"]:
                wanted = asked.get("from", 0), asked.get("count", 60), asked.get("real_server")
                return await document(request, await in_slices(rows.rows(snapshot, one, *wanted)), JSON)
        return failure(404, f"There is no virtual server {asked['virtual_server']!r}.")

    return handle


def _history(history: HistorySource | None) -> Answering:
    async def handle(request: web.Request, asked: Asked) -> web.StreamResponse:
        wanted = dict.fromkeys(asked["virtual_server"])
        if history is None:
            return failure(404, "This director keeps no history.")
        if len(wanted) > MOST_HISTORIES:
            return failure(400, f"virtual_server: expected 1 to {MOST_HISTORIES} of them, found {len(wanted)}.")
        found = {name: series for name in wanted if (series := history.series(name)) is not None}
        head = {"step": history.step, "end": moment(history.end)}

        def fragments() -> Iterator[str]:
            separator = f'{encode(head)[:-1]},"virtual_servers":{{'
            for name, series in found.items():
                yield f"{separator}{encode(name)}:{encode(series)}"
                separator = ","
            yield "}}\n" if found else f"{separator}}}}}\n"

        return await document(request, await in_slices(fragments()), JSON)

    return handle
