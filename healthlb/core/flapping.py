"""Flap damping: a server that turns too often is held down, each time longer.

The machine of one real server, from the moments at which its verdict turned (the first verdict is no turn):

    level      it turned                                       then
    0          `changes` times or fewer within `window`        nothing
    n          more often than that                            level n+1, held for `hold` * 2^n, `longest` at most;
                                                               the count begins anew
    n, held    whatever it does                                nothing: the hold ends when it ends
    n          not at all for `window` since its last hold     level 0

A turn during a hold is not counted, so that a hold is never made longer while it lasts.
"""

from dataclasses import dataclass

from healthlb.model.config import FlapDamping


@dataclass(frozen=True, slots=True)
class Flaps:
    """A server's turns that still count, at most one more than `changes`, and the holds that came of earlier ones.

    `level` is how many holds count towards the next one's length; `held_until` is when the latest ends or ended, None
    before the first. Times are UNIX seconds that never jump.
    """

    turns: tuple[float, ...] = ()
    level: int = 0
    held_until: float | None = None


STEADY = Flaps()


def turned(flaps: Flaps, settings: FlapDamping, now: float) -> Flaps:
    """Return the flaps after one more turn."""
    if is_held(flaps, now):
        return flaps
    quiet_since = max(flaps.held_until or 0.0, flaps.turns[-1] if flaps.turns else 0.0)
    level = 0 if now - quiet_since > settings.window else flaps.level
    turns = (*(at for at in flaps.turns if now - at <= settings.window), now)
    if len(turns) <= settings.changes:
        return Flaps(turns, level, flaps.held_until if level else None)
    return Flaps((), level + 1, now + length(level, settings))


def is_held(flaps: Flaps, now: float) -> bool:
    """Whether the server is held down now."""
    return flaps.held_until is not None and now < flaps.held_until


def length(level: int, settings: FlapDamping) -> float:
    """Return for how many seconds a server is held that was held `level` times before."""
    # Doubling is capped before it is done: 2 ** level overflows a float long before a counter does.
    seconds = settings.hold
    for _ in range(level):
        if seconds >= settings.longest:
            break
        seconds *= 2
    return min(seconds, settings.longest)
