"""Rendering in slices and sharing: the loop gets its turns, and a crowd costs what one reader costs."""

import asyncio
import dataclasses
import gzip
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api import rendering
from healthlb.api.metrics import metrics
from healthlb.api.rendering import Rendering, SharedRenderings, in_slices
from healthlb.model.snapshot import Snapshot


@given(st.lists(st.text(max_size=20), max_size=50), st.integers(1, 40))
def test_a_rendering_is_its_fragments_in_order_whatever_the_size_of_a_chunk(pieces: list[str], chunk: int) -> None:
    def fragments() -> Iterator[str]:
        yield from (piece * 500 for piece in pieces * chunk)

    made = asyncio.run(in_slices(fragments()))
    text = "".join(piece * 500 for piece in pieces * chunk).encode()
    assert b"".join(made.plain()) == text
    assert made.length == len(text)
    assert gzip.decompress(b"".join(made.compressed)) == text
    assert made.compressed_length == sum(map(len, made.compressed))


def test_a_reader_of_gzip_costs_the_loop_few_pieces_and_one_of_text_no_large_chunk() -> None:
    noise = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(60_000)]
    made = asyncio.run(in_slices(iter([*noise, *("a" * 1000 for _ in range(20_000))])))
    assert max(map(len, made.plain())) <= rendering.CHUNK
    assert len(made.compressed) <= 1 + made.compressed_length // rendering.CHUNK


def test_no_chunk_of_ten_thousand_servers_is_large(large: Callable[[int, int], Snapshot]) -> None:
    made: Rendering = asyncio.run(in_slices(metrics(large(1, 10_000))))
    assert max(map(len, made.plain())) < 128 * 1024
    assert made.compressed_length < made.length / 10


def test_the_loop_gets_its_turn_after_every_slice_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("healthlb.api.rendering.time.perf_counter", lambda: 2 * next(clock) * rendering.SLICE)
    turns = 0

    async def run() -> None:
        nonlocal turns

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await in_slices(iter(["x"] * 50))
        beside.cancel()

    asyncio.run(run())
    assert turns >= 50


def fragments(snapshot: Snapshot) -> Iterator[str]:
    yield snapshot.director.name


class Slow:
    """A source that answers when it is let; `changes` is how many changes there were."""

    changes = 0

    def __init__(self, current: Snapshot) -> None:
        self.current = current
        self.fault: Exception | None = None
        self.asked = 0
        self.open = asyncio.Event()

    async def snapshot(self, max_age: float) -> Snapshot:
        assert max_age > 0
        self.asked += 1
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return self.current


def crowd_of(slow: Slow, ask: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Let twenty ask at once and the first of them leave; give back what the rest got."""

    async def run() -> list[Any]:
        askers = [asyncio.ensure_future(ask()) for _ in range(20)]
        await asyncio.sleep(0)
        askers[0].cancel()
        await asyncio.sleep(0)
        slow.open.set()
        return await asyncio.gather(*askers[1:], return_exceptions=True)

    return asyncio.run(run())


def test_a_crowd_costs_one_snapshot_and_one_rendering(source: Any) -> None:
    slow = Slow(source.current)
    renderings = SharedRenderings(slow, fragments)
    got = crowd_of(slow, lambda: renderings.current(1.0))
    assert slow.asked == 1
    assert len(set(map(id, got))) == 1
    assert b"".join(got[0].plain()) == b"lb1"


def test_a_fault_is_told_to_the_whole_crowd_and_the_next_one_asks_again(source: Any) -> None:
    slow = Slow(source.current)
    slow.fault = TimeoutError("late")
    renderings = SharedRenderings(slow, fragments)
    assert {str(one) for one in crowd_of(slow, lambda: renderings.current(1.0))} == {"late"}
    slow.fault = None
    assert asyncio.run(renderings.current(1.0)).length == 3
    assert slow.asked == 2


@pytest.mark.parametrize(("rest", "asked"), [(1e9, 1), (0.0, 2)])
def test_a_rendering_serves_for_a_multiple_of_its_own_work(
    source: Any, monkeypatch: pytest.MonkeyPatch, rest: float, asked: int
) -> None:
    monkeypatch.setattr(rendering, "REST", rest)

    async def run() -> int:
        slow = Slow(source.current)
        slow.open.set()
        renderings = SharedRenderings(slow, fragments)
        await renderings.current(1.0)
        await asyncio.sleep(0.01)
        await renderings.current(1.0)
        await renderings.close()
        return slow.asked

    assert asyncio.run(run()) == asked


def test_a_rendering_ends_with_a_change_however_long_it_would_serve(
    source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "REST", 1e9)

    async def run() -> None:
        slow = Slow(source.current)
        slow.open.set()
        renderings = SharedRenderings(slow, fragments)
        before = await renderings.current(1.0)
        assert await renderings.current(1.0) is before
        slow.changes += 1
        assert await renderings.current(1.0) is not before
        assert slow.asked == 2
        await renderings.close()

    asyncio.run(run())


def test_the_work_of_a_rendering_is_that_of_its_snapshot_as_well(source: Any) -> None:
    async def run() -> float:
        slow = Slow(dataclasses.replace(source.current, work=1000.0))
        slow.open.set()
        renderings = SharedRenderings(slow, fragments)
        made = await renderings.current(1.0)
        await renderings.close()
        return made.work

    assert 1000.0 < asyncio.run(run()) < 1100.0
