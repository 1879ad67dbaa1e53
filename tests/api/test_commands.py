"""The commands over a real socket: what the director is asked for, and what the caller is answered."""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.api.application import admin_application
from healthlb.api.connections import Limits
from healthlb.api.server import serve
from healthlb.model.changes import Add, ChangeOutcome, Disable, Drain, Lift, Remove, SetWeight, Target
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

Session = aiohttp.ClientSession
WORDS = "an operator's token"
BEARER = {"Authorization": f"Bearer {WORDS}"}
DEADLINE = 60.0
JSON = {"Content-Type": "application/json"}
SHOP = "/api/v1/virtual_servers/shop/real_servers"
WEB1, HOST = Target("web1", "shop"), Target("192.0.2.11")


def command(
    source: Any,
    talk: Callable[[Session], Awaitable[Any]],
    clock: Callable[[], float] = lambda: 0.0,
    limits: Limits | None = None,
) -> Any:
    """Serve the admin listener on a free port, let a client with the token talk, and give back what it says."""

    async def run() -> Any:
        application = admin_application(source, source, WORDS, limits, clock=clock)
        running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with Session(f"http://{running.listener}", headers=BEARER) as session:
                return await talk(session)
        finally:
            await running.close()

    return asyncio.run(run())


def ask(source: Any, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async def talk(session: Session) -> tuple[int, Any]:
        async with session.request(method, path, json=body) as response:
            return response.status, await response.json()

    found: tuple[int, Any] = command(source, talk)
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "change"),
    [
        ("POST", f"{SHOP}/web1/drain", {}, Drain(WEB1)),
        ("POST", f"{SHOP}/web1/drain", {"expires": "2h"}, Drain(WEB1, expires=7200.0)),
        ("POST", f"{SHOP}/web1/drain", {"remove": True, "deadline": 30}, Drain(WEB1, True, 30.0)),
        ("POST", f"{SHOP}/web1/undrain", {}, Lift(WEB1, "admin")),
        ("POST", f"{SHOP}/web1/disable", {"expires": "10m"}, Disable(WEB1, 600.0)),
        ("POST", f"{SHOP}/web1/enable", {}, Lift(WEB1, "admin")),
        ("PUT", f"{SHOP}/web1/weight", {"weight": 5}, SetWeight(WEB1, 5)),
        ("PUT", f"{SHOP}/web1/weight", {"weight": 0, "expires": 60}, SetWeight(WEB1, 0, 60.0)),
        ("DELETE", f"{SHOP}/web1/weight", {}, Lift(WEB1, "weight")),
        ("DELETE", f"{SHOP}/web1", {}, Remove(WEB1)),
        ("POST", f"{SHOP}/[2001:db8::1]:80/drain", {}, Drain(Target("[2001:db8::1]:80", "shop"))),
        ("POST", "/api/v1/virtual_servers/a%2Fb/real_servers/c%20d/drain", {}, Drain(Target("c d", "a/b"))),
        ("POST", "/api/v1/hosts/192.0.2.11/drain", {}, Drain(HOST)),
        ("POST", "/api/v1/hosts/192.0.2.11/undrain", {}, Lift(HOST, "admin")),
        ("POST", "/api/v1/hosts/192.0.2.11/disable", {}, Disable(HOST)),
        ("POST", "/api/v1/hosts/192.0.2.11/enable", {}, Lift(HOST, "admin")),
        ("PUT", "/api/v1/hosts/192.0.2.11:80/weight", {"weight": 1}, SetWeight(Target("192.0.2.11:80"), 1)),
        ("DELETE", "/api/v1/hosts/2001:db8::1/weight", {}, Lift(Target("2001:db8::1"), "weight")),
    ],
)
def test_each_command_asks_the_director_for_its_change(
    source: Any, method: str, path: str, body: dict[str, Any], change: Any
) -> None:
    assert ask(source, method, path, {**body, "why": "new disks"})[0] == 200
    assert source.changed == [change]
    assert [(actor.who, actor.why) for actor in source.actors] == [("token from 127.0.0.1", "new disks")]


def test_a_server_is_added_with_the_settings_as_they_were_given(source: Any) -> None:
    settings = {"address": "192.0.2.9:80", "weight": 3, "check": {"type": "tcp", "send": "PING\r\n"}}
    assert ask(source, "POST", SHOP, {"real_server": settings})[0] == 200
    (change,) = source.changed
    assert isinstance(change, Add)
    assert (change.virtual_server, json.loads(change.settings)) == ("shop", settings)


def test_a_command_without_a_body_has_none_of_its_settings(source: Any) -> None:
    async def talk(session: Session) -> int:
        async with session.post(f"{SHOP}/web1/drain") as response:
            return response.status

    assert command(source, talk) == 200
    assert source.changed == [Drain(WEB1)]


@pytest.mark.parametrize(("result", "status"), [("done", 200), ("unknown", 404), ("refused", 409)])
def test_what_came_of_a_change_is_the_answer(source: Any, result: Any, status: int) -> None:
    source.came_of_it = ChangeOutcome(result, "web1 of shop is drained", (("shop", "web1"),), ("shop is empty",))
    same = {
        "result": result,
        "message": "web1 of shop is drained",
        "servers": [{"virtual_server": "shop", "real_server": "web1"}],
        "warnings": ["shop is empty"],
    }
    error = {} if result == "done" else {"error": "web1 of shop is drained"}
    assert ask(source, "POST", f"{SHOP}/web1/drain") == (status, error | same)


def test_what_is_refused_for_how_it_was_asked_for_is_no_conflict(source: Any) -> None:
    source.came_of_it = ChangeOutcome("refused", "wieght: unknown key", wrong=True)
    status, answer = ask(source, "POST", SHOP, {"real_server": {"address": "192.0.2.9:80", "wieght": 1}})
    assert (status, answer["result"], answer["error"]) == (422, "refused", "wieght: unknown key")


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", f"{SHOP}/web1/drain", {"deadline": 5}, "deadline: goes with remove: true"),
        ("POST", f"{SHOP}/web1/drain", {"removed": True}, "did you mean remove?"),
        ("PUT", f"{SHOP}/web1/weight", {}, "weight: is required."),
        ("PUT", f"{SHOP}/web1/weight", {"weight": None}, "weight: is required."),
        ("POST", SHOP, {}, "real_server: is required."),
        ("POST", SHOP, {"real_server": "192.0.2.9:80"}, "real_server: expected an object"),
        ("POST", "/api/v1/reload", {"force": "yes"}, "force: expected true or false"),
    ],
)
def test_a_body_that_cannot_be_taken_changes_nothing_and_is_told_why(
    source: Any, method: str, path: str, body: Any, words: str
) -> None:
    status, answer = ask(source, method, path, body)
    assert status == 422
    assert words in answer["error"]
    assert answer == {"error": answer["error"], "message": answer["error"], "result": "refused"} | {
        "servers": [],
        "warnings": [],
    }
    assert (source.changed, source.reloads) == ([], 0)


@pytest.mark.parametrize("name", ["web%0A1", "web%1B%5B2J", "web%E2%80%AE1"])
def test_a_name_with_control_characters_is_nothing_that_there_is(source: Any, name: str) -> None:
    status, answer = ask(source, "POST", f"{SHOP}/{name}/drain")
    assert status == 404
    assert answer["error"].isprintable()
    assert source.changed == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([("POST", "/web1/drain"), ("PUT", "/web1/weight"), ("POST", ""), ("DELETE", "/web1")]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: st.dictionaries(
                    st.sampled_from(["why", "by", "weight", "remove", "deadline", "expires", "real_server", "x"]),
                    inner,
                    max_size=3,
                ),
            ),
        ),
        min_size=10,
        max_size=20,
    )
)
def test_no_body_is_a_fault_of_the_director(source: Any, asked: list[tuple[tuple[str, str], Any]]) -> None:
    async def talk(session: Session) -> list[int]:
        found = []
        for (method, path), body in asked:
            async with session.request(method, SHOP + path, data=json.dumps(body), headers=JSON) as response:
                found.append(response.status)
                assert isinstance(await response.json(), dict)
        return found

    assert set(command(source, talk)) <= {200, 422}


def test_a_body_that_is_too_large_is_refused(source: Any) -> None:
    status, answer = ask(source, "POST", f"{SHOP}/web1/drain", {"why": "a" * 70_000})
    assert (status, set(answer)) == (413, {"error"})
    assert source.changed == []


def test_a_name_that_the_caller_gives_itself_is_told_as_its_own_word(source: Any) -> None:
    ask(source, "POST", f"{SHOP}/web1/drain", {"by": "alice"})
    assert source.actors[0].who == "token from 127.0.0.1 for alice (claimed)"


def test_the_caller_of_a_unix_socket_is_the_one_that_the_kernel_knows(
    source: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "healthlb.api")

    async def run() -> int:
        path = str(tmp_path / "admin.sock")
        running = await serve(admin_application(source, source), Listener(path=path))
        try:
            async with (
                Session("http://localhost", connector=aiohttp.UnixConnector(path)) as session,
                session.post(f"{SHOP}/web1/drain", json={"by": "alice"}) as response,
            ):
                return response.status
        finally:
            await running.close()

    assert asyncio.run(run()) == 200
    who = source.actors[0].who
    assert who.startswith(f"uid {os.getuid()} (")
    assert who.endswith(f") pid {os.getpid()} for alice (claimed)")
    assert f"drain of web1 in shop asked by {who}: done: web1 is drained" in caplog.text


@pytest.mark.parametrize("path", [f"{SHOP}/web1/drain", "/api/v1/reload"])
def test_a_caller_that_goes_away_does_not_end_what_it_asked_for(source: Any, path: str) -> None:
    async def talk(session: Session) -> None:
        source.hold = asyncio.Event()
        asking = asyncio.create_task(session.post(path))
        async with asyncio.timeout(DEADLINE):
            await source.called.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            tasks = [task for task in asyncio.all_tasks() if "_changed" in repr(task) or "_reloaded" in repr(task)]
            async with session.get("/healthz") as response:
                assert response.status == 200
            source.hold.set()
            await asyncio.gather(*tasks)
        assert len(tasks) == 1

    command(source, talk)


def test_a_caller_may_wait_for_longer_than_other_requests_last(source: Any) -> None:
    async def talk(session: Session) -> int:
        source.hold = asyncio.Event()
        asking = asyncio.create_task(session.post("/api/v1/reload"))
        async with asyncio.timeout(DEADLINE):
            await source.called.wait()
            assert session._base_url is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""  # it was cut when the time of both had gone by
            writer.close()
            source.hold.set()
            async with await asking as response:
                return response.status

    assert command(source, talk, limits=Limits(request=3.0, idle=3.5)) == 200


def test_a_command_that_fails_leaves_one_line_in_the_log(source: Any, caplog: pytest.LogCaptureFixture) -> None:
    source.broken = ZeroDivisionError("division by zero")
    status, answer = ask(source, "POST", f"{SHOP}/web1/drain")
    assert (status, set(answer)) == (500, {"error"})
    assert len([record for record in caplog.records if "division by zero" in record.getMessage()]) == 1


def test_a_reload_that_fails_while_nobody_waits_leaves_one_line_in_the_log(
    source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source.broken = ZeroDivisionError("division by zero")

    async def talk(session: Session) -> None:
        async with session.post("/api/v1/reload", json={"wait": False}) as response:
            assert response.status == 202
        async with asyncio.timeout(DEADLINE):
            await source.called.wait()

    command(source, talk)
    assert len([record for record in caplog.records if "division by zero" in record.getMessage()]) == 1


def test_a_reload_is_answered_at_once_where_nobody_waits_for_it(source: Any) -> None:
    async def talk(session: Session) -> None:
        source.hold = asyncio.Event()
        async with session.post("/api/v1/reload", json={"wait": False, "force": True, "why": "a new pool"}) as response:
            assert response.status == 202
            assert (await response.json())["accepted"] is None
        async with asyncio.timeout(DEADLINE):
            await source.called.wait()
        source.hold.set()

    command(source, talk)
    assert source.forced == [True]
    assert source.actors[0].why == "a new pool"


def test_a_guesser_is_made_to_wait_and_so_is_everyone_at_its_address_for_a_minute_at_most(source: Any) -> None:
    now = [0.0]
    wrong = {"Authorization": "Bearer guess"}

    async def talk(session: Session) -> list[tuple[int, str | None]]:
        found = []
        for moment, headers in [(0.0, wrong)] * 5 + [(0.5, wrong), (0.5, BEARER), (1.0, wrong), (2.5, BEARER), (3, {})]:
            now[0] = moment
            async with session.post("/api/v1/reload", headers=headers or {"Authorization": ""}) as response:
                found.append((response.status, response.headers.get("Retry-After")))
        now[0] = 3.0
        async with session.post("/api/v1/reload") as response:
            return [*found, (response.status, None)]

    refused: list[tuple[int, str | None]] = [(401, None)] * 5
    limited = [(429, "1"), (429, "1"), (401, None), (429, "1"), (401, None), (200, None)]
    assert command(source, talk, lambda: now[0]) == refused + limited
    assert source.reloads == 1


def test_the_director_is_told_of_one_refusal_in_ten_seconds_with_the_number_of_the_others(source: Any) -> None:
    now = [0.0]

    async def talk(session: Session) -> None:
        for moment in (0.0, 1.0, 2.0, 9.0, 10.0):
            now[0] = moment
            async with session.post(f"{SHOP}/web1/drain", headers={"Authorization": ""}) as response:
                assert response.status == 401

    command(source, talk, lambda: now[0])
    assert source.refusals == [
        ("drain", "127.0.0.1", "no token", 0),
        ("drain", "127.0.0.1", "no token", 3),
    ]


@pytest.mark.parametrize("given", ["", "Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer "])
def test_requests_without_a_token_are_no_guesses(source: Any, given: str) -> None:
    async def talk(session: Session) -> list[int]:
        found = []
        for headers in [{"Authorization": given}] * 8 + [BEARER]:
            async with session.post("/api/v1/reload", headers=headers) as response:
                found.append(response.status)
        return found

    assert command(source, talk) == [401] * 8 + [200]
