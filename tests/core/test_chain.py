"""How a server's weight came to be, in the words of the status."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from healthlb.core.desired import Standing
from healthlb.core.policy import Decision, Level, Looked, chain, decide, sorry_chain
from healthlb.model.config import FlapDamping, Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Applied
from healthlb.model.table import Destination, Method, Service, ServiceKey
from tests.core.test_policy_invariants import Rows
from tests.strategies import NOW, levels, present_rows, real_server

WEB1, WEB2, SORRY = (Endpoint(f"192.0.2.{number}", 80) for number in (1, 2, 250))
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
SERVER = real_server(WEB1, weight=20, slow_start=60.0, flap_damping=FlapDamping(3))
REMOVED = replace(SERVER, on_failure="remove")
UP, DOWN, UNKNOWN = (Standing(health) for health in (Health.UP, Health.DOWN, Health.UNKNOWN))
RAMPING = Standing(Health.UP, recovered_at=100.0)
HELD = Standing(Health.UP, held_until=200.0)
DRAINED = "20 -> drain (operator) -> out (drained)"
BOAST = [("agent", Feedback(150, percent=True))]


def decided(server: RealServer, standing: Standing, other: Standing = UP, **pool: object) -> Decision:
    servers = (server, real_server(WEB2, weight=20))
    shop = VirtualServer("shop", SERVICE, Method("nat"), servers, **pool)  # type: ignore[arg-type]
    present = {} if standing.applied.remove else {WEB1: Destination(WEB1, Method("nat"), 20)}
    return decide(Level(shop, [standing, other], [UP] * len(shop.sorry_servers)), Looked(present), 100.0)


def said(*feedback: Feedback, **applied: object) -> Standing:
    return Standing(Health.UP, feedback=feedback, applied=Applied(**applied))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "standing", "named", "pool", "steps"),
    [
        (SERVER, UP, [], {}, "20"),
        (SERVER, UP, [("a", Feedback(7, admin="maint"))], {}, "20 -> 7 (a) -> maint (a)"),
        (SERVER, UP, [("a", Feedback(admin="ready")), ("b", Feedback(0))], {}, "20 -> 0 (b)"),
        (SERVER, DOWN, BOAST, {}, "20 -> 150 % (agent) -> 0 (down)"),
        (REMOVED, DOWN, [], {}, "20 -> out (down)"),
        (SERVER, UNKNOWN, [], {}, "20 -> unchanged (unknown)"),
        (SERVER, said(weight=5), [], {}, "20 -> 5 (override)"),
        (SERVER, said(weight=5, admin="drain"), BOAST, {}, "20 -> 5 (override) -> drain (operator) -> 150 % (agent)"),
        (SERVER, said(admin="disable"), [], {}, "20 -> disable (operator)"),
        (SERVER, said(admin="drain", remove=True), [], {}, DRAINED),
        (SERVER, replace(said(admin="drain", remove=True), health=Health.DOWN), [], {}, DRAINED),
        (SERVER, replace(DOWN, applied=Applied("drain")), [], {}, "20 -> drain (operator) -> 0 (down)"),
        (SERVER, RAMPING, [], {}, "20 -> 1 (slow start)"),
        (SERVER, HELD, [], {}, "20 -> 0 (flapping)"),
        (REMOVED, HELD, [], {}, "20 -> out (flapping)"),
        (SERVER, HELD, [], {"panic": 100.0}, "20 -> 0 (flapping) -> 20 (panic)"),
        (SERVER, DOWN, [], {"panic": 100.0}, "20 -> 0 (down) -> 20 (panic)"),
    ],
)
def test_the_chain_of_a_real_server_tells_a_step_a_word(
    server: RealServer, standing: Standing, named: list[tuple[str, Feedback]], pool: dict[str, float], steps: str
) -> None:
    assert " -> ".join(chain(server, named, standing, decided(server, standing, **pool))) == steps


@pytest.mark.parametrize(
    ("standing", "other", "steps"),
    [
        (UP, DOWN, "20 -> 0 (sorry server)"),
        (UNKNOWN, DOWN, "20 -> unchanged (unknown) -> 0 (sorry server)"),
        (DOWN, UP, "20 -> 0 (down)"),
    ],
)
def test_the_chain_tells_of_a_sorry_server_that_took_the_weight(
    standing: Standing, other: Standing, steps: str
) -> None:
    sorry = real_server(SORRY)
    decision = decided(SERVER, standing, other, sorry_servers=(sorry,), quorum=Quorum(999))
    assert " -> ".join(chain(SERVER, [], standing, decision)) == steps
    assert sorry_chain(sorry, [], UP, decision) == ("1",)


def test_before_a_decision_the_chain_has_what_is_known() -> None:
    assert chain(SERVER, BOAST, DOWN, None) == ("20", "150 % (agent)", "0 (down)")
    assert chain(SERVER, [], said(admin="drain", remove=True), None) == ("20", "drain (operator)")
    assert sorry_chain(real_server(SORRY), [], UP, None) == ("1",)


def test_the_chain_of_a_sorry_server_tells_why_it_has_no_traffic() -> None:
    sorry = real_server(SORRY, weight=3)
    standing_by = decided(SERVER, UP, sorry_servers=(sorry,))
    assert sorry_chain(sorry, [], UP, standing_by) == ("3", "out (standing by)")
    assert sorry_chain(sorry, [], DOWN, standing_by) == ("3", "out (down)")
    assert sorry_chain(sorry, [], said(admin="drain"), standing_by) == ("3", "drain (operator)")
    shop = VirtualServer("shop", SERVICE, Method("nat"), (SERVER,), sorry_servers=(sorry,))
    leaving = decide(Level(shop, [UP], [UP]), Looked({SORRY: Destination(SORRY, Method("nat"), 3)}), 100.0)
    assert sorry_chain(sorry, [], UP, leaving) == ("3", "0 (standing down)")


def test_the_row_of_a_sorry_server_without_a_verdict_stays_as_it_was_found() -> None:
    sorry = real_server(SORRY, weight=3)
    shop = VirtualServer("shop", SERVICE, Method("nat"), (SERVER,), sorry_servers=(sorry,))
    found = decide(Level(shop, [DOWN], [UNKNOWN]), Looked({SORRY: Destination(SORRY, Method("nat"), 5)}), 100.0)
    assert found.row.destinations[SORRY].weight == 5
    assert sorry_chain(sorry, [], UNKNOWN, found) == ("3", "unchanged (unknown)")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(levels(), present_rows)
def test_the_last_step_of_every_chain_is_what_is_wanted_in_the_table(level: Level, present: Rows) -> None:
    decision = decide(level, Looked(present), NOW)
    real = zip(level.server.real_servers, level.standings, strict=True)
    sorry = zip(level.server.sorry_servers, level.sorry, strict=True)
    for tell, pairs in ((chain, real), (sorry_chain, sorry)):
        for server, standing in pairs:
            row = decision.row.destinations.get(server.address)
            last = tell(server, [("agent", each) for each in standing.feedback], standing, decision)[-1]
            if last.startswith("out "):
                assert row is None
            elif standing.applied.admin is not None:
                assert row is None or not row.weight
            elif "unknown" not in last and not (standing.feedback and last.endswith("(agent)")):
                assert row is not None
                assert row.weight == int(last.split()[0])
