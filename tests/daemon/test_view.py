"""Snapshots: one for all who ask at a moment, by a clock that nobody sets."""

import asyncio
import gc
import time
from weakref import ref

import pytest

from healthlb.daemon import breath, view
from healthlb.daemon.breath import Breath
from healthlb.daemon.remains import Remains
from healthlb.model.snapshot import Snapshot, VirtualServerStatus
from tests.daemon.rig import Rig, run, shop, view_of
from waiting import until


def test_twenty_readers_at_once_cost_one_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        monkeypatch.setattr(breath, "STRETCH", -1.0)
        shown = view_of(rig)
        taken = await asyncio.gather(*[shown.snapshot(60.0) for _ in range(20)])
        assert len({id(each) for each in taken}) == 1

    run(story)


def test_a_wall_clock_that_is_set_back_freezes_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        shown = view_of(rig)
        first = await shown.snapshot(60.0)
        now = time.time()
        monkeypatch.setattr(view.time, "time", lambda: now - 3600)
        await until(lambda: shown.idle)
        assert await shown.snapshot(60.0) is not first

    run(story)


def test_who_asks_after_a_change_is_shown_it_even_where_a_snapshot_was_under_way() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        made = 0

        def warnings() -> tuple[str, ...]:
            nonlocal made
            made += 1
            if made == 1:
                shown.forget()
            return ()

        shown = view_of(rig, warnings)
        first = await shown.snapshot(60.0)
        second = await shown.snapshot(60.0)
        assert second is not first
        assert await shown.snapshot(60.0) is second

    run(story)


def test_a_snapshot_that_nobody_reads_any_more_is_let_go_when_the_next_is_made() -> None:
    class Part:
        """Stands for a server's status, which can be watched."""

    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        remains = Remains()
        snapshot = await view_of(rig).build()
        parts: list[object] = [Part() for _ in range(1000)]
        watched = [ref(each) for each in parts]
        remains.follow(snapshot, parts)
        del parts
        await remains.clear(Breath())
        assert all(each() is not None for each in watched)
        del snapshot
        gc.collect()
        assert all(each() is not None for each in watched)
        await remains.clear(Breath())
        assert all(each() is None for each in watched)

    run(story)


def test_no_part_of_a_snapshot_outlives_the_next_but_one() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        shown = view_of(rig)
        pools = alive(await shown.build())
        for _ in range(5):
            await shown.build()
        assert alive(await shown.build()) <= 2 * pools

    run(story)


def alive(snapshot: Snapshot) -> int:
    """Return how many statuses of pools there are now, in this snapshot and in those before it."""
    assert snapshot.virtual_servers
    return sum(isinstance(each, VirtualServerStatus) for each in gc.get_objects())


def test_a_sample_has_the_live_weight_and_what_the_kernel_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        monkeypatch.setattr(breath, "STRETCH", -1.0)
        shown = view_of(rig)
        ((name, sample),) = await shown.samples(60.0)
        (pool,) = (await shown.snapshot(60.0)).virtual_servers
        assert name == pool.name
        assert sample.live_weight == pool.quorum.live_weight
        usage = pool.usage
        assert (sample.active, sample.in_bytes_per_second) == (
            (None, None) if usage is None else (usage.active, usage.rates.in_bytes)
        )

    run(story)
