"""A turned verdict and what a probe saw, in the model's words."""

from checks import Evidence
from checks.wire.showing import shown
from healthlb.daemon.records import Member, ProbeRecord
from healthlb.model.events import Event, RealServerDown, RealServerUp
from healthlb.model.evidence import Evidence as Kept
from healthlb.model.health import Health


def verdict(member: Member, record: ProbeRecord) -> Event:
    """Return the event of a member whose verdict turned because of a record's latest result."""
    reason = record.latest.reason if record.latest is not None else ""
    what = (member.pool.server.name, member.server.name, member.check_of(record).name, reason, record.noted.streak)
    if member.standing.health is Health.UP:
        seen = record.latest.evidence if record.latest is not None else None
        return RealServerUp(*what, kept(seen))
    failure = record.failure[1] if record.failure is not None and not record.noted.passing else None
    seen = failure.evidence if failure is not None else None
    return RealServerDown(*what, in_short(seen), kept(seen))


def kept(evidence: Evidence | None) -> Kept | None:
    """Return what a probe saw in the model's words."""
    if evidence is None:
        return None
    return Kept(evidence.sent, evidence.received, evidence.peer, evidence.certificate)


def in_short(evidence: Evidence | None) -> str:
    """Return what a probe saw, for a line of the log."""
    if evidence is None:
        return ""
    parts = [f"received '{shown(evidence.received)}'"] if evidence.received else []
    parts += [f"certificate: {evidence.certificate}"] if evidence.certificate else []
    return ", ".join(parts)
