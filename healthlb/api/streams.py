"""The answers that go on until somebody ends them: so many at once, and all ended when their listener closes."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any

from aiohttp import web

from healthlb.api.connections import Connections


class Streams:
    """The streams of one kind on a listener, as many at once as its limits say."""

    def __init__(self, connections: Connections) -> None:
        self._most = connections.limits.streams
        self._traffic = connections.traffic
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = 0

    def room(self) -> bool:
        """Say whether there may be one more."""
        return not self._closed and self.open < self._most

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Count one more for as long as the context lasts."""
        self.open += 1
        self._traffic.streams += 1
        try:
            yield
        finally:
            self.open -= 1
            self._traffic.streams -= 1

    async def run(self, writing: Coroutine[Any, Any, None]) -> None:
        """Write a stream to its end; return early, without a fault, when the listener closes."""
        if self._closed:
            writing.close()
            return
        task = asyncio.get_running_loop().create_task(writing)
        self._tasks.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self._tasks.discard(task)
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def close(self) -> None:
        """End all streams, and begin none any more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()


class Reader:
    """Who reads a stream. As long as what is sent is taken, the connection is given its time again.

    What is not taken is bounded by the transport's high-water mark: then `send` waits, until the connection is cut.
    """

    def __init__(self, request: web.Request, response: web.StreamResponse, connections: Connections) -> None:
        self._request = request
        self._response = response
        self._connections = connections
        self._left = 0

    async def send(self, piece: str | bytes) -> None:
        """Send a piece; raise ConnectionError when the reader has gone."""
        data = piece if isinstance(piece, bytes) else piece.encode(errors="replace")
        await self._response.write(data)
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the reader has gone")
        left = transport.get_write_buffer_size()
        if left < self._left + len(data):
            self._connections.started(self._request.protocol)
        self._left = left
        # A write into a socket that has room never suspends.
        await asyncio.sleep(0)
