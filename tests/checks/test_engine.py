"""The engine against real servers on loopback, well and hostile ones."""

import asyncio
import errno
import os
import resource
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checks import Check, Conversation, ProbeResult, Step, Target, Tls, Verdict
from checks.engine import Engine, carrier
from checks.http import Http
from checks.tcp import Tcp

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, address: str = "127.0.0.1") -> AsyncIterator[Target]:
    """Serve each connection with `handler`; resets by the engine are what it is used to."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, address, 0, backlog=4096)
    try:
        yield Target(address, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close on the loop's next turn


@contextmanager
def deaf(address: str = "127.0.0.1") -> Iterator[Target]:
    """Listen without accepting, with the queue full: what connects now gets no answer at all."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind((address, 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        yield Target(*listener.getsockname())


@contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[Target]:
    """Hold a port on which nobody listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as holder:
        holder.bind((address, 0))
        yield Target(address, holder.getsockname()[1])


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.Event().wait()


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well")
    await writer.drain()
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await writer.drain()
    reset(writer)


@dataclass(frozen=True, slots=True)
class Scripted:
    """A check whose conversation the test wrote."""

    talk: Callable[[Target], Conversation]
    tls: Tls | None = None
    type = "scripted"

    def converse(self, target: Target) -> Conversation:
        return self.talk(target)


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
            reason = "200, but the first 16777216 bytes of the body does not contain 'well'"
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
        assert turns >= sum(shares) // (carrier.READ_BYTES * carrier.READS_PER_WAKE)

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


def raising_at_once(target: Target) -> Conversation:
    raise LookupError("no such thing")


def raising_inside(target: Target) -> Conversation:
    yield Step(at_least=0)
    raise LookupError("no such thing")


def raising_in_the_reply(target: Target) -> Conversation:
    yield Step(b"\r\n\r\n")
    raise LookupError("no such thing")


@pytest.mark.parametrize("talk", [raising_at_once, raising_inside, raising_in_the_reply])
def test_a_check_that_raises_is_a_failed_result_and_a_report_and_others_go_on(
    run: Run, talk: Callable[[Target], Conversation]
) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(polite) as target:
            results = await asyncio.gather(bench.probe(Scripted(talk), target), bench.probe(Http(), target))
        assert [result.passed for result in results] == [False, True]
        assert results[0].reason == "fault in the check itself: LookupError: no such thing"
        assert len(bench.faults) == 1
        assert bench.faults[0].startswith(
            f"check scripted of 127.0.0.1:{target.port} raised LookupError: no such thing"
        )

    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_a_check_that_refuses_to_be_left_is_reported(run: Run) -> None:
    def clinging(target: Target) -> Conversation:
        while True:
            try:
                yield Step()
            except GeneratorExit:
                yield Step()

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            result = await bench.probe(Scripted(clinging), target, 0.1)
        assert result.reason == "timed out after 100ms waiting for the reply"
        assert "RuntimeError" in bench.faults[0]

    run(scenario)


def test_a_receiver_that_raises_is_reported_and_others_get_their_results(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        def refuse(result: ProbeResult) -> None:
            raise LookupError("not mine")

        with closed_port() as target:
            for _ in range(3):
                bench.start(Tcp(), target, 20, refuse)
            assert (await bench.probe(Tcp(), target)).reason == "connection refused"
        assert len(bench.faults) == 3
        assert bench.faults[0].startswith("the receiver of a probe's result raised LookupError: not mine")

    run(scenario)


@pytest.mark.parametrize("on_fault", [None, lambda _: 1 / 0])
def test_a_fault_that_nobody_takes_reaches_the_loops_handler(on_fault: Callable[[str], None] | None) -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        heard: list[str] = []
        loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
        engine = Engine(loop, on_fault)
        done: asyncio.Future[ProbeResult] = loop.create_future()
        engine.start(Scripted(raising_at_once), Target("127.0.0.1", 9), loop.time() + 20, done.set_result)
        await done
        engine.close()
        return heard

    (sentence,) = asyncio.run(main())
    assert "LookupError: no such thing" in sentence


LOCAL = [
    (errno.EMFILE, "not sent: no file descriptors left (limit "),
    (errno.ENFILE, "not sent: no file descriptors left on this machine"),
    (errno.ENOBUFS, "not sent: the kernel has no memory for another socket"),
    (errno.ENOMEM, "not sent: the kernel has no memory for another socket"),
    (errno.EADDRNOTAVAIL, "not sent: no local port or address left"),
    (errno.EAGAIN, "not sent: resource temporarily unavailable"),
    (errno.EPERM, "not sent: the director's own firewall refused it"),
    (errno.EINVAL, "not sent: invalid argument"),
]


class FailingSocket(socket.SocketType):
    """A socket whose connect fails at once."""

    number = 0

    def connect_ex(self, _address: Any) -> int:
        return self.number


@pytest.mark.parametrize(("number", "reason"), LOCAL)
def test_what_the_director_cannot_do_is_no_word_about_the_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    monkeypatch.setattr(FailingSocket, "number", number)
    monkeypatch.setattr(socket, "SocketType", FailingSocket)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), Target("127.0.0.1", 9))
        assert (result.passed, result.sent) == (False, False)
        assert result.reason.startswith(reason)
        assert bench.faults == []

    run(scenario)


def test_a_full_epoll_is_no_word_about_the_server(run: Run) -> None:
    class FullEpoll:
        def __init__(self, epoll: Any) -> None:
            self.epoll = epoll

        def __getattr__(self, name: str) -> Any:
            return getattr(self.epoll, name)

        def register(self, *_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    async def scenario(bench: Any) -> None:
        bench.engine._epoll = FullEpoll(bench.engine._epoll)
        result = await bench.probe(Tcp(), Target("127.0.0.1", 9))
        assert not result.sent
        assert result.reason.endswith("(sysctl fs.epoll.max_user_watches)")
        assert bench.engine.in_flight == 0

    run(scenario)


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENETUNREACH, "network unreachable"), (errno.EHOSTUNREACH, "no route to host")]
)
def test_a_missing_route_is_word_about_the_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    monkeypatch.setattr(FailingSocket, "number", number)
    monkeypatch.setattr(socket, "SocketType", FailingSocket)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), Target("127.0.0.1", 9))
        assert (result.passed, result.sent, result.reason) == (False, True, reason)

    run(scenario)


def test_without_descriptors_a_probe_is_not_sent_and_the_next_one_is(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            probe = os.dup(0)
            os.close(probe)
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
            try:
                starved = await bench.probe(Tcp(), target)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (starved.sent, starved.reason) == (False, f"not sent: no file descriptors left (limit {probe})")
            assert (await bench.probe(Tcp(), target)).passed

    run(scenario)


@pytest.mark.parametrize("address", ["shop.example", "", "300.1.1.1", "fe80::1%no-such-interface"])
def test_a_target_that_is_no_address_is_never_looked_up(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), Target(address, 80))
        assert not result.sent
        assert result.reason.startswith("not sent: ")

    run(scenario)


def test_a_connection_to_itself_is_a_refused_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class BoundToItsTarget(socket.SocketType):
        def connect_ex(self, address: Any) -> int:
            self.bind(address)
            return super().connect_ex(address)

    async def scenario(bench: Any) -> None:
        with closed_port() as target:
            pass
        monkeypatch.setattr(bench.engine, "_first_ephemeral_port", 1024)
        monkeypatch.setattr(socket, "SocketType", BoundToItsTarget)
        result = await bench.probe(Tcp(), target)
        assert (result.passed, result.reason) == (False, "connection refused")

    run(scenario)


def test_done_is_never_called_from_inside_start(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        results: list[ProbeResult] = []
        with closed_port() as target:
            for each in (target, Target("not an address", 1)):
                bench.start(Tcp(), each, 20, results.append)
            bench.start(Scripted(raising_at_once), target, 20, results.append)
            assert results == []
            assert bench.engine.in_flight == 3
            await bench.probe(Tcp(), target)
            assert bench.engine.in_flight == 0
        assert len(results) == 3

    run(scenario)


def test_a_probe_may_be_started_from_done(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        left = 50

        def again(result: ProbeResult) -> None:
            nonlocal left
            left -= 1
            if left:
                bench.start(Tcp(), target, 20, again)
            else:
                finished.set_result(result)

        async with serving(silent) as target:
            bench.start(Tcp(), target, 20, again)
            assert (await finished).passed

    run(scenario)


@pytest.fixture
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine's late wake be no reason to void what the test is not about."""
    monkeypatch.setattr(carrier, "LATE_SECONDS", 3600.0)


@pytest.fixture
def many_descriptors() -> None:
    """Lift the soft limit, which is 1024 in most shells, as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_thousands_at_once_each_get_exactly_one_result_of_their_own(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        calls: Counter[int] = Counter()
        reasons: Counter[str] = Counter()
        over = asyncio.Event()

        def receive(number: int) -> Callable[[ProbeResult], None]:
            def done(result: ProbeResult) -> None:
                calls[number] += 1
                reasons[result.reason] += 1
                if calls.total() == 5000:
                    over.set()

            return done

        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener, closed_port() as shut, deaf() as mute:
            well = Target(*listener.getsockname())
            targets = [(well, 60.0)] * 3000 + [(shut, 60.0)] * 1000 + [(mute, 0.5)] * 1000
            for number, (target, seconds) in enumerate(targets):
                bench.start(Tcp(), target, seconds, receive(number))
            assert bench.engine.in_flight == 5000
            await over.wait()
        assert bench.engine.in_flight == 0
        assert calls == dict.fromkeys(range(5000), 1)
        assert reasons == {"connected": 3000, "connection refused": 1000, "timed out after 500ms connecting": 1000}

    run(scenario)


def test_after_close_nothing_is_called_and_nothing_starts(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        results: list[ProbeResult] = []
        async with serving(silent) as target:
            for each in (target, Target("not an address", 1)):
                bench.start(Http(), each, 0.05, results.append)
            bench.engine.close()
            bench.engine.close()
            await asyncio.sleep(0.1)
            assert (results, bench.engine.in_flight) == ([], 0)
            with pytest.raises(RuntimeError, match="closed"):
                bench.start(Tcp(), target, 20, results.append)

    run(scenario)


def test_closing_from_done_stops_the_rest_of_the_wake(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        closed = asyncio.Event()
        results: list[ProbeResult] = []

        def close(result: ProbeResult) -> None:
            results.append(result)
            bench.engine.close()
            closed.set()

        with closed_port() as target:
            for _ in range(10):
                bench.start(Tcp(), target, 20, close)
            await closed.wait()
            await asyncio.sleep(0)
        assert len(results) == 1

    run(scenario)


def test_an_answer_that_came_in_time_counts_although_the_loop_looked_late(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            result: asyncio.Future[ProbeResult] = loop.create_future()
            target = Target(*listener.getsockname())
            bench.start(Tcp(), target, 0.1, result.set_result)
            bench.hold_the_loop(0.3)
            assert (await result).reason == "connected"

    run(scenario)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("close_after", [None, 1024, 1100])
def test_however_many_answers_wait_all_are_read_before_any_deadline_counts(run: Run, close_after: int | None) -> None:
    async def scenario(bench: Any) -> None:
        reasons: Counter[str] = Counter()
        over = asyncio.Event()

        def receive(result: ProbeResult) -> None:
            reasons[result.reason] += 1
            if reasons.total() == close_after:
                bench.engine.close()
            if not bench.engine.in_flight:
                over.set()

        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            target = Target(*listener.getsockname())
            for _ in range(2500):
                bench.start(Tcp(), target, 30, receive)
            bench.hold_the_loop(60)
            bench.engine._on_timer()
            await over.wait()
        assert reasons == {"connected": close_after or 2500}

    run(scenario)


def test_a_later_probe_with_an_earlier_deadline_ends_first(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        with deaf() as target:
            patient: asyncio.Future[ProbeResult] = loop.create_future()
            bench.start(Tcp(), target, 600, patient.set_result)
            hasty = await bench.probe(Tcp(), target, 0.05)
            assert hasty.reason == "timed out after 50ms connecting"
            assert (patient.done(), bench.engine.in_flight) == (False, 1)
            bench.hold_the_loop(600)
            assert (await patient).reason == "timed out after 10m connecting"

    run(scenario)


def test_a_probe_that_a_late_loop_could_not_carry_on_is_void(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            result: asyncio.Future[ProbeResult] = loop.create_future()
            target = Target(*listener.getsockname())
            bench.start(Http(), target, 0.1, result.set_result)
            bench.hold_the_loop(0.3)
            ended = await result
        assert (ended.passed, ended.sent) == (False, False)
        assert ended.reason == "void: the director was too busy to look in time"

    run(scenario)


def test_a_server_that_was_silent_all_along_fails_however_late_the_loop_was(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        with deaf() as target:
            result: asyncio.Future[ProbeResult] = loop.create_future()
            bench.start(Tcp(), target, 0.1, result.set_result)
            bench.hold_the_loop(0.3)
            ended = await result
        assert (ended.sent, ended.reason) == (True, "timed out after 100ms connecting")

    run(scenario)


def test_an_ended_probe_leaves_neither_a_connection_nor_a_deadline_behind(run: Run) -> None:
    def left(port: int) -> int:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        return sum(row[2].endswith(f":{port:04X}") for row in rows)

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            for _ in range(20):
                await bench.probe(Tcp(), target)
            assert left(target.port) == 0
            assert bench.engine._deadlines.earliest() is None

    run(scenario)


def test_a_check_is_what_the_contract_says() -> None:
    checks: list[Check] = [Tcp(), Http(), Scripted(raising_inside)]
    assert [check.type for check in checks] == ["tcp", "http", "scripted"]
