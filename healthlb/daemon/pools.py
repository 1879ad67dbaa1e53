"""The pools and the probes behind them: takes a configuration and results, and tells which pools need a pass.

Owned and called by the controller alone.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from checks import ProbeResult
from healthlb.core.flapping import STEADY, is_held
from healthlb.core.health import next_interval, observe
from healthlb.core.weight import merge
from healthlb.daemon.breath import Breath
from healthlb.daemon.leaving import rows_left
from healthlb.daemon.overriding import Overriding
from healthlb.daemon.records import Member, Pool, ProbeRecord, with_result
from healthlb.daemon.remembering import Recollection, remembered
from healthlb.daemon.steady import Clock, drifted, steady_clock
from healthlb.daemon.tallies import Tallies
from healthlb.daemon.telling import in_short
from healthlb.daemon.turning import Turning
from healthlb.daemon.unsent import Unsent
from healthlb.model.check import Probe
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    CheckWarned,
    CheckWarningEnded,
    Event,
    ProbeFailed,
    ProbePassed,
)
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Override
from healthlb.model.remembered import Remembered
from healthlb.model.table import ServiceKey
from healthlb.model.vrrp import Vrrp

Sink = Callable[[Event], None]
VOID = "void:"
"""How the reason of a probe begins that the director was too late to judge."""


class Pools:
    """Every pool by name, and every probe once, however many pools rest on it.

    `added` and `removed` are told of probes that begin and end; `clock` gives UNIX seconds, for `since` and the like,
    and `steady` those of policy. `dirty` names the pools whose levels changed since the last pass, `former` the
    services to be deleted because an earlier configuration listed them. `turns` grows with all that is worth saving.
    `recalled` is how many servers have taken up the verdict that they had before a restart.

    `tracked` are the probes that VRRP instances follow, in a pool or not; `turned` is called when one's verdict turns.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        added: Callable[[ProbeRecord], None],
        removed: Callable[[ProbeRecord], None],
        *,
        steady: Clock | None = None,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink = sink
        self.clock = clock
        self._added = added
        self._removed = removed
        self._records: dict[Probe, ProbeRecord] = {}
        self._tell_turned = turned
        self.tracked: dict[Probe, ProbeRecord] = {}
        self._unsent = Unsent(sink)
        self._unknown = 0
        self._turn = asyncio.Lock()
        self._recollection: Recollection | None = None
        self.steady = steady or steady_clock()
        self._turning = Turning(self._say, clock, self.steady)
        self.overriding = Overriding()
        self.turns = 0
        self.recalled = 0
        self.void_total = 0
        self.tallies = Tallies()
        self.by_name: dict[str, Pool] = {}
        self.ours: frozenset[ServiceKey] = frozenset()
        self.former: set[ServiceKey] = set()
        self.dirty: set[str] = set()

    @property
    def unsent_total(self) -> int:
        """How many probes the director could not send so far."""
        return self._unsent.total

    def settled(self) -> bool:
        """Return whether every real server that no operator keeps out has its first verdict."""
        return not self._unknown or not any(
            member.standing.health is Health.UNKNOWN and member.standing.applied.admin is None
            for pool in self.by_name.values()
            for member in (*pool.members, *pool.sorry_members)
        )

    def places(self, virtual_server: str | None, real_server: str | None) -> tuple[ServiceKey | None, Endpoint | None]:
        """Return the service and the address that names stand for, as far as they are those of anything."""
        pool = self.by_name.get(virtual_server or "")
        if pool is None:
            return None, None
        return pool.server.service.key, self._addresses(pool).get(real_server or "")

    @staticmethod
    def _addresses(pool: Pool) -> dict[str, Endpoint]:
        if pool.addresses is None:
            servers = (*pool.server.sorry_servers, *pool.server.real_servers)
            pool.addresses = {each.name: each.address for each in servers}
        return pool.addresses

    async def adopt(self, config: Config) -> None:
        """Take a configuration; what is equal to what was keeps its probes, verdicts and streaks.

        `by_name` changes at once, at the end: who looks meanwhile sees the pools before, whole.
        """
        async with self._turn:
            await self._adopt(config)
            if self._recollection is not None:
                self.recalled, self._recollection = self._recollection.verdicts, None
            self.turns += 1

    async def _adopt(self, config: Config) -> None:
        breath = Breath()
        servers = config.virtual_servers
        self._claim(frozenset(server.service.key for server in servers.values()))
        kept, leaving = dict[str, Pool](), []
        for name, pool in self.by_name.items():
            if servers.get(name) is pool.server:
                kept[name] = pool
            elif servers.get(name) == pool.server:
                kept[name] = await self._renewed(pool, servers[name], breath)
            else:
                leaving.append(pool)
            await breath()
        before = {pool.server.name: pool for pool in leaving}
        served = {pool.server.service.key: pool for pool in leaving}
        joined = set()
        for name, server in servers.items():
            if name not in kept:
                same = served.get(server.service.key)
                kept[name] = await self._join(server, before.get(name, same), breath)
                kept[name].leaving += await rows_left(server, same, self.steady(), breath)
                joined.add(name)
        self.by_name = {name: kept[name] for name in servers}
        self.dirty |= joined
        self._track(config.vrrp)
        for pool in leaving:
            await self._leave(pool, breath)
        self.dirty &= self.by_name.keys()
        self.tallies.prune()

    async def override(self, overrides: Iterable[Override]) -> None:
        """Put all overrides in force that there are, and no others, for the servers of later configurations too."""
        async with self._turn:
            self.overriding = Overriding(overrides)
            breath = Breath()
            for name, pool in self.by_name.items():
                for member in pool.everyone():
                    applied = self.overriding.of(name, member.server.address)
                    if applied is not member.applied and applied != member.applied:
                        member.applied = applied
                        member.standing = replace(member.standing, applied=applied)
                        self.dirty.add(name)
                    await breath()

    def recall(self, before: Remembered) -> None:
        """Have what a director before this one knew taken up again by the first configuration, as far as it fits."""
        self._recollection = Recollection(before)

    async def remembered(self) -> Remembered:
        """Return what a director after this one should know."""
        records, pools = list(self._records.values()), list(self.by_name.values())
        return await remembered(records, pools, drifted(self.steady, self.clock))

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
            record.latest_at = self.clock()
            record.tally.durations.observe(result.seconds)
            return steady
        return self._observe(record, result)

    def _observe(self, record: ProbeRecord, result: ProbeResult) -> float:
        schedule = record.probe.check.schedule
        if not result.sent:
            if result.reason.startswith(VOID):
                # Nobody's fault but ours, and no reason to have even more to do.
                self.void_total += 1
                record.tally.void += 1
                return next_interval(record.state, schedule)
            record.tally.unsent += 1
            self._unsent.not_sent(record, result)
            return schedule.fast_interval
        self._unsent.sent(record)
        record.tally.durations.observe(result.seconds)
        before = record.state
        results = with_result(record.results(), passed=result.passed)
        now = self.clock()
        if result.passed:
            record.passed_total += 1
            if result.evidence is not None:
                record.success = now, result
        else:
            record.failed_total += 1
            record.tally.failed += 1
            record.failure = now, result
        record.latest, record.latest_at = result, now
        if record.probe.check.log != "verdicts":
            self._log(record, result)
        if result.warning != record.warning and (result.passed or result.warning):
            self._warn(record, result.warning)
        state = observe(before, result.passed, schedule)
        record.note(state, results)
        turned = state.health is not before.health or state.passing != before.passing
        if turned or state.health is not (Health.UP if state.passing else Health.DOWN):
            self.turns += 1
        if self._heard(record, result) or turned:
            self._tell_of(record)
        return next_interval(state, schedule)

    def _tell_of(self, record: ProbeRecord) -> None:
        for member in record.members:
            self._look(member, record)
        if record.probe in self.tracked:
            self._tell_turned()

    def _heard(self, record: ProbeRecord, result: ProbeResult) -> bool:
        """Take what the server said of itself; return whether that is news."""
        said = result.feedback
        if said is None:
            return False
        before = record.feedback
        record.feedback = merge(before, Feedback(said.weight, said.percent, said.admin))
        if record.feedback == before:
            return False
        self.turns += 1
        return True

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
            self._say(member, CheckWarned(*what, warning) if warning else CheckWarningEnded(*what))

    def _say(self, member: Member, event: Event) -> None:
        """Tell of a member, but of one that a reload is just replacing, or has replaced, only once."""
        if self.by_name.get(member.pool.server.name, member.pool) is member.pool:
            self._sink(event)

    def _claim(self, keys: frozenset[ServiceKey]) -> None:
        self.former |= self.ours
        self.former -= keys
        self.ours = keys

    async def _join(self, server: VirtualServer, before: Pool | None, breath: Breath) -> Pool:
        pool = Pool(server, self.clock())
        known: tuple[dict[Endpoint, Member], dict[Endpoint, Member]] = ({}, {})
        if before is not None:
            pool.take_up(before)
            for mapping, members in zip(known, (before.members, before.sorry_members), strict=True):
                for member in members:
                    mapping[member.server.address] = member
                    await breath()
        elif self._recollection is not None:
            self._recollection.pool(pool, self.steady())
        for real_server in server.real_servers:
            pool.members.append(self._member(pool, real_server, known[0].get(real_server.address)))
            await breath()
        for sorry_server in server.sorry_servers:
            pool.sorry_members.append(self._member(pool, sorry_server, known[1].get(sorry_server.address)))
        return pool

    def _member(self, pool: Pool, server: RealServer, before: Member | None) -> Member:
        records = tuple([self._record(probe, before) for probe in server.probes])
        member = Member(
            pool, server, records, self.clock(), applied=self.overriding.of(pool.server.name, server.address)
        )
        for record in records:
            record.members.append(member)
        if before is not None:
            member.take_up(before)
        else:
            member.standing = member.look()
            if self._recollection is not None:
                self._recollection.server(member)
        if member.flaps is not STEADY and is_held(member.flaps, self.steady()):
            pool.holding.add(member)
        self._unknown += member.standing.health is Health.UNKNOWN
        return member

    def _record(self, probe: Probe, before: Member | None) -> ProbeRecord:
        record = self._records.get(probe)
        if record is None:
            tally = self.tallies.join(probe.check)
            record = self._records[probe] = ProbeRecord(probe, tally=tally, feedback=_said_before(probe, before))
            if self._recollection is not None:
                self._recollection.probe(record)
            self._added(record)
        else:
            self._name(record, probe)
        return record

    def _name(self, record: ProbeRecord, probe: Probe) -> None:
        """Count a probe under the name that its check has now; one that has several counts under the last."""
        if record.tally.name != probe.check.name:
            record.tally = self.tallies.join(probe.check, record.tally)

    async def _renewed(self, pool: Pool, server: VirtualServer, breath: Breath) -> Pool:
        """Let a pool have an equal configuration: the names of its checks make no difference, but are shown."""
        pool.server = server
        pool.addresses = None
        servers = (*server.real_servers, *server.sorry_servers)
        for member, real_server in zip(pool.everyone(), servers, strict=True):
            member.server = real_server
            for record, probe in zip(member.records, real_server.probes, strict=True):
                self._name(record, probe)
            await breath()
        return pool

    async def _leave(self, pool: Pool, breath: Breath) -> None:
        for member in pool.everyone():
            self._unknown -= member.standing.health is Health.UNKNOWN
            for record in member.records:
                record.members.remove(member)
                self._unless_wanted(record)
            await breath()
        # Without the circle the memory is free at once; a reload freezes what the collector has not seen yet.
        pool.members, pool.sorry_members, pool.holding = [], [], set()

    def _track(self, vrrp: Vrrp | None) -> None:
        """Probe what VRRP instances follow, each probe once, whether real servers rest on it or not."""
        instances = vrrp.instances.values() if vrrp is not None else ()
        probes = [check.probe for instance in instances for check in instance.track.checks]
        before, self.tracked = self.tracked, {probe: self._record(probe, None) for probe in dict.fromkeys(probes)}
        for record in before.values():
            self._unless_wanted(record)

    def _unless_wanted(self, record: ProbeRecord) -> None:
        """Stop a probe that nobody rests on any more."""
        if record.members or record.probe in self.tracked:
            return
        del self._records[record.probe]
        record.tally.users -= 1
        self._unsent.sent(record)
        self._removed(record)

    def _look(self, member: Member, record: ProbeRecord) -> None:
        before = member.standing.health
        if self._turning.look(member, record):
            self.dirty.add(member.pool.server.name)
            self._unknown += (member.standing.health is Health.UNKNOWN) - (before is Health.UNKNOWN)


def _said_before(probe: Probe, before: Member | None) -> Feedback | None:
    """Return what a server has told a check that now has another schedule or way: its word stands until the next."""
    for record in before.records if before is not None else ():
        former = record.probe
        if (former.target, former.check.conversation) == (probe.target, probe.check.conversation):
            return record.feedback
    return None
