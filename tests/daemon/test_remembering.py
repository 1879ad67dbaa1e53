"""What a director knows of its servers, taken up by the next one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from checks import Evidence, Feedback, ProbeResult
from healthlb.model.check import Probe
from healthlb.model.config import FlapDamping, VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.events import RealServerHeld
from healthlb.model.health import Health
from healthlb.model.remembered import Remembered
from healthlb.store import health
from tests.daemon.rig import CHECK, FAIL, PASS, UNSENT, WEB1, WEB2, WEB3, Rig, run, shop, web

SAW = ProbeResult(False, "status 503", 0.25, evidence=Evidence(b"GET /", b"503", "192.0.2.1:80"))
HALF = ProbeResult(True, "50%", 0.001, feedback=Feedback(weight=50, percent=True))


@asynccontextmanager
async def restarted(before: Rig, *servers: VirtualServer) -> AsyncIterator[Rig]:
    """Begin the next director, on the table that the one before it left, with what that one knew."""
    after = Rig(before.table)
    after.now = before.now + 30
    after.controller.pools.recall(await before.controller.pools.remembered())
    before.table.steps.clear()
    try:
        await after.adopt(*servers)
        yield after
    finally:
        after.controller.close()


def test_verdicts_streaks_and_times_are_taken_up_after_a_restart() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS, times=5)
        await rig.result(WEB2, PASS)
        rig.now += 70
        await rig.result(WEB2, SAW)
        async with restarted(rig, shop()) as after:
            assert after.controller.pools.settled()
            assert after.controller.pools.recalled == 2
            assert (after.table.steps, after.events) == ([], [])
            assert after.records[WEB1].state == rig.records[WEB1].state
            assert after.records[WEB2].failure == rig.records[WEB2].failure
            known, known_before = after.controller.pools.by_name["shop"], rig.controller.pools.by_name["shop"]
            assert [each.standing for each in known.members] == [each.standing for each in known_before.members]
            assert [each.since for each in known.members] == [each.since for each in known_before.members]
            await after.result(WEB1, FAIL, times=1)
            assert after.table.weights() == {WEB1: 1, WEB2: 0}
            await after.result(WEB2, PASS)
            assert after.table.weights() == {WEB1: 1, WEB2: 1}
            assert known.members[1].standing.recovered_at == after.now

    run(story)


def test_what_a_server_said_of_itself_is_taken_up() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, weight=10)))
        await rig.result(WEB1, HALF)
        async with restarted(rig, shop(web(WEB1, weight=10))) as after:
            await after.result(WEB1, PASS)
            assert (after.table.steps, after.table.weights()) == ([], {WEB1: 5})

    run(story)


def test_a_plugin_that_is_careless_of_types_costs_nobody_the_memory() -> None:
    careless = ProbeResult(False, 503, 0.25, feedback=Feedback(50, 1))  # type: ignore[arg-type]

    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, careless)
        remembered = health.decode(health.encode(await rig.controller.pools.remembered()))
        [probe] = remembered.probes
        assert probe.failure is not None
        assert probe.failure.reason == "503"

    run(story)


def test_a_changed_check_begins_without_the_verdict_of_the_one_before() -> None:
    stricter = Probe(replace(CHECK, conversation="stricter"), WEB1)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        async with restarted(rig, shop(web(WEB1, probes=(stricter,)))) as after:
            assert after.records[WEB1].state.health is Health.UNKNOWN
            assert after.controller.pools.recalled == 0

    run(story)


def test_what_was_remembered_is_for_the_first_configuration_alone() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        async with restarted(rig) as after:
            await after.adopt(shop(web(WEB1)))
            assert after.records[WEB1].state.health is Health.UNKNOWN

    run(story)


def test_a_hold_for_flapping_outlives_a_restart_and_the_next_one_is_longer() -> None:
    pool = shop(web(WEB1, flap_damping=FlapDamping(changes=1, hold=60.0)), web(WEB2))

    async def story(rig: Rig) -> None:
        await rig.adopt(pool)
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        async with restarted(rig, pool) as after:
            member = after.controller.pools.by_name["shop"].members[0]
            assert member.standing.held_until == rig.now + 60
            after.now += 60
            await after.result(WEB1, FAIL)
            await after.result(WEB1, PASS)
            assert after.told(RealServerHeld) == [RealServerHeld("shop", str(WEB1), 2, 120.0)]

    assert run(story).told(RealServerHeld) == [RealServerHeld("shop", str(WEB1), 2, 60.0)]


def test_a_clock_that_was_set_lets_neither_a_hold_nor_a_row_that_leaves_last_longer_after_a_restart() -> None:
    flaps = web(WEB1, flap_damping=FlapDamping(changes=1, hold=60.0))

    async def story(rig: Rig) -> None:
        await rig.adopt(shop(flaps, web(WEB2), web(WEB3, drain_timeout=50.0)))
        for server, result in ((WEB2, PASS), (WEB3, PASS), (WEB1, PASS), (WEB1, FAIL), (WEB1, PASS)):
            await rig.result(server, result)
        rig.table.usages[WEB3] = Usage(active=1)
        await rig.adopt(shop(flaps, web(WEB2)))
        rig.set_by = -3600.0
        after = Rig(rig.table)
        after.now = rig.now - 3600.0 + 30.0
        after.controller.pools.recall(await rig.controller.pools.remembered())
        await after.adopt(shop(flaps, web(WEB2)))
        assert after.table.weights() == {WEB1: 0, WEB2: 1, WEB3: 0}
        await after.later(20)
        assert after.table.weights() == {WEB1: 0, WEB2: 1}
        await after.later(10)
        assert after.table.weights() == {WEB1: 1, WEB2: 1}
        after.controller.close()

    run(story)


def test_a_server_that_left_the_file_while_no_director_ran_keeps_its_row_for_its_connections() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, drain_timeout=60.0), web(WEB2)))
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        rig.table.usages[WEB1] = Usage(active=1)
        async with restarted(rig, shop(web(WEB2))) as after:
            await after.later(59)
            assert after.table.weights() == {WEB1: 0, WEB2: 1}
            await after.later(1)
            assert after.table.weights() == {WEB2: 1}

    run(story)


results = st.lists(
    st.tuples(st.sampled_from([WEB1, WEB2]), st.sampled_from([PASS, FAIL, SAW, HALF, UNSENT])), max_size=20
)


@given(results)
def test_what_is_taken_up_is_all_that_was_remembered(some: list[tuple[object, ProbeResult]]) -> None:
    pool = shop(web(WEB1, flap_damping=FlapDamping(changes=2)), web(WEB2))

    async def story(rig: Rig) -> None:
        await rig.adopt(pool)
        for target, result in some:
            rig.now += 1
            await rig.result(target, result, times=1)  # type: ignore[arg-type]
        async with restarted(rig, pool) as after:
            assert known(await after.controller.pools.remembered()) == known(await rig.controller.pools.remembered())

    run(story)


def known(remembered: Remembered) -> tuple[object, ...]:
    """Return what must be the same."""
    servers = [replace(each, since=0.0) for each in remembered.servers]  # of one without a verdict it is the start
    return remembered.probes, servers, [each.quorum_met for each in remembered.pools]


def test_each_result_that_a_restart_must_not_forget_counts_and_plain_passes_do_not() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        for result, counts in ((PASS, True), (PASS, True), (PASS, False), (FAIL, True), (FAIL, True), (FAIL, False)):
            before = rig.controller.pools.turns
            rig.controller.finished(rig.records[WEB1], result)
            assert (rig.controller.pools.turns > before) is counts

    run(story)
