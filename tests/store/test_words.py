"""Operators' orders and health as they are saved: what was written is read, and nothing else is believed."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import Evidence, SeenProbe
from healthlb.model.health import CheckState, Feedback
from healthlb.model.overrides import Addition, HandedOver, Orders, Override, Removal, Scope
from healthlb.model.remembered import Remembered, RememberedPool, RememberedProbe, RememberedServer
from healthlb.store import health, orders
from tests.strategies import endpoints

moments = st.floats(0, 4e9)
words = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def built(kind: type[Any], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return any word of a kind, with times that are numbers."""
    times: dict[Any, st.SearchStrategy[Any]] = {float: moments, float | None: st.none() | moments}
    every = {name: times.get(hint, st.from_type(hint)) for name, hint in get_type_hints(kind).items()}
    return st.builds(kind, **every | parts)


def few(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3).map(tuple)


weights = st.integers(0, 65_535)
scopes = st.builds(Scope, st.none() | st.text(), st.ip_addresses().map(str), st.none() | st.integers(0, 65_535))
ours = st.one_of(
    built(Override, scope=scopes, admin=st.sampled_from(["drain", "disable"]), weight=st.none()),
    built(Override, scope=scopes, admin=st.none(), weight=weights),
)


def differing(of: st.SearchStrategy[Any], by: Callable[[Any], Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3, unique_by=by).map(tuple)


some_orders = st.builds(
    Orders,
    differing(ours, lambda each: (each.scope, each.weight is None)),
    differing(built(Addition, address=endpoints), lambda each: (each.virtual_server, each.address)),
    differing(built(Removal, address=endpoints), lambda each: (each.virtual_server, each.address)),
    differing(built(HandedOver), lambda each: each.instance),
)
failures = st.none() | built(SeenProbe, evidence=st.none() | st.builds(Evidence))
leaving = few(st.tuples(endpoints, moments))
ending = few(st.tuples(endpoints, moments, st.booleans()))
states = st.builds(CheckState, streak=st.integers(0))
some_health = st.builds(
    Remembered,
    few(
        built(
            RememberedProbe,
            state=states,
            feedback=st.none() | st.builds(Feedback, st.none() | weights),
            failure=failures,
        )
    ),
    few(built(RememberedServer, address=endpoints, turns=few(moments))),
    few(built(RememberedPool, leaving=leaving, ending=ending)),
)


@given(some_orders)
def test_orders_are_read_as_they_were_written(given_orders: Orders) -> None:
    assert orders.decode(orders.encode(given_orders)) == given_orders


@given(some_health)
def test_health_is_read_as_it_was_written(remembered: Remembered) -> None:
    assert health.decode(health.encode(remembered)) == remembered


@given(st.binary() | words.map(lambda value: json.dumps(value).encode()))
def test_any_other_bytes_are_refused_or_are_something_whole(body: bytes) -> None:
    for decode, encode in ((orders.decode, orders.encode), (health.decode, health.encode)):
        try:
            found: Any = decode(body)
        except ValueError:
            continue
        assert decode(encode(found)) == found  # type: ignore[operator]


ENDPOINT = Endpoint("192.0.2.1", 80)
WHOLE = health.encode(
    Remembered(
        (RememberedProbe("00", CheckState(), Feedback(50, True, "drain"), SeenProbe(1.0, "refused", 0.1, Evidence())),),
        (RememberedServer("shop", ENDPOINT, 1.0, turns=(1.0, 2.0)),),
        (RememberedPool("shop", True, leaving=((ENDPOINT, 5.0),)),),
    )
)


@given(st.data())
def test_a_value_of_another_type_anywhere_is_refused(data: st.DataObject) -> None:
    whole = json.loads(WHOLE)
    places: list[tuple[Any, Any]] = []
    below(whole, lambda holder, key: places.append((holder, key)))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(st.sampled_from([[[]], {"no such": 1}]))
    with pytest.raises(ValueError, match=r"\w"):
        health.decode(json.dumps(whole).encode())


def below(value: Any, visit: Callable[[Any, Any], None]) -> None:
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        visit(value, key)
        below(value[key], visit)


@pytest.mark.parametrize(
    "body",
    [
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1","port":NaN}}]}',
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1","port":80},"at":1e999}]}',
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1","port":80},"at":1' + b"0" * 400 + b"}]}",
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1","port":true}}]}',
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1","port":80},"admin":"up"}]}',
        b'{"overrides":[{"scope":{"virtual_server":null,"address":"192.0.2.1"}}]}',
        b"[" * 100_000,
    ],
    ids=["NaN", "infinity", "huge", "true is no port", "no such order", "a field is missing", "nested"],
)
def test_a_body_that_says_nothing_sensible_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        orders.decode(body)


HERE = Scope("shop", ENDPOINT.address, ENDPOINT.port)
DRAIN, REMOVAL = Override(HERE, "drain"), Removal("shop", ENDPOINT)


@pytest.mark.parametrize(
    "wrong",
    [
        Orders((replace(DRAIN, expires_at=1e300),)),
        Orders((replace(DRAIN, remove=True, deadline=-1.0),)),
        Orders((replace(DRAIN, at=1e300),)),
        Orders((Override(HERE),)),
        Orders((replace(DRAIN, weight=1),)),
        Orders((Override(HERE, weight=-1),)),
        Orders((Override(HERE, weight=65_536),)),
        Orders((Override(Scope("shop", "\x1b[31m", 80), "drain"),)),
        Orders((Override(Scope("shop", "192.0.2.1", -80), "drain"),)),
        Orders((DRAIN, Override(HERE, "disable"))),
        Orders((), (Addition("shop", ENDPOINT, "{}"), Addition("shop", ENDPOINT, '{"name": "web1"}'))),
        Orders((), (Addition("shop", Endpoint("192.0.2.1", 65_536), "{}"),)),
        Orders((), (), (REMOVAL, replace(REMOVAL, who="bob"))),
        Orders((), (), (replace(REMOVAL, at=1e300),)),
    ],
)
def test_orders_that_nobody_can_have_given_are_refused_whatever_their_checksum_says(wrong: Orders) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        orders.decode(orders.encode(wrong))


SERVER = RememberedServer("shop", ENDPOINT, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        Remembered((RememberedProbe("00", CheckState(streak=-1)),)),
        Remembered((RememberedProbe("00", CheckState(), Feedback(-1)),)),
        Remembered((RememberedProbe("00", CheckState(), None, SeenProbe(1e300, "refused", 0.1, None)),)),
        Remembered((), (replace(SERVER, since=1e300),)),
        Remembered((), (replace(SERVER, held_until=-1.0),)),
        Remembered((), (replace(SERVER, turns=(1.0, 1e300)),)),
        Remembered((), (), (RememberedPool("shop", True, leaving=((ENDPOINT, 1e300),)),)),
        Remembered((), (), (RememberedPool("shop", True, ending=((Endpoint("", 80), 1.0, True),)),)),
    ],
)
def test_health_that_nothing_can_have_had_is_refused_whatever_its_checksum_says(wrong: Remembered) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        health.decode(health.encode(wrong))


def test_what_has_its_default_is_left_out_so_that_files_stay_small() -> None:
    assert orders.encode(Orders()) == b"{}"
    override = Override(Scope(None, "192.0.2.1", None), admin="drain")
    assert json.loads(orders.encode(Orders((override,)))) == {
        "overrides": [{"scope": {"address": "192.0.2.1", "virtual_server": None, "port": None}, "admin": "drain"}]
    }
