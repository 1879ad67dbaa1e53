"""Events over a real socket: lists, streams that resume, and readers that are slow, many or gone."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.api.application import admin_application, read_only_application
from healthlb.api.connections import Limits
from healthlb.api.server import RunningServer, serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

Session = aiohttp.ClientSession
Talk = Callable[[Session], Awaitable[Any]]
LOOPBACK = Listener(Endpoint("127.0.0.1", 0))
PATH = "/api/v1/events"
STREAM = {"Accept": "text/event-stream"}
DEADLINE = 60.0
examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def visit(source: Any, journal: Any, talk: Talk, limits: Limits | None = None) -> Any:
    """Serve the journal on a free port and let a client talk, within the deadline."""

    async def run() -> Any:
        running = await serve(read_only_application(source, limits, events=journal), LOOPBACK)
        try:
            async with Session(f"http://{running.listener}") as session, asyncio.timeout(DEADLINE):
                return await talk(session)
        finally:
            await running.close()

    return asyncio.run(run())


def ask(source: Any, journal: Any, query: str = "") -> tuple[int, Any]:
    async def talk(session: Session) -> tuple[int, Any]:
        async with session.get(PATH + query) as response:
            return response.status, await response.json()

    found: tuple[int, Any] = visit(source, journal, talk)
    return found


def listed(source: Any, journal: Any, query: str = "") -> list[int]:
    status, answer = ask(source, journal, query)
    assert status == 200
    return [event["id"] for event in answer["events"]]


async def until(holds: Callable[[], bool]) -> None:
    """Wait within the deadline that is around it."""
    while True:
        if holds():
            return
        await asyncio.sleep(0.005)


async def blocks(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Yield the blocks of a stream as a strict reader sees them; a comment has no name."""
    block: dict[str, str] = {}
    async for line in response.content:
        text = line.decode()
        assert text.endswith("\n")
        if text == "\n":
            yield block
            block = {}
            continue
        field, _, value = text[:-1].partition(":")
        assert field in {"", "id", "event", "data", "retry"}
        assert field not in block
        block[field] = value.removeprefix(" ")


async def followed(session: Session, number: int, query: str = "", last: int | None = None) -> list[int]:
    """Read so many events of a stream and go away."""
    headers = STREAM if last is None else STREAM | {"Last-Event-ID": str(last)}
    found: list[int] = []
    async with session.get(PATH + query, headers=headers) as response:
        assert response.status == 200
        async for block in blocks(response):
            if block.get("event", "gap") != "gap":
                found.append(int(block["id"]))
                assert json.loads(block["data"])["id"] == found[-1]
            if len(found) >= number:
                return found
    return found


def test_events_are_listed_with_all_that_is_known_of_them(source: Any, journal: Any) -> None:
    assert ask(source, journal(7)) == (
        200,
        {
            "events": [
                {
                    "id": 7,
                    "at": "2026-10-14T17:46:47.250Z",
                    "name": "real_server_down",
                    "level": "error",
                    "message": "shop: web1 is down (7)",
                    "virtual_server": "shop",
                    "real_server": "web1",
                    "details": {"streak": 3, "reason": "line 1\nline 2"},
                }
            ],
            "last_id": 7,
            "next": None,
            "previous": None,
        },
    )


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", range(51, 151)),
        ("?limit=2", [149, 150]),
        ("?after=3&limit=2", [4, 5]),
        ("?after=150", []),
        ("?before=3", [1, 2]),
        ("?after=1&before=4", [2, 3]),
        ("?since=1792000149.25", [149, 150]),
        ("?since=2026-10-14T17:49:09.25Z", [149, 150]),
        ("?virtual_server=none", []),
        ("?virtual_server=shop&real_server=web1&limit=1", [150]),
        ("?name=quorum_lost&name=real_server_down&limit=1", [150]),
        ("?name=quorum_lost", []),
        ("?limit=1000", range(1, 151)),
    ],
)
def test_a_query_says_which_events(source: Any, journal: Any, query: str, numbers: Any) -> None:
    assert listed(source, journal(*range(1, 151)), query) == list(numbers)


def test_the_list_tells_where_to_go_on_even_where_nothing_was_asked_for(source: Any, journal: Any) -> None:
    nothing = {"events": [], "next": None, "previous": None}
    assert ask(source, journal(1, 2, 3), "?virtual_server=none")[1] == {**nothing, "last_id": 3}
    assert ask(source, journal())[1] == {**nothing, "last_id": 0}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?afer=1", "There is no parameter 'afer'; did you mean after?"),
        ("?after=x", "after: expected a whole number from 0 to 9223372036854775807, found 'x'."),
        ("?after=-1", "after: expected a whole number"),
        ("?after=99999999999999999999", "after: expected a whole number"),
        ("?after=1&after=2", "after: is there twice."),
        ("?limit=0", "limit: expected a whole number from 1 to 1000, found '0'."),
        ("?limit=1001", "limit: expected a whole number from 1 to 1000"),
        ("?name=real_server_dwn", "name: there is no 'real_server_dwn'; did you mean real_server_down?"),
        ("?since=1h", "since: expected a moment such as"),
    ],
)
def test_a_query_that_is_not_understood_is_refused_in_a_sentence(
    source: Any, journal: Any, query: str, sentence: str
) -> None:
    status, answer = ask(source, journal(1), query)
    assert status == 400
    assert sentence in answer["error"]
    assert "?." not in answer["error"]


@pytest.mark.parametrize(
    ("query", "headers", "sentence"),
    [
        ("?before=5", {}, "before: a stream has no end."),
        ("", {"Last-Event-ID": "x"}, "Last-Event-ID: expected a whole number"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_in_a_sentence(
    source: Any, journal: Any, query: str, headers: dict[str, str], sentence: str
) -> None:
    async def talk(session: Session) -> tuple[int, str]:
        async with session.get(PATH + query, headers=STREAM | headers) as response:
            return response.status, (await response.json())["error"]

    status, error = visit(source, journal(1), talk)
    assert status == 400
    assert sentence in error


def test_a_director_without_a_journal_says_so(source: Any) -> None:
    assert ask(source, None) == (404, {"error": "This director keeps no events."})


@pytest.mark.parametrize("headers", [{}, STREAM])
@pytest.mark.parametrize("fault", [OSError("database disk image is malformed"), TimeoutError()])
def test_a_journal_that_cannot_be_read_is_a_503(
    source: Any, journal: Any, headers: dict[str, str], fault: OSError
) -> None:
    broken = journal(1)
    broken.fault = fault

    async def talk(session: Session) -> tuple[int, str, str]:
        async with session.get(PATH, headers=headers) as response:
            return response.status, response.headers["Retry-After"], (await response.json())["error"]

    status, after, error = visit(source, broken, talk)
    assert (status, after.isdecimal()) == (503, True)
    assert "journal" in error
    assert str(fault) in error


def test_a_stream_begins_now_and_tells_an_event_in_one_block_of_four_lines(
    source: Any, journal: Any, happened: Any
) -> None:
    events = journal(1, 2)

    async def talk(session: Session) -> tuple[dict[str, str], dict[str, str], Any]:
        async with session.get(PATH, headers=STREAM) as response:
            stream = blocks(response)
            first = await anext(stream)
            await events.add(happened(3))
            return first, await anext(stream), response.headers

    first, block, headers = visit(source, events, talk)
    assert (first["id"], first["retry"]) == ("2", "2000")
    assert (block["id"], block["event"]) == ("3", "real_server_down")
    assert json.loads(block["data"])["details"]["reason"] == "line 1\nline 2"
    assert headers["Content-Type"] == "text/event-stream"
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(
    ("query", "last", "numbers"),
    [
        ("?after=3", None, [4, 5]),
        ("?after=1", 3, [4, 5]),
        ("?limit=2", None, [4, 5]),
        ("?limit=2", 2, [3, 4, 5]),
        ("?since=1792000002", None, [2, 3, 4, 5]),
        ("", 0, [1, 2, 3, 4, 5]),
        ("?after=4000", None, [1, 2, 3, 4, 5]),
    ],
)
def test_a_stream_resumes_after_an_id_and_the_header_wins(
    source: Any, journal: Any, query: str, last: int | None, numbers: list[int]
) -> None:
    events = journal(1, 2, 3, 4, 5)
    assert visit(source, events, lambda session: followed(session, len(numbers), query, last)) == numbers


@examples
@given(st.lists(st.tuples(st.integers(1, 250), st.integers(1, 60)), min_size=1, max_size=6))
def test_a_reader_that_is_cut_off_again_and_again_has_every_event_once_and_in_order(
    source: Any, journal: Any, happened: Any, rounds: list[tuple[int, int]]
) -> None:
    events = journal()

    async def talk(session: Session) -> list[int]:
        found: list[int] = []
        for more, taken in rounds:
            begin = len(events.events)
            await events.add(*(happened(begin + number) for number in range(1, more + 1)))
            left = len(events.events) - len(found)
            found += await followed(session, min(taken, left), last=found[-1] if found else 0)
        if left := len(events.events) - len(found):
            found += await followed(session, left, last=found[-1])
        return found

    assert visit(source, events, talk) == list(range(1, sum(more for more, _ in rounds) + 1))


def test_a_stream_has_only_what_was_asked_for_and_does_not_ask_again_for_nothing(
    source: Any, journal: Any, happened: Any
) -> None:
    events = journal(1)

    async def talk(session: Session) -> tuple[list[int], int]:
        async with session.get(f"{PATH}?virtual_server=api&name=quorum_lost", headers=STREAM) as response:
            stream = blocks(response)
            await anext(stream)
            await events.add(*(happened(number) for number in range(2, 500)))
            await events.add(happened(500, pool="api"), happened(501, "quorum_lost"))
            await until(lambda: events.waiting == 1)
            for _ in range(200):
                await asyncio.sleep(0)
            await events.add(happened(502, "quorum_lost", "api"))
            return [int((await anext(stream))["id"])], events.reads

    found, reads = visit(source, events, talk)
    assert found == [502]
    assert reads < 20


def test_a_silent_stream_says_that_it_lives_and_outlives_the_deadline_of_a_request(
    source: Any, journal: Any, happened: Any
) -> None:
    events = journal(1)

    async def talk(session: Session) -> list[dict[str, str]]:
        async with session.get(PATH, headers=STREAM) as response:
            stream = blocks(response)
            found = [await anext(stream) for _ in range(30)]
            await events.add(happened(2))
            return [*found, await anext(stream)]

    _, *silent, last = visit(source, events, talk, Limits(request=2.5, idle=2.5, alive=0.1))
    assert all(set(block) == {""} for block in silent)
    assert last["id"] == "2"


def test_a_journal_that_fails_ends_the_stream_cleanly_and_the_reader_resumes(
    source: Any, journal: Any, happened: Any
) -> None:
    events = journal(1)

    async def talk(session: Session) -> list[int]:
        async with session.get(PATH, headers=STREAM) as response:
            stream = blocks(response)
            await anext(stream)
            events.fault = OSError("disk I/O error")
            await events.add(happened(2))
            assert [block async for block in stream] == []
        events.fault = None
        return await followed(session, 1, last=1)

    assert visit(source, events, talk) == [2]


def test_streams_are_bounded_in_number_and_a_place_that_is_freed_is_given_again(source: Any, journal: Any) -> None:
    events = journal(1)

    async def talk(session: Session) -> None:
        held = [await session.get(PATH, headers=STREAM) for _ in range(2)]
        async with session.get(PATH, headers=STREAM) as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert refused.headers["Connection"] == "close"
        async with session.get(PATH) as still_listed:
            assert still_listed.status == 200
        held[0].close()
        status = 503
        while status == 503:
            async with session.get(PATH, headers=STREAM) as response:
                status = response.status
        held[1].close()
        assert status == 200

    visit(source, events, talk, Limits(streams=2))


def test_a_reader_that_goes_away_leaves_nothing_behind(source: Any, journal: Any) -> None:
    events = journal(1)

    async def talk(session: Session) -> None:
        async with session.get(PATH, headers=STREAM) as response:
            await anext(blocks(response))
            await until(lambda: events.waiting == 1)
        response.close()
        await until(lambda: events.waiting == 0)

    visit(source, events, talk)


@pytest.mark.parametrize("admin", [False, True])
def test_a_stream_ends_cleanly_when_its_listener_closes(source: Any, journal: Any, admin: bool) -> None:
    events = journal(1)

    async def run() -> list[dict[str, str]]:
        application = (
            admin_application(source, source, "a token", events=events)
            if admin
            else read_only_application(source, events=events)
        )
        running = await serve(application, LOOPBACK)
        async with (
            Session(f"http://{running.listener}") as session,
            session.get(PATH, headers=STREAM) as response,
            asyncio.timeout(DEADLINE),
        ):
            stream = blocks(response)
            await anext(stream)
            await running.close()
            return [block async for block in stream]

    assert asyncio.run(run()) == []
    assert events.waiting == 0


def test_head_has_the_headers_of_a_stream_and_ends(source: Any, journal: Any) -> None:
    async def talk(session: Session) -> tuple[int, str, bytes]:
        async with session.head(PATH, headers=STREAM) as response:
            return response.status, response.content_type, await response.read()

    assert visit(source, journal(1), talk) == (200, "text/event-stream", b"")


def test_a_reader_that_takes_nothing_is_cut_and_holds_up_nobody(source: Any, journal: Any, happened: Any) -> None:
    large = {"reason": "x" * 50_000}
    events = journal()
    events.events = [dataclasses.replace(happened(number), details=large) for number in range(1, 1001)]

    async def stuck(running: RunningServer) -> socket.socket:
        assert running.listener.endpoint is not None
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", running.listener.endpoint.port))
        await loop.sock_sendall(
            client, b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
        )
        return client

    async def run() -> list[int]:
        limits = Limits(idle=60.0, request=2.0, streams=2)
        running = await serve(read_only_application(source, limits, events=events), LOOPBACK)
        try:
            client = await stuck(running)
            async with Session(f"http://{running.listener}") as session, asyncio.timeout(DEADLINE):
                found = await followed(session, 1000, last=0)
                await until(lambda: running.connections.traffic.cut_total == 1)
            client.close()
            return found
        finally:
            await running.close()

    assert asyncio.run(run()) == list(range(1, 1001))
