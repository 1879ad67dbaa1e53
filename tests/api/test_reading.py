"""What is asked about single servers and about what operators changed, over a real socket."""

import asyncio
import contextlib
import dataclasses
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api import queries
from healthlb.api.application import admin_application, read_only_application
from healthlb.api.server import serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Addition, Override, Removal, Scope
from healthlb.model.snapshot import LeavingStatus

LOOPBACK = Listener(Endpoint("127.0.0.1", 0))
WORDS = "an operator's token"


def ask(source: Any, path: str, *, admin: bool = False, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        application = admin_application(source, source, WORDS) if admin else read_only_application(source)
        running = await serve(application, LOOPBACK)
        try:
            async with (
                aiohttp.ClientSession(f"http://{running.listener}") as session,
                session.get(path, headers=headers) as response,
            ):
                return response.status, await response.json()
        finally:
            await running.close()

    return asyncio.run(run())


@pytest.fixture
def drained(source: Any) -> Any:
    """Give a shop with a server that an operator drained, a sorry server, a leaving row and a second pool beside it."""
    pool = source.current.virtual_servers[0]
    one, two = pool.real_servers
    drain = Override(Scope(None, "11.197.140.20", None), "drain", who="uid 0 (root) pid 7", why="new disks", at=60.0)
    two = dataclasses.replace(two, admin="drained", overrides=(drain,))
    sorry = dataclasses.replace(one, name="sorry", address=Endpoint("192.0.2.250", 80))
    pool = dataclasses.replace(
        pool,
        real_servers=(one, two),
        sorry_servers=(sorry,),
        leaving=(LeavingStatus(Endpoint("192.0.2.7", 80), 120.0, one.usage),),
        removed=(Removal("shop", Endpoint("192.0.2.8", 80), "uid 0 (root) pid 9", "gone", 30.0),),
    )
    other = dataclasses.replace(pool, name="api", sorry_servers=(), leaving=(), removed=())
    added = Addition("shop", Endpoint("192.0.2.9", 80), '{"address": "192.0.2.9:80"}', "uid 0", "more", 90.0)
    director = dataclasses.replace(source.current.director, overrides=(drain,), additions=(added,))
    source.current = dataclasses.replace(source.current, virtual_servers=(pool, other), director=director)
    return source


def found(source: Any, query: str) -> list[tuple[str, str]]:
    status, answer = ask(source, f"/api/v1/real_servers{query}")
    assert status == 200
    return [(each["virtual_server"], each["real_server"]) for each in answer["real_servers"]]


def test_a_server_is_shown_with_what_those_who_wait_for_its_drain_look_at(drained: Any) -> None:
    _, answer = ask(drained, "/api/v1/real_servers?virtual_server=shop&real_server=web2")
    (server,) = answer["real_servers"]
    assert server == {
        "virtual_server": "shop",
        "real_server": "web2",
        "address": "11.197.140.20:28089",
        "origin": "file",
        "health": "down",
        "admin": "drained",
        "since": "2026-10-14T17:45:40.250Z",
        "weight": {"configured": 1, "effective": 0, "kernel": 0, "chain": ["1", "0 (down)"]},
        "connections": {"active": 2, "inactive": 3, "persistent": 0},
        "overrides": server["overrides"],
        "drained": True,
    }
    assert (server["overrides"][0]["scope"], server["overrides"][0]["why"]) == ("11.197.140.20", "new disks")


@pytest.mark.parametrize(
    ("query", "servers"),
    [
        ("?host=11.197.140.20", [("shop", "web2"), ("api", "web2")]),
        ("?host=11.197.140.20:28089", [("shop", "web2"), ("api", "web2")]),
        ("?host=11.197.140.20:1", []),
        ("?host=11.197.140.20&virtual_server=api", [("api", "web2")]),
        ("?virtual_server=none", []),
        ("?virtual_server=shop&real_server=11.197.140.20", [("shop", "web2")]),
        ("?virtual_server=shop&real_server=11.197.140.20:28089", [("shop", "web2")]),
        ("?real_server=web2", [("shop", "web2"), ("api", "web2")]),
        ("?host=11.197.141.110&real_server=web2", []),
    ],
)
def test_servers_are_found_by_host_pool_and_name(drained: Any, query: str, servers: list[tuple[str, str]]) -> None:
    assert found(drained, query) == servers


def test_all_servers_are_shown_where_nothing_is_asked_for(drained: Any) -> None:
    assert len(found(drained, "")) == 4


def test_sorry_servers_and_rows_that_leave_are_shown_of_a_host_too(drained: Any) -> None:
    answer = ask(drained, "/api/v1/real_servers?host=192.0.2.7")[1]
    (row,) = answer.pop("leaving")
    assert answer == {"real_servers": [], "sorry_servers": []}
    assert (
        row
        | {
            "virtual_server": "shop",
            "address": "192.0.2.7:80",
            "until": "1970-01-01T00:02:00.000Z",
            "connections": {"active": 2, "inactive": 3, "persistent": 0},
        }
        == row
    )
    _, answer = ask(drained, "/api/v1/real_servers?host=192.0.2.250")
    assert [each["real_server"] for each in answer["sorry_servers"]] == ["sorry"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?hots=192.0.2.1", "There is no parameter 'hots'; did you mean host?"),
        ("?x=1", "There is no parameter 'x'; there are host, virtual_server, real_server, fields, problems."),
        ("?host=web1", "host: expected an IP address, or one with a port, found 'web1'."),
        ("?host=192.0.2.1:99999", "host: expected an IP address"),
        ("?host=%5B::1%5Dx", "host: expected an IP address"),
        ("?host=192.0.2.1&host=192.0.2.2", "host: is there twice."),
        ("?real_server=", "real_server: expected a name, found ''."),
        ("?real_server=a%0Ab", "real_server: expected a name, found 'a\\nb'."),
    ],
)
def test_a_question_that_is_not_understood_is_refused_in_a_sentence(drained: Any, query: str, sentence: str) -> None:
    status, answer = ask(drained, f"/api/v1/real_servers{query}")
    assert status == 400
    assert sentence in answer["error"]
    assert drained.asked == []


def test_what_operators_changed_is_listed_with_who_and_why(drained: Any) -> None:
    status, answer = ask(drained, "/api/v1/overrides")
    assert status == 200
    assert [(each["what"], each["who"], each["why"]) for each in answer["overrides"]] == [
        ("drain", "uid 0 (root) pid 7", "new disks")
    ]
    assert answer["added"] == [
        {
            "virtual_server": "shop",
            "address": "192.0.2.9:80",
            "who": "uid 0",
            "why": "more",
            "at": "1970-01-01T00:01:30.000Z",
        }
    ]
    assert [(each["address"], each["why"]) for each in answer["removed"]] == [("192.0.2.8:80", "gone")]


def test_the_settings_of_added_servers_are_shown_to_those_only_who_may_change_them(drained: Any) -> None:
    def settings(headers: dict[str, str]) -> Any:
        return ask(drained, "/api/v1/overrides", admin=True, headers=headers)[1]["added"][0].get("settings")

    assert settings({}) is None
    assert settings({"Authorization": "Bearer guess"}) is None
    assert settings({"Authorization": f"Bearer {WORDS}"}) == '{"address": "192.0.2.9:80"}'


def test_the_list_of_changes_takes_no_parameters(drained: Any) -> None:
    status, answer = ask(drained, "/api/v1/overrides?all=1")
    assert (status, answer) == (400, {"error": "There is no parameter 'all'; there are none here."})


@given(st.text(max_size=30) | st.ip_addresses().map(str) | st.floats().map(str) | st.datetimes().map(str))
def test_any_text_is_a_value_or_a_fault_that_shows_it_escaped(text: str) -> None:
    for kind in (queries.host, queries.name, queries.moment, queries.whole(1, 1000), queries.one_of({"up", "down"})):
        with contextlib.suppress(ValueError):
            kind(text)
            continue
        with pytest.raises(ValueError, match=r".+") as caught:
            kind(text)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1792000000.25", 1_792_000_000.25),
        ("2026-10-14T17:46:40.25Z", 1_792_000_000.25),
        ("2026-10-14T19:46:40.250+02:00", 1_792_000_000.25),
        ("2026-10-14t17:46:40z", 1_792_000_000.0),
    ],
)
def test_a_moment_is_rfc_3339_or_seconds(text: str, seconds: float) -> None:
    assert queries.moment(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e300", "2026-10-14", "2026-10-14T17:46:40", "yesterday"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a moment such as"):
        queries.moment(text)
