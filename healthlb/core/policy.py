"""From what is known of a pool to its rows: the order in which everything that decides over a weight is heard.

1. the configured weight, or the one that an operator put in its place;
2. an operator's `drain` and `disable`: weight 0, and no row. Once an empty row has been taken out it stays out;
3. feedback, what a check heard the server say of itself (`core.weight`);
4. slow start, for a server that recovered (`core.slow_start`);
5. health: DOWN gives 0 or takes the row out, and so does a hold for flapping, except where the pool would have no live
   server without those that it holds. UNKNOWN touches nothing but what an operator ordered: a row that is present
   stays as it is, an absent one waits (`initial: wait`) or enters at once (`initial: trust`);
6. the panic floor (`core.panic`): servers that fail stay in, with the weight that they would have if they were up. One
   that takes no traffic now is not let in while a server that may be fit still waits for its first verdict;
7. the sorry servers, where the quorum is lost and the floor keeps nobody: they take the pool's traffic, and every real
   server has weight 0. They do not enter while first verdicts may still bring the quorum.

A row that the pool no longer lists stays as it is while a listed server is on its way in, UNKNOWN with no failure yet,
so that replacing a pool's servers in one edit opens no window without them. Then it leaves: at once, or with weight 0
until its connections have ended, if it is to (`Leaving`). Sorry servers that stand down leave in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from healthlb.core import panic
from healthlb.core.chain import chain, sorry_chain
from healthlb.core.decision import NOTHING, Decision, Ending, Leaving, Level, Looked
from healthlb.core.desired import Standing, Weighed, configured_row, weight_before, weight_when_up
from healthlb.core.ending import Endings, emptied, is_empty
from healthlb.core.pool import quorum_met
from healthlb.core.slow_start import STEPS, Recovered, part, whole_since
from healthlb.core.weight import weight_of
from healthlb.model.config import RealServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.overrides import NOT_OVERRIDDEN
from healthlb.model.table import Destination, ServiceRow

__all__ = [
    "Decision",
    "Ending",
    "Leaving",
    "Level",
    "Looked",
    "chain",
    "decide",
    "is_empty",
    "sorry_chain",
    "weight_when_up",
]

STAND_DOWN = 60.0
"""Seconds that a sorry server's row stays at most for its connections, where no `drain_timeout` says otherwise."""
_NONE: frozenset[Endpoint] = frozenset()


def decide(level: Level, looked: Looked, now: float) -> Decision:
    """Return what becomes of a pool at a moment, in UNIX seconds that never jump."""
    return _Draft(level, looked, now).decided()


class _Draft:
    """One decision in the making. The usual server, up and otherwise unremarkable, costs its row and nothing more.

    `live` is the weight that counts for the quorum; `enabled` and `carried` are what the panic floor is a share of and
    what of that is not failing. `awaited` is the weight of servers on their way in, None where there are none;
    `succeeding`: rows that are no longer listed carry traffic until those have come.
    """

    def __init__(self, level: Level, looked: Looked, now: float) -> None:
        self.level = level
        self.present = looked.rows
        self.now = now
        self.endings = Endings(level.ending, looked, level.server.service, now)
        self.rows: dict[Endpoint, Destination] = {}
        self.live = self.enabled = self.carried = 0
        self.awaited: int | None = None
        self.succeeding = False
        self.failing: list[Weighed] = []
        self.flapping: list[Weighed] = []
        self.ramping: list[Recovered] = []
        self.leaving: list[Leaving] = []
        self.moments: list[float] = []

    def decided(self) -> Decision:
        """Go through the order that the module tells."""
        level, server = self.level, self.level.server
        self._place()
        if self.awaited is not None or level.leaving:
            self._part()
        held = self._hold() if self.flapping else _NONE
        met = quorum_met(self._met_before(), self.live, server.quorum)
        pooled = self._panic() if server.panic else _NONE
        active = bool(server.sorry_servers) and self._stand_in(allowed=not met and not pooled)
        ramps = self._ramp() if self.ramping and not (active or pooled) else NOTHING
        return Decision(
            row=ServiceRow(server.service, self.rows),
            live_weight=self.live,
            quorum_met=met,
            sorry_active=active,
            pooled=pooled,
            held=held - pooled,
            replaced=active,
            ramps=ramps,
            leaving=tuple(self.leaving),
            ending=self.endings.after or NOTHING,
            again_at=min(self.moments, default=None),
            look_at=self.endings.look_at,
            enabled=self.enabled,
            carried=self.carried,
        )

    def _place(self) -> None:
        present, rows, now, plain = self.present, self.rows, self.now, 0
        for server, standing in zip(self.level.server.real_servers, self.level.standings, strict=True):
            if (
                standing.health is Health.UP
                and (standing.recovered_at is None or now >= standing.recovered_at + server.slow_start)
                and standing.held_until is None
                and not standing.feedback
                and standing.applied is NOT_OVERRIDDEN
            ):
                plain += server.weight
                rows[server.address] = configured_row(server, server.weight, present.get(server.address))
            else:
                self._place_one(server, standing, present.get(server.address))
        self.live += plain
        self.enabled += plain
        self.carried += plain

    def _place_one(self, server: RealServer, standing: Standing, present: Destination | None) -> None:
        if standing.applied.admin is not None:
            if standing.applied.admin == "drain":
                self._drain(server, standing, present)
            return
        before = weight_before(server, standing)
        weight = weight_of(before, standing.feedback)
        share = before if weight else 0
        self.enabled += share
        if standing.health is Health.UNKNOWN:
            self._unjudged(server, standing, present, weight, share)
            return
        held = standing.health is Health.UP and self._is_held(server, standing)
        one = Weighed(server, standing, weight, share, held)
        if standing.health is Health.UP and not held:
            self._enter(one)
            return
        if server.on_failure == "quiesce":
            self.rows[server.address] = configured_row(server, 0, present)
        (self.flapping if held else self.failing).append(one)

    def _is_held(self, server: RealServer, standing: Standing) -> bool:
        until = standing.held_until
        if server.flap_damping is None or until is None or self.now >= until:
            return False
        self.moments.append(until)
        return True

    def _enter(self, one: Weighed) -> None:
        """Give a server its row with the weight that it has when up."""
        server, standing = one.server, one.standing
        self.rows[server.address] = configured_row(server, one.weight, self.present.get(server.address))
        self.live += one.weight
        self.carried += one.share
        at = standing.recovered_at
        # One that is let in during its hold has recovered in the time to come, also where nothing climbs.
        if at is not None and server.slow_start and self.now < at + server.slow_start and one.weight > 1:
            recovered = Recovered(server, at, one.weight, one.share)
            if self.now < recovered.begins(STEPS):
                self.ramping.append(recovered)

    def _unjudged(
        self, server: RealServer, standing: Standing, present: Destination | None, weight: int, share: int
    ) -> None:
        if present is not None:
            # A row with weight 0 may be that of a server that was down: no weight brings it in without a verdict.
            ordered = standing.applied.weight is not None and present.weight
            row = replace(present, weight=weight) if ordered else present
            self.rows[server.address] = row
            self.live += row.weight
            self.carried += share if row.weight >= weight else min(row.weight, share)
        elif server.initial == "trust":
            self._enter(Weighed(server, standing, weight, share, held=False))
        elif not standing.failing:
            self.awaited = (self.awaited or 0) + weight

    def _drain(self, server: RealServer, standing: Standing, present: Destination | None) -> None:
        applied, health = standing.applied, standing.health
        if health is Health.DOWN and server.on_failure == "remove":
            return
        if present is None:
            if not applied.remove and (health is not Health.UNKNOWN or server.initial == "trust"):
                self.rows[server.address] = configured_row(server, 0)
            return
        empty = self.endings.watch(present).empty
        if applied.remove and (empty or self._is_over(applied.deadline)):
            return
        self.rows[server.address] = emptied(present) if health is Health.UNKNOWN else configured_row(server, 0, present)

    def _is_over(self, until: float | None) -> bool:
        """Whether a deadline has passed; one that is to come is a moment at which something changes."""
        if until is None:
            return False
        if self.now >= until:
            return True
        self.moments.append(until)
        return False

    def _part(self) -> None:
        """Keep the rows of servers that are no longer in the pool as long as they are to stay."""
        server = self.level.server
        listed = {each.address for each in (*server.real_servers, *server.sorry_servers)}
        if self.awaited is not None:
            for address, row in self.present.items():
                if address not in listed:
                    self.rows[address] = row
                    self.live += row.weight
                    self.succeeding |= row.weight > 0
        for each in self.level.leaving:
            present = self.present.get(each.address)
            if present is None or each.address in listed:
                continue
            until = max(each.until, self.now + each.lasts) if present.weight else each.until
            if self._is_over(until):
                continue
            if self.awaited is None:
                if self.endings.watch(present).empty:
                    continue
                self.rows[each.address] = emptied(present)
            self.leaving.append(each if until == each.until else replace(each, until=until))

    def _hold(self) -> frozenset[Endpoint]:
        """Let the flapping servers in if there is no other; return those that stay out."""
        if not self.live:
            for each in self.flapping:
                self._enter(each)
            return _NONE
        self.failing += self.flapping
        return frozenset(each.server.address for each in self.flapping)

    def _met_before(self) -> bool:
        if self.level.quorum_met is not None:
            return self.level.quorum_met
        rows = (self.present.get(each.address) for each in self.level.server.real_servers)
        return quorum_met(True, sum(row.weight for row in rows if row is not None), self.level.server.quorum)

    def _panic(self) -> frozenset[Endpoint]:
        """Let failing servers in until the floor is met; return them."""
        lacking = panic.floor(self.level.server.panic, self.enabled) - self.carried
        if lacking <= 0:
            return _NONE
        kept = panic.kept((each for each in self.failing if each.weight and self._may_stay(each)), lacking)
        for each in kept:
            address = each.server.address
            self.rows[address] = configured_row(each.server, each.weight, self.present.get(address))
        return frozenset(each.server.address for each in kept)

    def _may_stay(self, one: Weighed) -> bool:
        present = self.present.get(one.server.address)
        return self.awaited is None or (present is not None and present.weight > 0)

    def _stand_in(self, *, allowed: bool) -> bool:
        """Give the sorry servers the pool's traffic, or take it back from them; return whether they have it."""
        server, standings = self.level.server, self.level.sorry
        if server.panic and self.live:
            allowed = False
        weights = [self._sorry_weight(*each) for each in zip(server.sorry_servers, standings, strict=True)]
        active = allowed and any(weights) and (self._in_service() or self._is_hopeless())
        if active:
            self.rows = {address: emptied(row) for address, row in self.rows.items()}
        for each, standing, weight in zip(server.sorry_servers, standings, weights, strict=True):
            present = self.present.get(each.address)
            if active and weight:
                self.rows[each.address] = configured_row(each, weight, present)
            elif present is not None and each.address not in self.rows:
                self._stand_down(each, standing, present)
        return active

    def _sorry_weight(self, server: RealServer, standing: Standing) -> int:
        present, weight = self.present.get(server.address), weight_when_up(server, standing)
        if standing.health is Health.DOWN:
            return 0
        if present is None or not present.weight:
            # Its row has weight 0 because it stood down, which says nothing of its health.
            return weight if standing.health is Health.UP or server.initial == "trust" else 0
        if standing.health is Health.UP:
            return weight
        ordered = not weight or standing.applied.weight is not None
        return weight if ordered else present.weight

    def _in_service(self) -> bool:
        rows = (self.present.get(each.address) for each in self.level.server.sorry_servers)
        return any(row is not None and row.weight for row in rows)

    def _is_hopeless(self) -> bool:
        if self.awaited is None:
            return True
        return not quorum_met(False, self.live + self.awaited, self.level.server.quorum)

    def _stand_down(self, server: RealServer, standing: Standing, present: Destination) -> None:
        out = standing.health is Health.DOWN and server.on_failure == "remove"
        if out or standing.applied.admin == "disable":
            return
        ending = self.endings.watch(present)
        if not ending.empty and not self._is_over(ending.since + (server.drain_timeout or STAND_DOWN)):
            self.rows[server.address] = emptied(present)

    def _ramp(self) -> Mapping[Endpoint, float]:
        """Lower the weights of servers that recovered; return the shares that they have."""
        whole = self._whole_since()
        climbing = [each for each in self.ramping if whole <= each.at]
        if not climbing:
            return NOTHING
        if not self._carries(climbing):
            self.moments.append(min(each.begins(STEPS) for each in climbing))
            return NOTHING
        ramps = {}
        for each in climbing:
            step = each.step(self.now)
            address = each.server.address
            self.moments.append(each.begins(step + 1))
            self.rows[address] = configured_row(each.server, part(each.weight, step), self.present.get(address))
            ramps[address] = step / STEPS
        return ramps

    def _whole_since(self) -> float:
        """Return since when a server that takes traffic has all of its weight: the one that has had it for longest."""
        if self.succeeding:
            return float("-inf")
        rows = self.rows
        return min(
            whole_since(server, standing)
            for server, standing in zip(self.level.server.real_servers, self.level.standings, strict=True)
            if server.address in rows and rows[server.address].weight
        )

    def _carries(self, climbing: Sequence[Recovered]) -> bool:
        """Whether the panic floor is met even while all that climb are at their first step."""
        if not self.level.server.panic:
            return True
        least = self.carried - sum(each.share - part(each.share, 1) for each in climbing)
        return least >= panic.floor(self.level.server.panic, self.enabled)
