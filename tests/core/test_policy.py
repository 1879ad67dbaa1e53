"""What becomes of a pool, rule by rule."""

import pytest

from healthlb.core.desired import Standing
from healthlb.core.policy import Level, Looked, chain, decide, is_empty, sorry_chain, weight_when_up
from healthlb.model.config import VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Applied
from healthlb.model.table import Method, Persistence, Service, ServiceKey
from tests.strategies import real_server

WEB1 = Endpoint("192.0.2.1", 80)
WEB = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))
DNS = ServiceKey.at("udp", Endpoint("198.51.100.1", 53))
SHOP = VirtualServer("shop", Service(WEB, "rr"), Method("nat"), (real_server(WEB1, weight=3),))


def test_an_up_server_has_its_configured_weight_and_meets_the_quorum() -> None:
    decision = decide(Level(SHOP, [Standing(Health.UP)]), Looked({}), 0.0)
    assert decision.row.destinations[WEB1].weight == 3
    assert (decision.live_weight, decision.quorum_met) == (3, True)


@pytest.mark.parametrize(
    ("key", "persistent", "pin", "usage", "empty"),
    [
        (WEB, False, False, Usage(active=1), False),
        (WEB, False, False, Usage(inactive=9), True),
        (DNS, False, False, Usage(inactive=1), False),
        (DNS, False, False, Usage(), True),
        (ServiceKey.marked(1, "inet"), False, False, Usage(inactive=1), False),
        (WEB, True, True, Usage(persistent=1), False),
        (WEB, True, False, Usage(persistent=1), True),
        (WEB, False, True, Usage(persistent=1), True),
    ],
)
def test_each_row_of_what_empty_means(key: ServiceKey, persistent: bool, pin: bool, usage: Usage, empty: bool) -> None:
    service = Service(key, "rr", persistence=Persistence(300, 32) if persistent else None)
    assert is_empty(service, usage, templates_pin=pin) is empty


@pytest.mark.parametrize(
    ("applied", "feedback", "weight"),
    [
        (Applied(), (), 2),
        (Applied(weight=8), (), 8),
        (Applied(weight=8), (Feedback(50, percent=True),), 4),
        (Applied("drain", weight=8), (), 0),
        (Applied("disable"), (), 0),
    ],
)
def test_an_operators_word_comes_before_the_servers_own(
    applied: Applied, feedback: tuple[Feedback, ...], weight: int
) -> None:
    standing = Standing(Health.DOWN, feedback=feedback, applied=applied)
    assert weight_when_up(real_server(WEB1, weight=2), standing) == weight


def test_the_chain_begins_with_the_configured_weight() -> None:
    assert chain(real_server(WEB1, weight=2), [], Standing(Health.DOWN), None) == ("2", "0 (down)")
    assert sorry_chain(real_server(WEB1, weight=2), [], Standing(Health.UP), None) == ("2",)
