"""Events over HTTP: as a JSON list, and as a stream of server-sent events (HTML Living Standard, section 9.2)."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, get_args

from aiohttp import web

from healthlb.api import queries, shapes
from healthlb.api.answers import JSON, failure, no_room, stream_headers
from healthlb.api.connections import Connections
from healthlb.api.negotiation import names
from healthlb.api.orders import timestamp
from healthlb.api.pages import listed
from healthlb.api.picking import encode
from healthlb.api.queries import LARGEST_ID, QueryError
from healthlb.api.routes import TAGGED, Answer, Asked, add_reading, reading, told
from healthlb.api.source import EventSource
from healthlb.api.streams import Reader, Streams
from healthlb.model.events import Event
from healthlb.model.occurrence import EventQuery, Occurrence, name_of

PAGE = 100
"""Events that a stream reads at once; it holds no more, however slow its reader is."""
PIECE = 8 * 1024
"""Characters, about, that are sent at once."""
SHARED = 500
"""Events whose text is kept for the other streams."""
RETRY = 2000
"""Milliseconds after which a client is to come again when its stream has ended."""
PAUSE = 0.2
"""Seconds after which a stream looks again at most, so that a flood of events is not read one by one by everyone."""
STREAM = "text/event-stream"

_IDS = queries.whole(0, LARGEST_ID)
_ASKED: dict[str, queries.Kind] = {
    "after": _IDS,
    "before": _IDS,
    "since": queries.moment,
    "virtual_server": queries.name,
    "real_server": queries.name,
    "name": queries.one_of({name_of(kind) for kind in get_args(Event)}),
    "limit": queries.whole(1, 1000),
}

EVENTS = reading(
    "/api/v1/events",
    "What has happened",
    {
        200: Answer("A page, or a stream.", {JSON: shapes.Events, STREAM: None}, (*TAGGED, "Link")),
        404: told("This director keeps no events.", shapes.Failure),
    },
    _ASKED,
    ("name",),
    headers={"Last-Event-ID": _IDS},
)


class Events:
    """Answers with events.

    Streams are many and hear of an event at the same moment. So each waits for its turn before it reads, one in each
    turn of the loop, and what is read is made into text once for all.
    """

    def __init__(self, source: EventSource | None, connections: Connections) -> None:
        self._source = source
        self._connections = connections
        self.streams = Streams(connections)
        self._turns = asyncio.Lock()
        self._texts: OrderedDict[int, tuple[Occurrence, str]] = OrderedDict()

    def add_routes(self, application: web.Application) -> None:
        """Add the route; streams end when the listener closes."""

        async def stop(_application: web.Application) -> None:
            await self.streams.close()

        add_reading(application, EVENTS, self._answer)
        application.on_shutdown.append(stop)

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        if self._source is None:
            return failure(404, "This director keeps no events.")
        follow = takes_stream(request.headers.get("Accept", ""))
        try:
            query = _query(request, dict(asked), follow=follow)
        except QueryError as error:
            return failure(400, str(error))
        try:
            if follow:
                return await self._follow(request, self._source, query)
            return await listed(request, self._source, query, as_json)
        except TimeoutError:
            return failure(503, "The event journal did not answer in time.", Retry_After="1")
        except ConnectionError:
            raise
        except OSError as error:
            return failure(503, f"The event journal cannot be read: {error}.", Retry_After="5")

    async def _follow(self, request: web.Request, source: EventSource, query: EventQuery) -> web.StreamResponse:
        if not self.streams.room():
            return no_room("There are too many streams of events; try again later.")
        with self.streams.taken():
            start = await _start(source, query)
            response = web.StreamResponse(headers=stream_headers(STREAM))
            await response.prepare(request)
            if request.method != "HEAD":
                await self.streams.run(self._write(Reader(request, response, self._connections), source, start))
            await response.write_eof()
            return response

    async def _write(self, reader: Reader, source: EventSource, start: "_Start") -> None:
        """Write events until the reader goes, the listener closes or the journal cannot be read."""
        await reader.send(f"retry: {RETRY}\nid: {start.seen}\n: healthlb\n\n")
        if start.gap is not None:
            await reader.send(f"event: gap\ndata: {encode(start.gap)}\n\n")
        await self._send(reader, start.first)
        query = start.query
        while True:
            async with self._turns:
                await asyncio.sleep(0)
            try:
                newest = source.last_id
                events = await source.read(query)
            except OSError:
                return
            await self._send(reader, events)
            if len(events) == query.limit:
                query = replace(query, after=events[-1].id)
                continue
            seen = max([newest, *(event.id for event in events)])
            query = replace(query, after=max(seen, query.after or 0))
            await asyncio.sleep(PAUSE)
            await self._wait(reader, source, query.after or 0)

    async def _send(self, reader: Reader, events: list[Occurrence]) -> None:
        """Send events, several in a piece."""
        pieces: list[str] = []
        size = 0
        for position, event in enumerate(events, 1):
            pieces.append(text := self._text(event))
            size += len(text)
            if size >= PIECE or position == len(events):
                await reader.send("".join(pieces))
                pieces.clear()
                size = 0

    def _text(self, event: Occurrence) -> str:
        """Return an event as streams show it, made once for all that read it at about the same time."""
        known = self._texts.get(event.id)
        if known is not None and known[0] is event:
            return known[1]
        text = shown(event)
        self._texts[event.id] = event, text
        if len(self._texts) > SHARED:
            self._texts.popitem(last=False)
        return text

    async def _wait(self, reader: Reader, source: EventSource, after: int) -> None:
        while True:
            try:
                async with asyncio.timeout(self._connections.limits.alive):
                    return await source.wait(after)
            except TimeoutError:
                await reader.send(": alive\n\n")


@dataclass(frozen=True, slots=True)
class _Start:
    """How a stream begins: with the id that a client would resume after, and these events; then the query goes on.

    `gap`: what happened after the id that the client gave is no longer kept, not all of it.
    """

    seen: int
    first: list[Occurrence]
    query: EventQuery
    gap: shapes.Gap | None = None


def shown(event: Occurrence) -> str:
    """Return an event of a stream: its data is one line, as JSON has no line breaks of its own."""
    return f"id: {event.id}\nevent: {event.name}\ndata: {encode(as_json(event))}\n\n"


def as_json(event: Occurrence) -> shapes.Event:
    """Return an event as a JSON object."""
    return {
        "id": event.id,
        "at": timestamp(event.at),
        "name": event.name,
        "level": event.level,
        "message": event.sentence,
        "virtual_server": event.virtual_server,
        "real_server": event.real_server,
        "details": dict(event.details),
    }


def takes_stream(accept: str) -> bool:
    """Say whether an Accept asks for a stream by name (RFC 9110 section 12.5.1)."""
    return names(accept, STREAM)


async def _start(source: EventSource, query: EventQuery) -> _Start:
    """Return where a stream begins.

    After an id that was given; an id above all that there are is of a journal that is no more, so all of this one is
    new. Else from `since` on. Else now, after the newest few where a limit was given.
    """
    newest = source.last_id
    page = replace(query, limit=PAGE)
    if query.after is None and query.since is None and query.limit:
        first = await source.read(query)
        seen = first[0].id - 1 if first else newest
        return _Start(seen, first, replace(page, after=max([newest, *(event.id for event in first)])))
    after = newest if query.since is None else 0
    if query.after is not None:
        after = query.after if query.after <= newest else 0
    first = await source.read(replace(page, after=after))
    gap = await _gap(source, query.after or 0, newest)
    return _Start(after, first, replace(page, after=first[-1].id if first else after), gap)


async def _gap(source: EventSource, after: int, newest: int) -> shapes.Gap | None:
    """Return what is missing after an id that was seen: events older than the oldest that is kept, or a whole journal.

    Who has seen nothing misses nothing.
    """
    if after in {0, newest}:
        return None
    oldest = next((event.id for event in await source.read(EventQuery(after=0, limit=1))), None)
    if after > newest or oldest is None or oldest > after + 1:
        return {"after": after, "oldest": oldest}
    return None


def _query(request: web.Request, asked: dict[str, Any], *, follow: bool) -> EventQuery:
    if follow and "before" in asked:
        raise QueryError("before: a stream has no end.")
    last = request.headers.get("Last-Event-ID", "")
    if last:
        try:
            resumed = _IDS(last)
        except ValueError as error:
            raise QueryError(f"Last-Event-ID: {error}.") from None
        if follow:
            asked["after"] = resumed
    return EventQuery(
        after=asked.get("after"),
        before=asked.get("before"),
        since=asked.get("since"),
        virtual_server=asked.get("virtual_server"),
        real_server=asked.get("real_server"),
        names=frozenset(asked.get("name", ())),
        limit=asked.get("limit", 0 if follow else PAGE),
    )
