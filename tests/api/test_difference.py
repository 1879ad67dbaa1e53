"""Differences of states: whoever applies them all has what the newest overview says."""

import asyncio
import copy
import dataclasses
import json
from collections.abc import Generator, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healthlb.api.page.difference import difference, same
from healthlb.api.page.overview import State, look, overview
from healthlb.model.config import Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.overrides import Override, Scope
from healthlb.model.snapshot import (
    CheckStatus,
    ConfigStatus,
    DirectorStatus,
    LastProbe,
    NotifierStatus,
    ProbingStatus,
    QuorumStatus,
    RealServerStatus,
    Snapshot,
    TableStatus,
    VirtualServerStatus,
    Weight,
)
from healthlb.model.table import Method, Service, ServiceKey


def at_once(work: Generator[str, None, State]) -> State:
    """Return a state without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            state: State = ended.value
            return state


small = st.integers(0, 2)
reasons = st.sampled_from(["200 OK", "connection refused", "said \x1b[31m<b>\u202e\n", "x" * 300])
checks = st.builds(
    CheckStatus,
    name=st.sampled_from(["web", "tcp"]),
    type=st.just("http"),
    health=st.sampled_from(Health),
    last=st.none() | st.builds(LastProbe, st.just(1.0), st.booleans(), reasons, st.just(0.1)),
    streak=small,
    warning=st.sampled_from(["", "the certificate ends in 6 days"]),
    unsent_reason=st.sampled_from(["", "no permission"]),
)
usages = st.none() | st.builds(Usage, st.just(Traffic()), st.builds(Traffic, small, small, small), small, small)
servers = st.builds(
    RealServerStatus,
    name=st.sampled_from(["web1", "web2", "web3"]),
    address=st.builds(Endpoint, st.sampled_from(["192.0.2.1", "2001:db8::1"]), small),
    method=st.just(Method("nat")),
    health=st.sampled_from(Health),
    admin=st.sampled_from(["enabled", "draining", "drained", "disabled"]),
    since=st.sampled_from([1.0, 2.0]),
    weight=st.builds(Weight, small, st.none() | small, st.none() | small),
    usage=usages,
    checks=st.lists(checks, max_size=2).map(tuple),
    origin=st.sampled_from(["file", "runtime"]),
    overrides=st.sampled_from([(), (Override(Scope(None, "192.0.2.1", None), "drain"),)]),
    pooled_but_down=st.booleans(),
    held_until=st.none() | st.just(9.0),
    ramp=st.none() | st.just(0.5),
)
pools = st.builds(
    VirtualServerStatus,
    name=st.sampled_from(["shop", "mail", "dns", "a/b"]),
    service=st.just(Service(ServiceKey.at("tcp", Endpoint("192.0.2.9", 80)), "rr")),
    method=st.just(Method("nat")),
    state=st.sampled_from(["up", "degraded", "panic", "down"]),
    quorum=st.builds(QuorumStatus, st.just(Quorum()), small, st.booleans()),
    sorry_server_active=st.booleans(),
    usage=usages,
    real_servers=st.lists(servers, max_size=3).map(tuple),
    sorry_servers=st.lists(servers, max_size=1).map(tuple),
)
directors = st.builds(
    DirectorStatus,
    name=st.just("lb1"),
    version=st.just("0.1.0"),
    started_at=st.just(1.0),
    config=st.builds(ConfigStatus, st.just("x"), st.just("y"), small.map(float), st.none() | reasons),
    table=st.builds(TableStatus, st.just("ipvs"), st.booleans(), st.none() | st.just(2.0), small, small, small),
    probing=st.builds(ProbingStatus, small, small, small, small),
    warnings=st.sampled_from([(), ("ip_forward is 0",)]),
    notifiers=st.sampled_from([(), (NotifierStatus("oncall", "webhook", 2, 0, 0, 0, "no route"),)]),
)
snapshots = st.builds(
    Snapshot,
    taken_at=st.integers(1, 100).map(float),
    ready=st.booleans(),
    director=directors,
    virtual_servers=st.lists(pools, max_size=4, unique_by=lambda pool: pool.name).map(tuple),
)


def states(course: list[tuple[Snapshot, bool]]) -> Iterator[State]:
    """Yield the states of a course of snapshots, each with whether sums are told."""
    before: State | None = None
    for snapshot, sums in course:
        after = at_once(look(snapshot, before, sums=sums))
        if before is None or not same(before, after):
            after = dataclasses.replace(after, id=after.id + 1)
        yield after
        before = after


def shown(state: State) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("".join(overview(state)))
    return found


def applied(known: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return an overview with a difference applied, as `docs/http.md` says."""
    new = copy.deepcopy(known)
    for key in ("id", "taken_at", "generation", "headline", "counts"):
        new[key] = change.get(key, new[key])
    new["director"] |= change.get("director", {})
    by_name = {each["name"]: each for each in new["virtual_servers"] if each["name"] not in change.get("removed", ())}
    for name, values in change.get("virtual_servers", {}).items():
        by_name[name] |= values
    for name, rows in change.get("real_servers", {}).items():
        for index, row in rows.items():
            by_name[name]["real_servers"][int(index)] = row
    by_name |= change.get("replace", {})
    order = change.get("order", list(by_name))
    new["virtual_servers"] = [by_name[name] for name in order]
    return new


@given(st.lists(st.tuples(snapshots, st.booleans()), min_size=1, max_size=4))
def test_applying_all_differences_to_an_overview_yields_the_newest_one(course: list[tuple[Snapshot, bool]]) -> None:
    known: dict[str, Any] | None = None
    before: State | None = None
    for state in states(course):
        if before is None or known is None:
            known = shown(state)
        elif state.id != before.id:
            text = "".join(difference(before, state))
            assert "\n" not in text
            known = applied(known, json.loads(text))
        assert known | {"taken_at": ""} == shown(state) | {"taken_at": ""}
        before = state


@given(snapshots, st.floats(200, 300))
def test_a_later_look_at_the_same_is_no_change(snapshot: Snapshot, later: float) -> None:
    first = at_once(look(snapshot, None, sums=True))
    second = at_once(look(dataclasses.replace(snapshot, taken_at=later), first, sums=True))
    assert same(first, second)
    assert set(json.loads("".join(difference(first, second)))) == {"id", "taken_at"}


def test_that_the_table_was_compared_is_told_every_ten_seconds(source: Any) -> None:
    state = at_once(look(source.current, None, sums=True))
    told = []
    for second in range(1, 25):
        director = source.current.director
        table = dataclasses.replace(director.table, last_resync_at=director.table.last_resync_at + second)
        later = dataclasses.replace(source.current, director=dataclasses.replace(director, table=table))
        after = at_once(look(later, state, sums=True))
        if not same(state, after):
            told.append(second)
        state = after
    assert told == [10, 20]


@given(snapshots, usages)
def test_connections_and_rates_stay_as_they_were_until_they_are_told_again(snapshot: Snapshot, usage: Usage) -> None:
    first = at_once(look(snapshot, None, sums=True))
    busier = tuple(dataclasses.replace(pool, usage=usage) for pool in snapshot.virtual_servers)
    later = dataclasses.replace(snapshot, virtual_servers=busier)
    assert same(first, at_once(look(later, first, sums=False)))
    fresh, told = at_once(look(later, None, sums=True)), at_once(look(later, first, sums=True))
    assert {name: pool.head for name, pool in told.pools.items()} == {
        name: pool.head for name, pool in fresh.pools.items()
    }


@given(snapshots)
def test_the_counts_and_the_headline_are_those_of_what_is_listed(snapshot: Snapshot) -> None:
    told = shown(at_once(look(snapshot, None, sums=True)))
    pools = told["virtual_servers"]
    assert sum(told["counts"]["virtual_servers"].values()) == len(pools)
    rows = [row for pool in pools for row in pool["real_servers"] if "s" not in row[8]]
    assert sum(told["counts"]["real_servers"].values()) == len(rows)
    assert told["counts"]["virtual_servers"]["down"] == sum(pool["state"] == "down" for pool in pools)
    if any(pool["state"] in {"down", "panic"} for pool in pools):
        assert told["headline"]["level"] == "bad"
    if told["headline"]["level"] == "ok":
        assert all(pool["state"] == "up" for pool in pools)
        assert told["headline"]["title"] == "no problem · lb1 · healthlb"


@given(snapshots)
def test_no_row_shows_a_control_character_or_a_long_reason(snapshot: Snapshot) -> None:
    for pool in at_once(look(snapshot, None, sums=True)).pools.values():
        for row in pool.rows:
            assert row[9].isprintable()
            assert len(row[9]) <= 240


def test_a_large_difference_is_made_in_small_pieces(large: Any) -> None:
    snapshot = large(1, 5000)
    first = at_once(look(snapshot, None, sums=True))
    pool = snapshot.virtual_servers[0]
    down = tuple(dataclasses.replace(server, health=Health.DOWN) for server in pool.real_servers)
    later = dataclasses.replace(snapshot, virtual_servers=(dataclasses.replace(pool, real_servers=down),))
    pieces = list(difference(first, at_once(look(later, first, sums=True))))
    assert len(pieces) > 5000
    assert max(map(len, pieces)) < 2000
    assert len(json.loads("".join(pieces))["real_servers"]["shop"]) == 5000


def test_the_loop_gets_its_turn_while_a_state_is_made(large: Any, monkeypatch: Any) -> None:
    clock = iter(range(10**9))
    monkeypatch.setattr("healthlb.api.page.turns.time.perf_counter", lambda: float(next(clock)))
    turns = 0

    async def run() -> None:
        nonlocal turns
        from healthlb.api.page.turns import in_turns

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await in_turns(look(large(1, 500), None, sums=True))
        beside.cancel()

    asyncio.run(run())
    assert turns > 500
