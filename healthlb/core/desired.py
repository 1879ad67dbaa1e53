"""What is known of a real server, and the row that it may have."""

from dataclasses import dataclass
from typing import NamedTuple

from healthlb.core.weight import weight_of
from healthlb.model.config import RealServer
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied
from healthlb.model.table import Destination


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a real server now.

    `failing`: the newest result of one of its checks was a failure. `feedback`: what each of its checks that heard
    anything was told by the server, merged (`core.weight`). `turned_at` is when the verdict turned last, and
    `recovered_at` when it turned from DOWN to UP, None where it is not UP or was so from the first verdict on;
    `held_until` is until when it is held down for flapping. Those are UNIX seconds that never jump. `applied` is what
    operators' overrides of it come to.
    """

    health: Health = Health.UNKNOWN
    failing: bool = False
    feedback: tuple[Feedback, ...] = ()
    turned_at: float = 0.0
    recovered_at: float | None = None
    held_until: float | None = None
    applied: Applied = NOT_OVERRIDDEN


class Weighed(NamedTuple):
    """A server with the `weight` that it has when it is up, and the `share` that it counts for the panic floor.

    `held`: it passes and flaps. A tuple, as a pool that fails as a whole is made of nothing else.
    """

    server: RealServer
    standing: Standing
    weight: int
    share: int
    held: bool


def configured_row(server: RealServer, weight: int, present: Destination | None = None) -> Destination:
    """Return a real server's row with a weight; the one that is present where that is the same."""
    if (
        present is not None
        and present.weight == weight
        and (present.method is server.method or present.method == server.method)
        and present.upper_threshold == server.upper_threshold
        and present.lower_threshold == server.lower_threshold
    ):
        return present
    return Destination(server.address, server.method, weight, server.upper_threshold, server.lower_threshold)


def weight_before(server: RealServer, standing: Standing) -> int:
    """Return the weight that feedback is reckoned from: an operator's stands in for the configured one."""
    weight = standing.applied.weight
    return server.weight if weight is None else weight


def weight_when_up(server: RealServer, standing: Standing) -> int:
    """Return the weight that a server is meant to have when it is up, by its operators' word and its own."""
    if standing.applied.admin is not None:
        return 0
    return weight_of(weight_before(server, standing), standing.feedback)
