"""Who may give commands, and what the log and the director are told of them."""

import asyncio
import os
import pwd
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from healthlb.api.application import admin_application
from healthlb.api.server import serve
from healthlb.api.source import ReloadOutcome
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

BEARER = "an operator's token"


def post(
    source: Any, listener: Listener, headers: dict[str, str] | None = None, token: str | None = None, body: bytes = b""
) -> tuple[int, Any, dict[str, str]]:
    async def run() -> tuple[int, Any, dict[str, str]]:
        running = await serve(admin_application(source, source, token), listener)
        try:
            path = running.listener.path
            connector = aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector()
            origin = "http://localhost" if path else f"http://{running.listener}"
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.post(f"{origin}/api/v1/reload", headers=headers, data=body) as response,
            ):
                return response.status, await response.json(), dict(response.headers)
        finally:
            await running.close()

    return asyncio.run(run())


LOOPBACK = Listener(Endpoint("127.0.0.1", 0))


def test_the_file_mode_is_the_permission_of_a_unix_caller_whom_the_log_names(
    source: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "healthlb.api")
    status, body, _ = post(source, Listener(path=str(tmp_path / "admin.sock")))
    assert status == 200
    assert body == {"accepted": True, "message": "reloaded", "changes": ["edit x"]}
    who = f"uid {os.getuid()} ({pwd.getpwuid(os.getuid()).pw_name}) pid {os.getpid()}"
    assert f"reload asked by {who}: reloaded" in caplog.text
    assert [actor.who for actor in source.actors] == [who]


def test_a_refused_reload_is_an_error_with_its_sentence(source: Any, tmp_path: Path) -> None:
    source.outcome = ReloadOutcome(False, "healthlb.yaml:3:1: there is no key 'chekcs'")
    status, body, _ = post(source, Listener(path=str(tmp_path / "admin.sock")))
    assert status == 422
    assert body["error"] == source.outcome.message
    assert body["accepted"] is False


def test_over_tcp_the_token_lets_a_command_through(source: Any) -> None:
    status, _, _ = post(source, LOOPBACK, {"Authorization": f"Bearer {BEARER}"}, BEARER)
    assert (status, source.reloads) == (200, 1)
    assert [actor.who for actor in source.actors] == ["token from 127.0.0.1"]


def test_who_gave_a_wrong_token_is_told_so_and_who_gave_none_what_is_needed(source: Any) -> None:
    _, wrong, _ = post(source, LOOPBACK, {"Authorization": f"Bearer {BEARER}x"}, BEARER)
    _, none, _ = post(source, LOOPBACK, {}, BEARER)
    assert wrong["error"] == "The admin token that was given is wrong."
    assert none["error"] == "This needs the admin token: Authorization: Bearer TOKEN."


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, BEARER),
        ("", BEARER),
        ("Bearer", BEARER),
        ("Bearer ", BEARER),
        ("Bearer another", BEARER),
        (f"Bearer {BEARER}x", BEARER),
        (f"Basic {BEARER}", BEARER),
        (BEARER, BEARER),
        ("Bearer ", None),
        ("Bearer None", None),
        ("Bearer ", ""),
    ],
)
def test_over_tcp_nothing_but_the_token_lets_a_command_through(
    source: Any, header: str | None, token: str | None
) -> None:
    status, body, headers = post(source, LOOPBACK, {} if header is None else {"Authorization": header}, token)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(body) == {"error"}
    assert source.reloads == 0
    assert [refusal[:2] for refusal in source.refusals] == [("reload", "127.0.0.1")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://[evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_gives_no_command_even_with_the_token(source: Any, headers: dict[str, str]) -> None:
    status, _, _ = post(source, LOOPBACK, headers | {"Authorization": f"Bearer {BEARER}"}, BEARER)
    assert (status, source.reloads) == (403, 0)


def test_a_page_whose_name_was_rebound_to_the_director_has_no_token_and_gives_no_command(source: Any) -> None:
    headers = {"Host": "rebound.example", "Origin": "http://rebound.example", "Sec-Fetch-Site": "same-origin"}
    status, _, _ = post(source, LOOPBACK, headers, BEARER)
    assert (status, source.reloads) == (401, 0)


def test_the_admin_listener_reads_as_the_other_does_and_names_the_method_of_a_command(
    source: Any, tmp_path: Path
) -> None:
    async def run() -> None:
        path = str(tmp_path / "admin.sock")
        running = await serve(admin_application(source, source), Listener(path=path))
        try:
            async with aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(path)) as session:
                async with session.get("/api/v1/status") as response:
                    assert (await response.json())["director"]["name"] == "lb1"
                async with session.get("/api/v1/reload") as response:
                    assert (response.status, response.headers["Allow"]) == (405, "POST")
        finally:
            await running.close()

    asyncio.run(run())


def test_over_tls_the_token_is_asked_for_all_the_same(source: Any) -> None:
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def run() -> list[int]:
        running = await serve(admin_application(source, source, BEARER), LOOPBACK, ssl=serving)
        try:
            url = f"https://{running.listener}/api/v1/reload"
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
                session.post(url) as refused,
                session.post(url, headers={"Authorization": f"Bearer {BEARER}"}) as done,
            ):
                return [refused.status, done.status]
        finally:
            await running.close()

    assert asyncio.run(run()) == [401, 200]
    assert source.reloads == 1
