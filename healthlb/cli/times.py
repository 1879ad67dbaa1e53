"""Lengths of time and moments, as they are written and as an operator reads them."""

import argparse
import re
import time
from datetime import datetime

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,6})?)(?P<unit>ms|s|m|h|d|)", re.ASCII)


def duration(text: str) -> float:
    """Return float seconds for `500ms`, `2s`, `10m`, `2h`, `1d` or a bare number; raise ArgumentTypeError."""
    match = _DURATION.fullmatch(text)
    seconds = float(match["number"]) * _SECONDS[match["unit"]] if match is not None else 0.0
    if not 0 < seconds <= 365 * 86400:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration; write 30s, 10m or 2h, and 365d at most")
    return seconds


def shown(seconds: float) -> str:
    """Return a span in one unit: `12s`, `3m`, `5h`, `9d`."""
    whole = max(int(seconds), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= 2 * size or (unit == "m" and whole >= size):
            return f"{whole // size}{unit}"
    return f"{whole}s"


def since(text: str) -> float:
    """Return UNIX seconds for `1h` (ago) or an RFC 3339 moment, local without a zone; raise ArgumentTypeError."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        return time.time() - duration(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no moment; write 1h (ago), or 2026-11-22T10:00:00Z") from error


def moment(text: str) -> float:
    """Return UNIX seconds for an RFC 3339 moment; raise ValueError."""
    return datetime.fromisoformat(text).timestamp()


def local(text: str) -> str:
    """Return an RFC 3339 moment in local time, to the second; raise ValueError."""
    return datetime.fromisoformat(text).astimezone().isoformat(" ", "seconds")
