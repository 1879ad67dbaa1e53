"""The routes of the page, all for reading only: the page itself, its files, and the JSON that its script lives on."""

from collections.abc import Iterator

from aiohttp import web

from healthlb.api import queries
from healthlb.api.answers import JSON, SECURITY, Handler, document, failure, takes_gzip
from healthlb.api.connections import Connections
from healthlb.api.document import encode
from healthlb.api.orders import moment
from healthlb.api.page import rows
from healthlb.api.page.assets import assets
from healthlb.api.page.first_view import FirstView
from healthlb.api.page.headers import has_already, not_modified
from healthlb.api.page.live import Live
from healthlb.api.page.stream import Changes
from healthlb.api.queries import QueryError, query_of
from healthlb.api.rendering import in_slices
from healthlb.api.source import EventSource, HistorySource, SnapshotSource

MOST_HISTORIES = 100
"""Virtual servers whose last hour is answered at once."""


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

    add = application.router.add_get
    add("/", page.answer)
    add("/assets/{name}", _asset)
    add("/api/v1/overview", _overview(live))
    add("/api/v1/live", changes.answer)
    add("/api/v1/rows", _rows(source, max_age))
    add("/api/v1/history", _history(history))
    application.on_shutdown.append(stop_streams)
    application.on_cleanup.append(stop)


async def _asset(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    asset = assets().get(name)
    if asset is None:
        return failure(404, f"There is nothing at {request.path}.")
    if has_already(request, asset.tag):
        return not_modified(asset.tag, Cache_Control="no-cache", Vary="Accept-Encoding")
    gzip = takes_gzip(request.headers.get("Accept-Encoding", ""))
    headers = SECURITY | {"Content-Type": asset.content_type, "ETag": asset.tag}
    headers |= {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    headers |= {"Content-Encoding": "gzip"} if gzip else {}
    return web.Response(body=asset.compressed if gzip else asset.plain, headers=headers)


def _overview(live: Live) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            query_of(request, {})
        except QueryError as error:
            return failure(400, str(error))
        state, rendering = await live.rendering()
        tag = f'W/"{state.id}"'
        if has_already(request, tag):
            return not_modified(tag, Cache_Control="no-cache", Vary="Accept-Encoding")
        return await document(request, rendering, JSON, {"ETag": tag, "Cache-Control": "no-cache"})

    return handle


def _rows(source: SnapshotSource, max_age: float) -> Handler:
    asked: dict[str, queries.Kind] = {
        "virtual_server": queries.name,
        "real_server": queries.name,
        "from": queries.whole(0, 10**6),
        "count": queries.whole(1, rows.MOST),
    }

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            query = query_of(request, asked)
        except QueryError as error:
            return failure(400, str(error))
        if "virtual_server" not in query:
            return failure(400, "virtual_server: is required.")
        snapshot = await source.snapshot(max_age)
        for one in snapshot.virtual_servers:
            if one.name == query["virtual_server"]:
                wanted = query.get("from", 0), query.get("count", 60), query.get("real_server")
                return await document(request, await in_slices(rows.rows(snapshot, one, *wanted)), JSON)
        return failure(404, f"There is no virtual server {query['virtual_server']!r}.")

    return handle


def _history(history: HistorySource | None) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            names = query_of(request, {"virtual_server": queries.name}, repeated=("virtual_server",))
        except QueryError as error:
            return failure(400, str(error))
        wanted = dict.fromkeys(names.get("virtual_server", ()))
        if history is None:
            return failure(404, "This director keeps no history.")
        if not 1 <= len(wanted) <= MOST_HISTORIES:
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
