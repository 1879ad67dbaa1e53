"""What the status tells of when a server turned and when its checks are due, for whoever reckons what comes next."""

from dataclasses import replace

from healthlb.model.config import FlapDamping
from healthlb.model.snapshot import NO_TURNS, Policy, Turns
from tests.daemon.rig import FAIL, PASS, WEB1, WEB2, Rig, run, shop, shown, web

DAMPING = FlapDamping(changes=2, hold=20.0)


def test_a_servers_turns_and_its_recovery_are_shown_with_the_policy_that_counts_them() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, flap_damping=DAMPING, slow_start=40.0, on_failure="remove"), web(WEB2)))
        server = (await shown(rig)).virtual_servers[0].real_servers[0]
        assert server.turns == NO_TURNS
        assert server.policy == Policy("all", "remove", "wait", 40.0, DAMPING)
        await rig.result(WEB1, PASS)
        await rig.later(1.0)
        await rig.result(WEB1, FAIL)
        await rig.later(1.0)
        await rig.result(WEB1, PASS)
        server = (await shown(rig)).virtual_servers[0].real_servers[0]
        assert server.turns == Turns(1002.0, 1002.0, (1001.0, 1002.0))
        await rig.later(1.0)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)
        server = (await shown(rig)).virtual_servers[0].real_servers[0]
        assert server.turns == Turns(1003.0, 1023.0, (), 1, 1023.0)

    run(story)


def test_a_check_shows_where_it_probes_when_it_is_due_and_which_way_its_streak_goes() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS, times=1)
        await rig.result(WEB2, FAIL, times=1)
        one, two = (each.checks[0] for each in (await shown(rig)).virtual_servers[0].real_servers)
        assert (one.target, one.passing, one.next_at) == (str(WEB1), True, rig.now + 1.5)
        assert (two.target, two.passing, two.next_at) == (str(WEB2), False, None)
        await rig.result(WEB1, replace(PASS, reason="again"), times=5)
        assert (await shown(rig)).virtual_servers[0].real_servers[0].checks[0].passing

    run(story)
