"""The bodies of commands: JSON objects whose every fault is one sentence that names its key."""

import difflib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from healthlb.api import kinds
from healthlb.api.kinds import kind

LONGEST_TEXT = 500
LONGEST_NAME = 64
LONGEST_DURATION = 10 * 365 * 86400.0

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_DURATION = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>ms|s|m|h|d)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}

Kind = kinds.Kind[Any]
"""Takes a JSON value."""


class BodyError(Exception):
    """A body that cannot be taken; the text is one sentence for each fault."""


async def body_of(request: web.Request, kinds: Mapping[str, Kind], required: str = "") -> dict[str, Any]:
    """Return a request's body with the values that its keys stand for; absent and null keys are absent.

    No body is an empty object. Raise BodyError with all faults; `required` is the key that must be there, if any.
    """
    found = _object(await request.read())
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in found.items():
        kind = kinds.get(key)
        if kind is None:
            faults.append(_unknown(key, kinds))
        elif value is not None:
            try:
                values[key] = kind(value)
            except ValueError as error:
                faults.append(f"{key}: {error}.")
    if required and found.get(required) is None:
        faults.append(f"{required}: is required.")
    if faults:
        raise BodyError(" ".join(faults))
    return values


def one_line(longest: int) -> Kind:
    """Text without line breaks or other control characters, of so many characters at most."""

    def take(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected text, found {_shown(value)}")
        if len(value) > longest:
            raise ValueError(f"expected at most {longest} characters, found {len(value)}")
        if not value.isprintable():
            raise ValueError("expected one line of printable text, found a control character")
        return value.strip()

    return kinds.Kind(take, {"type": "string", "maxLength": longest, "pattern": _PRINTABLE})


@kind(type="boolean")
def boolean(value: Any) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {_shown(value)}")
    return value


@kind(type="integer", minimum=0, maximum=65535)
def weight(value: Any) -> int:
    """Take a weight, as the kernel's scheduling has it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {_shown(value)}")
    if not 0 <= value <= 65535:
        raise ValueError(f"{_shown(value)} is out of range: 0 to 65535")
    return value


@kind(
    anyOf=[
        {"type": "string", "pattern": f"^{_DURATION.pattern.replace('?P<number>', '').replace('?P<unit>', '')}$"},
        {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_DURATION},
    ],
    examples=["30s", "2h", 90],
)
def duration(value: Any) -> float:
    """Take a length of time above 0 as the file has it, `30s`, `2h`, or a number of seconds; return float seconds."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        # An integer may be too large for a float.
        seconds = float(max(-1, min(value, 2 * LONGEST_DURATION)))
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)) is not None:
        seconds = float(match["number"]) * _UNITS[match["unit"]]
    if math.isnan(seconds):
        raise ValueError(f"expected a duration such as 30s, 10m or 2h, found {_shown(value)}")
    if not 0 < seconds <= LONGEST_DURATION:
        raise ValueError(f"{_shown(value)} is out of range: above 0, and 10 years at most")
    return seconds


@kind(type="object")
def record(value: Any) -> dict[str, Any]:
    """Take a JSON object whose keys are somebody else's to judge."""
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {_shown(value)}")
    return value


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode(), object_pairs_hook=_without_twins, parse_constant=_no_number)
        # Half of a surrogate pair and an infinite number come in by an escape and by an exponent, and have no way out.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise BodyError("The body is nested too deeply.") from None
    except UnicodeError:
        raise BodyError("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BodyError(f"The body is no JSON: {error.msg} at character {error.pos + 1}.") from None
    except ValueError as error:
        raise BodyError(f"The body is no JSON that can be taken: {_one_line(str(error))}.") from None
    if not isinstance(value, dict):
        raise BodyError(f"The body is to be a JSON object, found {_shown(value)}.")
    return value


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{_shown(key)} is there twice")
        found[key] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _unknown(key: str, kinds: Mapping[str, Kind]) -> str:
    near = difflib.get_close_matches(key, kinds, 1) if len(key) <= LONGEST_NAME else []
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(kinds)}."
    return f"There is no key {_shown(key)}; {meant}"


def _shown(value: Any) -> str:
    """Return a value in short, without control characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
