"""From what is known of a pool to its rows: quorum, drains, damping, slow start, panic and sorry server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from healthlb.core.desired import Standing, desired_row
from healthlb.core.pool import live_weight, quorum_met
from healthlb.core.weight import chain as weight_chain
from healthlb.core.weight import weight_of
from healthlb.model.config import RealServer, VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback
from healthlb.model.table import Destination, Service, ServiceRow


@dataclass(frozen=True, slots=True)
class Leaving:
    """A server that is no longer in the pool and whose row stays with weight 0, `until` at the latest."""

    address: Endpoint
    until: float


@dataclass(frozen=True, slots=True)
class Ending:
    """A row that has weight 0 `since` a moment and waits for its connections to end; `empty`: a look found none."""

    since: float
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """What is known of a pool before a decision.

    `standings` go with `server.real_servers` and `sorry` with `server.sorry_servers`. `quorum_met`, `leaving` and
    `ending` are those of the decision before; a pool's first one has None for the quorum and the table's rows tell.
    """

    server: VirtualServer
    standings: Sequence[Standing]
    sorry: Sequence[Standing] = ()
    quorum_met: bool | None = None
    leaving: tuple[Leaving, ...] = ()
    ending: Mapping[Endpoint, Ending] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the table has of a pool: its rows, and their usage where this is a fresh look.

    `templates_pin`: persistence templates go on to send clients to a row with weight 0
    (net.ipv4.vs.expire_quiescent_template is 0).
    """

    rows: Mapping[Endpoint, Destination]
    usage: Mapping[Endpoint, Usage] | None = None
    templates_pin: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a pool: its row, and why it is as it is.

    `live_weight` is what the quorum counts. `pooled` are servers that are down and that the panic floor keeps, `held`
    those that pass and are out because they flap. `replaced`: the real servers have weight 0 for the sorry server.
    `ramps` are the shares, below 1, that slow start lets servers have of their weight. `leaving` and `ending` are what
    remains of the level's.

    Time alone changes nothing before `again_at`; a fresh look is wanted at `look_at`. None: never.
    """

    row: ServiceRow
    live_weight: int
    quorum_met: bool
    sorry_active: bool = False
    pooled: frozenset[Endpoint] = frozenset()
    held: frozenset[Endpoint] = frozenset()
    replaced: bool = False
    ramps: Mapping[Endpoint, float] = field(default_factory=dict)
    leaving: tuple[Leaving, ...] = ()
    ending: Mapping[Endpoint, Ending] = field(default_factory=dict)
    again_at: float | None = None
    look_at: float | None = None


def decide(level: Level, looked: Looked, now: float) -> Decision:  # noqa: ARG001  nothing depends on time yet
    """Return what becomes of a pool at a moment, in UNIX seconds that never jump."""
    row = desired_row(level.server, level.standings, looked.rows)
    live = live_weight(row.destinations.values())
    return Decision(row, live, quorum_met(bool(level.quorum_met), live, level.server.quorum))


def weight_when_up(server: RealServer, standing: Standing) -> int:
    """Return the weight that a server is meant to have when it is up, by its operators' word and its own."""
    applied = standing.applied
    if applied.admin is not None:
        return 0
    return weight_of(server.weight if applied.weight is None else applied.weight, standing.feedback)


def is_empty(service: Service, usage: Usage, *, templates_pin: bool) -> bool:
    """Whether a row with weight 0 has no connection left that its server would be missed by.

    A closing TCP or SCTP connection is inactive and needs its server no more. Those of UDP are never active, and a
    firewall mark may be of any protocol: there every entry counts. A persistence template sends its client here even
    at weight 0 as long as `templates_pin`.
    """
    if templates_pin and service.persistence is not None and usage.persistent:
        return False
    if service.key.protocol in {"tcp", "sctp"}:
        return usage.active == 0
    return usage.active + usage.inactive == 0


def chain(
    server: RealServer,
    named: Sequence[tuple[str, Feedback]],
    standing: Standing,
    decision: Decision | None,  # noqa: ARG001  its steps follow
) -> tuple[str, ...]:
    """Return how a server's weight came to be, a word a step: `2`, `150 % (agent)`, `0 (down)`."""
    return weight_chain(server, named, standing.health)


def sorry_chain(
    server: RealServer,
    named: Sequence[tuple[str, Feedback]],
    standing: Standing,
    decision: Decision | None,  # noqa: ARG001  its steps follow
) -> tuple[str, ...]:
    """Return how a sorry server's weight came to be, as `chain` does."""
    return weight_chain(server, named, standing.health)
