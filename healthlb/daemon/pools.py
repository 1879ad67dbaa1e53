"""The pools and the probes behind them: takes a configuration and results, and tells which pools need a pass.

Owned and called by the controller alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable

from checks import Evidence, ProbeResult
from checks.wire.showing import shown
from healthlb.core.desired import Standing
from healthlb.core.health import next_interval, observe
from healthlb.core.weight import merge, weight_of
from healthlb.daemon.breath import Breath
from healthlb.daemon.histogram import DURATION, Histogram
from healthlb.daemon.records import Member, Pool, ProbeRecord
from healthlb.model.config import Config, Probe, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    CheckWarned,
    CheckWarningEnded,
    Event,
    ProbeFailed,
    ProbePassed,
    ProbesUnsent,
    RealServerDown,
    RealServerDrained,
    RealServerUndrained,
    RealServerUp,
    RealServerWeightChanged,
)
from healthlb.model.evidence import Evidence as Kept
from healthlb.model.health import Feedback, Health
from healthlb.model.table import ServiceKey

Sink = Callable[[Event], None]
VOID = "void:"
"""How the reason of a probe begins that the director was too late to judge."""


class Pools:
    """Every pool by name, and every probe once, however many pools rest on it.

    `added` and `removed` are told of probes that begin and end; `clock` gives UNIX seconds, for `since` and the like.
    `dirty` names the pools whose levels changed since the last pass, `former` the services to be deleted because an
    earlier configuration listed them.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Callable[[], float],
        added: Callable[[ProbeRecord], None],
        removed: Callable[[ProbeRecord], None],
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._added = added
        self._removed = removed
        self._records: dict[Probe, ProbeRecord] = {}
        self._reasons: Counter[str] = Counter()
        self._unknown = 0
        self.unsent_total = 0
        self.void_total = 0
        self.durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(DURATION))
        self.by_name: dict[str, Pool] = {}
        self.ours: frozenset[ServiceKey] = frozenset()
        self.former: set[ServiceKey] = set()
        self.dirty: set[str] = set()

    def settled(self) -> bool:
        """Return whether every real server has its first verdict."""
        return self._unknown == 0

    def places(self, virtual_server: str | None, real_server: str | None) -> tuple[ServiceKey | None, Endpoint | None]:
        """Return the service and the address that names stand for, as far as they are those of anything."""
        pool = self.by_name.get(virtual_server or "")
        if pool is None:
            return None, None
        return pool.server.service.key, self._addresses(pool).get(real_server or "")

    @staticmethod
    def _addresses(pool: Pool) -> dict[str, Endpoint]:
        if pool.addresses is None:
            pool.addresses = {each.name: each.address for each in pool.server.real_servers}
        return pool.addresses

    async def adopt(self, config: Config) -> None:
        """Take a configuration; what is equal to what was keeps its probes, verdicts and streaks.

        `by_name` changes at once, at the end: who looks meanwhile sees the pools before, whole.
        """
        breath = Breath()
        servers = config.virtual_servers
        self._claim(frozenset(server.service.key for server in servers.values()))
        kept, leaving = dict[str, Pool](), []
        for name, pool in self.by_name.items():
            if servers.get(name) is pool.server:
                kept[name] = pool
            elif servers.get(name) == pool.server:
                kept[name] = await _renewed(pool, servers[name], breath)
            else:
                leaving.append(pool)
            await breath()
        before = {pool.server.name: pool for pool in leaving}
        joined = set()
        for name, server in servers.items():
            if name not in kept:
                kept[name] = await self._join(server, before.get(name), breath)
                joined.add(name)
        self.by_name = {name: kept[name] for name in servers}
        self.dirty |= joined
        for pool in leaving:
            await self._leave(pool, breath)
        self.dirty &= self.by_name.keys()

    def observe(self, record: ProbeRecord, result: ProbeResult) -> float:
        """Take one result and return the seconds from this probe's start to the next, before jitter."""
        steady = record.steady
        if (  # most results by far, so that it is worth its own few lines
            steady is not None
            and result.passed
            and result.sent
            and result.evidence is None
            and not result.warning
            and result.feedback is None
        ):
            record.passed_total += 1
            record.latest = result
            record.latest_at = self._clock()
            record.durations.observe(result.seconds)
            return steady
        return self._observe(record, result)

    def _observe(self, record: ProbeRecord, result: ProbeResult) -> float:
        schedule = record.probe.check.schedule
        if not result.sent:
            if result.reason.startswith(VOID):
                # Nobody's fault but ours, and no reason to have even more to do.
                self.void_total += 1
                return next_interval(record.state, schedule)
            self._not_sent(record, result)
            return schedule.fast_interval
        self._sent(record)
        record.durations = self.durations[record.probe.check.type]
        record.durations.observe(result.seconds)
        before = record.state
        now = self._clock()
        if result.passed:
            record.passed_total += 1
            if result.evidence is not None:
                record.success = now, result
        else:
            record.failed_total += 1
            record.failure = now, result
        record.latest, record.latest_at = result, now
        if record.probe.check.log != "verdicts":
            self._log(record, result)
        if result.warning != record.warning and (result.passed or result.warning):
            self._warn(record, result.warning)
        state = observe(before, result.passed, schedule)
        record.note(state)
        turned = state.health is not before.health or state.passing != before.passing
        if self._heard(record, result) or turned:
            for member in record.members:
                self._look(member, record)
        return next_interval(state, schedule)

    def _heard(self, record: ProbeRecord, result: ProbeResult) -> bool:
        """Take what the server said of itself; return whether that is news."""
        said = result.feedback
        if said is None:
            return False
        before = record.feedback
        record.feedback = merge(before, Feedback(said.weight, said.percent, said.admin))
        return record.feedback != before

    def _log(self, record: ProbeRecord, result: ProbeResult) -> None:
        check = record.probe.check
        if result.passed and check.log != "all":
            return
        event = ProbePassed if result.passed else ProbeFailed
        self._sink(event(check.name, record.probe.where, result.reason, result.seconds, in_short(result.evidence)))

    def _warn(self, record: ProbeRecord, warning: str) -> None:
        """Show a pass's warning; only its beginning and its end are told, as its words may differ each time."""
        before, record.warning = record.warning, warning
        if bool(before) == bool(warning):
            return
        for member in record.members:
            what = (member.pool.server.name, member.server.name, member.check_of(record).name)
            self._sink(CheckWarned(*what, warning) if warning else CheckWarningEnded(*what))

    def _claim(self, keys: frozenset[ServiceKey]) -> None:
        self.former |= self.ours
        self.former -= keys
        self.ours = keys

    async def _join(self, server: VirtualServer, before: Pool | None, breath: Breath) -> Pool:
        pool = Pool(server)
        known: dict[Endpoint, Member] = {}
        if before is not None:
            pool.state, pool.quorum_met, pool.live_weight = before.state, before.quorum_met, before.live_weight
            pool.valued = before.valued
            for member in before.members:
                known[member.server.address] = member
                await breath()
        for real_server in server.real_servers:
            pool.members.append(self._member(pool, real_server, known.get(real_server.address)))
            await breath()
        return pool

    def _member(self, pool: Pool, server: RealServer, before: Member | None) -> Member:
        records = tuple(self._record(probe, before) for probe in server.probes)
        member = Member(pool, server, records, self._clock())
        for record in records:
            record.members.append(member)
        member.standing = member.look()
        if before is not None and before.standing.health is member.standing.health:
            member.since = before.since
        self._unknown += member.standing.health is Health.UNKNOWN
        return member

    def _record(self, probe: Probe, before: Member | None) -> ProbeRecord:
        record = self._records.get(probe)
        if record is None:
            record = self._records[probe] = ProbeRecord(probe, feedback=_said_before(probe, before))
            self._added(record)
        return record

    async def _leave(self, pool: Pool, breath: Breath) -> None:
        for member in pool.members:
            self._unknown -= member.standing.health is Health.UNKNOWN
            for record in member.records:
                record.members.remove(member)
                if not record.members:
                    del self._records[record.probe]
                    self._sent(record)
                    self._removed(record)
            await breath()
        # Without the circle the memory is free at once; a reload freezes what the collector has not seen yet.
        pool.members = []

    def _look(self, member: Member, record: ProbeRecord) -> None:
        before, member.standing = member.standing, member.look()
        if member.standing == before:
            return
        self.dirty.add(member.pool.server.name)
        if member.standing.health is not before.health:
            self._turned(member, before, record)
        if member.standing.feedback != before.feedback:
            self._weighed(member, before, record)

    def _turned(self, member: Member, before: Standing, record: ProbeRecord) -> None:
        member.since = self._clock()
        self._unknown += (member.standing.health is Health.UNKNOWN) - (before.health is Health.UNKNOWN)
        if member.standing.health is not Health.UNKNOWN:
            self._sink(verdict(member, record))

    def _weighed(self, member: Member, before: Standing, record: ProbeRecord) -> None:
        configured = member.server.weight
        was, now = weight_of(configured, before.feedback), weight_of(configured, member.standing.feedback)
        if was == now:
            return
        reason = record.latest.reason if record.latest is not None else ""
        what = (member.pool.server.name, member.server.name, member.check_of(record).name, reason)
        if not now:
            self._sink(RealServerDrained(*what))
        elif not was:
            self._sink(RealServerUndrained(*what, now))
        else:
            self._sink(RealServerWeightChanged(*what, was, now))

    def _sent(self, record: ProbeRecord) -> None:
        reason, record.unsent = record.unsent, ""
        if reason:
            self._reasons[reason] -= 1
            if not self._reasons[reason]:
                del self._reasons[reason]

    def _not_sent(self, record: ProbeRecord, result: ProbeResult) -> None:
        record.unsent_total += 1
        record.steady = None
        self.unsent_total += 1
        if record.unsent == result.reason:
            return
        self._sent(record)
        record.unsent = result.reason
        self._reasons[result.reason] += 1
        if self._reasons[result.reason] == 1:
            self._sink(ProbesUnsent(record.probe.check.name, record.probe.where, result.reason))


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


def _said_before(probe: Probe, before: Member | None) -> Feedback | None:
    """Return what a server has told a check that now has another schedule or way: its word stands until the next."""
    for record in before.records if before is not None else ():
        former = record.probe
        if (former.target, former.check.conversation) == (probe.target, probe.check.conversation):
            return record.feedback
    return None


async def _renewed(pool: Pool, server: VirtualServer, breath: Breath) -> Pool:
    """Let a pool have an equal configuration: the names of its checks make no difference, but are shown."""
    pool.server = server
    pool.addresses = None
    for member, real_server in zip(pool.members, server.real_servers, strict=True):
        member.server = real_server
        await breath()
    return pool
