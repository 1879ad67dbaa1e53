"""What operators changed at run time, as JSON objects, with who did it, why and when."""

from collections.abc import Iterable
from datetime import UTC, datetime

from healthlb.api import shapes
from healthlb.model.overrides import Addition, Override, Removal


def timestamp(seconds: float) -> str:
    """UNIX seconds as RFC 3339 section 5.6 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def moment(seconds: float | None) -> str | None:
    """Return a timestamp, or None where there is no moment to tell."""
    return None if seconds is None else timestamp(seconds)


def overrides(these: Iterable[Override]) -> list[shapes.Override]:
    """Return overrides, as `override` does."""
    return [override(each) for each in these]


def override(each: Override) -> shapes.Override:
    """Return an override; `what` is `drain`, `disable` or `weight 5`, and the fields below `scope` are its parts."""
    return {
        "what": _what(each),
        "scope": str(each.scope),
        "virtual_server": each.scope.virtual_server,
        "address": each.scope.address,
        "port": each.scope.port,
        "admin": each.admin,
        "weight": each.weight,
        "remove": each.remove,
        "deadline": moment(each.deadline),
        "who": each.who,
        "why": each.why,
        "at": timestamp(each.at),
        "expires_at": moment(each.expires_at),
    }


def addition(each: Addition, *, settings: bool = False) -> shapes.Addition:
    """Return an added real server; `settings` as they were given, for those who may see what the file has."""
    told: shapes.Addition = {
        "virtual_server": each.virtual_server,
        "address": str(each.address),
        "who": each.who,
        "why": each.why,
        "at": timestamp(each.at),
    }
    if settings:
        told["settings"] = each.settings
    return told


def removal(each: Removal) -> shapes.Removal:
    """Return a removed real server."""
    return {
        "virtual_server": each.virtual_server,
        "address": str(each.address),
        "who": each.who,
        "why": each.why,
        "at": timestamp(each.at),
    }


def _what(given: Override) -> str:
    weight = () if given.weight is None else (f"weight {given.weight}",)
    return ", ".join([*filter(None, (given.admin,)), *weight])
