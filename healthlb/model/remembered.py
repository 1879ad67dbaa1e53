"""What is known of servers and pools and outlives a restart. Times are UNIX seconds of a clock that does not jump."""

from dataclasses import dataclass

from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import SeenProbe
from healthlb.model.health import CheckState, Feedback
from healthlb.model.pool_state import PoolState


@dataclass(frozen=True, slots=True)
class RememberedProbe:
    """One probe's verdict, what its server said of itself, and its last failure.

    `fingerprint` tells the probe apart: the same check of the same target has the same one in every process.
    """

    fingerprint: str
    state: CheckState
    feedback: Feedback | None = None
    failure: SeenProbe | None = None


@dataclass(frozen=True, slots=True)
class RememberedServer:
    """One real or sorry server of one pool: since when it has its verdict, and how it came by it.

    `turns` are when its verdict turned of late, `holds` how often it was held for that, `held_until` until when it is.
    `drain_timeout` is how long its row was to stay if it left the pool.
    """

    virtual_server: str
    address: Endpoint
    since: float
    turned_at: float = 0.0
    recovered_at: float | None = None
    turns: tuple[float, ...] = ()
    holds: int = 0
    held_until: float | None = None
    drain_timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class RememberedPool:
    """One virtual server: its quorum, whether sorry servers stand in, and the rows that leave, with their deadlines.

    `ending` are the rows that wait for their connections to end: since when, and whether none was left. `unheard`: it
    never had its quorum, and not every first verdict. `since` is when it came into its `state`, 0: unknown.
    """

    virtual_server: str
    quorum_met: bool
    sorry_active: bool = False
    leaving: tuple[tuple[Endpoint, float], ...] = ()
    ending: tuple[tuple[Endpoint, float, bool], ...] = ()
    unheard: bool = False
    state: PoolState = "down"
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """All of it at one moment, in no order."""

    probes: tuple[RememberedProbe, ...] = ()
    servers: tuple[RememberedServer, ...] = ()
    pools: tuple[RememberedPool, ...] = ()
