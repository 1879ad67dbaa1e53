"""A pool played on from now: when a server is back if its probes pass, and what else time alone brings."""

from dataclasses import replace
from typing import Any

import pytest

from healthlb.core.decision import Leaving
from healthlb.core.desired import Standing
from healthlb.core.flapping import Flaps
from healthlb.core.health import JITTER
from healthlb.core.outlook import MOST, Ahead, Moment, Outset, Start, first, present, verdict_at
from healthlb.core.overrides import applied
from healthlb.model.config import FlapDamping, Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import CheckState, Health, Schedule
from healthlb.model.overrides import Override, Scope
from healthlb.model.table import Destination, Method, Service, ServiceKey

NAT = Method("nat")
NOW = 1000.0
SCHEDULE = Schedule(2.0, 1.0, 3, 2, 0.5, 5.0)
UP = Ahead(CheckState(Health.UP, True, 9), SCHEDULE, NOW + 1)
DOWN = Ahead(CheckState(Health.DOWN, False, 4), SCHEDULE, NOW + 4)
ONE = Quorum()
WEB = [Endpoint(f"192.0.2.{number}", 80) for number in range(1, 200)]


def outset(*checks: Ahead, health: Health = Health.DOWN, flaps: Flaps | None = None, **more: Any) -> Outset:
    flaps = flaps or Flaps()
    overrides = more.pop("overrides", ())
    standing = Standing(
        health, turned_at=NOW - 50, held_until=flaps.held_until, applied=applied(overrides, "shop", WEB[0]), **more
    )
    return Outset(standing, flaps, checks, overrides)


def pool(*members: Outset, quorum: Quorum = ONE, leaving: tuple[Leaving, ...] = (), **server: Any) -> Start:
    servers = tuple(
        RealServer(str(address), address, NAT, (), **{"weight": 20, **server})
        for address, _ in zip(WEB, members, strict=False)
    )
    shop = VirtualServer("shop", Service(ServiceKey.marked(1, "inet"), "rr"), NAT, servers, quorum)
    rows = {
        address: Destination(address, NAT, 20 if each.standing.health is Health.UP else 0)
        for address, each in zip(WEB, members, strict=False)
    }
    return Start(shop, members, (), rows, NOW, True, leaving)


def back(start: Start, place: int = 0) -> float | None:
    found = first(start, [place], lambda moment: moment.serves(WEB[place]))
    return None if found is None else found.at


HEALTHY = outset(UP, health=Health.UP)


def test_a_server_is_back_once_its_check_has_passed_as_often_as_it_must() -> None:
    assert back(pool(outset(DOWN), HEALTHY)) == pytest.approx(NOW + 4 + 2 * 0.5 * (1 - JITTER))


def test_passes_that_there_are_already_count() -> None:
    begun = Ahead(CheckState(Health.DOWN, True, 2), SCHEDULE, NOW - 1)
    assert back(pool(outset(begun), HEALTHY)) == NOW


def test_a_check_that_a_hint_may_have_probed_passes_at_once() -> None:
    assert back(pool(outset(replace(DOWN, hinted=True)), HEALTHY)) == NOW


@pytest.mark.parametrize(("require", "seconds"), [("all", 7.0), ("any", 4.0)])
def test_a_verdict_waits_for_its_last_check_or_for_its_first(require: str, seconds: float) -> None:
    once = replace(SCHEDULE, rise=1)
    checks = (replace(DOWN, schedule=once), replace(DOWN, schedule=once, due=NOW + 7))
    start = pool(outset(*checks), HEALTHY, require=require)
    assert verdict_at(start.server.real_servers[0], start.members[0], NOW) == NOW + seconds
    assert back(start) == NOW + seconds


def test_a_verdict_that_is_up_needs_nothing() -> None:
    start = pool(HEALTHY)
    assert verdict_at(start.server.real_servers[0], HEALTHY, NOW) == NOW
    assert back(start) == NOW
    assert present(start).state == "up"


def test_a_turn_too_many_is_followed_by_a_hold() -> None:
    flaps = Flaps((NOW - 20, NOW - 10))
    once = replace(DOWN, schedule=replace(SCHEDULE, rise=1))
    start = pool(outset(once, flaps=flaps), HEALTHY, flap_damping=FlapDamping(2, 60.0, 30.0))
    assert back(start) == NOW + 4 + 30


def test_the_first_verdict_is_no_turn_and_no_recovery() -> None:
    fresh = Ahead(CheckState(), replace(SCHEDULE, rise=1), NOW + 1)
    start = pool(outset(fresh, health=Health.UNKNOWN), HEALTHY, slow_start=40.0, flap_damping=FlapDamping(1))
    start = replace(start, rows={WEB[1]: start.rows[WEB[1]]})
    found = first(start, [0], lambda moment: moment.serves(WEB[0]))
    assert found is not None
    assert found.at == NOW + 1
    assert found.decision.ramps == {}


def test_an_operators_word_ends_when_it_does_and_not_by_passes() -> None:
    drain = Override(Scope("shop", WEB[0].address, None), "drain", expires_at=NOW + 60)
    assert back(pool(outset(UP, health=Health.UP, overrides=(drain,)), HEALTHY)) == NOW + 60
    for_good = replace(drain, expires_at=None, deadline=NOW + 5, remove=True)
    assert back(pool(outset(UP, health=Health.UP, overrides=(for_good,)), HEALTHY)) is None


def test_others_that_fail_go_on_failing_unless_they_are_said_to_pass() -> None:
    start = pool(outset(DOWN), outset(DOWN), leaving=(Leaving(WEB[9], NOW + 2),))

    def whole(moment: Moment) -> bool:
        return moment.state == "up"

    assert first(start, [0], whole) is None
    found = first(start, [0, 1], whole)
    assert found is not None
    assert found.at == pytest.approx(NOW + 4 + 2 * 0.5 * (1 - JITTER))


def test_a_failure_that_has_not_turned_a_check_needs_one_pass() -> None:
    shaky = Ahead(CheckState(Health.UP, False, 1), SCHEDULE, NOW + 1)
    assert back(pool(outset(shaky, health=Health.UP), HEALTHY)) == NOW


def test_many_moments_are_gone_through_several_at_once_and_none_is_told_too_late() -> None:
    members = [outset(replace(DOWN, due=NOW + place, schedule=replace(SCHEDULE, rise=1))) for place in range(199)]
    start = pool(*members, quorum=Quorum(100 * 20))
    start = replace(start, quorum_met=False)
    seen = []

    def met(moment: Moment) -> bool:
        seen.append(moment.at)
        return moment.decision.quorum_met

    found = first(start, range(199), met)
    assert found is not None
    assert NOW + 90 <= found.at <= NOW + 99
    assert len(seen) <= MOST + 1


def test_a_pool_tells_what_its_panic_floor_is_a_share_of() -> None:
    decision = present(pool(HEALTHY, outset(DOWN))).decision
    assert (decision.enabled, decision.carried) == (40, 20)
