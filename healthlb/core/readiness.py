"""Whether the other director would serve clients as well as this one does: what is compared before a planned failover.

Two directors of a pair have the same file, but each probes by itself and keeps a table of its own. `compare` tells the
two apart as clients would notice it: what they would fare worse by, and what is merely otherwise. Virtual servers are
the same by protocol and address, or by firewall mark and family; real servers by their address.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import RealServerStatus, Snapshot
from healthlb.model.table import ServiceKey

MOST = 20
"""Differences that are told; there may be one for each real server."""
_SEVERITY = ("up", "degraded", "panic", "down")
PoolKey = tuple[str, str, str]
"""Protocol, address as the status has it, and family."""


class StrangeStatusError(ValueError):
    """What is told is no status of a director; the text is a clause."""


@dataclass(frozen=True, slots=True)
class Member:
    """A real server of a pool: its verdict, and the weight of its row, None where it has none."""

    health: str
    weight: int | None


@dataclass(frozen=True, slots=True)
class Pool:
    """A virtual server as one director has it; `in_table`: its kernel has the service."""

    name: str
    state: str
    quorum_met: bool
    in_table: bool
    scheduler: str
    method: str
    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Instance:
    """A VRRP instance as one director has it."""

    name: str
    state: str
    router_id: int
    addresses: frozenset[str]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One director. `sync` are the connection sync daemons that run, by role, each with its id."""

    name: str
    ready: bool
    in_sync: bool
    pools: Mapping[PoolKey, Pool]
    instances: tuple[Instance, ...] = ()
    sync: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is told of two directors, a sentence without a full stop each, `MOST` of either at most."""

    worse: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


def compare(old: Side, new: Side, instance: str) -> Comparison:
    """Return by what clients would fare worse where `new` is master of an instance in the place of `old`.

    `instance` is its name with either of them, the same for both or that of the one that is asked.
    """
    found = [*_whole(old, new), *_of_instance(old, new, instance), *_of_sync(old, new)]
    for key, pool in old.pools.items():
        found += _of_pool(old, new, pool, new.pools.get(key))
    found += [(False, f"{pool.name} is on {new.name} only") for key, pool in new.pools.items() if key not in old.pools]
    return Comparison(
        _bounded([sentence for worse, sentence in found if worse]),
        _bounded([sentence for worse, sentence in found if not worse]),
    )


_Found = tuple[bool, str]
"""Whether clients fare worse by it, and a sentence."""


def _bounded(told: list[str]) -> tuple[str, ...]:
    more = len(told) - MOST
    return tuple(told) if more <= 0 else (*told[:MOST], f"and {more} more differences")


def _whole(old: Side, new: Side) -> Iterator[_Found]:
    if not new.ready:
        yield old.ready, f"{new.name} is not ready: verdicts are awaited, or its table is not in sync"
    elif not new.in_sync:
        yield old.in_sync, f"the table of {new.name} is not in sync"


def _of_instance(old: Side, new: Side, name: str) -> Iterator[_Found]:
    ours = _named(old, name)
    theirs = _same_router(new, ours) or _named(new, name)
    if ours is None or theirs is None:
        yield True, f"{name} is no VRRP instance of {(old if ours is None else new).name}"
        return
    if theirs.state not in {"BACKUP", "MASTER"}:
        why = f": {', '.join(theirs.faults)}" if theirs.faults else ""
        yield True, f"{theirs.name} is in {theirs.state} on {new.name}{why}"
    if theirs.addresses != ours.addresses:
        yield True, f"{theirs.name} has other addresses on {new.name} than on {old.name}"
    if theirs.router_id != ours.router_id:
        yield True, f"{theirs.name} has router id {theirs.router_id} on {new.name} and {ours.router_id} on {old.name}"


def _named(side: Side, name: str) -> Instance | None:
    return next((each for each in side.instances if each.name == name), None)


def _same_router(side: Side, other: Instance | None) -> Instance | None:
    """Return the instance that is the same virtual router, whatever its name is."""
    if other is None:
        return None
    found = (each for each in side.instances if each.router_id == other.router_id)
    return next((each for each in found if each.addresses == other.addresses), None)


def _of_sync(old: Side, new: Side) -> Iterator[_Found]:
    if "master" not in old.sync:
        return
    if "backup" not in new.sync:
        yield True, f"connection sync: {new.name} takes in no connections, established ones would end"
    elif new.sync["backup"] != old.sync["master"]:
        ids = f"id {new.sync['backup']} on {new.name} and {old.sync['master']} on {old.name}"
        yield True, f"connection sync: {ids}, established connections would end"


def _of_pool(old: Side, new: Side, ours: Pool, theirs: Pool | None) -> Iterator[_Found]:
    name = ours.name
    if theirs is None:
        yield True, f"{name} is not on {new.name}"
        return
    if ours.in_table and not theirs.in_table:
        yield True, f"{name} is not in the table of {new.name}"
    if ours.state != theirs.state:
        yield (
            _rank(theirs.state) > _rank(ours.state),
            f"{name} is {theirs.state} on {new.name} and {ours.state} on {old.name}",
        )
    if ours.quorum_met and not theirs.quorum_met:
        yield True, f"{name} misses its quorum on {new.name}"
    for what, one, other in (("scheduler", ours.scheduler, theirs.scheduler), ("method", ours.method, theirs.method)):
        if one != other:
            yield False, f"{name} has {what} {other} on {new.name} and {one} on {old.name}"
    for address, member in ours.members.items():
        yield from _of_member(old, new, f"{address} of {name}", member, theirs.members.get(address))
    for address, found in theirs.members.items():
        if address not in ours.members:
            yield False, f"{address} of {name} is on {new.name} only{'' if found.weight else ', with weight 0'}"


def _of_member(old: Side, new: Side, name: str, ours: Member, theirs: Member | None) -> Iterator[_Found]:
    """Yield one sentence at most: what the verdict explains of the weight goes without saying."""
    if theirs is None:
        yield bool(ours.weight), f"{name} is not on {new.name}"
    elif ours.health != theirs.health:
        worse = bool(ours.weight) and ours.health == "up"
        yield worse, f"{name} is {theirs.health} on {new.name} and {ours.health} on {old.name}"
    elif ours.weight != theirs.weight:
        told = f"{name} has {_weight(theirs.weight)} on {new.name} and {_weight(ours.weight)} on {old.name}"
        yield bool(ours.weight) and not theirs.weight, told


def _weight(weight: int | None) -> str:
    return "no row" if weight is None else f"weight {weight}"


def _rank(state: str) -> int:
    return _SEVERITY.index(state) if state in _SEVERITY else len(_SEVERITY)


def side_of(snapshot: Snapshot) -> Side:
    """Return this director."""
    pools: dict[PoolKey, Pool] = {}
    for one in snapshot.virtual_servers:
        key = one.service.key
        pools[key.protocol, _service_address(key), key.family] = Pool(
            one.name,
            one.state,
            one.quorum.met,
            one.usage is not None,
            one.service.scheduler,
            one.method.kind,
            {str(each.address): _member(each) for each in one.real_servers},
        )
    pair = snapshot.pair
    instances, daemons = ((), ()) if pair is None else (pair.instances, pair.sync)
    return Side(
        snapshot.director.name,
        snapshot.ready,
        snapshot.director.table.in_sync,
        pools,
        tuple(
            Instance(each.name, each.state, each.router_id, frozenset(each.addresses), each.faults)
            for each in instances
        ),
        {each.role: each.id for each in daemons if each.running},
    )


def _service_address(key: ServiceKey) -> str:
    return str(key) if key.protocol == "fwmark" else str(Endpoint(key.address, key.port))


def _member(server: RealServerStatus) -> Member:
    return Member(server.health.value, server.weight.kernel)


FIELDS = (
    "ready",
    "director.name",
    "director.table.in_sync",
    *(
        f"virtual_servers.{name}"
        for name in ("name", "address", "protocol", "family", "state", "quorum.met", "in_table", "scheduler", "method")
    ),
    *(f"virtual_servers.real_servers.{name}" for name in ("address", "health", "weight.kernel")),
    *(f"vrrp.{name}" for name in ("name", "state", "router_id", "addresses", "faults")),
    *(f"connection_sync.{name}" for name in ("role", "id", "running")),
)
"""What is asked of the other director's `/api/v1/status`."""


def side_in(status: Mapping[str, Any]) -> Side:
    """Return a director of which a status in JSON tells; raise StrangeStatusError where it is none."""
    try:
        director = status["director"]
        pools = {
            (_text(one["protocol"]), _text(one["address"]), _text(one["family"])): _pool_in(one)
            for one in status["virtual_servers"]
        }
        instances = tuple(_instance_in(each) for each in status["vrrp"])
        sync = {_text(each["role"]): int(each["id"]) for each in status["connection_sync"] if each["running"]}
        in_sync = bool(director["table"]["in_sync"])
        return Side(_text(director["name"]), bool(status["ready"]), in_sync, pools, instances, sync)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise StrangeStatusError("it tells no status that this version understands") from error


def _pool_in(one: Mapping[str, Any]) -> Pool:
    return Pool(
        _text(one["name"]),
        _text(one["state"]),
        bool(one["quorum"]["met"]),
        bool(one["in_table"]),
        _text(one["scheduler"]),
        _text(one["method"]),
        {_text(each["address"]): _member_in(each) for each in one["real_servers"]},
    )


def _member_in(server: Mapping[str, Any]) -> Member:
    weight = server["weight"]["kernel"]
    return Member(_text(server["health"]), None if weight is None else int(weight))


def _instance_in(one: Mapping[str, Any]) -> Instance:
    return Instance(
        _text(one["name"]),
        _text(one["state"]),
        int(one["router_id"]),
        frozenset(map(_text, one["addresses"])),
        tuple(map(_text, one["faults"])),
    )


_LONGEST = 200


def _text(value: Any) -> str:
    """Return text in one line that can be shown; raise TypeError for what is none."""
    if not isinstance(value, str):
        raise TypeError
    shown = value[:_LONGEST]
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode("ascii")
