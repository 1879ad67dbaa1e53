"""What core decides of a pool, carried out: panic, quorum and sorry servers, with all that is told of them."""

from healthlb.model.config import Quorum
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    Event,
    PanicBegan,
    PanicEnded,
    QuorumLost,
    QuorumRegained,
    SorryServerActivated,
    SorryServerStoodDown,
    VirtualServerChanged,
)
from healthlb.model.health import Health
from healthlb.model.snapshot import VirtualServerStatus
from tests.daemon.rig import FAIL, OTHER, PASS, WEB1, WEB2, WEB3, Rig, run, shop, shown, web

SORRY = Endpoint("192.0.2.250", 80)
ALWAYS = web(SORRY, probes=())
CHECKED = web(SORRY)
POLICY = (PanicBegan, PanicEnded, QuorumLost, QuorumRegained, SorryServerActivated, SorryServerStoodDown)


async def everyone(rig: Rig, *servers: Endpoint) -> None:
    for server in servers:
        await rig.result(server, PASS)


async def pool(rig: Rig) -> VirtualServerStatus:
    return (await shown(rig)).virtual_servers[0]


def told(rig: Rig) -> list[Event]:
    return [event for event in rig.events if isinstance(event, POLICY)]


def test_a_panic_floor_keeps_servers_that_fail_and_says_so_until_enough_are_up_again() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(panic=50.0))
        await everyone(rig, WEB1, WEB2)
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        assert told(rig) == [QuorumRegained("shop", 1)]
        rig.now += 5
        await rig.result(WEB2, FAIL)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        seen = await pool(rig)
        assert seen.state == "panic"
        assert [each.pooled_but_down for each in seen.real_servers] == [False, True]
        assert seen.real_servers[1].weight.chain[-1] == "1 (panic)"
        await rig.result(WEB1, PASS)
        assert rig.table.weights() == {WEB1: 1, WEB2: 0}
        assert (await pool(rig)).state == "degraded"

    rig = run(story)
    assert told(rig)[1:] == [
        QuorumLost("shop", 0),
        PanicBegan("shop", 0, (str(WEB2),)),
        QuorumRegained("shop", 1),
        PanicEnded("shop", 1),
    ]
    assert [event.after for event in rig.told(VirtualServerChanged)][-2:] == ["panic", "degraded"]  # type: ignore[union-attr]


def test_a_lost_quorum_brings_the_sorry_server_in_and_a_regained_one_lets_it_out_when_its_connections_end() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(sorry_servers=(ALWAYS,)))
        await everyone(rig, WEB1, WEB2)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB2, FAIL)
        assert rig.table.weights() == {WEB1: 0, WEB2: 0, SORRY: 1}
        seen = await pool(rig)
        assert (seen.state, seen.sorry_server_active) == ("down", True)
        assert [each.weight.kernel for each in seen.sorry_servers] == [1]
        rig.table.usages[SORRY] = Usage(active=3)
        await rig.result(WEB1, PASS)
        assert rig.table.weights() == {WEB1: 1, WEB2: 0, SORRY: 0}
        await rig.later(2)
        assert SORRY in (rig.table.weights() or {})
        rig.table.usages[SORRY] = Usage(inactive=3)
        await rig.later(2)
        assert rig.table.weights() == {WEB1: 1, WEB2: 0}

    assert told(run(story))[1:] == [
        QuorumLost("shop", 0),
        SorryServerActivated("shop", (str(SORRY),)),
        QuorumRegained("shop", 1),
        SorryServerStoodDown("shop"),
    ]


def test_a_checked_sorry_server_comes_in_only_when_it_is_up() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1), sorry_servers=(CHECKED,)))
        await everyone(rig, WEB1)
        assert not rig.controller.pools.settled()
        await rig.result(SORRY, FAIL)
        assert rig.controller.pools.settled()
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {WEB1: 0}
        await rig.result(SORRY, PASS)
        assert rig.table.weights() == {WEB1: 0, SORRY: 1}
        await rig.result(SORRY, FAIL)
        assert not (rig.table.weights() or {}).get(SORRY)

    run(story)


def test_a_reload_keeps_the_verdicts_of_sorry_servers_and_their_part() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1), sorry_servers=(CHECKED,)))
        await everyone(rig, WEB1, SORRY)
        await rig.result(WEB1, FAIL)
        events = len(rig.events)
        rig.table.steps.clear()
        await rig.adopt(shop(web(WEB1), web(WEB2), sorry_servers=(CHECKED,)))
        assert rig.table.weights() == {WEB1: 0, SORRY: 1}
        assert rig.table.steps == []
        assert rig.events[events:] == []
        [member] = rig.controller.pools.by_name["shop"].sorry_members
        assert member.standing.health is Health.UP

    run(story)


def test_a_sorry_server_that_leaves_the_file_is_probed_no_more() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1), sorry_servers=(CHECKED,)))
        await everyone(rig, WEB1, SORRY)
        await rig.adopt(shop(web(WEB1)))
        assert set(rig.records) == {WEB1}
        assert rig.controller.pools.settled()

    run(story)


def test_the_quorum_counts_verdicts_whatever_the_table_takes() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(quorum=Quorum(2)))
        rig.table.refuse = lambda _: True
        await everyone(rig, WEB1, WEB2)
        seen = await pool(rig)
        assert (seen.quorum.met, seen.quorum.live_weight, seen.state) == (True, 2, "down")

    assert told(run(story)) == [QuorumRegained("shop", 2)]


def test_a_pool_that_never_had_its_quorum_is_told_of_once_every_first_verdict_is_in() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, FAIL)
        assert told(rig) == []
        after = Rig(rig.table)
        after.controller.pools.recall(await rig.controller.pools.remembered())
        await after.adopt(shop())
        for each in (rig, after):
            await each.result(WEB2, FAIL)
            assert told(each) == [QuorumLost("shop", 0)]
            await each.adopt(shop(panic=1.0))
            await each.look()
            await each.result(WEB1, FAIL)
            assert [event for event in told(each) if isinstance(event, QuorumLost)] == [QuorumLost("shop", 0)]
        after.controller.close()

    run(story)


def test_a_quorum_that_another_file_changed_while_no_director_ran_is_told_of() -> None:
    async def story(before: Rig) -> None:
        await before.adopt(shop(quorum=Quorum(2), sorry_servers=(ALWAYS,)))
        await everyone(before, WEB1, WEB2)
        await before.result(WEB1, FAIL)
        rig = Rig(before.table)
        rig.controller.pools.recall(await before.controller.pools.remembered())
        await rig.adopt(shop(sorry_servers=(ALWAYS,)))
        rig.controller.close()
        assert told(rig) == [QuorumRegained("shop", 1), SorryServerStoodDown("shop")]

    run(story)


def test_what_is_so_when_the_director_starts_is_no_news() -> None:
    async def story(before: Rig) -> None:
        await before.adopt(shop(panic=100.0), shop(web(WEB3), key=OTHER, name="other", sorry_servers=(ALWAYS,)))
        await everyone(before, WEB1, WEB2, WEB3)
        for server in (WEB1, WEB2, WEB3):
            await before.result(server, FAIL)
        rig = Rig(before.table)
        rig.controller.pools.recall(await before.controller.pools.remembered())
        before.table.steps.clear()
        await rig.adopt(shop(panic=100.0), shop(web(WEB3), key=OTHER, name="other", sorry_servers=(ALWAYS,)))
        rig.controller.close()
        assert (rig.events, before.table.steps) == ([], [])
        assert [each.state for each in (await shown(rig)).virtual_servers] == ["panic", "down"]

    run(story)
