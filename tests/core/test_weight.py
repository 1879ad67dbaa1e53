"""From the configured weight, by what servers say of themselves, to the one that takes traffic."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.desired import Standing
from healthlb.core.policy import Level, Looked, decide
from healthlb.core.weight import MOST_WEIGHT, is_drained, merge, weight_of
from healthlb.model.config import VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.table import Destination, Method, Service, ServiceKey
from tests.strategies import destinations, feedbacks, real_server, virtual_servers

WEB1 = Endpoint("192.0.2.1", 80)
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
CONFIGURED = st.integers(0, MOST_WEIGHT)
Rows = Mapping[Endpoint, Destination]
SEVERAL = st.lists(feedbacks, max_size=3)


def rows(server: VirtualServer, standings: list[Standing], present: dict[Endpoint, Destination]) -> Rows:
    return decide(Level(server, standings), Looked(present), 0.0).row.destinations


def percent(share: int) -> Feedback:
    return Feedback(share, percent=True)


@pytest.mark.parametrize(
    ("configured", "feedback", "weight"),
    [
        (2, (), 2),
        (2, (Feedback(7),), 7),
        (2, (Feedback(0),), 0),
        (2, (percent(50),), 1),
        (2, (percent(150),), 3),
        (3, (percent(50),), 2),
        (1, (percent(1),), 1),
        (1, (percent(0),), 0),
        (60000, (percent(200),), 65535),
        (2, (Feedback(99999),), 65535),
        (2, (Feedback(admin="drain"),), 0),
        (2, (Feedback(admin="maint"),), 0),
        (2, (Feedback(admin="ready"),), 2),
        (2, (Feedback(7, admin="drain"),), 0),
        (0, (Feedback(7),), 0),
        (4, (percent(75), percent(50)), 2),
        (4, (percent(200), Feedback(3)), 3),
        (4, (percent(75), Feedback(admin="drain")), 0),
    ],
)
def test_each_row_of_the_order_that_the_module_tells(
    configured: int, feedback: tuple[Feedback, ...], weight: int
) -> None:
    assert weight_of(configured, feedback) == weight


@given(CONFIGURED, SEVERAL)
def test_a_weight_is_one_that_the_kernel_takes_and_no_check_gives_more_than_another_allows(
    configured: int, feedback: list[Feedback]
) -> None:
    weight = weight_of(configured, feedback)
    assert 0 <= weight <= MOST_WEIGHT
    assert all(weight <= weight_of(configured, [each]) for each in feedback)
    assert weight == weight_of(configured, feedback[::-1])


@given(st.integers(1, MOST_WEIGHT), st.integers(1, 1000))
def test_a_share_that_is_not_zero_of_a_weight_that_is_not_zero_is_not_zero(configured: int, share: int) -> None:
    assert weight_of(configured, [percent(share)]) >= 1


@given(feedbacks, feedbacks)
def test_news_say_what_they_say_and_leave_the_rest_as_it_was(before: Feedback, news: Feedback) -> None:
    after = merge(before, news)
    assert after.admin == (news.admin or before.admin)
    spoke = news if news.weight is not None else before
    assert (after.weight, after.percent) == (spoke.weight, spoke.percent)
    assert merge(after, news) == after
    assert merge(None, news) == news


@given(virtual_servers, st.sampled_from(Health), st.lists(destinations))
def test_without_feedback_everything_is_as_if_there_were_no_such_thing(
    server: VirtualServer, health: Health, had: list[Destination]
) -> None:
    present = {row.address: row for row in had}
    found = rows(server, [Standing(health)] * 3, present)
    nothing_said = Standing(health, feedback=(Feedback(), Feedback(admin="ready")))
    assert rows(server, [nothing_said] * 3, present) == found
    for real in server.real_servers:
        assert health is not Health.UP or found[real.address].weight == real.weight


@given(virtual_servers, st.lists(SEVERAL, min_size=3, max_size=3))
def test_a_server_that_is_down_has_no_weight_whatever_it_says_of_itself(
    server: VirtualServer, said: list[list[Feedback]]
) -> None:
    standings = [Standing(Health.DOWN, feedback=tuple(each)) for each in said]
    found = rows(server, standings, {})
    assert all(row.weight == 0 for row in found.values())


@given(virtual_servers, st.lists(SEVERAL, min_size=3, max_size=3))
def test_an_up_servers_row_has_the_weight_that_its_feedback_comes_to(
    server: VirtualServer, said: list[list[Feedback]]
) -> None:
    standings = [Standing(Health.UP, feedback=tuple(each)) for each in said]
    found = rows(server, standings, {})
    assert found == rows(server, standings, {})
    for real, each in zip(server.real_servers, said, strict=True):
        assert found[real.address].weight == weight_of(real.weight, each)


def test_feedback_changes_no_row_of_a_server_without_a_verdict_but_a_trusted_one_enters_with_it() -> None:
    shop = VirtualServer("shop", SERVICE, Method("nat"), (real_server(WEB1, weight=4, initial="trust"),))
    standing = Standing(Health.UNKNOWN, feedback=(percent(50),))
    row = rows(shop, [standing], {})[WEB1]
    assert row.weight == 2
    present = {WEB1: replace(row, weight=9)}
    assert rows(shop, [standing], present) == present


@pytest.mark.parametrize(
    ("configured", "feedback", "drained"),
    [(1, (), False), (0, (), False), (1, (Feedback(0),), True), (0, (Feedback(0),), False), (1, (percent(9),), False)],
)
def test_a_server_is_drained_by_its_own_word_alone(
    configured: int, feedback: tuple[Feedback, ...], drained: bool
) -> None:
    assert is_drained(configured, feedback) is drained
