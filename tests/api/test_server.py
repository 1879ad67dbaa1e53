"""Sockets that can't be opened, clients that take too long, and clients that are too many."""

import asyncio
import logging
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from healthlb.api import server
from healthlb.api.application import read_only_application
from healthlb.api.connections import Limits
from healthlb.api.server import TOLD_EVERY, ListenError, OneLine, RunningServer, serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

LOOPBACK = Listener(Endpoint("127.0.0.1", 0))
DEADLINE = 60.0


async def connect(running: RunningServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    endpoint = running.listener.endpoint
    assert endpoint is not None
    return await asyncio.open_connection(endpoint.address, endpoint.port)


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """Read until the director closes; a reset counts as closed. A director that never does fails the test."""
    received = b""
    try:
        async with asyncio.timeout(DEADLINE):
            while chunk := await reader.read(65536):
                received += chunk
    except ConnectionError:
        pass
    return received


def listen_error(source: Any, listener: Listener) -> str:
    async def run() -> None:
        running = await serve(read_only_application(source), listener)
        await running.close()

    with pytest.raises(ListenError) as caught:
        asyncio.run(run())
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


def test_a_port_that_is_taken_is_one_sentence_with_the_address(source: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = listen_error(source, Listener(Endpoint("127.0.0.1", port)))
    assert f"127.0.0.1:{port}" in sentence
    assert "taken" in sentence


def test_an_address_of_another_machine_is_one_sentence(source: Any) -> None:
    assert "no address of this machine" in listen_error(source, Listener(Endpoint("192.0.2.1", 0)))


def test_a_directory_that_can_not_be_made_is_one_sentence(source: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "no directory" in listen_error(source, Listener(path=str(tmp_path / "file" / "admin.sock")))


def test_a_path_that_is_too_long_for_a_socket_is_one_sentence(source: Any, tmp_path: Path) -> None:
    assert "107 bytes" in listen_error(source, Listener(path=str(tmp_path / ("s" * 120))))


def test_a_file_that_is_no_socket_is_left_alone(source: Any, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    path.write_text("kept")
    assert "no socket" in listen_error(source, Listener(path=str(path)))
    assert path.read_text() == "kept"


def test_a_live_socket_is_refused_and_goes_on_serving(source: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")

    async def run() -> None:
        running = await serve(read_only_application(source), Listener(path=path))
        with pytest.raises(ListenError, match="running already"):
            await serve(read_only_application(source), Listener(path=path))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await hung_up(reader)).startswith(b"HTTP/1.0 200")
        writer.close()
        await running.close()

    asyncio.run(run())


def test_the_socket_of_a_killed_director_is_replaced_and_its_own_removed_at_the_end(
    source: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run" / "admin.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()

    async def run() -> None:
        running = await serve(read_only_application(source), Listener(path=str(path)), socket_mode=0o600)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await running.close()

    asyncio.run(run())
    assert not path.exists()


def test_the_socket_of_a_successor_is_not_removed(source: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "admin.sock"

    async def run() -> None:
        old = await serve(read_only_application(source), Listener(path=str(path)))
        path.rename(tmp_path / "aside")
        new = await serve(read_only_application(source), Listener(path=str(path)))
        await old.close()
        assert path.exists()
        await new.close()

    asyncio.run(run())


def test_ipv6_loopback_is_served_where_there_is_one(source: Any) -> None:
    async def run() -> bytes:
        running = await serve(read_only_application(source), Listener(Endpoint("::1", 0)))
        assert str(running.listener).startswith("[::1]:")
        reader, writer = await connect(running)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = await hung_up(reader)
        writer.close()
        await running.close()
        return answer

    assert asyncio.run(run()).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize(
    "first", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_client_that_sends_no_whole_request_in_time_is_cut(source: Any, first: bytes) -> None:
    async def run() -> None:
        limits = Limits(idle=0.2, request=60.0)
        running = await serve(read_only_application(source, limits), LOOPBACK)
        reader, writer = await connect(running)
        writer.write(first)
        await hung_up(reader)
        writer.close()
        await running.close()

    asyncio.run(run())


def test_a_client_that_drips_its_request_is_cut_all_the_same(source: Any) -> None:
    async def run() -> None:
        running = await serve(read_only_application(source, Limits(idle=0.3, request=60.0)), LOOPBACK)
        reader, writer = await connect(running)
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await hung_up(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()
        await running.close()

    asyncio.run(run())


def test_a_client_that_does_not_read_its_answer_is_cut_and_the_others_are_served(source: Any, large: Any) -> None:
    source.current = large(2, 5000)

    async def run() -> None:
        running = await serve(read_only_application(source, Limits(idle=60.0, request=2.0)), LOOPBACK)
        assert running.listener.endpoint is not None
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        await asyncio.get_running_loop().sock_connect(stuck, ("127.0.0.1", running.listener.endpoint.port))
        stuck.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            while not running.connections.traffic.cut_total:
                reader, writer = await connect(running)
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert (await hung_up(reader)).startswith(b"HTTP/1.0 200")
                writer.close()
                await asyncio.sleep(0.02)
        stuck.close()
        await running.close()

    asyncio.run(run())


def test_a_client_too_many_is_told_so_and_a_place_that_is_freed_is_given_again(source: Any) -> None:
    async def run() -> None:
        running = await serve(read_only_application(source, Limits(connections=3)), LOOPBACK)
        held = [await connect(running) for _ in range(3)]
        for reader, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await connect(running)
        refused = await hung_up(reader)
        writer.close()
        assert refused.startswith(b"HTTP/1.1 503")
        head, _, body = refused.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        held[0][1].close()
        answer = b""
        async with asyncio.timeout(DEADLINE):
            while not answer.startswith(b"HTTP/1.0 200"):
                reader, writer = await connect(running)
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                answer = await hung_up(reader)
                writer.close()
        for _, writer in held:
            writer.close()
        await running.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_a_request_that_is_too_large_or_no_http_is_refused_without_a_traceback(
    source: Any, request_text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> bytes:
        running = await serve(read_only_application(source), LOOPBACK)
        reader, writer = await connect(running)
        writer.write(request_text)
        answer = await hung_up(reader)
        writer.close()
        await running.close()
        return answer

    answer = asyncio.run(run())
    assert answer.split(b" ")[1] == b"400"
    assert b"Traceback" not in answer
    assert not [record for record in caplog.records if record.exc_info]


def test_a_flood_of_requests_that_are_no_http_is_one_line_a_minute_with_their_number(
    source: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    flood = OneLine(lambda: now)
    monkeypatch.setattr(server._log, "filters", [flood])
    caplog.set_level(logging.INFO)

    async def send(running: RunningServer, times: int) -> None:
        for _ in range(times):
            reader, writer = await connect(running)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")
            assert (await hung_up(reader)).split(b" ")[1] == b"400"
            writer.close()

    async def run() -> None:
        nonlocal now
        running = await serve(read_only_application(source), LOOPBACK)
        await send(running, 20)
        now += TOLD_EVERY
        await send(running, 2)
        await running.close()

    asyncio.run(run())
    told = [each.getMessage() for each in caplog.records if each.name == server._log.name]
    assert len(told) == 2
    assert told[0].startswith("Error handling request from 127.0.0.1: ")
    assert told[1].endswith("(and 19 more such requests since the last that was told)")


def test_each_fault_of_the_directors_own_is_told_in_one_line() -> None:
    def line(fault: Exception) -> logging.LogRecord:
        return logging.LogRecord("x", logging.ERROR, "", 0, "Error", (), (type(fault), fault, None))

    own = [line(RuntimeError("one\ntwo \x1b[2J" + "x" * 9999)) for _ in range(3)]
    flood = OneLine(lambda: 0.0)
    assert all(map(flood.filter, own))
    assert {each.levelno for each in own} == {logging.ERROR}
    assert all(each.getMessage().startswith("Error: RuntimeError: one two [2Jxx") for each in own)
    assert len(own[0].getMessage()) < 400


def test_closing_does_not_wait_for_a_client_that_holds_its_connection_open(source: Any) -> None:
    async def run() -> None:
        running = await serve(read_only_application(source), LOOPBACK)
        reader, writer = await connect(running)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        async with asyncio.timeout(DEADLINE):
            await running.close()
        await hung_up(reader)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await connect(running)

    asyncio.run(run())


def test_a_client_that_is_gone_before_its_answer_is_no_error_in_the_log(
    source: Any, journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        running = await serve(read_only_application(source, events=journal(1)), LOOPBACK)
        for _ in range(5):
            reader, writer = await connect(running)
            writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            writer.write_eof()
            await hung_up(reader)
            writer.close()
        await running.close()

    asyncio.run(run())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
