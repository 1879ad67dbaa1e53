"""What becomes of a pool if the probes of some of its servers pass from now on, as early as they may start.

Everything else stays as it is: the other servers' verdicts, what operators said until it expires, what servers said of
themselves, the file. The moments at which anything turns are gone through one by one, each with the decision that it
brings (`core.policy`), until what is asked for holds. So the answer is the earliest moment: nothing that is said to
come then comes before.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from healthlb.core.decision import Decision, Leaving, Level, Looked
from healthlb.core.desired import Standing, weight_when_up
from healthlb.core.flapping import Flaps, turned
from healthlb.core.health import JITTER, combine, next_interval, observe
from healthlb.core.overrides import applied, expired
from healthlb.core.policy import decide
from healthlb.core.pool import pool_state
from healthlb.model.config import RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import CheckState, Health, Schedule
from healthlb.model.overrides import Orders, Override
from healthlb.model.pool_state import PoolState
from healthlb.model.table import Destination

EARLIEST = 1 - JITTER
MOST = 64
"""Decisions at most: where more moments than that are to come, several are gone through at once."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A check: its state, when it is probed next, and whether a hint may ask for a probe at any moment (`hinted`)."""

    state: CheckState
    schedule: Schedule
    due: float
    hinted: bool = False


@dataclass(frozen=True, slots=True)
class Outset:
    """A server as it is: what is known of it, when it turned, its checks, and the overrides that cover it."""

    standing: Standing
    flaps: Flaps
    checks: tuple[Ahead, ...]
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """A pool at a moment in UNIX seconds: `members` go with its real servers, `rows` are those of its table."""

    server: VirtualServer
    members: tuple[Outset, ...]
    sorry: tuple[Standing, ...]
    rows: dict[Endpoint, Destination]
    now: float
    quorum_met: bool
    leaving: tuple[Leaving, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A pool at a moment to come, or now."""

    at: float
    level: Level
    decision: Decision

    def serves(self, address: Endpoint) -> bool:
        """Whether a server has new connections by its own right: not only because the panic floor keeps it."""
        row = self.decision.row.destinations.get(address)
        return row is not None and row.weight > 0 and address not in self.decision.pooled

    @property
    def state(self) -> PoolState:
        """The pool's state, once the table is what was decided."""
        servers, rows = self.level.server.real_servers, self.decision.row.destinations
        meant = [weight_when_up(*each) for each in zip(servers, self.level.standings, strict=True)]
        weights = [rows[each.address].weight if each.address in rows else 0 for each in servers]
        return pool_state(meant, weights, self.decision.quorum_met, panic=bool(self.decision.pooled))


def present(start: Start) -> Moment:
    """Return the pool as it is decided on now."""
    return next(_Play(start, ()).moments())


def first(start: Start, passing: Collection[int], holds: Callable[[Moment], bool]) -> Moment | None:
    """Return the first moment at which something holds if the members at these places pass; None: it never does.

    Its `at` is never later than what it tells of, and earlier only where several moments were gone through at once.
    """
    for moment in _Play(start, passing).moments():
        if holds(moment):
            return moment
    return None


def verdict_at(server: RealServer, outset: Outset, now: float) -> float:
    """Return when a server's checks make it UP at the earliest, whatever else keeps it out."""
    if combine(server.require, [each.state.health for each in outset.checks]) is Health.UP:
        return now
    times = [now if each.state.health is Health.UP else _passes(each, now)[1] for each in outset.checks]
    return max(times) if server.require == "all" else min(times)


def _passes(check: Ahead, now: float) -> tuple[float, float, CheckState]:
    """Return when a check passes first, and when and how it is UP."""
    share = 0.0 if check.hinted else EARLIEST
    at = began = now if check.hinted else max(now, check.due)
    state = observe(check.state, True, check.schedule)
    while state.health is not Health.UP:
        at += next_interval(state, check.schedule) * share
        state = observe(state, True, check.schedule)
    return began, at, state


class _Change(NamedTuple):
    """A server's place, its check's place, and what becomes of that."""

    member: int
    check: int
    state: CheckState


class _Play:
    """One future, gone through once."""

    def __init__(self, start: Start, passing: Collection[int]) -> None:
        self._start = start
        self._standings = [each.standing for each in start.members]
        self._flaps = [each.flaps for each in start.members]
        self._overrides = [each.overrides for each in start.members]
        self._states = [[check.state for check in each.checks] for each in start.members]
        self._ahead: list[tuple[float, int, _Change | int | None]] = []
        self._serial = count()
        for place, member in enumerate(start.members):
            self._wait_for(member.flaps.held_until)
            for each in member.overrides:
                self._wait_for(each.expires_at, place)
                self._wait_for(each.deadline)
            if place in passing:
                self._let_pass(place, member)
        for row in start.leaving:
            self._wait_for(row.until)

    def moments(self) -> Iterator[Moment]:
        """Return the moments in their order, now first."""
        start = self._start
        rows, met, leaving, at = start.rows, start.quorum_met, start.leaving, start.now
        together = len(self._ahead) // MOST + 1
        began = at
        while True:
            level = Level(start.server, tuple(self._standings), start.sorry, met, leaving)
            decision = decide(level, Looked(rows), at)
            yield Moment(began, level, decision)
            rows, met, leaving = dict(decision.row.destinations), decision.quorum_met, decision.leaving
            if not self._ahead:
                return
            began = self._ahead[0][0]
            taken = 0
            while self._ahead and (taken < together or self._ahead[0][0] == at):
                at = self._take()
                taken += 1

    def _wait_for(self, at: float | None, expires: int | None = None) -> None:
        """Come to a moment; at that place an override is over then."""
        if at is not None and at > self._start.now:
            heappush(self._ahead, (at, next(self._serial), expires))

    def _let_pass(self, place: int, member: Outset) -> None:
        for number, check in enumerate(member.checks):
            if check.state.health is Health.UP and check.state.passing:
                continue
            began, at, state = _passes(check, self._start.now)
            passed = observe(check.state, True, check.schedule)
            heappush(self._ahead, (began, next(self._serial), _Change(place, number, passed)))
            if state != passed:
                heappush(self._ahead, (at, next(self._serial), _Change(place, number, state)))

    def _take(self) -> float:
        """Let the next thing happen; return when that is."""
        at, _, change = heappop(self._ahead)
        if isinstance(change, _Change):
            self._states[change.member][change.check] = change.state
            self._look(change.member, at)
        elif change is not None:
            self._expire(change, at)
        return at

    def _expire(self, place: int, at: float) -> None:
        server, (kept, _) = self._start.server, expired(Orders(self._overrides[place]), at)
        self._overrides[place] = kept.overrides
        word = applied(kept.overrides, server.name, server.real_servers[place].address)
        self._standings[place] = replace(self._standings[place], applied=word)

    def _look(self, place: int, at: float) -> None:
        """Judge a server anew; what turns then is what the director notes of it (`daemon.pools`)."""
        server, states = self._start.server.real_servers[place], self._states[place]
        before = self._standings[place]
        health = combine(server.require, [each.health for each in states])
        failing = any(each.streak and not each.passing for each in states)
        after = replace(before, health=health, failing=failing)
        if health is not before.health:
            flaps = self._flaps[place]
            if before.health is not Health.UNKNOWN and server.flap_damping is not None:
                flaps = self._flaps[place] = turned(flaps, server.flap_damping, at)
                self._wait_for(flaps.held_until)
            back_at = max(at, flaps.held_until or at) if before.health is Health.DOWN else None
            after = replace(after, turned_at=at, recovered_at=back_at, held_until=flaps.held_until)
        self._standings[place] = after
