"""The controller's own state: what is probed, and what each pool makes of it. Only the controller writes here."""

from dataclasses import dataclass, field

from checks import ProbeResult
from healthlb.core.desired import Standing
from healthlb.core.health import combine
from healthlb.model.config import Check, Probe, RealServer, VirtualServer
from healthlb.model.health import CheckState, Feedback
from healthlb.model.snapshot import LastProbe, PoolState
from healthlb.model.table import ServiceRow

NO_RESULT = CheckState()
NO_VERDICT = Standing()


@dataclass(slots=True, eq=False)
class ProbeRecord:
    """One probe with its verdict and counts, and the members that rest on it.

    `failure` is the latest failed result, and `success` the latest that passed with evidence, each with the UNIX
    seconds at which it came.
    """

    probe: Probe
    state: CheckState = NO_RESULT
    last: LastProbe | None = None
    feedback: Feedback | None = None
    warning: str = ""
    failure: tuple[float, ProbeResult] | None = None
    success: tuple[float, ProbeResult] | None = None
    passed_total: int = 0
    failed_total: int = 0
    unsent_total: int = 0
    members: list["Member"] = field(default_factory=list)


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
            combine(self.server.require, [record.state.health for record in self.records]),
            any(record.state.streak and not record.state.passing for record in self.records),
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

    Until a pass has `valued` it, its state, quorum and live weight say nothing.
    """

    server: VirtualServer
    members: list[Member] = field(default_factory=list)
    state: PoolState = "down"
    quorum_met: bool = False
    live_weight: int = 0
    valued: bool = False
    wanted: ServiceRow | None = None
