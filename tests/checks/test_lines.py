"""Kept sockets: used again, reset towards the peer, and with nothing left of the connection that they had."""

import asyncio
import errno
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks import DIRECT, Conversation, ProbeResult, Step, Target, Verdict, Way
from checks.engine import lines
from checks.engine.lines import Lines
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.servers import Run, Scripted, closed_port, deaf, flooding, polite, serving, silent


@pytest.fixture
def kept() -> Iterator[Lines]:
    epoll = select.epoll()
    found = Lines(epoll)
    yield found
    found.make_room()
    epoll.close()


def taken(kept: Lines, target: Target, way: Way = DIRECT) -> lines.Line:
    pool = kept.pool(socket.AF_INET, way, datagrams=False)
    line = pool.idle.pop() if pool.idle else kept.fresh(pool)
    fresh = line.used == 0.0
    line.used = 100.0
    assert line.connect((target.address, target.port)) in {0, errno.EINPROGRESS, errno.ECONNREFUSED}
    if fresh:
        kept.epoll.register(line.file, lines.INTEREST)
    return line


def test_probes_one_after_the_other_share_one_socket(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent) as target, serving(polite) as web:
            for _ in range(20):
                assert (await bench.probe(Tcp(), target)).reason == "connected"
                assert (await bench.probe(Http(), web)).reason == "200 OK"
        counts = bench.engine.counts
        assert (counts.sockets_open, counts.sockets_kept, counts.sockets_opened_total) == (1, 1, 1)
        assert counts.resets_total == 40

    run(scenario)


def test_after_whatever_a_probe_went_through_its_socket_is_as_good_as_new(run: Run) -> None:
    def shouting(target: Target) -> Conversation:
        yield Step(b"x" * 5_000_000, at_least=1 << 20)
        return Verdict(True, "heard enough")

    async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(5)
        writer.write(data[::-1])
        await reader.read()

    def echo(target: Target) -> Conversation:
        data = yield Step(b"hello", at_least=5)
        return Verdict(data == b"olleh", f"heard {data!r}")

    async def scenario(bench: Any) -> None:
        async with serving(echoing) as well, serving(flooding) as flood, serving(silent) as mute:
            with closed_port() as shut, deaf() as unheard:
                for check, target, seconds in (
                    (Tcp(), shut, 20),
                    (Tcp(), unheard, 0.05),
                    (Scripted(shouting), flood, 20),
                    (Http(), mute, 0.05),
                    (Http(expect="x"), flood, 20),
                ):
                    await bench.probe(check, target, seconds)
                    result = await bench.probe(Scripted(echo), well)
                    assert (result.passed, result.reason) == (True, "heard b'olleh'")
        assert bench.engine.counts.sockets_opened_total == 1
        assert bench.faults == []

    run(scenario)


def test_the_peer_is_told_by_a_reset_and_no_time_wait_stays(kept: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(*server.getsockname())
        line = taken(kept, target)
        peer, _ = server.accept()
        with peer:
            kept.release(line)
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
        rows = [row.split() for row in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        assert not [row for row in rows if row[2].endswith(f":{target.port:04X}")]


def test_a_reset_socket_gives_its_port_back_and_takes_another(kept: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        target = Target(*server.getsockname())
        line = taken(kept, target)
        bound = line.socket.getsockname()
        with socket.socket() as other:
            with pytest.raises(OSError, match="already in use"):
                other.bind(bound)
            kept.release(line)
            other.bind(bound)
            assert taken(kept, target) is line
            assert line.socket.getsockname() != bound
        assert kept.opened_total == 1
        kept.release(line)


def test_what_came_before_the_reset_is_never_read_after_it(kept: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(*server.getsockname())
        line = taken(kept, target)
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"for the former probe")
            kept.release(line)
        again = taken(kept, target)
        assert again is line
        second, _ = server.accept()
        with second:
            with pytest.raises(BlockingIOError):
                again.socket.recv(100)
            second.sendall(b"for this one")
            assert again.socket.recv(100) == b"for this one"
        kept.release(again)


def test_the_former_connections_hang_up_is_no_news_of_the_next(run: Run) -> None:
    """The event of a socket that was reset may be in the batch in which its next probe is served."""

    async def scenario(bench: Any) -> None:
        carrier = bench.conversations
        with deaf() as target:
            pending = asyncio.ensure_future(bench.probe(Tcp(), target, 0.2))
            await asyncio.sleep(0)
            (probe,) = carrier._probes.values()
            carrier._serve(probe, select.EPOLLOUT | select.EPOLLHUP)
            assert not probe.over
            assert (await pending).reason == "timed out after 200ms connecting"

    run(scenario)


def test_sockets_that_nobody_uses_are_closed_and_no_more_are_kept_than_a_bound(
    kept: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_KEPT", 3)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        target = Target(*server.getsockname())
        for line in [taken(kept, target) for _ in range(5)]:
            kept.release(line)
        assert (kept.kept, kept.open) == (3, 3)
        newest = taken(kept, target)
        newest.used = 108.0
        kept.release(newest)
        assert kept.sweep(105.0) == 0
        assert kept.sweep(111.0) == 2
        assert (kept.kept, kept.open) == (1, 1)
        assert kept.make_room() == 1


def test_a_socket_of_a_way_that_may_change_under_it_is_not_kept(kept: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(*server.getsockname())
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            way = Way(source_port=holder.getsockname()[1])
        kept.release(taken(kept, target, way))
        assert (kept.kept, kept.open) == (0, 0)


def test_a_plan_is_begun_again_and_again_even_from_its_own_end_but_once_at_a_time(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        results: list[ProbeResult] = []
        over = asyncio.Event()

        def done(result: ProbeResult) -> None:
            results.append(result)
            if len(results) == 50:
                over.set()
            else:
                plan(loop.time() + 20, loop.time())

        async with serving(polite) as target:
            plan = bench.engine.plan(Http(expect="all is well"), target, done)
            plan(loop.time() + 20, loop.time())
            with pytest.raises(RuntimeError, match="under way"):
                plan(loop.time() + 20, loop.time())
            await over.wait()
        assert [result.reason for result in results] == ["200 OK"] * 50
        assert bench.engine.in_flight == 0

    run(scenario)


def test_a_plan_for_what_is_no_address_tells_so_at_every_start(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            ended: asyncio.Future[ProbeResult] = loop.create_future()
            bench.engine.plan(Tcp(), Target("not an address", 1), ended.set_result)(loop.time() + 20, loop.time())
            assert not (await ended).sent

    run(scenario)
