"""The controller's own state: what is probed, and what each pool makes of it. Only the controller writes here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from checks import ProbeResult
from healthlb.core.desired import Standing
from healthlb.core.flapping import STEADY, Flaps
from healthlb.core.health import combine
from healthlb.core.policy import Decision, Ending, Leaving, Level
from healthlb.daemon.tallies import Tally
from healthlb.model.check import Check, Probe
from healthlb.model.config import RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import CheckState, Feedback, Health
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied
from healthlb.model.pool_state import PoolState
from healthlb.model.snapshot import LastProbe

NO_RESULT = CheckState()
NO_VERDICT = Standing()
STRIP = 60
"""How many of the latest results are remembered, passed or failed."""


@dataclass(slots=True, eq=False)
class ProbeRecord:
    """One probe with its verdict and counts, and the members that rest on it.

    `failure` is the latest failed result, and `success` the latest that passed with evidence, each with the UNIX
    seconds at which it came; `latest` is the latest that was sent, `latest_at` when it came. `unsent` says why the one
    after it could not be sent, and is empty where it was.

    `steady` is the interval while another plain pass is no news, and None otherwise; what it does not change is noted
    as it was when `noted_passes` had passed, and the streak follows from the count.

    `noted_results` are the latest results as `note` found them, a bit each, the newest last, 1 where it passed; a 1
    ahead of them marks where they begin.

    `tally` counts it with the other probes of its check's name. `fingerprint` is kept here once somebody has asked for
    it.
    """

    probe: Probe
    noted: CheckState = NO_RESULT
    noted_passes: int = 0
    noted_results: int = 1
    steady: float | None = None
    latest: ProbeResult | None = None
    latest_at: float = 0.0
    tally: Tally = field(default_factory=Tally)
    feedback: Feedback | None = None
    warning: str = ""
    failure: tuple[float, ProbeResult] | None = None
    success: tuple[float, ProbeResult] | None = None
    passed_total: int = 0
    failed_total: int = 0
    unsent_total: int = 0
    unsent: str = ""
    fingerprint: str | None = None
    members: list["Member"] = field(default_factory=list)

    @property
    def state(self) -> CheckState:
        """Return the verdict and the streak."""
        noted, more = self.noted, self.passed_total - self.noted_passes
        return CheckState(noted.health, noted.passing, noted.streak + more) if more else noted

    @property
    def last(self) -> LastProbe | None:
        """Return the latest result as it is shown."""
        latest = self.latest
        return None if latest is None else LastProbe(self.latest_at, latest.passed, latest.reason, latest.seconds)

    def results(self) -> int:
        """Return the latest results, at most `STRIP`, as `noted_results` has them."""
        more = min(self.passed_total - self.noted_passes, STRIP)
        return _last((self.noted_results + 1 << more) - 1)

    def note(self, state: CheckState, results: int = 1) -> None:
        """Take a state, and the results that led to it, as far as they are known."""
        self.noted = state
        self.noted_results = results
        self.noted_passes = self.passed_total
        check = self.probe.check
        at_rest = state.health is Health.UP and state.passing and not self.warning and check.log != "all"
        self.steady = check.schedule.interval if at_rest else None


def with_result(results: int, *, passed: bool) -> int:
    """Return the latest results with one more."""
    return _last(results << 1 | passed)


def _last(results: int) -> int:
    return results if results < 1 << STRIP else results & (1 << STRIP) - 1 | 1 << STRIP


@dataclass(slots=True, eq=False)
class Member:
    """A real server in one pool, or one of its sorry servers. `since` is when its verdict last turned, in UNIX seconds.

    `applied` is what operators' overrides of it come to.
    """

    pool: "Pool"
    server: RealServer
    records: tuple[ProbeRecord, ...]
    since: float
    standing: Standing = NO_VERDICT
    applied: Applied = NOT_OVERRIDDEN
    flaps: Flaps = STEADY

    def look(self) -> Standing:
        """Return the standing that the records amount to now; when it turned is for whoever sees that it did."""
        return Standing(
            combine(self.server.require, [record.noted.health for record in self.records]),
            any(record.noted.streak and not record.noted.passing for record in self.records),
            tuple([record.feedback for record in self.records if record.feedback is not None]),
            self.standing.turned_at,
            self.standing.recovered_at,
            self.flaps.held_until,
            self.applied,
        )

    def take_up(self, before: "Member") -> None:
        """Be what the same server was in the pool before a reload; the times of its verdict stand while that does."""
        if self.server.flap_damping is not None:
            self.flaps = before.flaps
        self.standing = before.standing
        self.standing = self.look()
        if self.standing.health is before.standing.health:
            self.since = before.since
        else:
            self.standing = replace(self.standing, turned_at=0.0, recovered_at=None)

    def told(self) -> list[tuple[str, Feedback]]:
        """Return the feedback of each check that gave any, with the check's name."""
        pairs = zip(self.server.probes, self.records, strict=True)
        return [(probe.check.name, record.feedback) for probe, record in pairs if record.feedback is not None]

    def check_of(self, record: ProbeRecord) -> Check:
        """Return a record's check as this server's configuration names it: an equal one elsewhere may have another."""
        return self.server.probes[self.records.index(record)].check


@dataclass(slots=True, eq=False)
class Pool:
    """A virtual server at run time. `decision` is that of the latest pass, with the row that it wanted in the table.

    `since` is when it came into its state, in UNIX seconds: as it was remembered, or else as it was made, at first.

    `leaving` and `ending` are the rows that wait for their connections to end, as in `core.policy.Level`. `holding` are
    the members that are held down for flapping. `addresses` are its servers' by name, once somebody has asked.

    Until a pass has `valued` it, its state says nothing; its quorum then is None or the one remembered. `unheard`: it
    has neither had its quorum nor had every first verdict yet.
    """

    server: VirtualServer
    since: float = 0.0
    members: list[Member] = field(default_factory=list)
    sorry_members: list[Member] = field(default_factory=list)
    state: PoolState = "down"
    quorum_met: bool | None = None
    sorry_active: bool = False
    valued: bool = False
    unheard: bool = True
    leaving: tuple[Leaving, ...] = ()
    ending: Mapping[Endpoint, Ending] = field(default_factory=dict)
    holding: set[Member] = field(default_factory=set)
    decision: Decision | None = None
    addresses: dict[str, Endpoint] | None = None

    @property
    def live_weight(self) -> int:
        """What the quorum counts, as of the latest decision."""
        return self.decision.live_weight if self.decision is not None else 0

    def level(self) -> Level:
        """Return what the next decision rests on."""
        return Level(
            self.server,
            tuple([member.standing for member in self.members]),
            tuple([member.standing for member in self.sorry_members]),
            self.quorum_met,
            self.leaving,
            self.ending,
        )

    def everyone(self) -> Iterator[Member]:
        """Return its real servers and then its sorry servers."""
        yield from self.members
        yield from self.sorry_members

    def take_up(self, before: "Pool") -> None:
        """Be what the pool of the same name was before a reload; its members come one by one."""
        self.state, self.since = before.state, before.since
        self.quorum_met, self.sorry_active = before.quorum_met, before.sorry_active
        self.valued, self.unheard, self.decision = before.valued, before.unheard, before.decision
        if self.server.service.key == before.server.service.key:
            self.ending = before.ending
