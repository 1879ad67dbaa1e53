"""The stream of differences: server-sent events (HTML Living Standard, section 9.2)."""

import asyncio

from aiohttp import web

from healthlb.api import queries
from healthlb.api.answers import failure, no_room, stream_headers
from healthlb.api.connections import Connections
from healthlb.api.page.live import Live
from healthlb.api.queries import LARGEST_ID, QueryError
from healthlb.api.routes import Asked
from healthlb.api.streams import Reader, Streams

ALIVE = 5.0
"""Seconds of silence after which a comment says that the stream is alive."""
RETRY = 1000
"""Milliseconds after which a client is to come again when its stream has ended."""
RESET = "event: reset\ndata: {}\n\n"

IDS = queries.whole(0, LARGEST_ID)


class Changes:
    """Streams of what changes. Many wait for the same difference: one is written to in each turn of the loop."""

    def __init__(self, live: Live, connections: Connections) -> None:
        self._live = live
        self._connections = connections
        self._turns = asyncio.Lock()
        self.streams = Streams(connections)

    async def answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        """Answer `/api/v1/live`."""
        try:
            known = _known(request, asked)
        except QueryError as error:
            return failure(400, str(error))
        if not self.streams.room():
            return no_room("There are too many streams; try again later.")
        with self.streams.taken():
            self._live.readers += 1
            try:
                state = await self._live.state()
                response = web.StreamResponse(headers=stream_headers("text/event-stream"))
                await response.prepare(request)
                if request.method != "HEAD":
                    reader = Reader(request, response, self._connections)
                    await self.streams.run(self._write(reader, state.id if known is None else known))
                await response.write_eof()
                return response
            finally:
                self._live.readers -= 1

    async def _write(self, reader: Reader, known: int) -> None:
        """Write what changes until the reader goes or the listener closes."""
        await reader.send(f"retry: {RETRY}\n: healthlb\n\n")
        while True:
            async with self._turns:
                await asyncio.sleep(0)
            missing = self._live.since(known)
            if missing is None:
                known = (await self._live.state()).id
                await reader.send(f"id: {known}\n{RESET}")
                continue
            for each in missing:
                for piece in each.pieces:
                    await reader.send(piece)
                known = each.id
            await self._wait(reader, known)

    async def _wait(self, reader: Reader, known: int) -> None:
        while True:
            try:
                return await self._live.changed(known, ALIVE)
            except TimeoutError:
                if self._live.fresh:
                    await reader.send(": alive\n\n")


def _known(request: web.Request, asked: Asked) -> int | None:
    """Return the state that a client has: `Last-Event-ID` where it comes again, else `after`."""
    last = request.headers.get("Last-Event-ID", "")
    if not last:
        known: int | None = asked.get("after")
        return known
    try:
        return int(IDS(last))
    except ValueError as error:
        raise QueryError(f"Last-Event-ID: {error}.") from None
