"""Snapshots: one for all who ask at a moment, by a clock that nobody sets."""

import asyncio
import time

import pytest

from healthlb.daemon import breath, view
from tests.daemon.rig import Rig, run, shop, view_of


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
        now, ticks = time.time(), time.monotonic()
        monkeypatch.setattr(view.time, "time", lambda: now - 3600)
        monkeypatch.setattr(view.time, "monotonic", lambda: ticks + 10)
        assert await shown.snapshot(60.0) is not first

    run(story)


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
