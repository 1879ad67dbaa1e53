"""The live state over a real socket: made once, only while somebody watches, and told as differences."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from healthlb.api.application import read_only_application
from healthlb.api.connections import Limits
from healthlb.api.page import live, stream
from healthlb.api.page.live import Live
from healthlb.api.server import serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health

Session = aiohttp.ClientSession
LOOPBACK = Listener(Endpoint("127.0.0.1", 0))
DEADLINE = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so that no test waits for a second to pass, and forget nothing, however slow the machine is."""
    monkeypatch.setattr(live, "PERIOD", 0.01)
    monkeypatch.setattr(live, "LINGER", 600.0)
    monkeypatch.setattr(live, "SUMS", 0.0)
    monkeypatch.setattr(stream, "ALIVE", 0.05)


def visit(source: Any, talk: Callable[[Session], Awaitable[Any]], limits: Limits | None = None) -> Any:
    async def run() -> Any:
        running = await serve(read_only_application(source, limits), LOOPBACK)
        try:
            async with Session(f"http://{running.listener}") as session, asyncio.timeout(DEADLINE):
                return await talk(session)
        finally:
            await running.close()

    return asyncio.run(run())


async def overview(session: Session) -> dict[str, Any]:
    async with session.get("/api/v1/overview") as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def until(holds: Callable[[], bool]) -> None:
    """Wait within the deadline that is around it."""
    while True:
        if holds():
            return
        await asyncio.sleep(0.005)


async def another(session: Session, known: int) -> None:
    """Wait for another state than the one that is known, within the deadline that is around it."""
    while True:
        if (await overview(session))["id"] != known:
            return
        await asyncio.sleep(0.005)


async def event(response: aiohttp.ClientResponse, name: str) -> dict[str, str]:
    """Return the next event of a name; others and comments are passed over."""
    block: dict[str, str] = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if not text:
            if block.get("event", "") == name:
                return block
            block = {}
            continue
        field, _, value = text.partition(":")
        block[field] = value.removeprefix(" ")
    raise AssertionError(f"the stream ended without {name!r}")


def healthy(snapshot: Any, reason: str = "") -> Any:
    """Return the snapshot with all servers up."""
    pool = snapshot.virtual_servers[0]
    up = tuple(dataclasses.replace(server, health=Health.UP, checks=()) for server in pool.real_servers)
    director = dataclasses.replace(snapshot.director, name=reason or snapshot.director.name)
    pool = dataclasses.replace(pool, state="up", real_servers=up)
    return dataclasses.replace(snapshot, virtual_servers=(pool,), director=director)


def test_a_server_that_recovers_is_told_to_those_who_watch(source: Any) -> None:
    async def talk(session: Session) -> Any:
        first = await overview(session)
        async with session.get("/api/v1/live", params={"after": first["id"]}) as response:
            source.current = healthy(source.current)
            return first, await event(response, "change")

    first, told = visit(source, talk)
    change = json.loads(told["data"])
    assert first["headline"]["title"] == "1 problem · lb1 · healthlb"
    assert change["id"] == int(told["id"]) == first["id"] + 1
    assert change["headline"]["title"] == "no problem · lb1 · healthlb"
    assert change["virtual_servers"] == {"shop": {"state": "up", "problem": False}}
    assert change["real_servers"]["shop"]["1"][2] == "up"
    assert "director" not in change


def test_a_reader_that_comes_again_is_told_what_it_missed(source: Any) -> None:
    async def talk(session: Session) -> Any:
        first = await overview(session)
        source.current = healthy(source.current)
        await another(session, first["id"])
        async with session.get("/api/v1/live", headers={"Last-Event-ID": str(first["id"])}) as response:
            return first, await event(response, "change")

    first, told = visit(source, talk)
    assert int(told["id"]) == first["id"] + 1


@pytest.mark.parametrize("known", [0, 1, 2**53])
def test_a_state_of_another_start_is_answered_with_a_reset(source: Any, known: int) -> None:
    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/live", params={"after": known}) as response:
            reset = await event(response, "reset")
        return reset, await overview(session)

    reset, whole = visit(source, talk)
    assert int(reset["id"]) == whole["id"]


def test_a_reader_that_is_too_far_behind_is_told_to_begin_anew(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT", 2)

    async def talk(session: Session) -> Any:
        first = await overview(session)
        for number in range(4):
            known = (await overview(session))["id"]
            source.current = healthy(source.current, f"lb{number}")
            await another(session, known)
        async with session.get("/api/v1/live", params={"after": first["id"]}) as response:
            return await event(response, "reset")

    assert visit(source, talk)["data"] == "{}"


def test_a_silent_stream_says_that_it_is_alive_while_the_director_answers(source: Any) -> None:
    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/live") as response:
            assert response.headers["X-Accel-Buffering"] == "no"
            while (line := await response.content.readline()) != b": alive\n":
                assert line
            return True

    assert visit(source, talk)


def test_a_director_that_does_not_answer_leaves_the_stream_silent_until_it_does(source: Any) -> None:
    async def talk(session: Session) -> Any:
        first = await overview(session)
        async with session.get("/api/v1/live", params={"after": first["id"]}) as response:
            asked = len(source.asked)
            source.fault = TimeoutError()
            await until(lambda: len(source.asked) >= asked + 3)
            source.current, source.fault = healthy(source.current), None
            return await event(response, "change")

    assert visit(source, talk)["event"] == "change"


def test_a_fault_of_the_director_is_told_to_its_log_and_the_stream_goes_on(
    source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(session: Session) -> Any:
        first = await overview(session)
        async with session.get("/api/v1/live", params={"after": first["id"]}) as response:
            source.fault = ZeroDivisionError("division by zero")
            await until(lambda: "division by zero" in caplog.text)
            source.current, source.fault = healthy(source.current), None
            return await event(response, "change")

    assert visit(source, talk)["event"] == "change"


def test_no_state_at_all_is_a_503(source: Any) -> None:
    source.fault = TimeoutError()

    async def talk(session: Session) -> Any:
        answers = []
        for path in ("/api/v1/overview", "/api/v1/live"):
            async with session.get(path) as response:
                answers.append((response.status, response.headers["Retry-After"]))
        return answers

    assert visit(source, talk) == [(503, "1"), (503, "1")]


def test_nobody_looks_when_nobody_watches(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LINGER", 0.05)

    async def run() -> Any:
        watched = Live(source, 1.0)
        first = await watched.state()
        await until(lambda: watched._task is None)
        assert watched._state is None
        assert watched.since(first.id) is None
        asked = len(source.asked)
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert len(source.asked) == asked
        again = await watched.state()
        assert again.id > first.id + 1
        assert watched.since(first.id) is None
        await watched.close()

    asyncio.run(run())


def test_a_crowd_of_readers_costs_one_look_and_one_overview(
    source: Any, large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PERIOD", 600.0)
    monkeypatch.setattr(live, "LONGEST_PERIOD", 600.0)
    source.current = large(1, 300)

    async def run() -> Any:
        watched = Live(source, 1.0)
        got = await asyncio.gather(*[watched.rendering() for _ in range(50)])
        asked = len(source.asked)
        await watched.close()
        return len({id(rendering) for _, rendering in got}), asked

    assert visit_alone(run) == (1, 1)


def visit_alone(run: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(DEADLINE):
            return await run()

    return asyncio.run(bounded())


def test_what_is_kept_of_differences_is_bounded_in_bytes(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT_BYTES", 10_000)

    async def run() -> Any:
        watched = Live(source, 1.0)
        first = await watched.state()
        source.current = healthy(source.current, "lb" + "x" * 3000)
        await watched.changed(first.id, DEADLINE)
        second = await watched.state()
        assert watched.since(first.id) is not None
        source.current = healthy(source.current, "lb" + "y" * 3000)
        await watched.changed(second.id, DEADLINE)
        third = await watched.state()
        known = watched.since(first.id), watched.since(second.id), watched.since(third.id)
        await watched.close()
        return known

    oldest, newer, newest = visit_alone(run)
    assert oldest is None
    assert newer is None or len(newer) == 1
    assert newest == []


def test_there_are_so_many_streams_and_no_more(source: Any) -> None:
    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/live") as first, session.get("/api/v1/live") as second:
            assert (first.status, second.status) == (200, 200)
            async with session.get("/api/v1/live") as third:
                return third.status, third.headers["Connection"], await third.json()

    status, connection, body = visit(source, talk, Limits(streams=2))
    # So that those who are refused do not keep the others out until their connections have been idle for long.
    assert (status, connection) == (503, "close")
    assert "too many streams" in body["error"]


def test_a_reader_that_takes_nothing_keeps_nothing_from_the_others(source: Any, large: Any) -> None:
    source.current = large(1, 2000)

    async def talk(session: Session) -> Any:
        address = session._base_url
        assert address is not None
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_connect(deaf, (address.host, address.port))
        await asyncio.get_running_loop().sock_sendall(deaf, b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
        first = await overview(session)
        async with session.get("/api/v1/live", params={"after": first["id"]}) as response:
            for number in range(3):
                pool = source.current.virtual_servers[0]
                turned = tuple(dataclasses.replace(each, since=float(number)) for each in pool.real_servers)
                pool = dataclasses.replace(pool, real_servers=turned)
                source.current = dataclasses.replace(source.current, virtual_servers=(pool,))
                told = await event(response, "change")
        deaf.close()
        return json.loads(told["data"])

    assert len(visit(source, talk)["real_servers"]["shop"]) == 2000


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/live?after=x", "whole number"),
        ("/api/v1/live?before=1", "no parameter"),
        ("/api/v1/overview?x=1", "no parameter"),
    ],
)
def test_a_question_that_cannot_be_understood_is_told_why(source: Any, path: str, said: str) -> None:
    async def talk(session: Session) -> Any:
        async with session.get(path) as response:
            return response.status, (await response.json())["error"]

    status, error = visit(source, talk)
    assert status == 400
    assert said in error


def test_an_overview_that_a_client_has_is_not_sent_again(source: Any) -> None:
    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/overview") as response:
            tag = response.headers["ETag"]
        async with session.get("/api/v1/overview", headers={"If-None-Match": tag}) as again:
            assert await again.read() == b""
            same = again.status
        source.current = healthy(source.current)
        while True:
            async with session.get("/api/v1/overview", headers={"If-None-Match": tag}) as response:
                if response.status == 200:
                    return same, tag != response.headers["ETag"]

    assert visit(source, talk) == (304, True)


def test_the_streams_end_when_the_listener_closes(source: Any) -> None:
    async def run() -> Any:
        running = await serve(read_only_application(source), LOOPBACK)
        url = f"http://{running.listener}/api/v1/live"
        async with Session() as session, asyncio.timeout(DEADLINE), session.get(url) as response:
            await response.content.readline()
            await running.close()
            return await response.content.read()

    assert b"retry" not in asyncio.run(run())
