"""From records to what outlives a restart, and back again for the first configuration after it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from checks import Evidence, ProbeResult
from healthlb.core.flapping import Flaps
from healthlb.core.policy import Ending, Leaving
from healthlb.daemon.breath import Breath
from healthlb.daemon.fingerprint import fingerprint
from healthlb.daemon.records import Member, Pool, ProbeRecord
from healthlb.daemon.telling import kept
from healthlb.model.evidence import SeenProbe
from healthlb.model.health import Health
from healthlb.model.remembered import Remembered, RememberedPool, RememberedProbe, RememberedServer


async def remembered(records: Iterable[ProbeRecord], pools: Iterable[Pool], later: float = 0.0) -> Remembered:
    """Return what is worth remembering; what a result changes meanwhile may or may not be in it.

    The steady times are saved so many seconds `later` than they are: by the wall clock as it is set now.
    """
    breath = Breath()
    probes, servers, rows = [], [], []
    for record in records:
        if record.noted.streak and _fingerprint(record):
            probes.append(_probe(record))
        await breath()
    for pool in pools:
        if pool.quorum_met is not None:
            rows.append(_pool(pool, later))
        for member in list(pool.everyone()):
            servers.append(_server(member, later))
            await breath()
    return Remembered(tuple(probes), tuple(servers), tuple(rows))


class Recollection:
    """Gives records what was remembered of them. `verdicts` counts the servers that have theirs again."""

    def __init__(self, before: Remembered) -> None:
        self._probes = {each.fingerprint: each for each in before.probes}
        self._servers = {(each.virtual_server, each.address): each for each in before.servers}
        self._pools = {each.virtual_server: each for each in before.pools}
        self._leisurely = defaultdict[str, list[RememberedServer]](list)
        for each in before.servers:
            if each.drain_timeout > 0:
                self._leisurely[each.virtual_server].append(each)
        self.verdicts = 0

    def probe(self, record: ProbeRecord) -> None:
        """Give a probe its verdict and its streak again, if there was any of it."""
        before = self._probes.get(_fingerprint(record))
        if before is None:
            return
        record.note(before.state)
        record.feedback = before.feedback
        if before.failure is not None:
            record.failure = before.failure.at, _result(before.failure)

    def server(self, member: Member) -> None:
        """Give a real server the times of its verdict again, if it has that."""
        before = self._servers.get((member.pool.server.name, member.server.address))
        if before is None:
            return
        if member.server.flap_damping is not None:
            member.flaps = Flaps(before.turns, before.holds, before.held_until)
            member.standing = member.look()
        health = member.standing.health
        if health is Health.UNKNOWN:
            return
        self.verdicts += bool(member.records)
        member.since = before.since
        recovered_at = before.recovered_at if health is Health.UP else None
        member.standing = replace(member.standing, turned_at=before.turned_at, recovered_at=recovered_at)

    def pool(self, pool: Pool, now: float) -> None:
        """Give a virtual server its state, its quorum, its sorry servers' part and its leaving rows again.

        Servers that were in it and are no more have left while nobody looked: their rows leave from now on.
        """
        before = self._pools.get(pool.server.name)
        if before is None:
            return
        pool.quorum_met, pool.sorry_active = before.quorum_met, before.sorry_active
        pool.unheard = before.unheard
        if before.since:
            pool.state, pool.since = before.state, before.since
        rows = dict(before.leaving) | {
            each.address: now + each.drain_timeout for each in self._leisurely[pool.server.name]
        }
        for each in (*pool.server.real_servers, *pool.server.sorry_servers):
            rows.pop(each.address, None)
        pool.leaving = tuple(Leaving(address, until, max(0.0, until - now)) for address, until in rows.items())
        pool.ending = {address: Ending(since, empty) for address, since, empty in before.ending}


def _fingerprint(record: ProbeRecord) -> str:
    if record.fingerprint is None:
        record.fingerprint = fingerprint(record.probe)
    return record.fingerprint


def _probe(record: ProbeRecord) -> RememberedProbe:
    failure = None
    if record.failure is not None:
        at, result = record.failure
        failure = SeenProbe(at, str(result.reason), result.seconds, kept(result.evidence))
    said = record.feedback
    if said is not None:
        said = replace(said, percent=bool(said.percent))
    # Types are seen to, as one word of a careless plugin would make the whole file one that cannot be read.
    return RememberedProbe(_fingerprint(record), record.state, said, failure)


def _server(member: Member, later: float) -> RememberedServer:
    standing, flaps = member.standing, member.flaps
    recovered_at, held_until = standing.recovered_at, flaps.held_until
    return RememberedServer(
        member.pool.server.name,
        member.server.address,
        member.since,
        standing.turned_at + later,
        recovered_at + later if recovered_at is not None else None,
        tuple([at + later for at in flaps.turns]),
        flaps.level,
        held_until + later if held_until is not None else None,
        member.server.drain_timeout,
    )


def _pool(pool: Pool, later: float) -> RememberedPool:
    leaving = tuple((each.address, each.until + later) for each in pool.leaving)
    ending = tuple((address, each.since + later, each.empty) for address, each in pool.ending.items())
    return RememberedPool(
        pool.server.name,
        bool(pool.quorum_met),
        pool.sorry_active,
        leaving,
        ending,
        pool.unheard,
        pool.state,
        pool.since,
    )


def _result(seen: SeenProbe) -> ProbeResult:
    saw = seen.evidence
    evidence = Evidence(saw.sent, saw.received, saw.peer, saw.certificate) if saw is not None else None
    return ProbeResult(False, seen.reason, seen.seconds, evidence=evidence)
