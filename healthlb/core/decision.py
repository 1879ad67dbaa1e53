"""What goes into a decision on a pool, and what comes out. Times are UNIX seconds that never jump."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from healthlb.core.desired import Standing
from healthlb.model.config import VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Destination, ServiceRow

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Leaving:
    """A server that is no longer in the pool and whose row stays with weight 0, `until` at the latest.

    Its time begins with weight 0: `lasts` is how many seconds it has from there, should it still take traffic.
    """

    address: Endpoint
    until: float
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """A row that has weight 0 `since` a moment and waits for its connections to end.

    `empty`: a look found none. `looked_at` is when the latest look was, 0 before the first.
    """

    since: float
    empty: bool = False
    looked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """What is known of a pool before a decision.

    `standings` go with `server.real_servers` and `sorry` with `server.sorry_servers`. `quorum_met`, `leaving` and
    `ending` are those of the decision before, with those added to `leaving` that left since. At a pool's first decision
    `quorum_met` is None, and the table tells: the quorum was met if its rows are worth enough to keep it.
    """

    server: VirtualServer
    standings: Sequence[Standing]
    sorry: Sequence[Standing] = ()
    quorum_met: bool | None = None
    leaving: tuple[Leaving, ...] = ()
    ending: Mapping[Endpoint, Ending] = field(default_factory=lambda: NOTHING)


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

    `live_weight` is what the quorum counts. `pooled` are servers that fail and that the panic floor keeps, `held` those
    that pass and are out because they flap. `replaced`: the real servers have weight 0 for the sorry server. `ramps`
    are the shares, below 1, that slow start lets servers have of their weight. `leaving` and `ending` are what remains
    of the level's; a row that was found empty and is taken out is still in `ending`, that once.

    The panic floor is a share of the `enabled` weight, of which `carried` is that of servers that do not fail.

    Time alone changes no row before `again_at`; a fresh look is wanted at `look_at`. None: never.
    """

    row: ServiceRow
    live_weight: int
    quorum_met: bool
    sorry_active: bool = False
    pooled: frozenset[Endpoint] = frozenset()
    held: frozenset[Endpoint] = frozenset()
    replaced: bool = False
    ramps: Mapping[Endpoint, float] = field(default_factory=lambda: NOTHING)
    leaving: tuple[Leaving, ...] = ()
    ending: Mapping[Endpoint, Ending] = field(default_factory=lambda: NOTHING)
    again_at: float | None = None
    look_at: float | None = None
    enabled: int = field(default=0, compare=False)
    carried: int = field(default=0, compare=False)
