"""What a client of the read-only listener gets, over a real socket."""

import asyncio
import dataclasses
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from healthlb.api.application import read_only_application
from healthlb.api.server import serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health

Session = aiohttp.ClientSession
PATHS = ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/virtual_servers"]


def visit(source: Any, talk: Callable[[Session], Awaitable[Any]], *, auto_decompress: bool = True) -> Any:
    """Serve the source on a free port, let a client talk, and give back what it says."""

    async def run() -> Any:
        running = await serve(read_only_application(source), Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with Session(f"http://{running.listener}", auto_decompress=auto_decompress) as session:
                return await talk(session)
        finally:
            await running.close()

    return asyncio.run(run())


def ask(source: Any, path: str, method: str = "GET") -> tuple[int, Any, dict[str, str]]:
    async def talk(session: Session) -> tuple[int, Any, dict[str, str]]:
        async with session.request(method, path) as response:
            body = await response.text()
            parsed = json.loads(body) if body and response.content_type == "application/json" else body
            return response.status, parsed, dict(response.headers)

    found: tuple[int, Any, dict[str, str]] = visit(source, talk)
    return found


def test_the_process_is_healthy_while_the_director_is_silent(source: Any) -> None:
    source.fault = TimeoutError()
    assert ask(source, "/healthz")[:2] == (200, {"status": "ok"})
    assert source.asked == []


def test_a_ready_director_says_so(source: Any) -> None:
    assert ask(source, "/readyz")[:2] == (200, {"ready": True, "reasons": []})


def test_a_director_that_is_not_ready_says_why_in_sentences(source: Any) -> None:
    pool = source.current.virtual_servers[0]
    waiting = tuple(dataclasses.replace(server, health=Health.UNKNOWN) for server in pool.real_servers)
    director = source.current.director
    table = dataclasses.replace(director.table, in_sync=False, failing=("add 127.0.0.2:80: Operation not permitted",))
    source.current = dataclasses.replace(
        source.current,
        ready=False,
        director=dataclasses.replace(director, table=table),
        virtual_servers=(dataclasses.replace(pool, real_servers=waiting),),
    )
    status, body, _ = ask(source, "/readyz")
    assert status == 503
    assert body["reasons"] == [
        "The ipvs table is not in sync yet.",
        "An operation on the table fails: add 127.0.0.2:80: Operation not permitted",
        "2 real servers have no verdict yet, 11.197.141.110:18089 of shop among them.",
    ]
    assert body["error"] == " ".join(body["reasons"])


def test_readiness_is_never_refused_without_a_reason(source: Any) -> None:
    source.current = dataclasses.replace(source.current, ready=False)
    status, body, _ = ask(source, "/readyz")
    assert status == 503
    assert body["reasons"]


def test_metrics_name_their_format(source: Any) -> None:
    status, text, headers = ask(source, "/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nhealthlb_ready 1\n" in text


def test_a_virtual_server_is_found_by_its_name_even_with_a_slash(source: Any) -> None:
    pool = source.current.virtual_servers[0]
    source.current = dataclasses.replace(source.current, virtual_servers=(dataclasses.replace(pool, name="a/b é"),))

    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/virtual_servers/a%2Fb%20%C3%A9") as response:
            return response.status, (await response.json())["name"]

    assert visit(source, talk) == (200, "a/b é")


@pytest.mark.parametrize("path", ["/api/v1/virtual_servers/none", "/none", "/api/v1/status/", "/api/v1/reload"])
def test_what_is_not_there_is_a_json_404(source: Any, path: str) -> None:
    status, body, headers = ask(source, path)
    assert status == 404
    assert set(body) == {"error"}
    assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "path", ["/api/v1/reload", "/api/v1/virtual_servers/shop/real_servers/web1/drain", "/api/v1/hosts/127.0.0.1/drain"]
)
def test_a_command_to_the_listener_for_reading_is_told_where_commands_go(source: Any, path: str) -> None:
    status, body, _ = ask(source, path, "POST")
    assert status == 404
    assert body["error"] == "This listener is for reading only; the one at api.admin takes commands."


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_path_that_is_only_read_names_the_methods_that_it_allows(source: Any, path: str, method: str) -> None:
    status, body, headers = ask(source, path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert set(body) == {"error"}


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body_and_the_connection_goes_on(source: Any, path: str) -> None:
    async def talk(session: Session) -> Any:
        async with session.head(path) as head:
            assert await head.read() == b""
        async with session.get(path) as get:
            await get.read()
        async with session.get("/healthz") as after:
            assert await after.json() == {"status": "ok"}
        ignored = {"Date"}
        return [{k: v for k, v in one.headers.items() if k not in ignored} for one in (head, get)]

    head, get = visit(source, talk)
    assert head == get
    assert int(get["Content-Length"]) > 0


@pytest.mark.parametrize("path", [*PATHS, "/none"])
def test_every_answer_carries_the_headers_that_keep_a_browser_from_guessing(source: Any, path: str) -> None:
    headers = ask(source, path)[2]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == ("private, no-cache" if "Etag" in headers else "no-store")
    assert "aiohttp" not in headers["Server"]


@pytest.mark.parametrize(
    ("offer", "coded"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
        ("gzip; q=0.0", False),
        ("gzip;\tq=0", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it_and_says_the_same(source: Any, offer: str, coded: bool) -> None:
    async def talk(session: Session) -> Any:
        async with session.get("/api/v1/status", headers={"Accept-Encoding": offer}) as response:
            return response.headers.get("Content-Encoding"), response.headers["Vary"], await response.read()

    encoding, vary, body = visit(source, talk, auto_decompress=False)
    assert (encoding == "gzip") == coded
    assert vary == "Accept-Encoding"
    assert json.loads(gzip.decompress(body) if coded else body)["director"]["name"] == "lb1"


@pytest.mark.parametrize("expected", ["100-continue", "nothing of the kind"])
def test_what_a_client_expects_changes_no_answer(source: Any, expected: str) -> None:
    async def talk(session: Session) -> tuple[int, Any]:
        async with session.get("/healthz", headers={"Expect": expected}) as response:
            return response.status, await response.json()

    assert visit(source, talk) == (200, {"status": "ok"})


def test_a_director_that_does_not_answer_in_time_is_a_503(source: Any) -> None:
    source.fault = TimeoutError()
    status, body, headers = ask(source, "/api/v1/status")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "in time" in body["error"]


def test_a_fault_of_the_director_is_a_sentence_for_the_client_and_one_line_for_the_log(
    source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source.fault = ZeroDivisionError("division by zero")
    status, body, _ = ask(source, "/metrics")
    assert status == 500
    assert "division" not in body["error"]
    lines = [record for record in caplog.records if "division by zero" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None


def test_a_reader_that_leaves_early_does_not_spoil_it_for_the_next(source: Any, large: Any) -> None:
    source.current = large(1, 5000)

    asked = asyncio.Event()
    hand_out = source.snapshot

    async def snapshot(max_age: float) -> Any:
        asked.set()
        return await hand_out(max_age)

    source.snapshot = snapshot

    async def talk(session: Session) -> Any:
        async def one() -> int:
            async with session.get("/api/v1/status") as response:
                return len((await response.json())["virtual_servers"][0]["real_servers"])

        first, second = asyncio.create_task(one()), asyncio.create_task(one())
        await asked.wait()
        first.cancel()
        return await second

    assert visit(source, talk) == 5000
