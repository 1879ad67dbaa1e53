"""The panic floor: how much weight a pool keeps whatever its checks say, and which failing servers make it up.

It is measured in configured weight, or in what operators put in its place: that a server asked for less or for more of
its weight makes it neither less nor more of a server. Those that operators or their own word drained are left out on
both sides.
"""

import math
from collections.abc import Iterable

from healthlb.core.desired import Weighed


def floor(panic: float, enabled: int) -> int:
    """Return the weight below which a pool with so much enabled weight never falls, for a percentage of it."""
    # A hair less: 14.2 % of 1000 are 142, however floats see it.
    return math.ceil(enabled * panic / 100 - 1e-9)


def kept(failing: Iterable[Weighed], lacking: int) -> list[Weighed]:
    """Return the failing servers that make up for what is lacking: the flapping first, then those that failed last."""
    found = []
    for each in sorted(failing, key=lambda one: (not one.held, -one.standing.turned_at)):
        if lacking <= 0:
            break
        lacking -= each.share
        found.append(each)
    return found
