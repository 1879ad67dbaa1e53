"""What a virtual server as a whole is worth: its live weight, its quorum, its state."""

from collections.abc import Iterable

from healthlb.model.config import Quorum
from healthlb.model.pool_state import PoolState
from healthlb.model.table import Destination


def live_weight(destinations: Iterable[Destination]) -> int:
    """Return the weight that takes new connections."""
    return sum(destination.weight for destination in destinations)


def quorum_met(before: bool, live: int, quorum: Quorum) -> bool:
    """Return whether the quorum is met now, with keepalived's hysteresis.

    It is gained at a live weight of `up + hysteresis` and lost at 0 or below `up - hysteresis` (keepalived.conf(5),
    quorum and hysteresis); a pool begins without it.
    """
    if before:
        return live > 0 and live >= quorum.up - quorum.hysteresis
    return live >= quorum.up + quorum.hysteresis


def pool_state(meant: Iterable[int], kernel: Iterable[int], met: bool, *, panic: bool = False) -> PoolState:
    """Return a pool's state from the weight each real server has when up beside the one in the table (0: absent).

    `up`: every server that is meant to take traffic does. `down`: no real server takes traffic. `panic`: the floor
    keeps servers that fail. `degraded`: all between, and any pool below its quorum. A server configured with weight 0,
    or drained by an operator's word or its own (`weight_when_up`), is meant to be idle and degrades nothing; a pool of
    nothing else is down all the same.
    """
    live = lacking = False
    for wanted, weight in zip(meant, kernel, strict=True):
        if weight:
            live = True
        elif wanted:
            lacking = True
    if not live:
        return "down"
    if panic:
        return "panic"
    return "up" if met and not lacking else "degraded"
