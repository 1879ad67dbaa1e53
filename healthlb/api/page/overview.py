"""What the page draws, in compact form: one row a real server, made from a snapshot in slices.

A state is immutable and shares with the one before all that did not change, so that a difference is quickly found.
`docs/http.md` has the JSON; names here are the page's own and may change with it.
"""

import zlib
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from healthlb.api import pair
from healthlb.api.document import service_address
from healthlb.api.orders import moment, timestamp
from healthlb.api.page.instances import instance_view
from healthlb.api.page.shapes import (
    Counts,
    Headline,
    OverviewDirector,
    OverviewHead,
    OverviewInstance,
    PoolCounts,
    PoolHead,
    PoolSums,
    ServerCounts,
)
from healthlb.api.page.words import one_line, reason, visible
from healthlb.api.picking import array, concern_of, encode, pool_concern
from healthlb.core.concern import Concern
from healthlb.model.counters import Usage
from healthlb.model.pool_state import PoolState
from healthlb.model.snapshot import (
    DirectorStatus,
    Distribution,
    RealServerStatus,
    Snapshot,
    VirtualServerStatus,
)

Value = TypeVar("Value")
Work = Generator[str, None, Value]
"""Work that may be left for a while wherever it yields."""

Row = tuple[str, str, str, str, int, int | None, int | None, float, str, str]
"""name, address, health, admin, configured, effective and kernel weight, since in UNIX seconds, flags, reason."""

RESYNC = 10.0
"""Seconds between two moments, at least, at which the table is said to have been compared."""

STATES: tuple[PoolState, ...] = ("up", "degraded", "panic", "down")
HEALTHS: tuple[Literal["up", "down", "unknown", "drained"], ...] = ("up", "down", "unknown", "drained")

PROBLEM, WARNING = "!", "*"
"""The flags of a server that somebody has to look after, and of one that may need it soon."""

_MARKS: Mapping[Concern, str] = {"problem": PROBLEM, "warning": WARNING, "": ""}
_UNUSED = Usage()
_MOST_FAILING = 20


@dataclass(frozen=True, slots=True)
class PoolView:
    """One virtual server: all but its rows in `head`, its real servers and then its sorry servers in `rows`.

    `problems` and `warnings` are the positions of rows that somebody has to look after, and of those that may need it
    soon.
    `healths` counts the real servers.
    """

    head: PoolHead
    rows: tuple[Row, ...]
    problems: tuple[int, ...]
    warnings: tuple[int, ...]
    healths: ServerCounts


@dataclass(frozen=True, slots=True)
class State:
    """All that the page draws. `id` is the number of the state, `taken_at` UNIX seconds of the latest look.

    `resync_at` is what the director's `last_resync_at` was made of.
    """

    id: int
    generation: str
    taken_at: float
    resync_at: float | None
    director: OverviewDirector
    counts: Counts
    headline: Headline
    pools: Mapping[str, PoolView]


def look(snapshot: Snapshot, before: State | None, *, sums: bool) -> Work[State]:
    """Return the state that a snapshot shows, with the number of the one before.

    Without `sums`, what changes all the time stays as it was before.
    """
    pools: dict[str, PoolView] = {}
    known = before.pools if before is not None else {}
    for one in snapshot.virtual_servers:
        pools[one.name] = yield from _pool(one, known.get(one.name), sums=sums)
    resync_at = _resync_at(snapshot, before)
    director = _director(snapshot, resync_at)
    yield ""
    named = generation(snapshot)
    counts, troubled = yield from _count(pools.values())
    return State(
        id=before.id if before is not None else 0,
        generation=named,
        taken_at=snapshot.taken_at,
        resync_at=resync_at,
        director=director,
        counts=counts,
        headline=_headline(director, counts["virtual_servers"], troubled),
        pools=pools,
    )


def overview(state: State) -> Iterator[str]:
    """Yield `/api/v1/overview`, a row at a time."""
    head: OverviewHead = {
        "id": state.id,
        "generation": state.generation,
        "taken_at": timestamp(state.taken_at),
        "headline": state.headline,
        "director": state.director,
        "counts": state.counts,
    }
    yield encode(head)[:-1] + ',"virtual_servers":'
    yield from array(map(pool_fragments, state.pools.values()))
    yield "}\n"


def pool_fragments(pool: PoolView) -> Iterator[str]:
    """Yield one virtual server, a row at a time."""
    yield encode(pool.head)[:-1] + ',"real_servers":'
    yield from array((encode(row),) for row in pool.rows)
    yield "}"


def generation(snapshot: Snapshot) -> str:
    """Return a word that changes whenever the set or the order of servers may have changed."""
    director = snapshot.director
    moved = [(each.virtual_server, str(each.address)) for each in director.additions]
    moved += [(each.virtual_server, str(each.address)) for one in snapshot.virtual_servers for each in one.removed]
    loaded_at = director.config.loaded_at
    return f"{director.started_at:.3f}-{loaded_at:.3f}-{zlib.crc32(repr(moved).encode()):08x}"


def row_of(server: RealServerStatus, *, sorry: bool = False) -> Row:
    """Return the row of a real server, or of a sorry server."""
    return (
        server.name,
        str(server.address),
        server.health.value,
        server.admin,
        server.weight.configured,
        server.weight.effective,
        server.weight.kernel,
        round(server.since, 3),
        _flags(server, sorry=sorry),
        reason(server),
    )


def is_problem(row: Row) -> bool:
    """Say whether somebody has to look after a server (`core.concern`)."""
    return PROBLEM in row[8]


def is_warning(row: Row) -> bool:
    """Say whether somebody may have to look after a server soon."""
    return WARNING in row[8]


def _flags(server: RealServerStatus, *, sorry: bool) -> str:
    flags = ""
    if server.pooled_but_down:
        flags += "p"
    if server.held_until is not None:
        flags += "h"
    if server.ramp is not None:
        flags += "r"
    if server.overrides:
        flags += "o"
    if server.origin == "runtime":
        flags += "a"
    for check in server.checks:
        if check.warning and "w" not in flags:
            flags += "w"
        if check.unsent_reason and "u" not in flags:
            flags += "u"
    if sorry:
        flags += "s"
    return flags + _MARKS[concern_of(server)]


def _pool(one: VirtualServerStatus, before: PoolView | None, *, sums: bool) -> Work[PoolView]:
    """Return one virtual server, or the view of it before where nothing changed."""
    rows: list[Row] = []
    problems, warnings = [], []
    healths: ServerCounts = {"up": 0, "down": 0, "unknown": 0, "drained": 0}
    configured = 0
    old = before.rows if before is not None else ()
    number = len(one.real_servers)
    same = len(old) == number + len(one.sorry_servers)
    for position, server in enumerate((*one.real_servers, *one.sorry_servers)):
        sorry = position >= number
        row = row_of(server, sorry=sorry)
        if position < len(old) and row == old[position]:
            # The one that is there already has been through the garbage collector.
            row = old[position]
        else:
            same = False
        rows.append(row)
        if not sorry:
            configured += server.weight.configured
            healths["drained" if server.admin != "enabled" else server.health.value] += 1
        if is_problem(row):
            problems.append(position)
        elif is_warning(row):
            warnings.append(position)
        yield ""
    head = _pool_head(one, configured, _sums(one) if sums or before is None else before.head)
    if before is not None and same and head == before.head:
        return before
    return PoolView(
        head,
        before.rows if before is not None and same else tuple(rows),
        tuple(problems),
        tuple(warnings),
        healths,
    )


def _sums(one: VirtualServerStatus) -> PoolSums:
    usage = one.usage or _UNUSED
    return {
        "active": usage.active,
        "inactive": usage.inactive,
        "cps": usage.rates.connections,
        "in_bps": usage.rates.in_bytes,
        "out_bps": usage.rates.out_bytes,
    }


def _pool_head(one: VirtualServerStatus, configured: int, sums: PoolSums) -> PoolHead:
    """Return a virtual server without its rows."""
    service = one.service
    return {
        "name": one.name,
        "address": service_address(service.key),
        "protocol": service.key.protocol,
        "scheduler": service.scheduler,
        "method": str(one.method),
        "state": one.state,
        "problem": bool(pool_concern(one)),
        "since": round(one.since, 3),
        "live": one.quorum.live_weight,
        "configured": configured,
        "quorum": {"up": one.quorum.wanted.up, "met": one.quorum.met},
        "sorry": one.sorry_server_active,
        "panic": one.panic,
        "active": sums["active"],
        "inactive": sums["inactive"],
        "cps": sums["cps"],
        "in_bps": sums["in_bps"],
        "out_bps": sums["out_bps"],
    }


def _count(pools: Collection[PoolView]) -> Work[tuple[Counts, int]]:
    """Return the counts of the page, and how many virtual servers somebody has to look after."""
    states: PoolCounts = {"up": 0, "degraded": 0, "panic": 0, "down": 0}
    healths: ServerCounts = {"up": 0, "down": 0, "unknown": 0, "drained": 0}
    troubled = 0
    for pool in pools:
        states[pool.head["state"]] += 1
        troubled += pool.head["problem"] or bool(pool.problems)
        for word in HEALTHS:
            healths[word] += pool.healths[word]
        yield ""
    return {"virtual_servers": states, "real_servers": healths}, troubled


def _headline(director: OverviewDirector, states: PoolCounts, troubled: int) -> Headline:
    """Return what the page says first, and its colour as a word: `ok`, `warning` or `bad`.

    A virtual server that somebody has to look after is one problem, with all its servers.
    """
    number = troubled + len(director["problems"])
    words = "no problem" if not number else "1 problem" if number == 1 else f"{number} problems"
    bad = director["failing"] or states["panic"] or states["down"] or any(map(_split, director["vrrp"]))
    return {
        "problems": number,
        "level": "bad" if bad else "warning" if number else "ok",
        "title": f"{words} · {visible(director['name'])} · healthlb",
    }


def _split(one: OverviewInstance) -> bool:
    return one["state"] == "MASTER" and one["trouble"] is not None


def _resync_at(snapshot: Snapshot, before: State | None) -> float | None:
    """Return when the table was compared last, as of `RESYNC` seconds ago: a look of ours compares it, too."""
    found, known = snapshot.director.table.last_resync_at, before.resync_at if before is not None else None
    return known if found is not None and known is not None and 0 <= found - known < RESYNC else found


def _director(snapshot: Snapshot, resync_at: float | None) -> OverviewDirector:
    director, table, whose = snapshot.director, snapshot.director.table, pair.pair_of(snapshot)
    return {
        "name": director.name,
        "version": director.version,
        "started_at": timestamp(director.started_at),
        "ready": snapshot.ready,
        "in_sync": table.in_sync,
        "last_resync_at": moment(resync_at),
        "failing": [one_line(each) for each in _few(table.failing)],
        "refused": None if director.config.refused is None else visible(director.config.refused),
        "warnings": [visible(each) for each in (*pair.warnings(whose), *director.warnings)],
        "problems": [one_line(each, 1000) for each in (*pair.problems(whose), *_problems(director))],
        "backend": table.backend,
        "probes": director.probing.probes,
        "late_total": director.probing.late_total,
        "loop_lag_p99": _percentile(director.probing.loop_lag, 0.99),
        "role": None if (role := pair.role(whose)) is None else visible(role),
        "vrrp": [instance_view(each) for each in whose.instances],
        "state_failing": director.state.failing or None,
        "journal_failing": director.journal.failing or None,
        "notifiers": [
            {"name": each.name, "failing": each.failing or None, "waiting": each.waiting} for each in director.notifiers
        ],
        "overrides": len(director.overrides),
    }


def _problems(director: DirectorStatus) -> Iterator[str]:
    """Yield what is wrong with the director itself, a sentence each."""
    table = director.table
    for failing in _few(table.failing):
        yield f"An operation on the table fails: {failing}"
    if not table.in_sync and not table.failing:
        yield f"The {table.backend} table is not in sync."
    if director.config.refused is not None:
        yield f"The newest configuration was refused: {director.config.refused}"
    if director.state.failing:
        yield f"A restart would forget what was changed: {director.state.failing}"
    if director.journal.failing:
        yield f"Events are not kept: {director.journal.failing}"
    for notifier in director.notifiers:
        if notifier.failing:
            yield f"Notifier {notifier.name} cannot deliver, {notifier.waiting} waiting: {notifier.failing}"


def _few(failing: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first operations that fail, and how many more there are: there may be one for each server."""
    more = len(failing) - _MOST_FAILING
    return failing if more <= 0 else (*failing[:_MOST_FAILING], f"and {more} more")


def _percentile(found: Distribution, share: float) -> float | None:
    """Return the smallest bound that so many of the values are within; the last bound where none is enough."""
    total = sum(found.counts)
    if not total or not found.bounds:
        return None
    below = 0
    for bound, count in zip(found.bounds, found.counts, strict=False):
        below += count
        if below >= share * total:
            return bound
    return found.bounds[-1]
