"""A short text that tells one probe from every other, and is the same in every process.

Two probes have the same one where they are equal: the same settings of the same check type, the same schedule, the
same target. It shows nothing of what it was made from, secrets least of all.
"""

import enum
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from healthlb.model.check import Check, Probe


def fingerprint(probe: Probe) -> str:
    """Return a probe's fingerprint, 32 hexadecimal digits; empty where its check has settings of an unknown kind.

    Such a check is a plugin's, and its probes cannot be known again in another process.
    """
    check = _of_check(probe.check)
    return _digest(f"{check} {_said(probe.target)} {_said(probe.context)}") if check else ""


@lru_cache(maxsize=1024)
def _of_check(check: Check) -> str:
    """Return the part that thousands of probes have in common."""
    try:
        return _digest(_said(check))
    except TypeError:
        return ""


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _said(value: Any) -> str:
    """Return a value in a form that equal values share; fields that make no difference are left out."""
    match value:
        case None | bool() | str() | bytes():
            return repr(value)
        case enum.Enum():
            return f"{type(value).__name__}.{value.name}"
        case int() | float():
            return repr(int(value) if value == value // 1 else value)
        case tuple():
            return _listed("()", map(_said, value))
        case frozenset():
            return _listed("{}", sorted(map(_said, value)))
        case re.Pattern():
            return f"{value.pattern!r} {value.flags}"
        case _ if is_dataclass(value):
            kind = type(value)
            parts = (f"{each.name}={_said(getattr(value, each.name))}" for each in fields(value) if each.compare)
            return f"{kind.__module__}.{kind.__qualname__}{_listed('()', parts)}"
        case _:
            raise TypeError(f"{type(value).__qualname__} has no canonical form")


def _listed(brackets: str, parts: Iterable[str]) -> str:
    return brackets[0] + ", ".join(parts) + brackets[1]
