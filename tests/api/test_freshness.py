"""What a client that has a document already is told, and in which form it has it."""

import asyncio
import dataclasses
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api.application import admin_application
from healthlb.api.events import takes_stream
from healthlb.api.negotiation import acceptable, known, names
from healthlb.api.page.first_view import takes_html
from healthlb.api.server import serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from tests.api.conftest import Journal, occurrence

Session = aiohttp.ClientSession
WORDS = "an operator's token"
TAGGED = [
    "/api/v1/status",
    "/api/v1/status?fields=virtual_servers.name&problems=1",
    "/api/v1/virtual_servers",
    "/api/v1/virtual_servers/shop",
    "/api/v1/real_servers",
    "/api/v1/overrides",
    "/api/v1/events",
    "/api/v1/openapi.json",
]


def visit(source: Any, talk: Callable[[Session], Awaitable[Any]], *, auto_decompress: bool = True) -> Any:
    """Serve the admin listener with a journal of three events, and let a client talk."""

    async def run() -> Any:
        events = Journal(*map(occurrence, (1, 2, 3)))
        # No rendering outlives its question: a test changes what there is between two.
        application = admin_application(source, source, WORDS, events=events)
        running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with Session(f"http://{running.listener}", auto_decompress=auto_decompress) as session:
                return await talk(session)
        finally:
            await running.close()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("healthlb.api.rendering.REST", 0.0)


async def asked(session: Session, path: str, tag: str = "", method: str = "GET") -> tuple[int, str, bytes]:
    headers = {"If-None-Match": tag} if tag else {}
    async with session.request(method, path, headers=headers) as response:
        return response.status, response.headers["ETag"], await response.read()


@pytest.mark.parametrize("path", TAGGED)
def test_who_has_what_there_is_is_told_so_and_the_connection_goes_on(source: Any, path: str) -> None:
    async def talk(session: Session) -> None:
        status, tag, body = await asked(session, path)
        assert (status, tag[:3], tag[-1]) == (200, 'W/"', '"')
        assert body
        for sent in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            for method in ("GET", "HEAD"):
                assert await asked(session, path, sent, method) == (304, tag, b"")
        assert await asked(session, path, '"other"') == (200, tag, body)

    visit(source, talk)


def test_a_later_moment_alone_makes_no_other_document_and_a_change_does(source: Any) -> None:
    async def talk(session: Session) -> None:
        _, tag, body = await asked(session, "/api/v1/status")
        source.current = dataclasses.replace(source.current, taken_at=source.current.taken_at + 1)
        await asyncio.sleep(0)
        status, same, later = await asked(session, "/api/v1/status")
        assert (status, same) == (200, tag)
        assert json.loads(later)["taken_at"] != json.loads(body)["taken_at"]
        assert (await asked(session, "/api/v1/status", tag))[0] == 304
        source.current = dataclasses.replace(source.current, ready=False)
        assert (await asked(session, "/api/v1/status", tag))[0] == 200

    visit(source, talk)


def test_what_only_some_may_see_has_another_tag_for_them(source: Any) -> None:
    async def talk(session: Session) -> tuple[str, str, str]:
        async with session.get("/api/v1/overrides") as without:
            pass
        async with session.get("/api/v1/overrides", headers={"Authorization": f"Bearer {WORDS}"}) as trusted:
            pass
        return without.headers["ETag"], trusted.headers["ETag"], trusted.headers["Vary"]

    without, trusted, vary = visit(source, talk)
    assert "Authorization" in vary
    assert without == trusted  # nothing was added: both see the same


@pytest.mark.parametrize("path", [*TAGGED, "/metrics"])
def test_every_document_comes_as_gzip_to_those_who_take_it(source: Any, path: str) -> None:
    async def talk(session: Session) -> None:
        async with session.get(path, headers={"Accept-Encoding": "gzip"}) as coded:
            body = await coded.read()
            assert (coded.headers["Content-Encoding"], len(body)) == ("gzip", int(coded.headers["Content-Length"]))
        async with session.get(path, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            if path != "/metrics":
                assert gzip.decompress(body) == await plain.read()
                assert coded.headers["ETag"] == plain.headers["ETag"]
        assert "Accept-Encoding" in coded.headers["Vary"]

    visit(source, talk, auto_decompress=False)


def test_metrics_have_no_tag_as_they_are_new_each_time(source: Any) -> None:
    async def talk(session: Session) -> bool:
        async with session.get("/metrics", headers={"If-None-Match": "*"}) as response:
            return "ETag" in response.headers or response.status != 200

    assert not visit(source, talk)


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", True),
        ("*/*", True),
        ("application/*", True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/html, */*;q=0.1", True),
        ("text/html", False),
        ("application/json;q=0", False),
        ("application/json;q=0, */*", False),
        ("*/*;q=0, application/json", True),
        (",", True),
    ],
)
def test_an_accept_says_whether_json_is_taken(accept: str, taken: bool) -> None:
    assert acceptable(accept, ["application/json"]) == taken


@pytest.mark.parametrize(
    ("accept", "named"),
    [
        ("text/html", True),
        ("application/json, Text/HTML;q=0.001", True),
        ("text/html;q=0, application/json", False),
        ("text/html; q=0.0", False),
        ("text/*, */*", False),
        ("", False),
    ],
)
def test_a_type_that_is_named_is_wanted_unless_its_weight_is_nothing(accept: str, named: bool) -> None:
    assert names(accept, "text/html") == takes_html(accept) == named
    assert takes_stream(accept.lower().replace("text/html", "text/event-stream")) == named


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_is_an_answer(accept: str, tags: str) -> None:
    assert acceptable(accept, ["application/json"]) in {True, False}
    assert names(accept, "text/html") in {True, False}
    assert not known([tags.replace("*", "").replace("abc", "")], 'W/"abc"')


def test_what_is_taken_as_a_list_or_as_a_stream_is_refused_as_anything_else(source: Any) -> None:
    async def talk(session: Session) -> tuple[int, str]:
        async with session.get("/api/v1/events", headers={"Accept": "text/html"}) as response:
            return response.status, (await response.json())["error"]

    assert visit(source, talk) == (
        406,
        "/api/v1/events is to be had as application/json or text/event-stream.",
    )
