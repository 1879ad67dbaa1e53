"""What a pass found of one pool: told where it differs from what was found before, and then kept."""

from collections.abc import Iterator
from dataclasses import replace

from healthlb.core.flapping import is_held
from healthlb.core.policy import Decision
from healthlb.daemon.reconcile import Worth
from healthlb.daemon.records import Pool
from healthlb.model.events import (
    Event,
    PanicBegan,
    PanicEnded,
    QuorumLost,
    QuorumRegained,
    RealServerEmptied,
    RealServerReleased,
    SorryServerActivated,
    SorryServerStoodDown,
    VirtualServerChanged,
)


def news(pool: Pool, worth: Worth, now: float) -> Iterator[Event]:
    """Return what is to be told; of a pool that no pass has valued yet, only what differs from what was remembered.

    A pool that never had its quorum has lost it once every first verdict is in: nobody would hear of it otherwise.
    """
    yield from _released(pool, now)
    name, decision = pool.server.name, worth.decision
    if pool.valued:
        yield from _emptied(pool, decision, now)
    if pool.quorum_met is not None and decision.quorum_met is not pool.quorum_met:
        event = QuorumRegained if decision.quorum_met else QuorumLost
        yield event(name, decision.live_weight)
    elif pool.unheard and worth.judged and not decision.quorum_met:
        yield QuorumLost(name, decision.live_weight)
    if pool.valued and bool(decision.pooled) is not _panics(pool):
        yield _panic(pool, decision)
    if pool.quorum_met is not None and decision.sorry_active is not pool.sorry_active:
        servers = _standing_in(pool, decision)
        yield SorryServerActivated(name, servers) if decision.sorry_active else SorryServerStoodDown(name)
    if pool.valued and worth.state != pool.state:
        yield VirtualServerChanged(name, pool.state, worth.state, decision.live_weight)


def keep(pool: Pool, worth: Worth, now: float, at: float) -> bool:
    """Let the pool have what was found; return whether any of it is worth saving.

    `now` is that of the pass, in steady UNIX seconds, `at` the wall clock's, which are shown.
    """
    before, decision = _saved(pool), worth.decision
    if worth.state != pool.state:
        pool.since = at
    pool.unheard = pool.unheard and not worth.judged and not decision.quorum_met
    pool.state, pool.decision, pool.valued = worth.state, decision, True
    pool.quorum_met, pool.sorry_active = decision.quorum_met, decision.sorry_active
    pool.leaving, pool.ending = decision.leaving, decision.ending
    pool.holding = {member for member in pool.holding if is_held(member.flaps, now)}
    return before != _saved(pool)


def settled(decision: Decision, began: float, ended: float) -> Decision:
    """Return a decision with rows that end since the pass ended, not since it began: it may have waited in between."""
    if not any(each.since == began for each in decision.ending.values()):
        return decision
    ending = {
        address: replace(each, since=ended) if each.since == began else each
        for address, each in decision.ending.items()
    }
    look_at = decision.look_at + ended - began if decision.look_at is not None else None
    return replace(decision, ending=ending, look_at=look_at)


def again_at(pool: Pool, decision: Decision) -> float | None:
    """Return when time changes the pool next: its rows, or who is held."""
    times = [each.flaps.held_until for each in pool.holding]
    return min((at for at in (decision.again_at, *times) if at is not None), default=None)


def _saved(pool: Pool) -> tuple[object, ...]:
    ending = {address: (each.since, each.empty) for address, each in pool.ending.items()}
    return pool.state, pool.quorum_met, pool.sorry_active, pool.leaving, ending, pool.unheard


def _released(pool: Pool, now: float) -> Iterator[Event]:
    for member in pool.holding:
        if not is_held(member.flaps, now):
            yield RealServerReleased(pool.server.name, member.server.name)


def _panic(pool: Pool, decision: Decision) -> Event:
    if not decision.pooled:
        return PanicEnded(pool.server.name, decision.live_weight)
    pooled = tuple(each.name for each in pool.server.real_servers if each.address in decision.pooled)
    return PanicBegan(pool.server.name, decision.live_weight, pooled)


def _standing_in(pool: Pool, decision: Decision) -> tuple[str, ...]:
    rows = decision.row.destinations
    return tuple(each.name for each in pool.server.sorry_servers if each.address in rows and rows[each.address].weight)


def _panics(pool: Pool) -> bool:
    return pool.decision is not None and bool(pool.decision.pooled)


def _emptied(pool: Pool, decision: Decision, now: float) -> Iterator[Event]:
    """Tell of drained servers whose connections have ended since the last pass."""
    before = pool.ending
    found = {
        address: each.since
        for address, each in decision.ending.items()
        if each.empty and not (address in before and before[address].empty)
    }
    for member in pool.members if found else ():
        since = found.get(member.server.address)
        if since is not None and member.applied.admin == "drain":
            yield RealServerEmptied(pool.server.name, member.server.name, now - since)
