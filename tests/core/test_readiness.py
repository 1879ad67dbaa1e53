"""What is said of two directors before the one is master in the place of the other."""

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api import document
from healthlb.api.picking import Selection, kinds_for, selection_of
from healthlb.api.rendering import in_slices
from healthlb.api.shapes import Status
from healthlb.core.readiness import (
    FIELDS,
    MOST,
    Comparison,
    Instance,
    Member,
    Pool,
    Side,
    StrangeStatusError,
    compare,
    side_in,
    side_of,
)
from healthlb.model.snapshot import Snapshot
from tests.api.test_documents import snapshots

WEB = "192.0.2.11:80"
SHOP = Pool("shop", "up", True, True, "rr", "nat", {WEB: Member("up", 1)})
KEY = ("tcp", "198.51.100.100:80", "inet")
VI_1 = Instance("VI_1", "MASTER", 51, frozenset({"198.51.100.100/24"}))
BOTH = {"master": 51, "backup": 51}
LB1 = Side("lb1", True, True, {KEY: SHOP}, (VI_1,), BOTH)
LB2 = replace(LB1, name="lb2", instances=(replace(VI_1, state="BACKUP"),))


def worse(new: Side, old: Side = LB1) -> tuple[str, ...]:
    return compare(old, new, "VI_1").worse


def otherwise(new: Side, old: Side = LB1) -> tuple[str, ...]:
    found = compare(old, new, "VI_1")
    assert not found.worse
    return found.otherwise


def with_pool(side: Side, **changed: Any) -> Side:
    return replace(side, pools={KEY: replace(SHOP, **changed)})


def test_two_directors_that_have_the_same_are_not_told_apart() -> None:
    assert compare(LB1, LB2, "VI_1") == Comparison()


def test_a_director_that_is_not_ready_is_worse() -> None:
    told = "lb2 is not ready: verdicts are awaited, or its table is not in sync"
    assert worse(replace(LB2, ready=False)) == (told,)
    assert worse(replace(LB2, in_sync=False)) == ("the table of lb2 is not in sync",)
    assert otherwise(replace(LB2, ready=False), replace(LB1, ready=False)) == (told,)


def test_a_virtual_server_that_is_missing_or_in_no_table_is_worse() -> None:
    assert worse(replace(LB2, pools={})) == ("shop is not on lb2",)
    assert worse(with_pool(LB2, in_table=False)) == ("shop is not in the table of lb2",)
    assert otherwise(LB2, replace(LB1, pools={})) == ("shop is on lb2 only",)


def test_a_worse_state_and_a_lost_quorum_are_worse_and_a_better_state_is_told() -> None:
    assert worse(with_pool(LB2, state="degraded")) == ("shop is degraded on lb2 and up on lb1",)
    assert worse(with_pool(LB2, state="of tomorrow")) == ("shop is of tomorrow on lb2 and up on lb1",)
    assert worse(with_pool(LB2, quorum_met=False)) == ("shop misses its quorum on lb2",)
    assert otherwise(LB2, with_pool(LB1, state="down")) == ("shop is up on lb2 and down on lb1",)


def test_a_real_server_that_only_the_old_master_can_use_is_worse() -> None:
    assert worse(with_pool(LB2, members={})) == (f"{WEB} of shop is not on lb2",)
    down = {WEB: Member("down", 0)}
    assert worse(with_pool(LB2, members=down)) == (f"{WEB} of shop is down on lb2 and up on lb1",)
    drained = {WEB: Member("up", 0)}
    assert worse(with_pool(LB2, members=drained)) == (f"{WEB} of shop has weight 0 on lb2 and weight 1 on lb1",)
    out = {WEB: Member("up", None)}
    assert worse(with_pool(LB2, members=out)) == (f"{WEB} of shop has no row on lb2 and weight 1 on lb1",)


def test_a_real_server_that_the_new_master_can_use_as_well_or_better_is_told() -> None:
    heavy = {WEB: Member("up", 9)}
    assert otherwise(with_pool(LB2, members=heavy)) == (f"{WEB} of shop has weight 9 on lb2 and weight 1 on lb1",)
    down = with_pool(LB1, members={WEB: Member("down", 0)})
    assert otherwise(LB2, down) == (f"{WEB} of shop is up on lb2 and down on lb1",)
    none, idle = with_pool(LB1, members={}), with_pool(LB2, members={WEB: Member("up", 0)})
    assert otherwise(LB2, none) == (f"{WEB} of shop is on lb2 only",)
    assert otherwise(idle, none) == (f"{WEB} of shop is on lb2 only, with weight 0",)


def test_another_scheduler_or_method_is_told() -> None:
    told = otherwise(with_pool(LB2, scheduler="wlc", method="dr"))
    assert told == ("shop has scheduler wlc on lb2 and rr on lb1", "shop has method dr on lb2 and nat on lb1")


def test_an_instance_that_may_not_be_master_there_is_worse() -> None:
    fault = replace(VI_1, state="FAULT", faults=("eth1 is down",))
    assert worse(replace(LB2, instances=(fault,))) == ("VI_1 is in FAULT on lb2: eth1 is down",)
    assert worse(replace(LB2, instances=(replace(VI_1, state="INIT"),))) == ("VI_1 is in INIT on lb2",)
    assert worse(replace(LB2, instances=())) == ("VI_1 is no VRRP instance of lb2",)
    assert worse(LB2, replace(LB1, instances=())) == ("VI_1 is no VRRP instance of lb1",)


def test_an_instance_is_the_same_virtual_router_whatever_its_name_is() -> None:
    assert not worse(replace(LB2, instances=(replace(VI_1, name="web"),)))
    other = replace(VI_1, addresses=frozenset({"198.51.100.9/24"}))
    assert worse(replace(LB2, instances=(other,))) == ("VI_1 has other addresses on lb2 than on lb1",)
    assert worse(replace(LB2, instances=(replace(VI_1, router_id=9),))) == (
        "VI_1 has router id 9 on lb2 and 51 on lb1",
    )


def test_connections_that_would_not_live_on_are_worse() -> None:
    assert worse(replace(LB2, sync={"master": 51})) == (
        "connection sync: lb2 takes in no connections, established ones would end",
    )
    assert worse(replace(LB2, sync={"backup": 9})) == (
        "connection sync: id 9 on lb2 and 51 on lb1, established connections would end",
    )
    assert not worse(replace(LB2, sync={}), replace(LB1, sync={}))


def test_of_very_many_differences_the_first_are_told_and_how_many_more_there_are() -> None:
    many = {f"192.0.2.{place}:80": Member("up", 1) for place in range(100)}
    told = worse(with_pool(LB2, members={}), with_pool(LB1, members=many))
    assert len(told) == MOST + 1
    assert told[-1] == "and 80 more differences"


members = st.builds(Member, st.sampled_from(["up", "down", "unknown"]), st.sampled_from([None, 0, 1, 5]))
pools = st.builds(
    Pool,
    st.just("shop"),
    st.sampled_from(["up", "degraded", "panic", "down"]),
    *(st.booleans(), st.booleans(), st.sampled_from(["rr", "wlc"]), st.sampled_from(["nat", "dr"])),
    st.dictionaries(st.sampled_from([WEB, "192.0.2.12:80"]), members),
)
keys = st.sampled_from([KEY, ("udp", "198.51.100.100:53", "inet"), ("fwmark", "fwmark 25", "inet6")])
sides = st.builds(
    Side,
    st.just("lb"),
    *(st.booleans(), st.booleans(), st.dictionaries(keys, pools)),
    st.just((VI_1,)),
    st.dictionaries(st.sampled_from(["master", "backup"]), st.sampled_from([51, 52])),
)


@given(sides)
def test_no_director_is_worse_or_otherwise_than_itself(side: Side) -> None:
    found = compare(replace(side, sync={}), replace(side, sync={}), "VI_1")
    assert not found.worse
    assert all("not ready" in each or "not in sync" in each for each in found.otherwise)


@given(sides, sides)
def test_where_nothing_is_worse_each_server_that_takes_connections_does_so_on_the_new_master(
    old: Side, new: Side
) -> None:
    if compare(old, new, "VI_1").worse:
        return
    for key, pool in old.pools.items():
        for address, member in pool.members.items():
            if member.health == "up" and member.weight:
                found = new.pools[key].members[address]
                assert found.health == "up"
                assert found.weight


@given(sides, sides)
def test_what_is_added_to_the_new_master_is_never_worse(old: Side, new: Side) -> None:
    more = replace(new, pools={**new.pools, ("sctp", "198.51.100.100:9", "inet"): SHOP})
    assert len(compare(old, more, "VI_1").worse) == len(compare(old, new, "VI_1").worse)


def told_of(snapshot: Snapshot, only: Selection) -> Any:
    return json.loads(b"".join(asyncio.run(in_slices(document.status(snapshot, only))).plain()))


@given(snapshots)
def test_a_director_is_known_from_its_status_as_it_knows_itself(snapshot: Snapshot) -> None:
    only = selection_of({"fields": kinds_for(Status)["fields"](",".join(FIELDS))}, Status)
    told, known = side_in(told_of(snapshot, only)), side_of(snapshot)
    assert (told.ready, told.in_sync, told.sync) == (known.ready, known.in_sync, known.sync)
    assert list(told.pools) == list(known.pools)
    for one, other in zip(told.pools.values(), known.pools.values(), strict=True):
        assert (one.state, one.quorum_met, one.in_table, one.method) == (
            *(other.state, other.quorum_met, other.in_table, other.method),
        )
        assert one.members == other.members
    assert [(each.state, each.router_id) for each in told.instances] == [
        (each.state, each.router_id) for each in known.instances
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("ready", "director", "virtual_servers", "vrrp", "connection_sync"), json_values),
    )
)
def test_any_json_is_a_status_or_said_to_be_none(status: Any) -> None:
    with contextlib.suppress(StrangeStatusError):
        assert isinstance(side_in(status), Side)


def test_what_has_to_be_text_and_is_none_makes_it_no_status() -> None:
    with pytest.raises(StrangeStatusError, match="no status that this version understands"):
        side_in(
            {"director": {"name": 5, "table": {"in_sync": True}}, "virtual_servers": [], "ready": True}
            | {"vrrp": [], "connection_sync": []}
        )


@pytest.mark.parametrize("what", ["name", "state"])
def test_what_the_other_director_sent_is_shown_in_one_line_and_cut(what: str) -> None:
    instance = {"name": "VI_1", "state": "BACKUP", "router_id": 51, "addresses": [], "faults": []}
    instance[what] = "\x1b[2J\n" + "x" * 1000
    status = {
        "ready": True,
        "director": {"name": "lb2", "table": {"in_sync": True}},
        "virtual_servers": [],
        "vrrp": [instance],
        "connection_sync": [],
    }
    (found,) = side_in(status).instances
    shown = getattr(found, what)
    assert shown.isprintable()
    assert len(shown) < 300
