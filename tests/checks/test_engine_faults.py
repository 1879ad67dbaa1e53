"""What the engine does when a check, a receiver or the director itself is at fault."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from checks import Check, Conversation, Feedback, ProbeResult, Step, Target, Verdict, Way
from checks.engine import Engine
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.servers import (
    Run,
    Scripted,
    closed_port,
    polite,
    raising_at_once,
    serving,
    silent,
)


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


@pytest.mark.parametrize(
    ("feedback", "sentence"),
    [
        ({"weight": 1.5}, "1.5 is no weight of 0 to 65535, nor a percentage"),
        ({"weight": True}, "True is no weight of 0 to 65535, nor a percentage"),
        ({"weight": -1, "percent": True}, "-1 is no weight of 0 to 65535, nor a percentage"),
        ({"weight": 65536}, "65536 is no weight of 0 to 65535, nor a percentage"),
        ({"admin": "stop"}, "'stop' is none of ready, drain and maint"),
    ],
)
def test_feedback_that_no_table_can_have_is_the_fault_of_its_check(
    run: Run, feedback: dict[str, Any], sentence: str
) -> None:
    def talk(target: Target) -> Conversation:
        yield Step(at_least=0)
        return Verdict(True, "well", feedback=Feedback(**feedback))

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            result = await bench.probe(Scripted(talk), target)
        assert result.reason == f"fault in the check itself: ValueError: {sentence}"
        assert len(bench.faults) == 1

    run(scenario)


@pytest.mark.usefixtures("never_late")
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
        with socket.create_server(("127.0.0.1", 0)) as server:
            target = Target(*server.getsockname())
            engine.start(Scripted(raising_at_once), target, loop.time() + 20, done.set_result)
            await done
        engine.close()
        return heard

    (sentence,) = asyncio.run(main())
    assert "LookupError: no such thing" in sentence


LOCAL = [
    (errno.EPERM, "not sent: the director's own firewall refused it"),
    (errno.EINVAL, "not sent: invalid argument"),
]
SHORT = [
    (errno.EMFILE, "not sent: no file descriptors left (limit "),
    (errno.ENFILE, "not sent: no file descriptors left on this machine"),
    (errno.ENOBUFS, "not sent: the kernel has no memory for another socket"),
    (errno.ENOMEM, "not sent: the kernel has no memory for another socket"),
    (errno.EADDRNOTAVAIL, "not sent: no local port or address left"),
    (errno.EAGAIN, "not sent: resource temporarily unavailable"),
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


@pytest.mark.parametrize(("number", "reason"), SHORT)
def test_what_the_director_is_short_of_is_waited_for_until_the_deadline(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    monkeypatch.setattr(FailingSocket, "number", number)
    monkeypatch.setattr(socket, "SocketType", FailingSocket)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), Target("127.0.0.1", 9), 0.2)
        assert (result.passed, result.sent) == (False, False)
        assert result.reason.startswith(reason)
        assert (bench.faults, bench.engine.in_flight, bench.conversations.waits_total) == ([], 0, 1)
        assert bench.conversations.lines.open == 0

    run(scenario)


def test_a_probe_that_runs_out_of_time_in_line_leaves_it_and_may_line_up_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailingSocket, "number", errno.EMFILE)
    monkeypatch.setattr(socket, "SocketType", FailingSocket)

    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[ProbeResult] = asyncio.Queue()
        targets = [Target("127.0.0.1", port) for port in range(1, 6)]
        plans = [bench.engine.plan(Tcp(), target, results.put_nowait) for target in targets]
        for _ in range(10):
            now = loop.time()
            for plan in plans:
                plan(now + 0.02, now)
            assert bench.conversations.waiting == 5
            for _ in plans:
                assert not (await results.get()).sent
            assert bench.conversations.waiting == 0

    run(scenario)


def test_a_probe_that_waited_for_a_port_goes_on_when_there_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class ShortOfPorts(socket.SocketType):
        failing: ClassVar = [errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.EMFILE]

        def connect_ex(self, address: Any) -> int:
            return self.failing.pop() if self.failing else super().connect_ex(address)

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            monkeypatch.setattr(socket, "SocketType", ShortOfPorts)
            result = await bench.probe(Tcp(), target)
            assert (result.passed, ShortOfPorts.failing) == (True, [])
        assert bench.conversations.waits_total == 1

    run(scenario)


def test_a_probe_that_waited_for_a_port_and_then_ran_out_of_time_is_void(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ShortOfPorts(socket.SocketType):
        failing: ClassVar = [errno.EADDRNOTAVAIL] * 3

        def connect_ex(self, address: Any) -> int:
            return self.failing.pop() if self.failing else super().connect_ex(address)

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            monkeypatch.setattr(bench.conversations, "_was_late", lambda *_: False)
            monkeypatch.setattr(socket, "SocketType", ShortOfPorts)
            result = await bench.probe(Http(), target, 2.0)
        assert (result.sent, result.reason[:43]) == (False, "void: the director was short of sockets, an")
        assert bench.conversations.void_total == 1

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
        bench.conversations._epoll = FullEpoll(bench.conversations._epoll)
        result = await bench.probe(Tcp(), Target("127.0.0.1", 9), 0.1)
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


def test_without_descriptors_probes_wait_and_none_is_lost(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            probe = os.dup(0)
            os.close(probe)
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
            try:
                starved = await bench.probe(Tcp(), target, 0.2)
                waiting = [asyncio.ensure_future(bench.probe(Tcp(), target)) for _ in range(20)]
                await asyncio.sleep(0)
                resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 3, hard))
                results = await asyncio.gather(*waiting)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (starved.sent, starved.reason) == (False, f"not sent: no file descriptors left (limit {probe})")
        assert [result.reason for result in results] == ["connected"] * 20

    run(scenario)


@pytest.mark.parametrize("address", ["shop.example", "", "300.1.1.1", "fe80::1%no-such-interface"])
def test_a_target_that_is_no_address_is_never_looked_up(run: Run, address: str) -> None:
    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), Target(address, 80))
        assert not result.sent
        assert result.reason.startswith("not sent: ")

    run(scenario)


@pytest.mark.parametrize("target", [Target("127.0.0.1", 70000), Target("127.0.0.1", 9, Way(mark=1 << 70))])
def test_a_number_that_no_socket_takes_ends_the_probe_once_and_is_reported(run: Run, target: Target) -> None:
    async def scenario(bench: Any) -> None:
        result = await bench.probe(Tcp(), target)
        assert (result.passed, bench.engine.in_flight) == (False, 0)
        assert result.reason.startswith("fault in the check itself: ")
        assert len(bench.faults) == 1
        assert bench.conversations._deadlines.earliest() is None

    run(scenario)


def test_a_connection_to_itself_is_a_refused_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class BoundToItsTarget(socket.SocketType):
        def connect_ex(self, address: Any) -> int:
            self.bind(address)
            return super().connect_ex(address)

    async def scenario(bench: Any) -> None:
        with closed_port() as target:
            pass
        monkeypatch.setattr(bench.conversations, "_first_ephemeral_port", 1024)
        monkeypatch.setattr(socket, "SocketType", BoundToItsTarget)
        result = await bench.probe(Tcp(), target)
        assert (result.passed, result.reason) == (False, "connection refused")

    run(scenario)


def test_a_check_is_what_the_contract_says() -> None:
    checks: list[Check] = [Tcp(), Http(), Scripted(raising_inside)]
    assert [check.type for check in checks] == ["tcp", "http", "scripted"]
