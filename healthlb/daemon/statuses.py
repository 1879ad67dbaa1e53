"""One server as the exported view shows it: its verdict, its weight and how that came to be, its checks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checks import ProbeResult
from healthlb.core.desired import Standing
from healthlb.core.flapping import STEADY, is_held
from healthlb.core.policy import Decision, chain, is_empty, sorry_chain
from healthlb.core.weight import is_drained
from healthlb.daemon.overriding import Overriding
from healthlb.daemon.records import Member, Pool, ProbeRecord
from healthlb.daemon.telling import kept
from healthlb.model.check import Probe
from healthlb.model.config import RealServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import SeenProbe
from healthlb.model.health import Feedback, Health
from healthlb.model.snapshot import (
    NO_TURNS,
    Admin,
    CheckStatus,
    LeavingStatus,
    Policy,
    RealServerStatus,
    Turns,
    Weight,
)
from healthlb.model.table import Destination

Chain = Callable[[RealServer, Sequence[tuple[str, Feedback]], Standing, Decision | None], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a pool at one moment: `now` in steady UNIX seconds, and the table's rows and their usage.

    `due` returns in how many seconds a probe is due, below 0 where it is under way, and None where it never is.
    """

    pool: Pool
    rows: Mapping[Endpoint, Destination]
    usages: Mapping[Endpoint, Usage]
    overriding: Overriding
    now: float
    due: Callable[[ProbeRecord], float | None] = lambda _: None

    def usage(self, address: Endpoint) -> Usage | None:
        """Return the usage of a row, None where there is none."""
        return self.usages.get(address) if address in self.rows else None


def real_server(member: Member, seen: Seen) -> RealServerStatus:
    """Return the status of a real server."""
    return _status(member, seen, chain)


def sorry_server(member: Member, seen: Seen) -> RealServerStatus:
    """Return the status of a sorry server."""
    return _status(member, seen, sorry_chain)


def leaving(seen: Seen) -> tuple[LeavingStatus, ...]:
    """Return the rows of servers that are no longer in the pool."""
    return tuple([_leaving(each.address, each.until, seen) for each in seen.pool.leaving])


def _leaving(address: Endpoint, until: float, seen: Seen) -> LeavingStatus:
    row = seen.rows.get(address)
    if row is None:
        return LeavingStatus(address, until, None)
    return LeavingStatus(address, until, seen.usage(address), row.method, row.weight)


def _status(member: Member, seen: Seen, weighed: Chain) -> RealServerStatus:
    server, decision, standing = member.server, seen.pool.decision, member.standing
    row = seen.rows.get(server.address)
    wanted = decision.row.destinations.get(server.address) if decision is not None else None
    usage = seen.usage(server.address)
    return RealServerStatus(
        name=server.name,
        address=server.address,
        method=server.method,
        health=standing.health,
        admin=_admin(member, row, usage),
        since=member.since,
        weight=Weight(
            server.weight,
            wanted.weight if wanted is not None else None,
            row.weight if row is not None else None,
            weighed(server, member.told(), standing, decision),
        ),
        usage=usage,
        checks=tuple([_check(*each, seen) for each in zip(server.probes, member.records, strict=True)]),
        origin=server.origin,
        overrides=seen.overriding.covering(seen.pool.server.name, server.address),
        pooled_but_down=decision is not None and server.address in decision.pooled,
        held_until=_held_until(member, seen),
        ramp=decision.ramps.get(server.address) if decision is not None else None,
        policy=Policy(server.require, server.on_failure, server.initial, server.slow_start, server.flap_damping),
        turns=_turns(member),
    )


def _admin(member: Member, row: Destination | None, usage: Usage | None) -> Admin:
    """Return what is meant to be with a server, by operators' orders and by its own word, and how far that is.

    What an operator ordered is done when a pass has seen it done: nobody takes a machine away too early because its row
    was just about to follow, or was read a moment before a connection came.
    """
    order = member.applied.admin
    if order == "disable":
        return "draining" if row is not None else "disabled"
    if order == "drain":
        ending = member.pool.ending.get(member.server.address)
        return "drained" if row is None or (ending is not None and ending.empty) else "draining"
    if not is_drained(member.server.weight, member.standing.feedback):
        return "enabled"
    if usage is None or is_empty(member.pool.server.service, usage, templates_pin=False):
        return "drained"
    return "draining"


def _held_until(member: Member, seen: Seen) -> float | None:
    """Return until when a server is held down; one that passes and is in nevertheless is not."""
    if not is_held(member.flaps, seen.now):
        return None
    decision, address = seen.pool.decision, member.server.address
    out = decision is not None and (address in decision.held or address in decision.pooled)
    return member.flaps.held_until if out or member.standing.health is not Health.UP else None


def _turns(member: Member) -> Turns:
    standing, flaps = member.standing, member.flaps
    if standing.turned_at or flaps is not STEADY:
        return Turns(standing.turned_at, standing.recovered_at, flaps.turns, flaps.level, flaps.held_until)
    return NO_TURNS


def _check(probe: Probe, record: ProbeRecord, seen: Seen) -> CheckStatus:
    check, due = probe.check, seen.due(record)
    return CheckStatus(
        name=check.name,
        type=check.type,
        health=record.state.health,
        last=record.last,
        streak=record.state.streak,
        passed_total=record.passed_total,
        failed_total=record.failed_total,
        unsent_total=record.unsent_total,
        unsent_reason=record.unsent.removeprefix("not sent: "),
        feedback=record.feedback,
        warning=record.warning,
        last_failure=_seen(record.failure),
        last_pass=_seen(record.success),
        schedule=check.schedule,
        recent=f"{record.results():b}"[1:],
        target=probe.where,
        passing=record.noted.passing,
        next_at=None if due is None else seen.now + due,
    )


def _seen(remembered: tuple[float, ProbeResult] | None) -> SeenProbe | None:
    if remembered is None:
        return None
    at, result = remembered
    return SeenProbe(at, result.reason, result.seconds, kept(result.evidence))
