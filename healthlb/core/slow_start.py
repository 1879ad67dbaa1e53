"""Slow start: a recovered server climbs to its weight in equal steps.

The share of its weight, `slow_start` seconds after its recovery being the end:

    from the recovery on            1/20
    after each 20th of the time     1/20 more
    after 19 of them                all of it

A weight has no parts: what a share comes to is rounded down, to 1 at least. So a server of weight 1 does not climb.

A server climbs only beside another one that had all of its weight when it recovered, as somebody must carry the rest:
the only one left has its whole weight at once, and so has each of several that recover together.
"""

from dataclasses import dataclass

from healthlb.core.desired import Standing
from healthlb.model.config import RealServer
from healthlb.model.health import Health

STEPS = 20


@dataclass(frozen=True, slots=True)
class Recovered:
    """A server that recovered `at` a moment, with its whole weight and what it counts for the panic floor."""

    server: RealServer
    at: float
    weight: int
    share: int

    def begins(self, step: int) -> float:
        """Return when a step begins."""
        return self.at + (step - 1) * self.server.slow_start / STEPS

    def step(self, now: float) -> int:
        """Return the step, 1 to 20, that the server is at."""
        step = min(max(int((now - self.at) / self.server.slow_start * STEPS) + 1, 1), STEPS)
        # By the same reckoning as `begins`: the division may fall on the other side of a step's beginning.
        while step < STEPS and now >= self.begins(step + 1):
            step += 1
        while step > 1 and now < self.begins(step):
            step -= 1
        return step


def part(weight: int, step: int) -> int:
    """Return what a step lets a server have of its weight."""
    return max(min(weight, 1), weight * step // STEPS)


def whole_since(server: RealServer, standing: Standing) -> float:
    """Return since when a server that takes traffic has all of its weight, or will have; without a verdict, ever."""
    if standing.health is Health.UNKNOWN:
        return float("-inf")
    if standing.recovered_at is None:
        return standing.turned_at
    return standing.recovered_at + server.slow_start
