"""Words that explanations share: lengths of time, moments, operators' orders, what a probe saw."""

from typing import Any, NamedTuple

from healthlb.cli.times import local, moment, shown

MOST_SHOWN = 300
"""Characters of what went each way that are shown at most."""
_ADMIN = ("drain", "disable")


class Section(NamedTuple):
    """A heading and the sentences below it."""

    title: str
    sentences: list[str]


class Explanation(NamedTuple):
    """What is told: one line, then more of it. `fine`: all is as the file wants it. `facts` are for programs."""

    headline: str
    sections: list[Section]
    fine: bool
    facts: dict[str, Any]


def span(seconds: float) -> str:
    """Return a length of time as a file has it: `500ms`, `2s`, `1.5s`, `10m`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds:g}s" if seconds < 120 or seconds % 60 else f"{seconds / 60:g}m"


def ago(at: str, now: float) -> str:
    """Return how long ago a moment was, and when: `12s ago (2026-11-22 23:50:01+00:00)`."""
    return f"{shown(now - moment(at))} ago ({local(at)})"


def ahead(at: float, now: float) -> str:
    """Return in how long a moment is, rounded down, and when: `in about 12s (23:50:13)`."""
    seconds = at - now
    clock = local(stamp(at))[11:19] if seconds < 43200 else local(stamp(at))
    return f"in about {shown(seconds) if seconds >= 1 else 'a second'} ({clock})"


def stamp(at: float) -> str:
    """Return UNIX seconds as RFC 3339 in UTC, to the millisecond, cut short as the status has it."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def times(number: int, what: str) -> str:
    """Return `1 failure`, `3 failures in a row`."""
    more = "es" if what.endswith("s") else "s"
    return f"1 {what}" if number == 1 else f"{number} {what}{more} in a row"


def ordered(override: dict[str, Any], now: float) -> str:
    """Return an operator's order in words, with who gave it, why, when, and until when it is."""
    where = " wherever it appears" if override["virtual_server"] is None else ""
    verbs = {"drain": "drained it", "disable": "took it out of the table"}
    what = verbs[override["admin"]] if override["admin"] in _ADMIN else f"gave it weight {override['weight']}"
    why = f", because: {override['why']}" if override["why"] else ""
    until = "" if override["expires_at"] is None else f", until {local(override['expires_at'])}"
    return f"{override['who'] or 'Somebody'} {what}{where} {ago(override['at'], now)}{why}{until}."


def taken_back(override: dict[str, Any], pool: str) -> str:
    """Return the command that takes an operator's order back."""
    address, port = override["address"], override["port"]
    place = address if port is None else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    whom = f"--host {place}" if override["virtual_server"] is None else f"{pool} {place}"
    return f"`healthlb undrain {whom}`" if override["admin"] in _ADMIN else f"`healthlb weight {whom} --reset`"


def seen(evidence: dict[str, Any] | None) -> list[str]:
    """Return what a probe saw, a line for each thing."""
    if not evidence:
        return []
    words = (("sent", "sent"), ("received", "received"), ("peer", "peer"), ("certificate", "certificate"))
    return [f"{word}: {_short(str(evidence[key]))}" for key, word in words if evidence.get(key)]


def some(names: list[str], most: int = 10) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _short(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
