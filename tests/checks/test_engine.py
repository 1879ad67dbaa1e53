"""The engine against real servers on loopback: what each kind of server is judged to be."""

import asyncio
from typing import Any

import pytest

from checks import Conversation, ProbeResult, Step, Target, Verdict
from checks.engine import progress
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.servers import (
    Handler,
    Run,
    Scripted,
    closed_port,
    closing,
    deaf,
    dripping,
    flooding,
    polite,
    reset,
    resetting,
    serving,
    silent,
)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.8.7", "::1"])
def test_a_server_that_accepts_passes(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent, address) as target:
            result = await bench.probe(Tcp(), target)
        assert (result.passed, result.sent, result.reason) == (True, True, "connected")
        assert result.seconds > 0

    run(scenario)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_refused_connection_fails(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        with closed_port(address) as target:
            result = await bench.probe(Tcp(), target)
        assert (result.passed, result.sent, result.reason) == (False, True, "connection refused")
        shown = f"[::1]:{target.port}" if address == "::1" else f"127.0.0.1:{target.port}"
        assert result.evidence.peer == shown

    run(scenario)


def test_a_server_that_answers_well_passes_and_its_evidence_is_kept(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(polite) as target:
            result = await bench.probe(Http(expect="all is well"), target)
        assert (result.passed, result.reason) == (True, "200 OK")
        assert result.evidence.sent.startswith(b"GET / HTTP/1.1\r\n")
        assert result.evidence.received.endswith(b"all is well")

    run(scenario)


def test_a_pass_keeps_no_evidence_unless_it_is_asked_for(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[ProbeResult] = loop.create_future()
        async with serving(polite) as target:
            bench.start(Http(), target, 20, result.set_result)
            assert (await result).evidence is None

    run(scenario)


HOSTILE = [
    (silent, "timed out after 200ms waiting for the reply"),
    (dripping, "timed out after 200ms waiting for the reply"),
    (closing, "the connection closed without a reply"),
    (resetting, "connection reset while waiting for the reply"),
]


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize(("handler", "reason"), HOSTILE)
def test_a_hostile_server_fails_with_what_it_did(run: Run, handler: Handler, reason: str) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(handler) as target:
            result = await bench.probe(Http(), target, 0.2 if reason.startswith("timed") else 20)
        assert (result.passed, result.sent, result.reason) == (False, True, reason)
        assert bench.engine.in_flight == 0

    run(scenario)


def test_a_server_that_does_not_answer_the_connect_times_out_connecting(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        with deaf() as target:
            result = await bench.probe(Tcp(), target, 0.2)
        assert (result.passed, result.sent, result.reason) == (False, True, "timed out after 200ms connecting")

    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_a_server_that_reads_nothing_times_out_sending(run: Run) -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def scenario(bench: Any) -> None:
        async with serving(stuck) as target:
            result = await bench.probe(Http(method="POST", body="x" * 30_000_000), target, 0.5)
        assert (result.passed, result.reason) == (False, "timed out after 500ms sending")

    run(scenario)


def test_a_long_request_is_sent_to_its_end_as_the_server_reads_it(run: Run) -> None:
    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 %d\r\n\r\n" % body.count(b"y"))
        await reader.read()

    async def scenario(bench: Any) -> None:
        async with serving(counting) as target:
            result = await bench.probe(Http(method="POST", body="x" * 9_999_999 + "y"), target)
        assert (result.passed, result.reason) == (True, "200 1")

    run(scenario)


def test_a_reset_in_the_middle_of_the_request_is_said_to_be_there(run: Run) -> None:
    async def resetting_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reset(writer)

    async def scenario(bench: Any) -> None:
        async with serving(resetting_early) as target:
            result = await bench.probe(Http(method="POST", body="x" * 30_000_000), target)
        assert (result.passed, result.sent, result.reason) == (False, True, "connection reset while sending")

    run(scenario)


def test_what_a_server_says_before_it_stops_reading_is_what_counts(run: Run) -> None:
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\n")
        await writer.drain()
        writer.close()  # with unread data this is a reset

    async def scenario(bench: Any) -> None:
        async with serving(refusing) as target:
            result = await bench.probe(Http(method="POST", body="x" * 30_000_000), target)
        assert (result.passed, result.reason) == (False, "status 413, expected 200-299")

    run(scenario)


def test_a_flood_ends_at_the_body_limit_and_lets_others_through_meanwhile(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(flooding) as flood, serving(polite) as target:
            check = Http(expect="well", body_limit=1 << 24)
            flooded = asyncio.ensure_future(bench.probe(check, flood))
            while not flooded.done():
                assert (await bench.probe(Http(), target)).passed
            reason = "200, but the first 16777216 bytes of the body do not contain 'well'"
            assert (flooded.result().passed, flooded.result().reason) == (False, reason)

    run(scenario)


def test_one_wake_reads_no_more_of_a_flood_than_its_share(run: Run) -> None:
    shares: list[int] = []

    def counting(target: Target) -> Conversation:
        while sum(shares) < 10_000_000:
            shares.append(len((yield Step())))
        return Verdict(True, "enough")

    async def scenario(bench: Any) -> None:
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        async with serving(flooding) as target:
            assert (await bench.probe(Scripted(counting), target)).passed
        assert turns >= sum(shares) // (progress.READ_BYTES * progress.READS_PER_WAKE)

    run(scenario)


def test_a_server_that_speaks_first_is_heard(run: Run) -> None:
    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readuntil(b"QUIT\r\n")
        writer.write(b"221 bye\r\n")
        await reader.read()

    def greet(target: Target) -> Conversation:
        hello = yield Step(at_least=11)
        bye = yield Step(b"QUIT\r\n", at_least=9)
        return Verdict((hello, bye) == (b"220 hello\r\n", b"221 bye\r\n"), "greeted")

    async def scenario(bench: Any) -> None:
        async with serving(greeting) as target:
            result = await bench.probe(Scripted(greet), target)
        assert (result.passed, result.reason) == (True, "greeted")

    run(scenario)


def test_a_half_close_ends_the_reply_at_once(run: Run) -> None:
    async def half_closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall is well")
        writer.write_eof()
        await asyncio.Event().wait()

    async def scenario(bench: Any) -> None:
        async with serving(half_closing) as target:
            result = await bench.probe(Http(expect="all is well"), target)
        assert (result.passed, result.reason) == (True, "200 OK")

    run(scenario)
