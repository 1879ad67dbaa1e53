"""What changes by time alone: slow start, holds for flapping, and drains that wait for their connections."""

import asyncio

import pytest

from healthlb.model.config import FlapDamping
from healthlb.model.counters import Usage
from healthlb.model.events import RealServerEmptied, RealServerHeld, RealServerReleased
from healthlb.model.overrides import Override, Scope
from healthlb.model.snapshot import RealServerStatus
from healthlb.model.table import Persistence, Service
from tests.daemon.rig import FAIL, OTHER, PASS, VIP, WEB1, WEB2, WEB3, Rig, run, shop, shown, web

EVERYWHERE = Scope(None, WEB1.address, None)
DRAIN = Override(EVERYWHERE, "drain")
DRAIN_AND_REMOVE = Override(EVERYWHERE, "drain", remove=True, deadline=1060.0)
LEAVES_SLOWLY = web(WEB1, drain_timeout=60.0)


async def both_up(rig: Rig) -> None:
    await rig.result(WEB1, PASS)
    await rig.result(WEB2, PASS)


async def override(rig: Rig, *overrides: Override) -> None:
    await rig.controller.override(overrides)
    await rig.controller.make_pass()


async def first(rig: Rig) -> RealServerStatus:
    return (await shown(rig)).virtual_servers[0].real_servers[0]


def test_a_recovered_server_climbs_to_its_weight_step_by_step() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, weight=20, slow_start=40.0), web(WEB2, weight=20)))
        await both_up(rig)
        assert rig.table.weights() == {WEB1: 20, WEB2: 20}
        await rig.result(WEB1, FAIL)
        rig.now += 10
        await rig.result(WEB1, PASS)
        seen = [(await first(rig)).ramp]
        weights = [(rig.table.weights() or {})[WEB1]]
        for _ in range(20):
            await rig.later(2)
            weights.append((rig.table.weights() or {})[WEB1])
            seen.append((await first(rig)).ramp)
        assert weights == [*range(1, 21), 20]
        assert seen[:3] == [0.05, 0.1, 0.15]
        assert seen[-1] is None

    run(story)


def test_a_pass_that_only_time_asks_for_is_followed_by_a_rest_as_long_as_it_was_hard() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, weight=20, slow_start=40.0), web(WEB2, weight=20)))
        await both_up(rig)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        rig.controller._now = lambda: 50.0  # type: ignore[method-assign]
        await rig.later(2)
        assert rig.controller._timed_at == 50.0
        rig.now += 2
        for took, rest in ((0.0, 0.1), (0.05, 0.5), (3600.0, 2.0)):
            rig.controller._timed_took = took
            assert rig.controller._time_left() == pytest.approx(rest)
        assert not rig.controller._due()

    run(story)


def test_a_server_that_flaps_is_held_and_released_when_its_time_is_over() -> None:
    damping = FlapDamping(changes=1, hold=60.0)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, flap_damping=damping), web(WEB2)))
        await both_up(rig)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        assert (await first(rig)).held_until == 1060.0
        assert (await first(rig)).weight.chain[-1] == "0 (flapping)"
        await rig.later(59)
        assert rig.told(RealServerReleased) == []
        await rig.later(1)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}
        assert (await first(rig)).held_until is None

    rig = run(story)
    assert rig.told(RealServerHeld) == [RealServerHeld("shop", str(WEB1), 2, 60.0)]
    assert rig.told(RealServerReleased) == [RealServerReleased("shop", str(WEB1))]


def test_a_held_server_that_is_the_only_one_has_its_whole_weight() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, weight=20, flap_damping=FlapDamping(changes=1))))
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        assert rig.controller.lost is None
        assert rig.table.weights() == {WEB1: 20}

    run(story)


def test_a_held_server_begins_its_climb_when_it_is_let_in() -> None:
    damping = FlapDamping(changes=1, hold=60.0)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, weight=20, flap_damping=damping, slow_start=40.0), web(WEB2)))
        await both_up(rig)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        await rig.later(60)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}
        await rig.later(20)
        assert rig.table.weights() == {WEB1: 11, WEB2: 1}

    run(story)


def test_a_reload_of_other_settings_or_another_name_neither_releases_a_held_server_nor_ends_a_climb() -> None:
    held = web(WEB1, flap_damping=FlapDamping(changes=1, hold=60.0))
    climbing = web(WEB2, weight=20, slow_start=40.0)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop(held, climbing, web(WEB3)))
        await both_up(rig)
        await rig.result(WEB3, PASS)
        for server in (WEB1, WEB2):
            await rig.result(server, FAIL)
            await rig.result(server, PASS)
        await rig.later(20)
        before = rig.table.weights()
        assert before == {WEB1: 0, WEB2: 11, WEB3: 1}
        await rig.adopt(shop(held, climbing, web(WEB3), panic=1.0))
        assert rig.table.weights() == before
        await rig.adopt(shop(held, climbing, web(WEB3), name="store"))
        assert rig.table.weights() == before
        await rig.later(40)
        assert rig.table.weights() == {WEB1: 1, WEB2: 20, WEB3: 1}

    assert run(story).told(RealServerReleased) == [RealServerReleased("store", str(WEB1))]


def test_a_server_that_has_left_a_pool_is_no_longer_waited_for() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, flap_damping=FlapDamping(changes=1)), web(WEB2)))
        await both_up(rig)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        await rig.adopt()
        assert rig.controller._appointments.next() == float("inf")

    run(story)


def test_a_drained_server_is_said_to_be_empty_once_its_last_connection_has_ended() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await both_up(rig)
        rig.table.usages[WEB1] = Usage(active=1)
        await override(rig, DRAIN)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        for _ in range(3):
            await rig.later(1)
            assert (await first(rig)).admin == "draining"
        rig.table.usages[WEB1] = Usage(inactive=7)
        await rig.later(1)
        assert (await first(rig)).admin == "drained"
        await rig.later(60)
        await rig.look()
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await override(rig)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}
        assert (await first(rig)).admin == "enabled"

    rig = run(story)
    assert rig.told(RealServerEmptied) == [RealServerEmptied("shop", str(WEB1), 4.0)]


def test_a_drain_is_not_over_because_a_look_came_before_the_weight_had_settled() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await both_up(rig)
        await override(rig, DRAIN)
        await rig.look()
        assert (await first(rig)).admin == "draining"
        await rig.later(1)
        assert (await first(rig)).admin == "drained"

    run(story)


def test_a_server_that_is_drained_for_removal_leaves_when_empty_or_at_the_deadline() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB1), web(WEB3), key=OTHER, name="other"))
        await both_up(rig)
        await rig.result(WEB3, PASS)
        await override(rig, DRAIN_AND_REMOVE)
        rig.table.usages[WEB1] = Usage(active=1)
        await rig.later(1)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.later(58)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.later(1)
        assert (rig.table.weights(), rig.table.weights(OTHER)) == ({WEB2: 1}, {WEB3: 1})
        assert (await first(rig)).admin == "drained"

    run(story)


def test_a_disabled_server_is_out_at_once() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await both_up(rig)
        await override(rig, Override(EVERYWHERE, "disable"))
        assert rig.table.weights() == {WEB2: 1}
        assert (await first(rig)).admin == "disabled"

    run(story)


def test_persistence_templates_keep_a_drain_open_only_where_the_kernel_follows_them() -> None:
    service = Service(VIP, "rr", persistence=Persistence(300, 32))

    async def story(rig: Rig) -> None:
        pins = True
        rig.controller._templates_pin = lambda: pins
        await rig.adopt(shop(service=service))
        await both_up(rig)
        rig.table.usages[WEB1] = Usage(persistent=1)
        await override(rig, DRAIN)
        await rig.later(1)
        assert (await first(rig)).admin == "draining"
        pins = False
        await rig.later(1)
        assert (await first(rig)).admin == "drained"

    run(story)


def test_a_server_that_leaves_the_file_keeps_its_row_at_weight_0_until_its_connections_end() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(LEAVES_SLOWLY, web(WEB2)))
        await both_up(rig)
        rig.table.usages[WEB1] = Usage(active=1)
        await rig.adopt(shop(web(WEB2)))
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        [leaving] = (await shown(rig)).virtual_servers[0].leaving
        assert (leaving.address, leaving.until) == (WEB1, 1060.0)
        await rig.later(5)
        await rig.adopt(shop(web(WEB2), web(WEB3), name="renamed"))
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        del rig.table.usages[WEB1]
        await rig.result(WEB3, PASS)
        await rig.later(1)
        assert rig.table.weights() == {WEB2: 1, WEB3: 1}
        assert (await shown(rig)).virtual_servers[0].leaving == ()

    run(story)


def test_a_row_that_leaves_is_gone_when_its_time_is_over_and_at_once_where_it_has_none() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(LEAVES_SLOWLY, web(WEB2), web(WEB3)))
        await both_up(rig)
        await rig.result(WEB3, PASS)
        rig.table.usages = {WEB1: Usage(active=1), WEB3: Usage(active=1)}
        await rig.adopt(shop(web(WEB2)))
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.later(59)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.later(1)
        assert rig.table.weights() == {WEB2: 1}

    run(story)


def test_a_row_that_waits_for_its_successors_has_all_of_its_time_from_weight_0_on() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(LEAVES_SLOWLY))
        await rig.result(WEB1, PASS)
        rig.table.usages = {WEB1: Usage(active=1)}
        await rig.adopt(shop(web(WEB2)))
        await rig.later(90)
        assert rig.table.weights() == {WEB1: 1}
        await rig.result(WEB2, PASS)
        await rig.later(59)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.later(1)
        assert rig.table.weights() == {WEB2: 1}

    run(story)


def test_a_server_that_comes_back_while_its_row_leaves_is_in_again() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(LEAVES_SLOWLY, web(WEB2)))
        await both_up(rig)
        rig.table.usages[WEB1] = Usage(active=1)
        await rig.adopt(shop(web(WEB2)))
        await rig.adopt(shop(LEAVES_SLOWLY, web(WEB2)))
        await rig.result(WEB1, PASS)
        await rig.later(120)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}

    run(story)


def test_a_row_that_leaves_and_a_drain_that_is_done_outlive_a_restart_and_are_told_once() -> None:
    async def story(before: Rig) -> None:
        pool = shop(web(WEB1), web(WEB2))
        await before.adopt(shop(web(WEB1), web(WEB2), web(WEB3, drain_timeout=60.0)))
        await both_up(before)
        await before.result(WEB3, PASS)
        before.table.usages[WEB3] = Usage(active=1)
        await override(before, DRAIN)
        await before.adopt(pool)
        await before.later(1)
        assert before.table.weights() == {WEB1: 0, WEB2: 1, WEB3: 0}
        rig = Rig(before.table)
        rig.now = before.now + 5
        rig.controller.pools.recall(await before.controller.pools.remembered())
        await rig.controller.override((DRAIN,))
        await rig.adopt(pool)
        await rig.later(10)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1, WEB3: 0}
        assert (await first(rig)).admin == "drained"
        del rig.table.usages[WEB3]
        await rig.later(10)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        rig.controller.close()
        assert (len(before.told(RealServerEmptied)), len(rig.told(RealServerEmptied))) == (1, 0)

    run(story)


def test_the_controller_wakes_by_itself_when_time_changes_something_and_looks_where_a_look_is_wanted() -> None:
    async def story(rig: Rig) -> None:
        loop = asyncio.get_running_loop()
        rig.ticking = lambda: loop.time() * 20
        await rig.adopt(shop(web(WEB1, weight=20, slow_start=20.0), web(WEB2, weight=20)), resync=3600.0)
        await both_up(rig)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        passes = asyncio.create_task(rig.controller.run())
        await rig.known({WEB1: 20, WEB2: 20})
        await rig.controller.override((DRAIN_AND_REMOVE,))
        await rig.known({WEB2: 20})
        passes.cancel()

    run(story)
