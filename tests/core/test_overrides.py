"""Operators' overrides: which one decides over a server, and what replaces, takes back and ends one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.overrides import applied, expired, kind, lifted, next_expiry, of_scope, placed
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import NOT_OVERRIDDEN, Addition, Applied, Orders, Override, Scope
from tests.strategies import endpoints

WEB1 = Endpoint("192.0.2.1", 1)
HERE, ADDRESS = Scope("shop", WEB1.address, WEB1.port), Scope("shop", WEB1.address, None)
EVERYWHERE, HOST = Scope(None, WEB1.address, WEB1.port), Scope(None, WEB1.address, None)
NARROWING = [HOST, EVERYWHERE, ADDRESS, HERE]

times = st.none() | st.integers(1, 5).map(float)
scopes = st.builds(
    lambda pool, address, ported: Scope(pool, address.address, address.port if ported else None),
    st.sampled_from([None, "shop", "mail"]),
    endpoints,
    st.booleans(),
)
overrides = st.one_of(
    st.builds(Override, scopes, admin=st.just("drain"), remove=st.booleans(), deadline=times, expires_at=times),
    st.builds(Override, scopes, admin=st.just("disable"), expires_at=times),
    st.builds(Override, scopes, weight=st.integers(0, 3), expires_at=times),
)
several = st.lists(overrides, max_size=8)


def all_placed(given_overrides: list[Override]) -> Orders:
    orders = Orders()
    for each in given_overrides:
        orders = placed(orders, each)
    return orders


def test_a_server_that_no_override_covers_is_as_its_configuration_says() -> None:
    others = [Override(Scope("mail", WEB1.address, 1), "drain"), Override(Scope(None, "192.0.2.2", None), weight=5)]
    assert applied(others, "shop", WEB1) is NOT_OVERRIDDEN


def test_disable_beats_drain_however_narrow_the_drain_is() -> None:
    assert applied([Override(HERE, "drain", remove=True), Override(HOST, "disable")], "shop", WEB1) == Applied(
        "disable"
    )


def test_the_row_leaves_if_any_drain_says_so_at_the_earliest_of_their_deadlines() -> None:
    drains = [
        Override(HERE, "drain", deadline=1.0),
        Override(HOST, "drain", remove=True, deadline=9.0),
        Override(EVERYWHERE, "drain", remove=True, deadline=5.0),
    ]
    assert applied(drains, "shop", WEB1) == Applied("drain", remove=True, deadline=5.0)
    assert applied(drains[:1], "shop", WEB1) == Applied("drain")


@pytest.mark.parametrize("number", range(1, 5))
def test_the_narrowest_scope_has_the_weight(number: int) -> None:
    weights = [Override(scope, weight=weight) for weight, scope in enumerate(NARROWING[:number])]
    assert applied(weights, "shop", WEB1) == Applied(weight=number - 1)
    assert applied([*weights, Override(HOST, "drain")], "shop", WEB1) == Applied("drain", weight=number - 1)


@given(several, st.randoms(use_true_random=False))
def test_the_order_in_which_overrides_were_given_makes_no_difference(found: list[Override], chance: object) -> None:
    orders = all_placed(found).overrides
    mixed = list(orders)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert applied(mixed, "shop", WEB1) == applied(orders, "shop", WEB1)


@given(several)
def test_only_those_that_cover_a_server_count(found: list[Override]) -> None:
    covering = [each for each in found if each.scope.covers("shop", WEB1)]
    assert applied(found, "shop", WEB1) == applied(covering, "shop", WEB1)


@given(several)
def test_of_one_scope_there_is_one_override_of_each_kind_the_latest(found: list[Override]) -> None:
    orders = all_placed(found)
    latest = {(each.scope, kind(each)): each for each in found}
    assert {(each.scope, kind(each)): each for each in orders.overrides} == latest
    assert len(orders.overrides) == len(latest)


@given(several, scopes, st.sampled_from(["admin", "weight", "all"]))
def test_taking_back_takes_exactly_that_scope_and_kind(found: list[Override], scope: Scope, what: str) -> None:
    before = replace(all_placed(found), additions=(Addition("shop", WEB1, "{}"),))
    after = lifted(before, scope, what)  # type: ignore[arg-type]
    gone = of_scope(before.overrides, scope, what)  # type: ignore[arg-type]
    assert set(after.overrides) | set(gone) == set(before.overrides)
    assert not set(after.overrides) & set(gone)
    assert all(each.scope == scope and what in {"all", kind(each)} for each in gone)
    assert after.additions == before.additions
    assert (after is before) is (not gone)


@given(several, st.floats(0, 6))
def test_what_is_over_goes_and_the_rest_stays_until_the_next_end(found: list[Override], now: float) -> None:
    before = all_placed(found)
    after, over = expired(before, now)
    assert set(after.overrides) | set(over) == set(before.overrides)
    assert all(each.expires_at is not None and each.expires_at <= now for each in over)
    end = next_expiry(after)
    assert end is None or end > now
    assert end is None or expired(after, end)[1]
    assert end is not None or all(each.expires_at is None for each in after.overrides)


def test_ten_thousand_that_are_over_are_not_compared_with_one_another() -> None:
    class Incomparable(Scope):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("ten thousand times ten thousand comparisons hold a start for a minute")

        __hash__ = Scope.__hash__

    ones = tuple(Override(Incomparable("shop", "192.0.2.1", port), "drain", expires_at=1.0) for port in (1, 2, 3))
    stays = replace(ones[0], expires_at=9.0)
    after, over = expired(Orders((*ones, stays)), 5.0)
    assert [len(after.overrides), len(over)] == [1, 3]
    assert after.overrides[0] is stays
