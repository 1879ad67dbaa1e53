"""The last hour of virtual servers: bounded, with gaps where nobody looked, and true to names."""

import asyncio
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.history import POINTS, SERIES, STEP, History, Sample

NOON = 1_792_000_000.0


class Director:
    """A director whose pools and whose clock the test sets."""

    def __init__(self) -> None:
        self.pools: dict[str, Sample] = {}
        self.now = 1000.0
        self.history = History(self._look, lambda: self.now, lambda: NOON + self.now)

    async def _look(self, max_age: float) -> Iterable[tuple[str, Sample]]:
        assert max_age < STEP
        return list(self.pools.items())

    def sample(self, after: float = STEP, **pools: int) -> None:
        """Take a sample so many seconds after the last one, of pools with these live weights."""
        self.now += after
        self.pools = {name: Sample(weight, 2 * weight, 3, 4, 5) for name, weight in pools.items()}
        asyncio.run(self.history.take())

    def weights(self, name: str) -> list[int | None] | None:
        series = self.history.series(name)
        return None if series is None else series["live_weight"]


def test_before_the_first_sample_there_is_nothing() -> None:
    director = Director()
    assert director.history.end is None
    assert director.history.series("shop") is None


def test_samples_are_told_oldest_first_and_end_with_the_newest() -> None:
    director = Director()
    for weight in (1, 2, 3):
        director.sample(shop=weight)
    assert director.history.series("shop") == {
        "live_weight": [1, 2, 3],
        "active": [2, 4, 6],
        "connections_per_second": [3, 3, 3],
        "in_bytes_per_second": [4, 4, 4],
        "out_bytes_per_second": [5, 5, 5],
    }
    assert director.history.end == NOON + director.now


@given(st.integers(1, 3 * POINTS))
def test_no_more_than_an_hour_is_kept(samples: int) -> None:
    director = Director()
    for weight in range(samples):
        director.sample(shop=weight)
    assert director.weights("shop") == list(range(samples))[-POINTS:]


@given(st.lists(st.integers(1, 2 * POINTS), min_size=1, max_size=10))
def test_a_time_without_samples_is_a_gap(waits: list[int]) -> None:
    director = Director()
    wanted: list[int | None] = []
    for number, steps in enumerate(waits):
        director.sample(STEP * steps, shop=number)
        wanted += [None] * (steps - 1 if number else 0) + [number]
    assert director.weights("shop") == wanted[-POINTS:]


def test_a_sample_that_comes_a_little_late_is_no_gap() -> None:
    director = Director()
    for late in (0.0, 0.4 * STEP, 0.0, -0.3 * STEP):
        director.sample(STEP + late, shop=7)
    assert director.weights("shop") == [7, 7, 7, 7]


def test_a_virtual_server_that_leaves_drops_its_samples_and_begins_anew_when_it_comes_back() -> None:
    director = Director()
    director.sample(shop=1, mail=1)
    director.sample(mail=2)
    assert director.weights("shop") is None
    director.sample(shop=3, mail=3)
    assert director.weights("shop") == [None, None, 3]
    assert director.weights("mail") == [1, 2, 3]


def test_a_virtual_server_with_another_name_begins_anew() -> None:
    director = Director()
    director.sample(shop=1)
    director.sample(store=2)
    assert director.weights("shop") is None
    assert director.weights("store") == [None, 2]


def test_what_no_row_counts_is_absent_and_not_zero() -> None:
    director = Director()
    director.pools = {"shop": Sample(1, None, None, None, None)}
    asyncio.run(director.history.take())
    assert director.history.series("shop") == {name: [1 if name == "live_weight" else None] for name in SERIES}


def test_an_hour_of_a_thousand_virtual_servers_takes_less_than_four_megabytes() -> None:
    director = Director()
    names = {f"pool-{number}": number for number in range(1000)}
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            director.sample(**names)
        director.pools = {}
        after, _ = tracemalloc.get_traced_memory()
        for _ in range(POINTS):
            director.sample(**names)
        director.pools = {}
        later, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4 * 1024 * 1024
    assert later - before < 4 * 1024 * 1024


def test_a_sample_is_taken_at_every_step_until_the_task_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    director = Director()
    director.pools = {"shop": Sample(1, 1, 1, 1, 1)}
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        if not seconds:
            return
        waits.append(seconds)
        director.now += seconds + 0.1
        if len(waits) == 4:
            raise asyncio.CancelledError

    async def run() -> None:
        monkeypatch.setattr("healthlb.daemon.history.asyncio.sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await director.history.run()

    asyncio.run(run())
    monkeypatch.undo()
    assert director.weights("shop") == [1, 1, 1, 1]
    assert sum(waits) + 0.1 * 3 == pytest.approx(4 * STEP)
