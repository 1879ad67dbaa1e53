"""What readers ask for in a URL's query: each parameter once unless it may repeat, and none that is not known."""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from healthlb.api import kinds
from healthlb.api.kinds import kind

LARGEST_ID = 2**63 - 1
LONGEST = 1000
_NAME = re.compile(r"^[^\x00-\x1f\x7f-\x9f]+$")

_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)

Kind = kinds.Kind[str]
"""Takes a parameter's text."""


class QueryError(Exception):
    """A query that cannot be answered; the text is one sentence for each fault."""


def query_of(request: web.Request, kinds: Mapping[str, Kind], repeated: Collection[str] = ()) -> dict[str, Any]:
    """Return what the parameters that are there stand for, a list for those that may repeat.

    Raise QueryError with all faults.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in request.query.items():
        kind = kinds.get(name)
        if kind is None:
            faults.append(_unknown(name, kinds))
            continue
        if name in values and name not in repeated:
            faults.append(f"{name}: is there twice.")
            continue
        try:
            value = kind(text)
        except ValueError as error:
            sentence = f"{name}: {error}"
            faults.append(sentence if sentence.endswith("?") else f"{sentence}.")
            continue
        if name in repeated:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    if faults:
        raise QueryError(" ".join(faults))
    return values


@kind(type="string", maxLength=LONGEST, pattern=_NAME.pattern)
def name(text: str) -> str:
    """Take a name of something."""
    if len(text) > LONGEST or not _NAME.fullmatch(text):
        raise ValueError(f"expected a name, found {shown(text)}")
    return text


def whole(smallest: int, largest: int) -> Kind:
    """Whole numbers within inclusive bounds."""

    def take(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 19 and smallest <= int(text) <= largest):
            raise ValueError(f"expected a whole number from {smallest} to {largest}, found {shown(text)}")
        return int(text)

    return kinds.Kind(take, {"type": "integer", "minimum": smallest, "maximum": largest})


@kind(type="string", enum=["1", "0", "true", "false"])
def flag(text: str) -> bool:
    """Take yes or no."""
    if text not in {"1", "0", "true", "false"}:
        raise ValueError(f"expected 1 or 0, found {shown(text)}")
    return text in {"1", "true"}


@kind(anyOf=[{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0, "maximum": 999_999_999_999}])
def moment(text: str) -> float:
    """Take a moment in RFC 3339 (section 5.6) or UNIX seconds; return UNIX seconds."""
    try:
        # All that is kept happened since 1970.
        seconds = float(text) if _SECONDS.fullmatch(text) else max(0.0, _of_rfc3339(text.upper()))
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < 1e12:
        expected = "a moment such as 2026-11-22T10:15:00Z, or seconds since 1970"
        raise ValueError(f"expected {expected}, found {shown(text)}")
    return seconds


def one_of(words: Collection[str]) -> Kind:
    """One of the words that there are."""

    def take(text: str) -> str:
        if text not in words:
            near = difflib.get_close_matches(text[:64], words, 1)
            raise ValueError(f"there is no {shown(text)}" + (f"; did you mean {near[0]}?" if near else ""))
        return text

    return kinds.Kind(take, {"type": "string", "enum": sorted(words)})


@kind(type="string", minLength=2, maxLength=LONGEST, examples=["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80"])
def host(text: str) -> tuple[str, int | None]:
    """Take an IP address, with a port or without; return the address as `ipaddress` spells it, and the port."""
    address, port = text, ""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") else port and "?"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    try:
        return str(ip_address(address)), whole(0, 65535)(port) if port else None
    except ValueError:
        raise ValueError(f"expected an IP address, or one with a port, found {shown(text)}") from None


def shown(text: str) -> str:
    """Return a text in short and in quotes, without control characters."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _of_rfc3339(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.timestamp()


def _unknown(name: str, kinds: Mapping[str, Kind]) -> str:
    near = difflib.get_close_matches(name[:64], kinds, 1)
    return f"There is no parameter {shown(name)}; " + (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(kinds)}." if kinds else "there are none here."
    )
