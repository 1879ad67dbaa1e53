"""What becomes of a server of which a check says something else: its standing, the times of its verdict, its hold."""

from collections.abc import Callable
from dataclasses import replace

from healthlb.core.desired import Standing
from healthlb.core.flapping import is_held, turned
from healthlb.core.weight import weight_of
from healthlb.daemon.records import Member, ProbeRecord
from healthlb.daemon.steady import Clock
from healthlb.daemon.telling import verdict
from healthlb.model.events import (
    Event,
    RealServerDrained,
    RealServerHeld,
    RealServerUndrained,
    RealServerWeightChanged,
)
from healthlb.model.health import Health


class Turning:
    """Looks at members again and tells what is new of them, by `say`.

    `clock` gives UNIX seconds, for `since`, and `steady` those of policy.
    """

    def __init__(self, say: Callable[[Member, Event], None], clock: Clock, steady: Clock) -> None:
        self._say = say
        self._clock = clock
        self._steady = steady

    def look(self, member: Member, record: ProbeRecord) -> bool:
        """Let a member have the standing that its records amount to now; return whether it is another than before."""
        before, member.standing = member.standing, member.look()
        if member.standing == before:
            return False
        if member.standing.health is not before.health:
            self._turned(member, before, record)
        if member.standing.feedback != before.feedback:
            self._weighed(member, before, record)
        return True

    def _turned(self, member: Member, before: Standing, record: ProbeRecord) -> None:
        member.since = self._clock()
        health = member.standing.health
        if health is Health.UNKNOWN:
            return
        now = self._steady()
        if before.health is not Health.UNKNOWN:
            self._flapped(member, now)
        recovered = health is Health.UP and before.health is Health.DOWN
        # A server that is held comes back when its hold ends, and climbs from then on.
        back_at = max(now, member.flaps.held_until or now) if recovered else None
        member.standing = replace(member.standing, turned_at=now, recovered_at=back_at)
        self._say(member, verdict(member, record))
        self._tell_of_hold(member, now)

    @staticmethod
    def _flapped(member: Member, now: float) -> None:
        """Count a turn that was not the first verdict."""
        if member.server.flap_damping is not None:
            member.flaps = turned(member.flaps, member.server.flap_damping, now)
            member.standing = member.look()

    def _tell_of_hold(self, member: Member, now: float) -> None:
        damping, until = member.server.flap_damping, member.flaps.held_until
        if damping is None or until is None or not is_held(member.flaps, now) or member in member.pool.holding:
            return
        member.pool.holding.add(member)
        what = (member.pool.server.name, member.server.name)
        self._say(member, RealServerHeld(*what, damping.changes + 1, until - now))

    def _weighed(self, member: Member, before: Standing, record: ProbeRecord) -> None:
        override = member.applied.weight
        full = member.server.weight if override is None else override
        was, now = weight_of(full, before.feedback), weight_of(full, member.standing.feedback)
        if was == now:
            return
        reason = record.latest.reason if record.latest is not None else ""
        what = (member.pool.server.name, member.server.name, member.check_of(record).name, reason)
        if not now:
            self._say(member, RealServerDrained(*what))
        elif not was:
            self._say(member, RealServerUndrained(*what, now))
        else:
            self._say(member, RealServerWeightChanged(*what, was, now))
