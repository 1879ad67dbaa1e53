"""What holds of every decision, whatever a pool has been told."""

import math
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from healthlb.core.desired import Standing
from healthlb.core.plan import applied, plan
from healthlb.core.policy import Decision, Level, Looked, decide, weight_when_up
from healthlb.model.config import Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey, ServiceRow
from tests.strategies import NOW, REAL, levels, moments, present_rows, real_server, verdicts

Rows = Mapping[Endpoint, Destination]
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
PLAIN = levels(plain=True, healths=verdicts)
LIGHT = levels(plain=True, healths=verdicts, weight=st.just(1))

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A pool has many parts, and drawing one takes its time on a busy machine."""


def decided(level: Level, rows: Rows, now: float = NOW) -> Decision:
    return decide(level, Looked(rows), now)


def weights(decision: Decision) -> dict[Endpoint, int]:
    return {address: row.weight for address, row in decision.row.destinations.items()}


def members(level: Level) -> list[tuple[RealServer, Standing]]:
    return list(zip(level.server.real_servers, level.standings, strict=True))


def after(level: Level, decision: Decision) -> Level:
    """Return the level that the next decision begins with."""
    known = {"quorum_met": decision.quorum_met, "leaving": decision.leaving, "ending": decision.ending}
    return replace(level, **known)  # type: ignore[arg-type]


def with_server(level: Level, **changes: object) -> Level:
    return replace(level, server=replace(level.server, **changes))  # type: ignore[arg-type]


def settles_at_once(level: Level, decision: Decision) -> bool:
    """Whether no row without a verdict, which counts by its weight in the table, has lost that to a sorry server."""
    return not decision.replaced or all(each.health is not Health.UNKNOWN for each in level.standings)


def live(rows: Rows) -> int:
    return sum(1 for row in rows.values() if row.weight)


@PATIENT
@given(levels(plain=True), present_rows)
def test_no_weight_is_above_the_configured_one_unless_an_operator_or_the_server_said_so(
    level: Level, present: Rows
) -> None:
    found = weights(decided(level, present))
    for server, standing in members(level):
        untouched = standing.health is Health.UNKNOWN and server.address in present
        most = present[server.address].weight if untouched else server.weight
        assert found.get(server.address, 0) <= most


@PATIENT
@given(levels(), present_rows)
def test_no_weight_is_above_what_the_server_is_meant_to_have_when_up(level: Level, present: Rows) -> None:
    found = weights(decided(level, present))
    for server, standing in members(level):
        if standing.health is not Health.UNKNOWN:
            assert found.get(server.address, 0) <= weight_when_up(server, standing)


@PATIENT
@given(PLAIN, present_rows)
def test_a_pool_never_falls_below_its_panic_floor(level: Level, present: Rows) -> None:
    found = weights(decided(level, present))
    enabled = sum(server.weight for server in level.server.real_servers)
    floor = math.ceil(round(enabled * level.server.panic / 100, 6))
    assert sum(found.get(server.address, 0) for server in level.server.real_servers) >= floor


@PATIENT
@given(levels(), present_rows)
def test_a_pool_with_a_panic_floor_is_never_emptied_of_servers_that_may_serve(level: Level, present: Rows) -> None:
    level = with_server(level, panic=level.server.panic or 1.0)
    found = weights(decided(level, present))
    served = [server for server, standing in members(level) if weight_when_up(server, standing)]
    if any(server.address in present and present[server.address].weight for server in served):
        assert any(found.get(server.address, 0) for server in level.server.real_servers)


@PATIENT
@given(LIGHT, present_rows)
def test_the_servers_that_failed_last_are_the_ones_that_stay(level: Level, present: Rows) -> None:
    decision = decided(level, present)
    down = {server.address: each.turned_at for server, each in members(level) if each.health is Health.DOWN}
    stayed = [at for address, at in down.items() if address in decision.pooled]
    left = [at for address, at in down.items() if address not in decision.pooled]
    if stayed and left:
        assert min(stayed) >= max(left)


@PATIENT
@given(LIGHT, present_rows, st.data())
def test_a_recovery_swaps_out_one_that_fails(level: Level, present: Rows, data: st.DataObject) -> None:
    level = replace(level, standings=[replace(each, held_until=None) for each in level.standings])
    down = [number for number, each in enumerate(level.standings) if each.health is Health.DOWN]
    assume(down)
    before = decided(level, present)
    number = data.draw(st.sampled_from(down))
    standings = list(level.standings)
    standings[number] = Standing(Health.UP, turned_at=NOW, recovered_at=NOW)
    later = decided(replace(level, standings=standings), before.row.destinations)
    address = level.server.real_servers[number].address
    assert later.pooled <= before.pooled - {address} or address not in before.pooled
    assert len(later.pooled) == max(0, len(before.pooled) - 1)


@PATIENT
@given(levels(), present_rows)
def test_the_same_inputs_give_the_same_table(level: Level, present: Rows) -> None:
    assert decided(level, present) == decided(level, dict(reversed(list(present.items()))))


@PATIENT
@given(levels(), present_rows)
def test_what_was_decided_stays_decided_once_it_is_in_the_table(level: Level, present: Rows) -> None:
    first = decided(level, present)
    assume(settles_at_once(level, first))
    again = decided(after(level, first), first.row.destinations)
    assert again.row == first.row
    assert (again.pooled, again.held, again.ramps) == (first.pooled, first.held, first.ramps)
    assert (again.sorry_active, again.leaving) == (first.sorry_active, first.leaving)


@PATIENT
@given(levels(), present_rows)
def test_a_first_verdict_is_never_slowed_down(level: Level, present: Rows) -> None:
    decision = decided(level, present)
    for server, standing in members(level):
        if standing.recovered_at is None:
            assert server.address not in decision.ramps


@PATIENT
@given(levels(), present_rows)
def test_slow_start_touches_no_server_unless_another_one_serves_with_its_whole_weight(
    level: Level, present: Rows
) -> None:
    decision = decided(level, present)
    others = [row for address, row in decision.row.destinations.items() if row.weight and address not in decision.ramps]
    assert others or not decision.ramps


@PATIENT
@given(levels(), present_rows)
def test_slow_start_ends_at_the_whole_weight(level: Level, present: Rows) -> None:
    for server, standing in members(level):
        if server.address in decided(level, present).ramps:
            assert standing.recovered_at is not None
            later = decided(level, present, standing.recovered_at + server.slow_start)
            assert server.address not in later.ramps
            row = later.row.destinations[server.address]
            assert later.replaced or row.weight == weight_when_up(server, standing)


@PATIENT
@given(PLAIN, present_rows, st.lists(moments, min_size=2, max_size=2).map(sorted))
def test_a_server_only_climbs(level: Level, present: Rows, times: list[float]) -> None:
    level = with_server(level, panic=0.0)
    level = replace(level, standings=[replace(each, held_until=None) for each in level.standings])
    first, later = (decided(level, present, now) for now in times)
    for address in first.ramps:
        assert weights(first)[address] <= weights(later)[address]


class Keepalived:
    """The quorum as keepalived's check daemon reckons it, second by second, written down from its manual's words."""

    def __init__(self, quorum: Quorum) -> None:
        self.quorum = quorum
        self.up = False

    def sees(self, weight: int) -> bool:
        threshold = self.quorum.up - self.quorum.hysteresis if self.up else self.quorum.up + self.quorum.hysteresis
        if not self.up and weight >= threshold:
            self.up = True
        elif self.up and (weight == 0 or weight < threshold):
            self.up = False
        return self.up


@PATIENT
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.integers(1, 20),
    st.integers(0, 9),
    st.lists(st.integers(0, 31), max_size=20),
)
def test_the_quorum_is_keepalived_s(configured: list[int], up: int, hysteresis: int, turns: list[int]) -> None:
    servers = tuple(real_server(REAL[number], weight=weight) for number, weight in enumerate(configured))
    pool = VirtualServer("shop", SERVICE, Method("nat"), servers, quorum=Quorum(up, hysteresis))
    other = Keepalived(pool.quorum)
    level = Level(pool, [Standing(Health.DOWN)] * len(servers), quorum_met=False)
    rows: Rows = {}
    for turn in turns:
        healths = [Health.UP if turn >> number & 1 else Health.DOWN for number in range(len(servers))]
        decision = decided(replace(level, standings=[Standing(each) for each in healths]), rows)
        weight = sum(each.weight for each, health in zip(servers, healths, strict=True) if health is Health.UP)
        assert decision.live_weight == weight
        assert decision.quorum_met is other.sees(weight)
        level, rows = after(level, decision), decision.row.destinations


@PATIENT
@given(levels(), present_rows)
def test_no_sorry_server_takes_traffic_beside_a_real_one(level: Level, present: Rows) -> None:
    decision = decided(level, present)
    found = weights(decision)
    standing_in = {server.address for server in level.server.sorry_servers}
    sorry = sum(weight for address, weight in found.items() if address in standing_in)
    assert not sorry or sorry == sum(found.values())
    assert decision.sorry_active is (sorry > 0)
    assert not sorry or not (decision.quorum_met or decision.pooled)


@PATIENT
@given(levels(), present_rows)
def test_damping_alone_never_leaves_a_pool_without_live_weight(level: Level, present: Rows) -> None:
    free = replace(level, standings=[replace(each, held_until=None) for each in level.standings])
    assert (decided(level, present).live_weight > 0) is (decided(free, present).live_weight > 0)


@PATIENT
@given(levels(), levels(), present_rows)
def test_the_plan_between_decisions_takes_no_more_away_than_they_do(one: Level, two: Level, present: Rows) -> None:
    first = decided(one, present).row
    second = decided(replace(two, server=replace(two.server, service=one.server.service)), first.destinations).row
    table, wanted = (IpvsTable({first.service.key: row}) for row in (first, second))
    least = min(live(first.destinations), live(second.destinations))
    for operation in plan(table, wanted):
        table = applied(table, [operation])
        assert live(table.services[first.service.key].destinations) >= least
    assert table == wanted


@PATIENT
@given(levels(), present_rows, st.integers(0, 12))
def test_a_pass_that_was_cut_off_is_made_good_by_the_next(level: Level, present: Rows, steps: int) -> None:
    key = level.server.service.key
    first = decided(level, present)
    here = IpvsTable({key: ServiceRow(level.server.service, present)})
    cut = applied(here, plan(here, IpvsTable({key: first.row}))[:steps]).services[key].destinations
    level = after(level, first)
    second = decided(level, cut)
    assume(settles_at_once(level, second))
    third = decided(after(level, second), second.row.destinations)
    assert third.row == second.row


@PATIENT
@given(levels(), present_rows, st.floats(0, 1, exclude_max=True))
def test_nothing_changes_by_time_alone_before_it_is_said_to(level: Level, present: Rows, share: float) -> None:
    decision = decided(level, present)
    again_at = decision.again_at
    assert again_at is None or again_at > NOW
    later = NOW + share * ((again_at if again_at is not None else NOW + 1000) - NOW)
    assume(again_at is None or later < again_at)
    assert decided(level, present, later).row == decision.row


@PATIENT
@given(levels(), present_rows)
def test_a_row_that_waits_for_its_connections_is_looked_at_soon(level: Level, present: Rows) -> None:
    decision = decided(level, present)
    waiting = [each for each in decision.ending.values() if not each.empty]
    assert (decision.look_at is not None) is bool(waiting)
    if decision.look_at is not None:
        assert NOW <= decision.look_at <= NOW + 5 or min(each.since for each in waiting) > NOW
