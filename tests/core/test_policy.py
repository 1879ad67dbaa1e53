"""What becomes of a pool, rule by rule."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from healthlb.core.desired import Standing
from healthlb.core.policy import Decision, Ending, Leaving, Level, Looked, decide
from healthlb.model.config import FlapDamping, Quorum, RealServer, VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Applied
from healthlb.model.table import Destination, Method, Service, ServiceKey
from tests.strategies import real_server

NOW = 1_000_000.0
WEB1, WEB2, WEB3, WEB4 = (Endpoint(f"192.0.2.{number}", 80) for number in (1, 2, 3, 4))
OLD, SORRY, SORRY2 = Endpoint("192.0.2.9", 80), Endpoint("192.0.2.250", 80), Endpoint("192.0.2.251", 80)
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
UP, DOWN, UNKNOWN = (Standing(health) for health in (Health.UP, Health.DOWN, Health.UNKNOWN))
FAILING = Standing(Health.UNKNOWN, failing=True)
ACTIVE, CLOSED = Usage(active=1), Usage(inactive=1)


def pool(*servers: RealServer, sorry: Sequence[RealServer] = (), **changes: object) -> VirtualServer:
    found = servers or tuple(real_server(each) for each in (WEB1, WEB2, WEB3, WEB4))
    return VirtualServer("shop", SERVICE, Method("nat"), found, sorry_servers=tuple(sorry), **changes)  # type: ignore[arg-type]


def rows(weights: Mapping[Endpoint, int]) -> dict[Endpoint, Destination]:
    return {address: Destination(address, Method("nat"), weight) for address, weight in weights.items()}


def told(
    server: VirtualServer,
    *standings: Standing,
    present: Mapping[Endpoint, int] | None = None,
    usage: Mapping[Endpoint, Usage] | None = None,
    now: float = NOW,
    **level: object,
) -> Decision:
    return decide(Level(server, standings, **level), Looked(rows(present or {}), usage), now)  # type: ignore[arg-type]


def weights(decision: Decision) -> dict[Endpoint, int]:
    return {address: row.weight for address, row in decision.row.destinations.items()}


def down_at(turned_at: float) -> Standing:
    return Standing(Health.DOWN, turned_at=turned_at)


def up_again(recovered_at: float) -> Standing:
    return Standing(Health.UP, turned_at=recovered_at, recovered_at=recovered_at)


def ordered(health: Health = Health.UP, **applied: object) -> Standing:
    return Standing(health, applied=Applied(**applied))  # type: ignore[arg-type]


class TestHealth:
    """What the verdict alone does."""

    def test_an_up_server_has_its_configured_weight(self) -> None:
        assert weights(told(pool(real_server(WEB1, weight=3)), UP)) == {WEB1: 3}

    def test_a_down_server_is_quiesced_or_removed(self) -> None:
        assert weights(told(pool(real_server(WEB1)), DOWN)) == {WEB1: 0}
        assert weights(told(pool(real_server(WEB1, on_failure="remove")), DOWN)) == {}

    def test_an_unknown_server_waits_or_is_trusted(self) -> None:
        assert weights(told(pool(real_server(WEB1)), UNKNOWN)) == {}
        assert weights(told(pool(real_server(WEB1, weight=2, initial="trust")), UNKNOWN)) == {WEB1: 2}

    def test_an_unknown_servers_row_stays_as_it_is(self) -> None:
        decision = told(pool(real_server(WEB1)), UNKNOWN, present={WEB1: 7})
        assert weights(decision) == {WEB1: 7}
        assert decision.live_weight == 7

    def test_a_row_that_is_right_is_the_tables_own(self) -> None:
        present = rows({WEB1: 1})
        decision = decide(Level(pool(real_server(WEB1)), [UP]), Looked(present), NOW)
        assert decision.row.destinations[WEB1] is present[WEB1]

    @pytest.mark.parametrize("change", [{"weight": 2}, {"method": Method("dr")}, {"upper_threshold": 9}])
    def test_a_row_that_differs_is_made_anew(self, change: dict[str, object]) -> None:
        server = replace(real_server(WEB1), **change)  # type: ignore[arg-type]
        row = told(pool(server), UP, present={WEB1: 1}).row.destinations[WEB1]
        assert (row.weight, row.method, row.upper_threshold) == (server.weight, server.method, server.upper_threshold)


class TestOperators:
    """What an operator's word does."""

    def test_a_weight_stands_in_for_the_configured_one_and_feedback_is_reckoned_from_it(self) -> None:
        server = real_server(WEB1, weight=2)
        standing = Standing(Health.UP, feedback=(Feedback(50, percent=True),), applied=Applied(weight=8))
        assert weights(told(pool(server), standing)) == {WEB1: 4}

    def test_a_weight_lets_a_server_in_that_the_file_gives_none(self) -> None:
        assert weights(told(pool(real_server(WEB1, weight=0)), ordered(weight=5))) == {WEB1: 5}

    def test_a_weight_does_nothing_to_a_server_that_is_down_or_drained(self) -> None:
        server = pool(real_server(WEB1))
        assert weights(told(server, ordered(Health.DOWN, weight=5))) == {WEB1: 0}
        assert weights(told(server, ordered(admin="drain", weight=5))) == {WEB1: 0}

    def test_a_weight_acts_at_once_on_a_row_without_a_verdict_but_lets_none_in(self) -> None:
        server = pool(real_server(WEB1), real_server(WEB2))
        standings = [ordered(Health.UNKNOWN, weight=5)] * 2
        assert weights(told(server, *standings, present={WEB1: 1, WEB2: 0})) == {WEB1: 5, WEB2: 0}

    @pytest.mark.parametrize("health", list(Health))
    def test_a_drained_row_has_weight_0_at_once_whatever_the_verdict(self, health: Health) -> None:
        decision = told(pool(real_server(WEB1)), ordered(health, admin="drain"), present={WEB1: 3})
        assert weights(decision) == {WEB1: 0}
        assert decision.live_weight == 0

    def test_a_drained_row_without_a_verdict_is_otherwise_as_it_was(self) -> None:
        row = Destination(WEB1, Method("dr"), 3, upper_threshold=9)
        level = Level(pool(real_server(WEB1)), [ordered(Health.UNKNOWN, admin="drain")])
        assert decide(level, Looked({WEB1: row}), NOW).row.destinations == {WEB1: replace(row, weight=0)}

    def test_a_drained_server_without_a_row_gets_one_as_its_health_says(self) -> None:
        server = pool(real_server(WEB1))
        assert weights(told(server, ordered(admin="drain"))) == {WEB1: 0}
        assert weights(told(server, ordered(Health.UNKNOWN, admin="drain"))) == {}
        trusted = pool(real_server(WEB1, initial="trust"))
        assert weights(told(trusted, ordered(Health.UNKNOWN, admin="drain"))) == {WEB1: 0}

    def test_a_drained_server_that_fails_is_removed_where_on_failure_says_so(self) -> None:
        server = pool(real_server(WEB1, on_failure="remove"))
        assert weights(told(server, ordered(Health.DOWN, admin="drain"), present={WEB1: 0})) == {}

    def test_a_disabled_server_has_no_row(self) -> None:
        for health in Health:
            assert weights(told(pool(real_server(WEB1)), ordered(health, admin="disable"), present={WEB1: 1})) == {}

    def test_a_server_that_operators_took_out_keeps_no_predecessor_in(self) -> None:
        for admin in ("drain", "disable"):
            standing = ordered(Health.UNKNOWN, admin=admin)
            assert weights(told(pool(real_server(WEB1)), standing, present={OLD: 1})) == {}


class TestEnding:
    """Rows that wait for their connections to end."""

    SERVER = pool(real_server(WEB1))
    DRAIN = ordered(admin="drain", remove=True)

    def after(self, seconds: float, usage: Usage | None, **applied: object) -> Decision:
        standing = ordered(admin="drain", **({"remove": True} | applied))
        found = None if usage is None else {WEB1: usage}
        ending = {WEB1: Ending(NOW)}
        return told(self.SERVER, standing, present={WEB1: 0}, usage=found, ending=ending, now=NOW + seconds)

    def test_a_row_ends_from_the_moment_that_its_weight_is_0(self) -> None:
        began = told(self.SERVER, self.DRAIN, present={WEB1: 1}, ending={WEB1: Ending(NOW - 99, empty=True)})
        assert dict(began.ending) == {WEB1: Ending(NOW)}
        assert began.look_at == NOW + 1

    def test_an_emptied_row_goes_and_stays_away(self) -> None:
        gone = self.after(1, CLOSED)
        assert weights(gone) == {}
        assert gone.ending[WEB1].empty
        assert gone.look_at is None
        later = told(self.SERVER, self.DRAIN, ending=gone.ending)
        assert weights(later) == {}
        assert not later.ending

    def test_a_row_that_is_still_there_after_it_was_found_empty_goes_without_another_look(self) -> None:
        gone = told(self.SERVER, self.DRAIN, present={WEB1: 0}, ending={WEB1: Ending(NOW - 9, empty=True)})
        assert weights(gone) == {}

    def test_a_look_that_comes_too_early_or_sees_nothing_of_the_row_says_nothing(self) -> None:
        assert weights(self.after(0.5, CLOSED)) == {WEB1: 0}
        assert weights(self.after(1, None)) == {WEB1: 0}
        unseen = told(self.SERVER, self.DRAIN, present={WEB1: 0}, usage={}, ending={WEB1: Ending(NOW - 9)})
        assert weights(unseen) == {WEB1: 0}

    def test_a_row_with_open_connections_is_looked_at_again_less_often_with_time(self) -> None:
        assert self.after(1, None).look_at == NOW + 1
        assert self.after(9, ACTIVE).look_at == NOW + 10
        assert self.after(180, ACTIVE).look_at == NOW + 183
        assert self.after(9000, ACTIVE).look_at == NOW + 9005

    def test_a_look_is_not_asked_for_again_before_its_time_because_something_else_happened(self) -> None:
        looked = self.after(9, ACTIVE)
        again = told(self.SERVER, self.DRAIN, present={WEB1: 0}, ending=looked.ending, now=NOW + 9.5)
        assert again.look_at == NOW + 10

    def test_at_the_deadline_a_row_goes_with_what_is_open(self) -> None:
        waiting = self.after(9, ACTIVE, deadline=NOW + 60)
        assert weights(waiting) == {WEB1: 0}
        assert waiting.again_at == NOW + 60
        assert weights(self.after(60, ACTIVE, deadline=NOW + 60)) == {}

    def test_a_drain_without_removal_finds_out_when_the_row_is_empty_and_leaves_it(self) -> None:
        done = self.after(2, CLOSED, remove=False)
        assert weights(done) == {WEB1: 0}
        assert done.ending[WEB1] == Ending(NOW, empty=True, looked_at=NOW + 2)
        assert (done.look_at, done.again_at) == (None, None)

    def test_the_first_of_several_looks_is_the_one_that_is_asked_for(self) -> None:
        server = pool(real_server(WEB1), real_server(WEB2))
        ending = {WEB1: Ending(NOW - 0.5), WEB2: Ending(NOW - 0.25)}
        assert told(server, self.DRAIN, self.DRAIN, present={WEB1: 0, WEB2: 0}, ending=ending).look_at == NOW + 0.5


class TestLeaving:
    """Rows of servers that the pool no longer lists."""

    SERVER = pool(real_server(WEB1))
    LEAVING = (Leaving(OLD, NOW + 60),)

    def test_a_row_that_is_not_listed_goes_at_once(self) -> None:
        assert weights(told(self.SERVER, UP, present={OLD: 1})) == {WEB1: 1}

    def test_one_that_has_time_left_gets_weight_0_and_stays_for_its_connections(self) -> None:
        decision = told(self.SERVER, UP, present={OLD: 1}, leaving=self.LEAVING)
        assert weights(decision) == {WEB1: 1, OLD: 0}
        assert decision.leaving == self.LEAVING
        assert (decision.again_at, decision.look_at) == (NOW + 60, NOW + 1)

    def test_it_goes_when_it_is_empty_or_when_its_time_is_over(self) -> None:
        ending = {OLD: Ending(NOW - 5)}
        emptied = told(self.SERVER, UP, present={OLD: 0}, usage={OLD: CLOSED}, leaving=self.LEAVING, ending=ending)
        assert weights(emptied) == {WEB1: 1}
        assert emptied.leaving == ()
        over = told(self.SERVER, UP, present={OLD: 0}, leaving=self.LEAVING, ending=ending, now=NOW + 60)
        assert weights(over) == {WEB1: 1}
        assert over.leaving == ()

    def test_one_that_is_listed_again_or_has_no_row_leaves_no_more(self) -> None:
        assert told(self.SERVER, UP, present={WEB1: 1}, leaving=(Leaving(WEB1, NOW + 60),)).leaving == ()
        assert told(self.SERVER, UP, leaving=self.LEAVING).leaving == ()

    def test_rows_stay_as_they_are_until_a_successor_has_its_verdict(self) -> None:
        for leaving in ((), self.LEAVING):
            waiting = told(self.SERVER, UNKNOWN, present={OLD: 1}, leaving=leaving, quorum_met=True)
            assert weights(waiting) == {OLD: 1}
            assert waiting.leaving == leaving
            assert waiting.quorum_met, "what serves counts until then"
        assert weights(told(self.SERVER, FAILING, present={OLD: 1})) == {}


class TestQuorum:
    """What counts, and what is taken for the state before the first decision."""

    SERVER = pool(quorum=Quorum(3, 1))

    def test_the_live_weight_is_reckoned_before_slow_start_and_without_whom_only_the_floor_keeps(self) -> None:
        servers = [real_server(each, weight=20, slow_start=60.0) for each in (WEB1, WEB2, WEB3)]
        decision = told(pool(*servers, panic=100.0), UP, up_again(NOW - 1), DOWN)
        assert decision.live_weight == 40

    def test_a_restart_takes_the_quorum_for_met_if_the_rows_are_worth_enough_to_keep_it(self) -> None:
        standings = [UNKNOWN, UNKNOWN, DOWN, DOWN]
        assert told(self.SERVER, *standings, present={WEB1: 1, WEB2: 1}).quorum_met
        assert not told(self.SERVER, *standings, present={WEB1: 1, WEB2: 0}).quorum_met
        assert not told(self.SERVER, *standings, present={WEB1: 1, WEB2: 1}, quorum_met=False).quorum_met


class TestFlapping:
    """What a hold does to a server that passes."""

    HELD = Standing(Health.UP, held_until=NOW + 30)

    @staticmethod
    def damped(*addresses: Endpoint, **changes: object) -> VirtualServer:
        servers = [real_server(each, flap_damping=FlapDamping(3), **changes) for each in addresses]
        return pool(*servers)

    def test_a_held_server_is_treated_as_down_until_its_hold_ends(self) -> None:
        server = self.damped(WEB1, WEB2)
        decision = told(server, self.HELD, UP)
        assert weights(decision) == {WEB1: 0, WEB2: 1}
        assert decision.held == {WEB1}
        assert decision.again_at == NOW + 30
        released = told(server, self.HELD, UP, now=NOW + 30)
        assert weights(released) == {WEB1: 1, WEB2: 1}
        assert released.held == frozenset()
        assert weights(told(self.damped(WEB1, WEB2, on_failure="remove"), self.HELD, UP)) == {WEB2: 1}

    def test_held_servers_are_let_in_where_there_is_no_other(self) -> None:
        decision = told(self.damped(WEB1, WEB2, WEB3), self.HELD, self.HELD, DOWN)
        assert weights(decision) == {WEB1: 1, WEB2: 1, WEB3: 0}
        assert decision.held == frozenset()
        assert decision.live_weight == 2

    def test_a_pool_that_no_longer_damps_holds_nobody(self) -> None:
        assert weights(told(pool(real_server(WEB1), real_server(WEB2)), self.HELD, UP)) == {WEB1: 1, WEB2: 1}


class TestPanic:
    """Which failing servers the floor keeps."""

    HALF = pool(panic=50.0)

    def test_the_servers_that_failed_last_stay_down_to_the_floor(self) -> None:
        decision = told(self.HALF, down_at(3), down_at(1), down_at(4), down_at(2))
        assert weights(decision) == {WEB1: 1, WEB2: 0, WEB3: 1, WEB4: 0}
        assert decision.pooled == {WEB1, WEB3}
        assert decision.live_weight == 0

    def test_a_recovery_swaps_out_the_one_that_failed_first(self) -> None:
        decision = told(self.HALF, down_at(3), up_again(5), down_at(4), down_at(2))
        assert weights(decision) == {WEB1: 0, WEB2: 1, WEB3: 1, WEB4: 0}
        assert decision.pooled == {WEB3}

    def test_servers_that_failed_together_stay_in_the_files_order(self) -> None:
        assert told(self.HALF, *[down_at(1)] * 4).pooled == {WEB1, WEB2}

    def test_one_that_passes_and_flaps_stays_before_any_that_fails(self) -> None:
        servers = [real_server(each, flap_damping=FlapDamping(3)) for each in (WEB1, WEB2, WEB3, WEB4)]
        held = Standing(Health.UP, turned_at=1, held_until=NOW + 30)
        decision = told(pool(*servers, panic=50.0), UP, down_at(3), held, down_at(2))
        assert decision.pooled == {WEB3}
        assert decision.held == frozenset()

    def test_a_removed_row_comes_back_for_the_floor_with_the_weight_it_has_when_up(self) -> None:
        server = pool(real_server(WEB1, weight=20, slow_start=60.0, on_failure="remove"), panic=1.0)
        assert weights(told(server, down_at(1))) == {WEB1: 20}

    def test_who_is_drained_or_has_no_weight_neither_counts_nor_stays(self) -> None:
        drained = Standing(Health.DOWN, turned_at=9, feedback=(Feedback(admin="drain"),))
        server = pool(*(real_server(each) for each in (WEB1, WEB2)), real_server(WEB3, weight=0), panic=100.0)
        decision = told(server, ordered(Health.DOWN, admin="drain"), drained, DOWN, present={WEB1: 1})
        assert weights(decision) == {WEB1: 0, WEB2: 0, WEB3: 0}
        assert decision.pooled == frozenset()

    def test_a_server_that_drained_itself_carries_nothing_of_the_floor(self) -> None:
        idle = Standing(Health.UP, feedback=(Feedback(admin="maint"),))
        assert told(self.HALF, idle, UP, down_at(1), down_at(2)).pooled == {WEB4}

    def test_the_floor_is_measured_in_configured_weight_whatever_servers_say_of_theirs(self) -> None:
        boast = Standing(Health.UP, feedback=(Feedback(1000),))
        assert len(told(self.HALF, boast, DOWN, DOWN, DOWN).pooled) == 1
        modest = Standing(Health.UP, feedback=(Feedback(1, percent=True),))
        servers = pool(*(real_server(each, weight=100) for each in (WEB1, WEB2, WEB3, WEB4)), panic=50.0)
        assert told(servers, modest, modest, modest, DOWN).pooled == frozenset()

    def test_an_operators_weight_counts_in_the_place_of_the_configured_one(self) -> None:
        assert told(self.HALF, ordered(weight=3), DOWN, DOWN, DOWN).pooled == frozenset()
        assert len(told(self.HALF, UP, UP, DOWN, ordered(Health.DOWN, weight=3)).pooled) == 1

    def test_a_row_without_a_verdict_counts_for_the_floor(self) -> None:
        standings = [UNKNOWN, UNKNOWN, DOWN, DOWN]
        assert told(self.HALF, *standings, present={WEB1: 1, WEB2: 1}).pooled == frozenset()
        assert told(self.HALF, *standings, present={WEB1: 9, WEB2: 0}).pooled == {WEB3}

    def test_a_trusted_row_counts_for_the_floor_as_it_did_when_it_entered(self) -> None:
        server = pool(real_server(WEB1, weight=2, initial="trust"), real_server(WEB2), panic=50.0)
        standings = [Standing(feedback=(Feedback(1),)), DOWN]
        entered = told(server, *standings)
        assert weights(entered) == {WEB1: 1, WEB2: 0}
        assert weights(told(server, *standings, present=weights(entered))) == {WEB1: 1, WEB2: 0}

    def test_while_first_verdicts_are_awaited_nobody_is_let_in_who_fails_but_who_is_in_stays(self) -> None:
        standings = [UNKNOWN, UNKNOWN, down_at(1), down_at(2)]
        assert told(self.HALF, *standings).pooled == frozenset()
        assert told(self.HALF, *standings, present={WEB3: 1, WEB4: 0}).pooled == {WEB3}
        assert told(self.HALF, FAILING, FAILING, down_at(1), down_at(2)).pooled == {WEB3, WEB4}


class TestSorryServer:
    """When sorry servers stand in, and how they leave."""

    SERVER = pool(real_server(WEB1), real_server(WEB2), sorry=[real_server(SORRY)], quorum=Quorum(2))

    def test_below_the_quorum_it_takes_all_and_the_real_servers_keep_rows_with_weight_0(self) -> None:
        decision = told(self.SERVER, UP, DOWN, sorry=[UP], quorum_met=True)
        assert weights(decision) == {WEB1: 0, WEB2: 0, SORRY: 1}
        assert decision.sorry_active
        assert decision.replaced
        assert (decision.live_weight, decision.quorum_met) == (1, False)

    def test_a_pool_that_meets_its_quorum_has_no_row_of_it(self) -> None:
        decision = told(self.SERVER, UP, UP, sorry=[UP])
        assert weights(decision) == {WEB1: 1, WEB2: 1}
        assert not decision.sorry_active

    def test_when_the_quorum_returns_it_leaves_once_its_connections_have_ended(self) -> None:
        returned = told(self.SERVER, UP, UP, sorry=[UP], present={SORRY: 1}, quorum_met=False)
        assert weights(returned) == {WEB1: 1, WEB2: 1, SORRY: 0}
        assert returned.look_at == NOW + 1
        ending = {SORRY: Ending(NOW)}
        later = told(self.SERVER, UP, UP, sorry=[UP], present={SORRY: 0}, ending=ending, now=NOW + 5)
        assert later.again_at == NOW + 60
        seen = told(
            self.SERVER, UP, UP, sorry=[UP], present={SORRY: 0}, usage={SORRY: CLOSED}, ending={SORRY: Ending(0)}
        )
        assert weights(seen) == {WEB1: 1, WEB2: 1}

    @pytest.mark.parametrize(("drain_timeout", "until"), [(0.0, 60.0), (300.0, 300.0)])
    def test_it_leaves_after_its_time_whatever_is_open(self, drain_timeout: float, until: float) -> None:
        server = replace(self.SERVER, sorry_servers=(real_server(SORRY, drain_timeout=drain_timeout),))
        ending, usage = {SORRY: Ending(NOW)}, {SORRY: ACTIVE}
        for now, weight in ((NOW + until - 1, 0), (NOW + until, None)):
            decision = told(server, UP, UP, sorry=[UP], present={SORRY: 0}, usage=usage, ending=ending, now=now)
            assert weights(decision).get(SORRY) == weight

    @pytest.mark.parametrize("standing", [DOWN, UNKNOWN, ordered(admin="drain"), ordered(admin="disable")])
    def test_one_that_cannot_take_traffic_leaves_the_servers_that_live_in_their_place(self, standing: Standing) -> None:
        decision = told(self.SERVER, UP, DOWN, sorry=[standing])
        assert weights(decision) == {WEB1: 1, WEB2: 0}
        assert not decision.sorry_active

    def test_of_several_those_take_traffic_that_are_up_with_their_own_weights(self) -> None:
        sorry = [real_server(SORRY, weight=3), real_server(SORRY2)]
        server = replace(self.SERVER, sorry_servers=tuple(sorry))
        decision = told(server, DOWN, DOWN, sorry=[UP, DOWN], present={SORRY2: 1})
        assert weights(decision) == {WEB1: 0, WEB2: 0, SORRY: 3, SORRY2: 0}

    def test_a_sorry_server_that_fails_is_removed_where_on_failure_says_so(self) -> None:
        server = replace(self.SERVER, sorry_servers=(real_server(SORRY, on_failure="remove"),))
        assert weights(told(server, DOWN, DOWN, sorry=[DOWN], present={SORRY: 1})) == {WEB1: 0, WEB2: 0}
        assert weights(told(server, DOWN, DOWN, sorry=[ordered(admin="disable")], present={SORRY: 1})) == {
            WEB1: 0,
            WEB2: 0,
        }

    def test_one_without_a_verdict_stays_as_it_is_unless_an_operator_says_otherwise(self) -> None:
        for standing, weight in ((UNKNOWN, 7), (ordered(Health.UNKNOWN, weight=4), 4)):
            decision = told(self.SERVER, DOWN, DOWN, sorry=[standing], present={SORRY: 7})
            assert weights(decision) == {WEB1: 0, WEB2: 0, SORRY: weight}
        for standing in (UNKNOWN, ordered(Health.UNKNOWN, weight=4)):
            assert weights(told(self.SERVER, DOWN, DOWN, sorry=[standing], present={SORRY: 0}))[SORRY] == 0
        trusted = replace(self.SERVER, sorry_servers=(real_server(SORRY, initial="trust"),))
        assert weights(told(trusted, DOWN, DOWN, sorry=[UNKNOWN]))[SORRY] == 1
        assert weights(told(trusted, DOWN, DOWN, sorry=[UNKNOWN], present={SORRY: 0}))[SORRY] == 1

    def test_it_does_not_enter_while_first_verdicts_may_still_bring_the_quorum_but_stays(self) -> None:
        assert not told(self.SERVER, UNKNOWN, UP, sorry=[UP]).sorry_active
        assert told(self.SERVER, UNKNOWN, UP, sorry=[UP], present={SORRY: 1}).sorry_active
        assert told(self.SERVER, UNKNOWN, DOWN, sorry=[UP]).sorry_active
        assert told(self.SERVER, FAILING, UP, sorry=[UP]).sorry_active

    def test_it_is_no_row_that_the_pool_does_not_list(self) -> None:
        decision = told(self.SERVER, UNKNOWN, UP, sorry=[UP], present={OLD: 1, SORRY: 0})
        assert weights(decision) == {WEB2: 1, OLD: 1, SORRY: 0}

    def test_the_panic_floor_comes_first(self) -> None:
        server = replace(self.SERVER, panic=50.0)
        kept = told(server, down_at(1), down_at(2), sorry=[UP])
        assert weights(kept) == {WEB1: 0, WEB2: 1}
        assert not told(server, UP, DOWN, sorry=[UP]).sorry_active, "the floor is met, and somebody serves"
        nobody = told(server, *[ordered(admin="drain")] * 2, sorry=[UP])
        assert weights(nobody) == {WEB1: 0, WEB2: 0, SORRY: 1}

    def test_an_address_that_is_also_a_real_servers_is_one_row(self) -> None:
        server = replace(self.SERVER, sorry_servers=(real_server(WEB1, weight=9),))
        assert weights(told(server, UP, UP, sorry=[UP], present={WEB1: 9})) == {WEB1: 1, WEB2: 1}
        assert weights(told(server, UP, DOWN, sorry=[UP])) == {WEB1: 9, WEB2: 0}


class TestSlowStart:
    """Who climbs, and when not."""

    SERVERS = tuple(real_server(each, weight=100, slow_start=60.0) for each in (WEB1, WEB2, WEB3))

    def test_a_recovered_server_climbs_in_twenty_steps(self) -> None:
        server = pool(*self.SERVERS)
        for age, weight in ((0, 5), (2.9, 5), (3, 10), (30, 55), (56.9, 95), (57, 100), (600, 100)):
            decision = told(server, UP, UP, up_again(NOW - age))
            assert weights(decision) == {WEB1: 100, WEB2: 100, WEB3: weight}, age
            assert decision.ramps.get(WEB3, 1.0) == weight / 100
        assert told(server, UP, UP, up_again(NOW - 2)).again_at == NOW + 1
        assert told(server, UP, UP, up_again(NOW - 57)).again_at is None

    def test_a_first_verdict_a_weight_of_1_and_a_pool_without_slow_start_do_not_climb(self) -> None:
        assert weights(told(pool(*self.SERVERS), UP, UP, Standing(Health.UP, turned_at=NOW)))[WEB3] == 100
        light = pool(real_server(WEB1), real_server(WEB2, slow_start=60.0))
        assert told(light, UP, up_again(NOW)).again_at is None
        plain = pool(real_server(WEB1), real_server(WEB2, weight=20))
        for recovered_at in (NOW, NOW + 9):
            assert weights(told(plain, UP, up_again(recovered_at)))[WEB2] == 20

    def test_the_only_server_left_has_its_whole_weight(self) -> None:
        decision = told(pool(*self.SERVERS), DOWN, DOWN, up_again(NOW))
        assert weights(decision)[WEB3] == 100
        assert not decision.ramps

    def test_servers_that_recover_one_soon_after_the_other_have_their_whole_weight(self) -> None:
        decision = told(pool(*self.SERVERS), DOWN, up_again(NOW - 2), up_again(NOW))
        assert weights(decision) == {WEB1: 0, WEB2: 100, WEB3: 100}

    def test_one_that_recovered_long_before_carries_one_that_climbs(self) -> None:
        decision = told(pool(*self.SERVERS), DOWN, up_again(NOW - 99), up_again(NOW))
        assert weights(decision) == {WEB1: 0, WEB2: 100, WEB3: 5}

    def test_a_row_without_a_verdict_or_one_that_is_being_replaced_carries_one_that_climbs(self) -> None:
        assert weights(told(pool(*self.SERVERS), UNKNOWN, DOWN, up_again(NOW), present={WEB1: 1}))[WEB3] == 5
        assert weights(told(pool(*self.SERVERS), UNKNOWN, DOWN, up_again(NOW), present={OLD: 1}))[WEB3] == 5
        assert weights(told(pool(*self.SERVERS), UNKNOWN, DOWN, up_again(NOW), present={OLD: 0}))[WEB3] == 100

    def test_nobody_climbs_where_that_would_take_the_pool_below_its_panic_floor(self) -> None:
        standings = [UP, UP, up_again(NOW)]
        assert weights(told(pool(*self.SERVERS, panic=60.0), *standings))[WEB3] == 5
        whole = told(pool(*self.SERVERS, panic=80.0), *standings)
        assert weights(whole)[WEB3] == 100
        assert whole.again_at == NOW + 57

    def test_nobody_climbs_behind_a_sorry_server(self) -> None:
        server = pool(*self.SERVERS, sorry=[real_server(SORRY)], quorum=Quorum(999))
        decision = told(server, UP, UP, up_again(NOW), sorry=[UP])
        assert not decision.ramps
        assert weights(decision) == {WEB1: 0, WEB2: 0, WEB3: 0, SORRY: 1}
