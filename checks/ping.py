"""`ping`: the server answers ICMP echo requests (RFC 792), or ICMPv6 ones (RFC 4443), often and fast enough."""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from checks import CarrierName, Check, Verdict
from checks.options import Duration, Integer, name_of, option, show_seconds
from checks.wire.icmp import TOKEN, craft_request

MOST_ECHOES = 100
MOST_BYTES = 65507
"""What an IPv4 packet of 65535 bytes holds beside its header and that of ICMP."""

_request = functools.lru_cache(maxsize=64)(craft_request)


@dataclass(frozen=True, slots=True)
class Percent:
    """Percentage, 0% to 99%; the sign may be left out."""

    def parse(self, value: Any) -> int:
        """Return the number."""
        match = re.fullmatch(r"(\d{1,3})\s*%", value, re.ASCII) if isinstance(value, str) else None
        if match is None and isinstance(value, str):
            raise ValueError(f"expected a percentage such as 20%, found {name_of(value)}")
        return Integer(0, 99).parse(int(match[1]) if match is not None else value)

    def show(self, value: int) -> str:
        """Return a percentage the way that the file spells it."""
        return f"{value}%"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 99},
                {"type": "string", "pattern": r"^[0-9]{1,2}\s*%$"},
            ]
        }


@dataclass(frozen=True, slots=True)
class Ping(Check):
    """Send ICMP echo requests, and judge how many come back and how fast; an ICMP error fails the probe at once.

    Needs CAP_NET_RAW, or a group of the director's within the sysctl net.ipv4.ping_group_range. The port is not used.
    """

    type: ClassVar[str] = "ping"
    known_as: ClassVar[dict[str, str]] = {"keepalived": "PING_CHECK", "ldirectord": "checktype = ping"}

    count: int = option(Integer(1, MOST_ECHOES), "Echo requests in a probe.", 1)
    spacing: float = option(Duration(0.01, 60.0), "Time from one request of a probe to the next.", 0.1)
    size: int = option(
        Integer(TOKEN, MOST_BYTES, "bytes"), "Data in a request; all of it must come back unchanged.", 56
    )
    max_loss: int = option(Percent(), "Percentage of the requests that may stay unanswered.", 0)
    max_round_trip: float | None = option(
        Duration(0.0001, 60.0), "Round trip that the average of the answered requests may take; default: any.", None
    )

    @property
    def carrier(self) -> CarrierName:
        """Return who carries this check out."""
        return "echo"

    @property
    def takes(self) -> float:
        """Return when the last request goes out."""
        return self.spacing * (self.count - 1)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.max_loss and self.max_loss * self.count < 100:
            yield "max_loss", f"one of {self.count} is {100 / self.count:.3g}%, so that this allows no loss at all"

    def prepare(self) -> str | None:
        """Craft the packets, for which scapy has to be imported."""
        self.request(4)
        self.request(6)
        return None

    def request(self, version: int) -> bytes:
        """Return an echo request as it was crafted, for the ICMP of this IP version."""
        return _request(version, self.size)

    def judge(self, round_trips: Sequence[float], granted: float) -> Verdict:
        """Return the verdict on the seconds that each echo took; those that did not come within `granted` are lost."""
        came, count = len(round_trips), self.count
        if (count - came) * 100 > self.max_loss * count:
            within = show_seconds(float(f"{granted:.2g}"))
            echoes = f"no echo back within {within}" if not came else f"{came} of {count} echoes back within {within}"
            return Verdict(False, echoes + (f", at most {self.max_loss}% may be lost" if self.max_loss else ""))
        average, worst = sum(round_trips) / came, max(round_trips)
        if self.max_round_trip is not None and average > self.max_round_trip:
            allowed = show_milliseconds(self.max_round_trip)
            return Verdict(False, f"round trip {_times(average, worst, count)}, at most {allowed} allowed")
        echoes = "echo back" if count == 1 else f"{came} of {count} echoes back"
        return Verdict(True, f"{echoes}, round trip {_times(average, worst, count)}")


def _times(average: float, worst: float, count: int) -> str:
    return show_milliseconds(average) + (f" (worst {show_milliseconds(worst)})" if count > 1 else "")


def show_milliseconds(seconds: float) -> str:
    """Return `0.21 ms`, `12.3 ms` or `123 ms`."""
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 10 else 1 if milliseconds < 100 else 0}f} ms"
