"""The small pieces of HTML that every part of the page has: a state, an age, a weight."""

from healthlb.api.orders import timestamp
from healthlb.api.page.overview import Row
from healthlb.api.page.words import age

_FLAGS = {
    "p": "pooled but down",
    "h": "held for flapping",
    "r": "slow start",
    "o": "overridden",
    "a": "added at run time",
    "w": "warns",
    "u": "cannot be probed",
    "s": "sorry server",
}


def state_of(row: Row) -> str:
    """Return all that there is to say of a server's state, its health first."""
    words = [word(row[2])]
    if row[3] != "enabled":
        words.append(word(row[3]))
    words += [f'<span class="flag">{_FLAGS[flag]}</span>' for flag in row[8] if flag in _FLAGS]
    return ", ".join(words)


def word(state: str) -> str:
    """Trouble is in capitals, so that it is seen without colour."""
    shown = state.upper() if state in {"down", "panic", "degraded", "unknown"} else state
    return f'<span class="state {state}">{shown}</span>'


def since(at: float, now: float) -> str:
    """Return an age, which the script lets tick."""
    return f'<time class="age" datetime="{timestamp(at)}">{age(now - at)}</time>'


def weight(row: Row) -> str:
    """`2`, or what the kernel has of what is configured: `0 of 2`, `no row, 2 configured`."""
    configured, kernel = row[4], row[6]
    if kernel is None:
        return f"no row, {configured} configured"
    return str(kernel) if kernel == configured else f"{kernel} of {configured}"
