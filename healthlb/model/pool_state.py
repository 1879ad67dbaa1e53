"""The state of a virtual server, apart from the snapshots that show it: decisions need no more of them."""

from typing import Literal

PoolState = Literal["up", "degraded", "panic", "down"]
