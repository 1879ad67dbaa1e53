"""How guessing the token is slowed down, and how refusals are told without a flood. Times are seconds.

Everything here is bounded: what was longest ago is forgotten first.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Generic, TypeVar

ADDRESSES = 1000
"""Addresses that are remembered."""
FREE = 5
"""Failures within `WINDOW` that cost nothing."""
WINDOW = 60.0
SHORTEST = 1.0
LONGEST = 60.0
TOLD_EVERY = 10.0
"""At most one refusal of a caller is told in so many seconds."""

_Value = TypeVar("_Value")


class _Remembered(Generic[_Value]):
    """A table of the `ADDRESSES` that were used last."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, _Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> _Value | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Hashable, value: _Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > ADDRESSES:
            self._values.popitem(last=False)


@dataclass(slots=True)
class _Failures:
    """The moments of the free failures; then how long the last penalty was, and when it ends or ended."""

    moments: list[float] = field(default_factory=list)
    length: float = 0.0
    until: float = float("-inf")


class Penalties:
    """Who gave wrong tokens, and how long nothing of theirs is listened to.

    The fifth failure within a minute begins a penalty of 1 s, and each one that comes within a minute of a penalty's
    end begins one that is twice as long, up to a minute. What comes during a penalty is not looked at: it does not
    lengthen it, and a guesser does not learn which token was right.
    """

    def __init__(self) -> None:
        self._failures: _Remembered[_Failures] = _Remembered()

    def __len__(self) -> int:
        return len(self._failures)

    def left(self, remote: str, now: float) -> float:
        """Return how many seconds of a penalty are left, 0 without one."""
        failures = self._failures.get(network(remote))
        return 0.0 if failures is None else max(0.0, failures.until - now)

    def failed(self, remote: str, now: float) -> None:
        """Take note of a wrong token."""
        key = network(remote)
        failures = self._failures.get(key)
        if failures is None or (failures.length and now >= failures.until + WINDOW):
            failures = _Failures()
        if failures.length:
            failures.length = min(LONGEST, 2 * failures.length)
            failures.until = now + failures.length
        else:
            failures.moments = [*(moment for moment in failures.moments if now - moment < WINDOW), now]
            if len(failures.moments) >= FREE:
                failures.moments, failures.length, failures.until = [], SHORTEST, now + SHORTEST
        self._failures.put(key, failures)


class Refusals:
    """Which refusals are told: one of a caller in `TOLD_EVERY` seconds, with the number of those that were not."""

    def __init__(self) -> None:
        self._told: _Remembered[tuple[float, int]] = _Remembered()

    def __len__(self) -> int:
        return len(self._told)

    def more(self, caller: Hashable, now: float) -> int | None:
        """Return how many of a caller were not told since the last that was, or None where this one is not either."""
        at, untold = self._told.get(caller) or (float("-inf"), 0)
        if now - at < TOLD_EVERY:
            self._told.put(caller, (at, untold + 1))
            return None
        self._told.put(caller, (now, 0))
        return untold


def network(remote: str) -> str:
    """Return what one guesser has: an IPv4 address, or an IPv6 network of 64 bits (RFC 4291 section 2.5.4)."""
    try:
        address = ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
