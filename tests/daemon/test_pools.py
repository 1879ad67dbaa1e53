"""Pools and the probes behind them through reloads and results."""

import asyncio
import gc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import ProbeResult
from healthlb.core.health import next_interval, observe
from healthlb.daemon import breath
from healthlb.daemon.records import Member, Pool
from healthlb.model.check import Probe
from healthlb.model.events import ProbesUnsent, RealServerDown, RealServerUp
from healthlb.model.health import CheckState
from tests.daemon.rig import CHECK, FAIL, OTHER, PASS, UNSENT, WEB1, WEB2, WEB3, Rig, config, run, shop, shown, web

API = replace(CHECK, name="api")

VOID = ProbeResult(False, "void: the director was too busy to look in time", 1.0, sent=False)


async def names_shown(rig: Rig) -> list[list[str]]:
    pools = (await shown(rig)).virtual_servers
    return [[check.name for check in server.checks] for pool in pools for server in pool.real_servers]


def test_a_check_that_is_renamed_keeps_its_streak_and_shows_its_new_name() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS, times=5)
        await rig.adopt(shop(web(WEB1, probes=(Probe(API, WEB1),))))
        assert rig.records[WEB1].state.streak == 5
        assert await names_shown(rig) == [["api"]]

    run(story)


def test_two_equal_checks_share_a_probe_and_keep_their_own_names() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)), shop(web(WEB1, probes=(Probe(API, WEB1),)), key=OTHER, name="other"))
        assert len(rig.records) == 1
        assert await names_shown(rig) == [["web"], ["api"]]
        await rig.result(WEB1, PASS)

    assert [event.check for event in run(story).told(RealServerUp)] == ["web", "api"]  # type: ignore[union-attr]


def test_one_server_that_cannot_be_probed_is_told_once_while_the_others_answer() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        for _ in range(20):
            await rig.result(WEB1, UNSENT, times=1)
            await rig.result(WEB2, PASS, times=1)
        assert len(rig.told(ProbesUnsent)) == 1
        await rig.result(WEB1, PASS, times=1)
        await rig.result(WEB1, UNSENT, times=1)
        assert len(rig.told(ProbesUnsent)) == 2

    run(story)


def test_a_void_probe_is_no_verdict_no_fault_and_no_reason_to_probe_faster() -> None:
    void = ProbeResult(False, "void: the director was too busy to look in time", 1.0, sent=False)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        assert await rig.result(WEB1, void, times=50) == CHECK.schedule.interval
        assert rig.told(ProbesUnsent) == []
        assert rig.records[WEB1].state.streak == 2
        probing = (await shown(rig)).director.probing
        assert (probing.void_total, probing.unsent_total) == (50, 0)
        (totals,) = probing.checks
        assert (totals.name, totals.type, totals.passed_total, totals.void_total) == ("web", "http", 2, 50)
        assert sum(totals.durations.counts) == 2

    run(story)


def test_two_reasons_for_not_sending_are_both_told_and_a_thousand_servers_with_one_are_one_line() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, UNSENT)
        await rig.result(WEB2, UNSENT)
        await rig.result(WEB2, replace(UNSENT, reason="no route to host"))
        assert len(rig.told(ProbesUnsent)) == 2
        await rig.adopt()
        await rig.adopt(shop())
        await rig.result(WEB1, UNSENT)
        assert len(rig.told(ProbesUnsent)) == 3

    run(story)


def test_who_looks_during_a_reload_sees_the_pools_before_or_after_it_and_never_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)), shop(web(WEB2), key=OTHER, name="other"))
        monkeypatch.setattr(breath, "STRETCH", -1.0)
        adopting = asyncio.create_task(
            rig.controller.adopt(config(shop(web(WEB3)), shop(web(WEB1), key=OTHER, name="other")))
        )
        while not adopting.done():
            assert list(rig.controller.pools.by_name) == ["shop", "other"]
            assert all(pool.members for pool in rig.controller.pools.by_name.values())
            await asyncio.sleep(0)

    run(story)


def test_a_result_of_a_server_that_is_just_leaving_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        monkeypatch.setattr(breath, "STRETCH", -1.0)
        leaving = rig.records[WEB3]
        for result in (PASS, FAIL):
            adopting = asyncio.create_task(rig.controller.adopt(config(shop())))
            while not adopting.done():
                rig.controller.finished(leaving, result)
                rig.controller.finished(leaving, result)
                await asyncio.sleep(0)
            await rig.controller.make_pass()
            assert rig.controller.lost is None
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        assert rig.controller.pools.settled()

    run(story)


def test_what_a_reload_replaces_leaves_memory_without_the_collector() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        gc.collect()
        gc.disable()
        try:
            for weight in range(2, 12):
                await rig.adopt(shop(web(WEB1, weight=weight), web(WEB2)))
            living = [each for each in gc.get_objects() if isinstance(each, Pool | Member)]
            assert len(living) == 3
        finally:
            gc.enable()

    run(story)


outcomes = st.sampled_from(
    (PASS, PASS, PASS, FAIL, UNSENT, VOID, replace(PASS, warning="old"), replace(FAIL, seconds=2.0))
)


@given(st.lists(outcomes, max_size=40))
def test_what_is_shown_is_what_all_the_results_amount_to(results: list[ProbeResult]) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        state = CheckState()
        for result in results:
            interval = await rig.result(WEB1, result, times=1)
            state = observe(state, result.passed, CHECK.schedule) if result.sent else state
            if result.sent or result is VOID:
                assert interval == next_interval(state, CHECK.schedule)
        sent = [result for result in results if result.sent]
        check = (await shown(rig)).virtual_servers[0].real_servers[0].checks[0]
        assert (check.health, check.streak) == (state.health, state.streak)
        assert (check.passed_total, check.failed_total) == (
            sum(result.passed for result in sent),
            sum(not result.passed for result in sent),
        )
        assert check.unsent_total == results.count(UNSENT)
        told = [result for result in results if result is not VOID]
        assert check.unsent_reason == (UNSENT.reason if told and told[-1] is UNSENT else "")
        last = None if check.last is None else (check.last.passed, check.last.reason, check.last.seconds)
        assert last == (None if not sent else (sent[-1].passed, sent[-1].reason, sent[-1].seconds))
        (totals,) = (await shown(rig)).director.probing.checks
        assert sum(totals.durations.counts) == len(sent)
        assert (totals.passed_total, totals.failed_total, totals.unsent_total, totals.void_total) == (
            check.passed_total,
            check.failed_total,
            check.unsent_total,
            results.count(VOID),
        )

    run(story)


def test_a_verdict_that_turns_in_the_middle_of_a_reload_is_told_once_and_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        monkeypatch.setattr(breath, "STRETCH", -1.0)
        for turn, reload in enumerate((shop(web(WEB1, weight=2)), shop(web(WEB1, weight=3), web(WEB2)))):
            adopting = asyncio.create_task(rig.controller.adopt(config(reload)))
            while len(rig.records[WEB1].members) < 2:  # noqa: ASYNC110  a reload tells nobody how far it is
                await asyncio.sleep(0)
            for _ in range(2):
                rig.controller.finished(rig.records[WEB1], (PASS, FAIL)[turn])
            await adopting
            await rig.controller.make_pass()
            assert rig.table.weights() == {WEB1: (2, 0)[turn]}
        assert [type(event) for event in rig.events if isinstance(event, RealServerUp | RealServerDown)] == [
            RealServerUp,
            RealServerDown,
        ]

    run(story)
