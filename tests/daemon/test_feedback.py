"""What a server says of its own weight: into the table at once, told once, kept over a reload."""

from dataclasses import replace
from typing import Any

from checks import Feedback, ProbeResult
from healthlb.daemon import sentences
from healthlb.model.check import Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    Event,
    RealServerDown,
    RealServerDrained,
    RealServerUndrained,
    RealServerWeightChanged,
    VirtualServerChanged,
)
from healthlb.model.snapshot import RealServerStatus
from tests.daemon.rig import CHECK, FAIL, OTHER, PASS, WEB1, WEB2, Rig, run, shop, shown, web

TOLD = (RealServerWeightChanged, RealServerDrained, RealServerUndrained)
POOL = shop(web(WEB1, weight=4), web(WEB2, weight=4))


def says(reason: str, passed: bool = True, **feedback: Any) -> ProbeResult:
    return ProbeResult(passed, reason, 0.001, feedback=Feedback(**feedback))


HALF = says("the agent says 50%", weight=50, percent=True)
DRAIN = says("the agent says drain", admin="drain")
READY = says("the agent says ready", admin="ready")


def told(rig: Rig) -> list[Event]:
    return [event for event in rig.events if isinstance(event, TOLD)]


async def up(rig: Rig, *servers: Endpoint) -> None:
    for server in servers:
        await rig.result(server, PASS)


async def first(rig: Rig) -> RealServerStatus:
    return (await shown(rig)).virtual_servers[0].real_servers[0]


def test_half_drain_and_ready_are_in_the_table_at_once_and_told_once_each() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        for result, weight in ((HALF, 2), (DRAIN, 0), (READY, 2)):
            await rig.result(WEB1, result, times=5)
            assert rig.table.weights() == {WEB1: weight, WEB2: 4}

    rig = run(story)
    server = ("shop", str(WEB1), "web")
    assert told(rig) == [
        RealServerWeightChanged(*server, "the agent says 50%", 4, 2),
        RealServerDrained(*server, "the agent says drain"),
        RealServerUndrained(*server, "the agent says ready", 2),
    ]
    assert [sentences.told(event)[1] for event in told(rig)] == [
        "shop: 192.0.2.1:80 has weight 2, was 4: web: the agent says 50%",
        "shop: 192.0.2.1:80 is drained: web: the agent says drain",
        "shop: 192.0.2.1:80 is drained no longer, weight 2: web: the agent says ready",
    ]
    assert len(rig.told(VirtualServerChanged)) == 2, "only the start's degraded and up"


def test_a_check_that_is_to_run_at_other_times_keeps_what_the_server_has_told_it() -> None:
    slower = replace(CHECK, schedule=replace(CHECK.schedule, interval=7.0))
    asking_else = replace(slower, conversation="other settings")

    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        await rig.result(WEB1, DRAIN)
        for check, weight in ((slower, 0), (asking_else, 4)):
            servers = [web(each, weight=4, probes=(Probe(check, each),)) for each in (WEB1, WEB2)]
            await rig.adopt(shop(*servers))
            assert rig.table.weights() == {WEB1: 0, WEB2: 4}
            await up(rig, WEB1, WEB2)
            assert rig.table.weights() == {WEB1: weight, WEB2: 4}

    run(story)


def test_the_status_shows_a_server_draining_while_it_has_connections_and_drained_after() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        assert (await first(rig)).admin == "enabled"
        await rig.result(WEB1, DRAIN, times=1)
        rig.busy(WEB1, 3)
        assert (await first(rig)).admin == "draining"
        rig.busy(WEB1, 0)
        server = await first(rig)
        assert (server.admin, server.weight.chain) == ("drained", ("4", "drain (web)"))
        assert (server.weight.configured, server.weight.effective, server.weight.kernel) == (4, 0, 0)

    run(story)


def test_a_server_that_is_down_keeps_weight_0_and_comes_back_with_what_it_said() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, replace(HALF, passed=False), times=1)
        assert rig.table.weights() == {WEB1: 0, WEB2: 4}
        assert (await first(rig)).weight.chain == ("4", "50 % (web)", "0 (down)")
        await up(rig, WEB1)
        assert rig.table.weights() == {WEB1: 2, WEB2: 4}

    assert len(run(story).told(RealServerDown)) == 1


def test_feedback_outlives_a_reload_that_leaves_its_check_alone_and_goes_with_the_check() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        await rig.result(WEB1, HALF, times=1)
        await rig.adopt(shop(web(WEB1, weight=8), web(WEB2, weight=4)))
        assert rig.table.weights() == {WEB1: 4, WEB2: 4}
        assert len(told(rig)) == 1
        other = Probe(replace(CHECK, conversation="others"), WEB1)
        await rig.adopt(shop(web(WEB1, weight=8, probes=(other,)), web(WEB2, weight=4)))
        assert rig.table.weights() == {WEB1: 4, WEB2: 4}, "no verdict yet, so the row stays as it is"
        await up(rig, WEB1)
        assert rig.table.weights() == {WEB1: 8, WEB2: 4}

    run(story)


def test_one_probe_that_two_pools_share_weighs_in_both_by_their_own_weights() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL, shop(web(WEB1, weight=10), key=OTHER, name="other"))
        await up(rig, WEB1)
        await rig.result(WEB1, HALF, times=1)
        assert rig.table.weights() == {WEB1: 2}
        assert rig.table.weights(OTHER) == {WEB1: 5}

    assert [event.virtual_server for event in told(run(story))] == ["shop", "other"]  # type: ignore[union-attr]


def test_a_pool_whose_servers_are_all_drained_is_down_and_one_beside_a_live_server_is_up() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        pool = rig.controller.pools.by_name["shop"]
        await rig.result(WEB1, DRAIN, times=1)
        assert pool.state == "up"
        await rig.result(WEB2, says("the file says 0", weight=0), times=1)
        assert pool.state == "down"

    run(story)


def test_a_probe_that_was_not_sent_says_nothing_of_the_server() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(POOL)
        await up(rig, WEB1, WEB2)
        await rig.result(WEB1, replace(DRAIN, sent=False), times=1)
        assert rig.table.weights() == {WEB1: 4, WEB2: 4}

    run(story)
