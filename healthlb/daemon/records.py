"""The controller's own state: what is probed, and what each pool makes of it. Only the controller writes here."""

from dataclasses import dataclass, field

from checks import ProbeResult
from healthlb.core.desired import Standing
from healthlb.core.health import combine
from healthlb.daemon.histogram import Histogram
from healthlb.model.config import Check, Probe, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import CheckState, Feedback, Health
from healthlb.model.snapshot import LastProbe, PoolState
from healthlb.model.table import ServiceRow

NO_RESULT = CheckState()
NO_VERDICT = Standing()
UNHEARD = Histogram(())
"""Where no result has come yet."""


@dataclass(slots=True, eq=False)
class ProbeRecord:
    """One probe with its verdict and counts, and the members that rest on it.

    `failure` is the latest failed result, and `success` the latest that passed with evidence, each with the UNIX
    seconds at which it came; `latest` is the latest that was sent, `latest_at` when it came. `unsent` says why the one
    after it could not be sent, and is empty where it was.

    `steady` is the interval while another plain pass is no news, and None otherwise; what it does not change is noted
    as it was when `noted_passes` had passed, and the streak follows from the count.
    """

    probe: Probe
    noted: CheckState = NO_RESULT
    noted_passes: int = 0
    steady: float | None = None
    latest: ProbeResult | None = None
    latest_at: float = 0.0
    durations: Histogram = UNHEARD
    feedback: Feedback | None = None
    warning: str = ""
    failure: tuple[float, ProbeResult] | None = None
    success: tuple[float, ProbeResult] | None = None
    passed_total: int = 0
    failed_total: int = 0
    unsent_total: int = 0
    unsent: str = ""
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

    def note(self, state: CheckState) -> None:
        """Take a state that the results so far have led to."""
        self.noted = state
        self.noted_passes = self.passed_total
        check = self.probe.check
        at_rest = state.health is Health.UP and state.passing and not self.warning and check.log != "all"
        self.steady = check.schedule.interval if at_rest else None


@dataclass(slots=True, eq=False)
class Member:
    """A real server in one pool. `since` is when its verdict last turned, in UNIX seconds."""

    pool: "Pool"
    server: RealServer
    records: tuple[ProbeRecord, ...]
    since: float
    standing: Standing = NO_VERDICT

    def look(self) -> Standing:
        """Return the standing that the records amount to now."""
        return Standing(
            combine(self.server.require, [record.noted.health for record in self.records]),
            any(record.noted.streak and not record.noted.passing for record in self.records),
            tuple([record.feedback for record in self.records if record.feedback is not None]),
        )

    def told(self) -> list[tuple[str, Feedback]]:
        """Return the feedback of each check that gave any, with the check's name."""
        pairs = zip(self.server.probes, self.records, strict=True)
        return [(probe.check.name, record.feedback) for probe, record in pairs if record.feedback is not None]

    def check_of(self, record: ProbeRecord) -> Check:
        """Return a record's check as this server's configuration names it: an equal one elsewhere may have another."""
        return self.server.probes[self.records.index(record)].check


@dataclass(slots=True, eq=False)
class Pool:
    """A virtual server at run time. `wanted` is the row that the latest pass wanted in the table.

    `addresses` are its servers' by name, once somebody has asked.

    Until a pass has `valued` it, its state, quorum and live weight say nothing.
    """

    server: VirtualServer
    members: list[Member] = field(default_factory=list)
    state: PoolState = "down"
    quorum_met: bool = False
    live_weight: int = 0
    valued: bool = False
    wanted: ServiceRow | None = None
    addresses: dict[str, Endpoint] | None = None
