"""The verdict on a real server, and the run of results that it rests on."""

import enum
from dataclasses import dataclass
from typing import Literal


class Health(enum.Enum):
    """The verdict; UNKNOWN until a check has seen `rise` passes or `fall` failures in a row."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


Require = Literal["all", "any"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a check is probed and how many results turn it. Times are float seconds, counts are results in a row."""

    interval: float
    timeout: float
    rise: int
    fall: int
    fast_interval: float
    down_interval: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a check heard a server say of its own weight and admin state; None: nothing was said of it.

    `weight` is 0-65535, or with `percent` a share of the configured weight, 100 for all of it.
    """

    weight: int | None = None
    percent: bool = False
    admin: Literal["ready", "drain", "maint"] | None = None


@dataclass(frozen=True, slots=True)
class CheckState:
    """One check on one target: the verdict, and how many of the latest results in a row were `passing`."""

    health: Health = Health.UNKNOWN
    passing: bool = False
    streak: int = 0
