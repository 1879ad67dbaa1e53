"""What came to a listener is counted: answers by status code, streams, connections and those turned away."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession

from healthlb.api.application import read_only_application
from healthlb.api.connections import Limits, Traffic
from healthlb.api.server import RunningServer, serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import ListenerStatus

LOOPBACK = Listener(Endpoint("127.0.0.1", 0))
DEADLINE = 60.0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110  nobody tells when a connection has gone
            await asyncio.sleep(0.005)


def story(source: Any, events: Any = None, limits: Limits | None = None) -> Callable[..., ListenerStatus]:
    """Return what plays a story on a listener, and returns what was counted at its end."""

    def play(told: Callable[[RunningServer, Traffic], Any]) -> ListenerStatus:
        async def run() -> ListenerStatus:
            traffic = Traffic()
            running = await serve(read_only_application(source, limits, events=events, traffic=traffic), LOOPBACK)
            try:
                async with asyncio.timeout(DEADLINE):
                    await told(running, traffic)
                return traffic.status("listen")
            finally:
                await running.close()

        return asyncio.run(run())

    return play


def test_answers_are_counted_by_their_status_code(source: Any) -> None:
    async def told(running: RunningServer, traffic: Traffic) -> None:
        async with ClientSession(f"http://{running.listener}") as session:
            for path in ("/healthz", "/metrics", "/nothing", "/api/v1/events?limit=x", "/healthz"):
                async with session.get(path) as answer:
                    await answer.read()
            async with session.post("/healthz") as answer:
                await answer.read()
            assert traffic.status("listen").connections == 1

    status = story(source)(told)
    assert dict(status.answers) == {200: 3, 400: 1, 404: 1, 405: 1}


def test_a_stream_counts_when_it_begins_and_is_open_until_it_ends(source: Any, journal: Any) -> None:
    async def told(running: RunningServer, traffic: Traffic) -> None:
        stream = {"Accept": "text/event-stream"}
        async with (
            ClientSession(f"http://{running.listener}") as session,
            session.get("/api/v1/events", headers=stream) as answer,
        ):
            await answer.content.readline()
            assert traffic.status("listen").streams == 1
            assert traffic.answers == {200: 1}
        await until(lambda: not traffic.streams and not traffic.status("listen").connections)

    assert story(source, journal(1))(told).answers == ((200, 1),)


def test_connections_too_many_are_counted(source: Any) -> None:
    async def told(running: RunningServer, traffic: Traffic) -> None:
        endpoint = running.listener.endpoint
        assert endpoint is not None
        address = endpoint.address, endpoint.port
        with socket.create_connection(address), socket.create_connection(address), socket.create_connection(address):
            await until(lambda: traffic.refused_total == 2)

    status = story(source, limits=Limits(connections=1, idle=DEADLINE))(told)
    assert (status.refused_total, status.cut_total, status.answers) == (2, 0, ())


def test_a_listener_that_moves_goes_on_counting_where_it_was(source: Any) -> None:
    async def run() -> ListenerStatus:
        traffic = Traffic()
        for _ in range(2):
            running = await serve(read_only_application(source, traffic=traffic), LOOPBACK)
            async with ClientSession(f"http://{running.listener}") as session, session.get("/healthz") as answer:
                await answer.read()
            await running.close()
        return traffic.status("listen")

    assert asyncio.run(run()) == ListenerStatus("listen", answers=((200, 2),))
