"""Each probe ends once, in its time, and leaves nothing behind, whatever the loop and the others do."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import ProbeResult, Target
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.servers import (
    Run,
    Scripted,
    closed_port,
    deaf,
    raising_at_once,
    serving,
    silent,
)


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
            bench.conversations._on_timer()
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


def test_a_probe_for_which_the_loop_was_away_until_shortly_before_its_deadline_is_void(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            result: asyncio.Future[ProbeResult] = loop.create_future()
            bench.start(Http(), Target(*listener.getsockname()), 8.0, result.set_result)
            bench.hold_the_loop(7.9)
            ended = await result
        assert (ended.sent, ended.reason) == (False, "void: the director was too busy to look in time")

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
            # A program that another thread starts just now holds copies of our descriptors until it runs.
            async with asyncio.timeout(60):
                while left(target.port):  # noqa: ASYNC110  the kernel tells nobody when a socket is gone
                    await asyncio.sleep(0.01)
            assert bench.conversations._deadlines.earliest() is None

    run(scenario)
