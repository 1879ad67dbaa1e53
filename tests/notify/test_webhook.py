"""Posts to receivers on loopback that answer, refuse, drip, reset, hang and lie."""

import asyncio
import json
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from healthlb.daemon.worker import Worker
from healthlb.model.notifiers import Webhook
from healthlb.notify.sending import RefusedError, UndeliveredError
from healthlb.notify.webhook import WebhookSender
from tests.notify.happenings import happened, in_thread, message, play

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
PATH = "/services/T0000/B1111/XyZ9876"


class Server:
    """A receiver: what it was sent, as (request line, headers, body)."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.port = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def url(self, path: str = PATH, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append((first, headers, body))
            await self.answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def says(status: str, body: str = "", headers: str = "Content-Type: text/plain\r\n") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    return answer


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


async def post(settings: Webhook, *events: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        await WebhookSender(settings, in_thread()).send(message(*events))


def told(answer: Answer, **settings: Any) -> tuple[Exception | None, Server]:
    """Post one message to a server and return what came of it."""

    async def story() -> tuple[Exception | None, Server]:
        async with serving(answer) as server:
            try:
                await post(Webhook(url=server.url(), **settings))
            except (UndeliveredError, RefusedError) as error:
                return error, server
            return None, server

    return play(story)


def test_a_message_is_posted_as_json_and_any_success_is_a_delivery() -> None:
    for status in ("200 OK", "202 Accepted", "204 No Content"):
        error, server = told(says(status))
        assert error is None
        [(line, headers, body)] = server.requests
        assert line == f"POST {PATH} HTTP/1.1"
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("healthlb/")
        assert json.loads(body)["events"][0]["real_server"] == "web1"


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Busy", "429 Slow", "408 Late", "599 Odd"])
def test_a_receiver_that_is_out_of_order_is_worth_another_try(status: str) -> None:
    error, server = told(says(status))
    assert isinstance(error, UndeliveredError)
    assert str(error).startswith(f"127.0.0.1:{server.port}: status {status[:3]}")
    assert error.wait is None


def test_a_receiver_says_when_to_come_back() -> None:
    for header, wait in (
        ("30", 30.0),
        ("0", 0.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-5", None),
        ("1e9", None),
    ):
        error, _ = told(says("429 Too Many Requests", headers=f"Retry-After: {header}\r\n"))
        assert isinstance(error, UndeliveredError)
        assert error.wait == wait


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_receiver_that_will_not_have_it_is_not_asked_again(status: str) -> None:
    error, server = told(says(status, "invalid_payload"))
    assert isinstance(error, RefusedError)
    assert str(error) == f"127.0.0.1:{server.port}: status {status[:3]} ({status[4:]}): invalid_payload"


def test_redirects_are_not_followed() -> None:
    error, server = told(says("302 Found", headers="Location: http://127.0.0.1:1/elsewhere\r\n"))
    assert isinstance(error, RefusedError)
    assert str(error).endswith("status 302 (Found); redirects are not followed")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        f"no such hook: {PATH}",
        "no such hook: XyZ9876",
        "no such hook: xyz9876",
        "no such hook: %58yZ9876",
        "\x1b[31mred",
        "long" * 100,
    ],
)
def test_an_answer_that_repeats_a_secret_or_is_not_fit_to_be_shown_is_left_out(answer: str) -> None:
    error, server = told(says("404 Not Found", answer))
    assert str(error) == f"127.0.0.1:{server.port}: status 404 (Not Found)"


def test_a_page_is_not_shown() -> None:
    error, server = told(says("500 Oops", "<html>", "Content-Type: text/html\r\n"))
    assert str(error) == f"127.0.0.1:{server.port}: status 500 (Internal Server Error)"


def test_what_is_no_http_and_what_hangs_up_or_resets_is_worth_another_try() -> None:
    async def garbage(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.com ESMTP\r\n")

    async def nothing(writer: asyncio.StreamWriter) -> None:
        """Hang up."""

    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    for answer, reason in (
        (garbage, "its answer is not HTTP"),
        (nothing, "it closed the connection without an answer"),
        (reset, "it closed the connection without an answer|connection reset by peer"),
    ):
        error, server = told(answer)
        assert isinstance(error, UndeliveredError)
        assert re.fullmatch(f"127.0.0.1:{server.port}: ({reason})", str(error))


def test_nobody_there_is_worth_another_try() -> None:
    async def story() -> None:
        async with serving(says("200 OK")) as server:
            url = server.url()
        with pytest.raises(UndeliveredError, match=r"^127\.0\.0\.1:[0-9]+: connection refused$"):
            await post(Webhook(url=url))

    play(story)


def test_a_receiver_that_drips_or_hangs_is_left_at_the_deadline() -> None:
    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def hangs(writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    async def story() -> None:
        for answer in (drips, hangs):
            async with serving(answer) as server:
                with pytest.raises(TimeoutError):
                    await post(Webhook(url=server.url()), seconds=0.1)

    play(story)


def test_an_endless_answer_is_not_read() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    error, server = told(endless)
    assert str(error) == f"127.0.0.1:{server.port}: status 500 (Internal Server Error)"


def test_endless_headers_are_bounded() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    error, server = told(endless)
    assert str(error) == f"127.0.0.1:{server.port}: its answer is not HTTP"


def test_url_and_headers_come_from_files_that_are_read_at_each_try(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(says("200 OK")) as server:
            where, token = tmp_path / "url", tmp_path / "token"
            where.write_text(server.url("/first") + "\n")
            token.write_text("Bearer one\n")
            settings = Webhook(
                url_file=str(where), headers=(("X-Team", "web"),), header_files=(("Authorization", str(token)),)
            )
            sender = WebhookSender(settings, in_thread())
            await sender.send(message())
            where.write_text(server.url("/second"))
            token.write_text("Bearer two")
            await sender.send(message())
            assert [line for line, _, _ in server.requests] == ["POST /first HTTP/1.1", "POST /second HTTP/1.1"]
            assert [headers["authorization"] for _, headers, _ in server.requests] == ["Bearer one", "Bearer two"]
            assert server.requests[0][1]["x-team"] == "web"

    play(story)


def test_a_header_of_the_operators_takes_the_place_of_ours() -> None:
    error, server = told(says("200 OK"), headers=(("content-type", "text/json"), ("USER-AGENT", "me")))
    assert error is None
    assert server.requests[0][1]["content-type"] == "text/json"
    assert server.requests[0][1]["user-agent"] == "me"


def test_a_header_that_would_cut_the_body_is_refused() -> None:
    error, server = told(says("200 OK"), headers=(("content-Length", "5"),))
    assert isinstance(error, RefusedError)
    assert str(error) == "the header content-Length is not one to set: it says where the body ends"
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://127.0.0.1/secret", "url_file {} holds no http or https address"),
        ("http://", "url_file {} holds no http or https address"),
        ("http://127.0.0.1:notaport/secret", "url_file {} holds no http or https address"),
        ("http://[::1/secret", "url_file {} holds no http or https address"),
        (
            "http://me:secret@127.0.0.1/",
            "the address holds a user or a password; give them by header_files: Authorization",
        ),
        ("\n", "url_file {} is empty"),
        ("x" * 70000, "url_file {} is longer than 65536 bytes"),
        ("\udcff", "url_file {} is not UTF-8 text, or has a name that no file can have"),
    ],
)
def test_a_url_file_that_holds_no_address_is_told_without_its_content(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))

    async def story() -> None:
        with pytest.raises(UndeliveredError) as caught:
            await post(Webhook(url_file=str(file)))
        assert str(caught.value) == reason.format(file)

    play(story)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(UndeliveredError, match=r"url_file .*/none is not there, or no regular file"):
            await post(Webhook(url_file=str(tmp_path / "none")))
        with pytest.raises(UndeliveredError, match=r"header_files: X-Token: /dev/null is not there, or no regular"):
            await post(Webhook(url="http://127.0.0.1:9/", header_files=(("X-Token", "/dev/null"),)))
        with pytest.raises(UndeliveredError, match=r"ca_file .*/none: no such file or directory"):
            await post(Webhook(url="https://127.0.0.1:9/", ca_file=str(tmp_path / "none")))

    play(story)


def test_a_header_that_http_cannot_carry_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\r\nX-Evil: two")

    async def story() -> None:
        async with serving(says("200 OK")) as server:
            with pytest.raises(RefusedError, match=r"^a header's name or value is not one that HTTP can carry$"):
                await post(Webhook(url=server.url(), header_files=(("X-Token", str(token)),)))
            assert server.requests == []

    play(story)


def test_a_certificate_is_verified_by_the_authorities_of_a_file(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted, stranger, broken = tmp_path / "ca.pem", tmp_path / "other.pem", tmp_path / "broken.pem"
    authority.cert_pem.write_to_path(trusted)
    other.cert_pem.write_to_path(stranger)
    broken.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")

    async def story() -> None:
        async with serving(says("200 OK"), context) as server:
            url = server.url(scheme="https")
            await post(Webhook(url=url, ca_file=str(trusted)))
            assert len(server.requests) == 1
            with pytest.raises(UndeliveredError, match=r": its certificate is not trusted: unable to get local issuer"):
                await post(Webhook(url=url, ca_file=str(stranger)))
            with pytest.raises(UndeliveredError, match=r": its certificate is not trusted: "):
                await post(Webhook(url=url))
            with pytest.raises(UndeliveredError, match=r"broken.pem holds no certificates in PEM"):
                await post(Webhook(url=url, ca_file=str(broken)))
            with pytest.raises(UndeliveredError, match=r"127\.0\.0\.1:[0-9]+: "):
                await post(Webhook(url=server.url()))
            assert len(server.requests) == 1

    play(story)


def test_names_are_asked_for_in_the_notifiers_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def known(host: str, port: int, **more: Any) -> list[Any]:
        asked.append(threading.current_thread().name)
        if host != "hooks.example.com":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def story() -> None:
        async with serving(says("200 OK")) as server:
            worker = Worker("the notifier's")
            monkeypatch.setattr(socket, "getaddrinfo", known)
            sender = WebhookSender(Webhook(url=f"http://hooks.example.com:{server.port}/"), worker.do)
            await sender.send(message())
            sender.close()
            assert server.requests[0][1]["host"] == f"hooks.example.com:{server.port}"
            other = WebhookSender(Webhook(url="http://nowhere.example.com/secret"), worker.do)
            with pytest.raises(UndeliveredError) as caught:
                await other.send(message())
            assert str(caught.value) == "nowhere.example.com: its name cannot be resolved: name or service not known"
            assert set(asked) == {"the notifier's"}
            worker.close()

    play(story)


def test_a_message_of_megabytes_arrives_whole() -> None:
    async def story() -> None:
        async with serving(says("200 OK")) as server:
            await post(Webhook(url=server.url()), *[happened(sentence=f"{number}" * 1000) for number in range(1000)])
            [(_, headers, body)] = server.requests
            assert len(body) > 2_000_000
            assert "transfer-encoding" not in headers
            assert len(json.loads(body)["events"]) == 1000

    play(story)
