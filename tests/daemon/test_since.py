"""Since when a virtual server is in its state: by the wall clock, until the state is another, whatever else happens."""

from dataclasses import replace

from healthlb.model.config import Quorum
from healthlb.model.remembered import Remembered
from healthlb.store import health
from tests.daemon.rig import FAIL, PASS, WEB1, WEB2, WEB3, Rig, run, shop, shown, web


async def seen(rig: Rig, name: str = "shop") -> tuple[str, float]:
    """Return the state of a virtual server, and since when it is in it."""
    one = next(each for each in (await shown(rig)).virtual_servers if each.name == name)
    return one.state, one.since


def test_a_virtual_server_is_down_from_the_start_until_its_first_verdict() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        began = rig.now
        rig.now += 3
        assert await seen(rig) == ("down", began)
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        assert await seen(rig) == ("up", began + 3)

    run(story)


def test_it_is_the_moment_of_the_turn_and_stays_while_other_servers_turn() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1), web(WEB2), web(WEB3)))
        for each in (WEB1, WEB2, WEB3):
            await rig.result(each, PASS)
        rig.now += 60
        degraded = rig.now
        await rig.result(WEB1, FAIL)
        rig.now += 60
        await rig.result(WEB2, FAIL)
        await rig.look()
        assert await seen(rig) == ("degraded", degraded)
        rig.now += 60
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        assert await seen(rig) == ("up", rig.now)

    run(story)


def test_a_reload_leaves_it_where_the_state_stays_also_under_another_name() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        up = rig.now
        rig.now += 60
        await rig.adopt(shop(quorum=Quorum(2)))
        assert await seen(rig) == ("up", up)
        await rig.adopt(shop(name="market"))
        assert await seen(rig, "market") == ("up", up)
        rig.now += 60
        await rig.adopt(shop(web(WEB1), web(WEB2), quorum=Quorum(3)))
        assert await seen(rig) == ("degraded", rig.now)

    run(story)


def test_it_is_the_wall_clocks_time_as_that_is_set() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        rig.set_by = 7200.0
        await rig.result(WEB1, PASS)
        assert (await seen(rig))[1] == rig.now + 7200

    run(story)


async def restarted(before: Rig, remembered: Remembered) -> tuple[str, float]:
    after = Rig(before.table)
    after.now = before.now + 30
    after.controller.pools.recall(health.decode(health.encode(remembered)))
    try:
        await after.adopt(shop())
        return await seen(after)
    finally:
        after.controller.close()


def test_a_restart_takes_it_up_where_the_state_is_still_the_same() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, FAIL)
        degraded = rig.now
        rig.now += 600
        remembered = await rig.controller.pools.remembered()
        assert await restarted(rig, remembered) == ("degraded", degraded)
        (pool,) = remembered.pools
        other = replace(remembered, pools=(replace(pool, state="up"),))
        assert await restarted(rig, other) == ("degraded", rig.now + 30)

    run(story)


def test_a_saved_state_of_an_earlier_version_has_none_and_it_begins_with_the_start() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        remembered = await rig.controller.pools.remembered()
        (pool,) = remembered.pools
        earlier = replace(remembered, pools=(replace(pool, state="down", since=0.0),))
        assert (await restarted(rig, earlier))[1] == rig.now + 30

    run(story)
