"""Conversations over UDP: each datagram by itself, ICMP's word at once, and the same bounds as over streams."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from checks import SILENCE, CarrierName, Conversation, Step, Target, Verdict
from checks.engine import progress
from checks.engine.words import Phase, broken
from tests.checks.servers import Run, Scripted

Answer = Callable[[asyncio.DatagramTransport, bytes, Any], None]


@dataclass(frozen=True, slots=True)
class Spoken(Scripted):
    """A scripted check over UDP."""

    @property
    def carrier(self) -> CarrierName:
        return "datagram"


class Answering(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.answer(self.transport, data, address)

    def error_received(self, error: Exception) -> None:
        """Take no notice: the probe has left."""


@asynccontextmanager
async def answering(answer: Answer, address: str = "127.0.0.1") -> AsyncIterator[Target]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Answering(answer), (address, 0))
    try:
        yield Target(address, transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
        await asyncio.sleep(0)


def asking(target: Target) -> Conversation:
    data = yield Step(b"question", at_least=1000)
    return Verdict(data == b"answer", f"heard {data[:10]!r}")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_datagram_that_comes_is_handed_over_whatever_its_length(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        async with answering(lambda transport, _, peer: transport.sendto(b"answer", peer), address) as target:
            result = await bench.probe(Spoken(asking), target)
        assert (result.passed, result.reason) == (True, "heard b'answer'")
        assert (result.evidence.sent, result.evidence.received) == (b"question", b"answer")

    run(scenario)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_closed_port_is_a_failure_at_once(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as holder:  # a port that nothing has over UDP, held over TCP
            holder.bind((address, 0))
            result = await bench.probe(Spoken(asking), Target(address, holder.getsockname()[1]), 600)
        assert (result.passed, result.sent, result.reason) == (False, True, "port unreachable")

    run(scenario)


def test_icmp_is_told_in_words() -> None:
    assert broken(errno.EHOSTUNREACH, Phase.WAITING, datagrams=True) == "no route to host"
    assert broken(errno.ENETUNREACH, Phase.WAITING, datagrams=True) == "network unreachable"
    assert broken(errno.ECONNREFUSED, Phase.SENDING, datagrams=True) == "port unreachable"


def test_an_empty_datagram_is_news_and_no_silence(run: Run) -> None:
    def talk(target: Target) -> Conversation:
        data = yield Step(b"question", patience=15)
        return Verdict(data == b"" and data is not SILENCE, "empty")

    def answer(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
            own.sendto(b"", peer)  # the transport's own `sendto` sends nothing where there is nothing

    async def scenario(bench: Any) -> None:
        async with answering(answer) as target:
            assert (await bench.probe(Spoken(talk), target)).passed

    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_a_server_that_says_nothing_is_silence_after_patience_and_a_failure_at_the_deadline(run: Run) -> None:
    def patient(target: Target) -> Conversation:
        data = yield Step(b"question", patience=0.05)
        return Verdict(data is SILENCE, "not refused")

    async def scenario(bench: Any) -> None:
        async with answering(lambda *_: None) as target:
            assert (await bench.probe(Spoken(patient), target)).reason == "not refused"
            result = await bench.probe(Spoken(asking), target, 0.1)
        assert (result.passed, result.reason) == (False, "timed out after 100ms waiting for the reply")

    run(scenario)


def test_the_longest_datagrams_come_and_go_whole(run: Run) -> None:
    longest = os.urandom(65507)

    def talk(target: Target) -> Conversation:
        data = yield Step(longest)
        return Verdict(data == longest, f"{len(data)} bytes")

    async def scenario(bench: Any) -> None:
        async with answering(lambda transport, data, peer: transport.sendto(data, peer)) as target:
            assert (await bench.probe(Spoken(talk), target)).passed

    run(scenario)


def test_a_datagram_that_is_too_long_is_no_word_about_the_server(run: Run) -> None:
    def talk(target: Target) -> Conversation:
        yield Step(bytes(65508))
        raise AssertionError

    async def scenario(bench: Any) -> None:
        async with answering(lambda *_: None) as target:
            result = await bench.probe(Spoken(talk), target)
        assert (result.sent, result.reason.partition(" (")[0]) == (False, "not sent: the datagram is too long")
        assert bench.engine.in_flight == 0

    run(scenario)


def test_each_step_sends_a_datagram_of_its_own(run: Run) -> None:
    heard: list[bytes] = []

    def talk(target: Target) -> Conversation:
        for number in range(20):
            yield Step(b"%d" % number, at_least=0)
        yield Step(b"last")
        return Verdict(True, "all sent")

    def answer(transport: asyncio.DatagramTransport, data: bytes, peer: Any) -> None:
        heard.append(data)
        if data == b"last":
            transport.sendto(b"x", peer)

    async def scenario(bench: Any) -> None:
        async with answering(answer) as target:
            assert (await bench.probe(Spoken(talk), target)).passed
        assert heard == [b"%d" % number for number in range(20)] + [b"last"]

    run(scenario)


def test_a_flood_of_datagrams_is_bounded_and_lets_others_through(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def listening(target: Target) -> Conversation:
        data = b"x"
        while data:
            data = yield Step(b"more", at_least=1)
        return Verdict(True, "never")

    def flood(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        for _ in range(8):
            transport.sendto(bytes(16384), peer)

    async def scenario(bench: Any) -> None:
        async with answering(flood) as target:
            result = await bench.probe(Spoken(listening), target, 60)
        assert (result.passed, result.reason) == (False, "the server sent more than 64 MiB")

    run(scenario)


def test_one_wake_reads_no_more_datagrams_than_its_share(run: Run) -> None:
    turns = 0
    seen: list[int] = []

    def listening(target: Target) -> Conversation:
        yield Step(b"go")
        while len(seen) < 20:
            seen.append(turns)
            yield Step()
        return Verdict(True, "enough")

    def flood(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        for _ in range(40):
            transport.sendto(b"x", peer)

    async def scenario(bench: Any) -> None:
        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        async with answering(flood) as target:
            assert (await bench.probe(Spoken(listening), target)).passed
        assert max(seen.count(each) for each in seen) <= progress.READS_PER_WAKE

    run(scenario)


def test_a_new_connection_over_udp_is_a_new_port(run: Run) -> None:
    peers: list[Any] = []

    def talk(target: Target) -> Conversation:
        yield Step(b"one")
        yield Step(b"two", reconnect=True)
        return Verdict(True, "twice")

    def answer(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        peers.append(peer)
        transport.sendto(b"x", peer)

    async def scenario(bench: Any) -> None:
        async with answering(answer) as target:
            assert (await bench.probe(Spoken(talk), target)).passed
        assert len(peers) == 2

    run(scenario)


def test_what_others_send_to_the_probes_port_is_not_heard(run: Run) -> None:
    def answer(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"forged", peer)
        transport.sendto(b"answer", peer)

    async def scenario(bench: Any) -> None:
        async with answering(answer) as target:
            assert (await bench.probe(Spoken(asking), target)).passed

    run(scenario)


def test_a_probe_that_the_late_loop_could_not_send_is_void(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        async with answering(lambda *_: None) as target:
            ended: asyncio.Future[Any] = loop.create_future()
            bench.start(Spoken(asking), target, 0.1, ended.set_result)
            bench.hold_the_loop(0.3)
            result = await ended
        assert (result.sent, result.reason) == (False, "void: the director was too busy to look in time")

    run(scenario)
