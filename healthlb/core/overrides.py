"""What operators' overrides come to: which of them decide over a server, and which of them are over.

Of one scope there is one override of the admin state and one of the weight at most: the latest. Where several scopes
cover a server, `disable` beats `drain`, so that nobody's narrow word opens what somebody else shut; and the weight is
that of the narrowest scope: one server of one virtual server, then an address in one virtual server, then one server
wherever it appears, then a whole machine. Times are UNIX seconds.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied, Orders, Override, Scope

Kind = Literal["admin", "weight"]


def kind(override: Override) -> Kind:
    """Return what an override is about."""
    return "admin" if override.weight is None else "weight"


def applied(overrides: Iterable[Override], virtual_server: str, address: Endpoint) -> Applied:
    """Return what those of the overrides that cover a server come to; their order makes no difference."""
    covering = [each for each in overrides if each.scope.covers(virtual_server, address)]
    if not covering:
        return NOT_OVERRIDDEN
    weights = [each for each in covering if each.weight is not None]
    weight = min(weights, key=_width).weight if weights else None
    orders = {each.admin for each in covering}
    if "disable" in orders:
        return Applied("disable", weight=weight)
    if "drain" not in orders:
        return Applied(weight=weight)
    removing = [each for each in covering if each.admin == "drain" and each.remove]
    deadline = min((each.deadline for each in removing if each.deadline is not None), default=None)
    return Applied("drain", bool(removing), deadline, weight)


def placed(orders: Orders, override: Override) -> Orders:
    """Return the orders with one more override, which replaces the one of the same scope and kind."""
    kept = lifted(orders, override.scope, kind(override)).overrides
    return replace(orders, overrides=(*kept, override))


def lifted(orders: Orders, scope: Scope, what: Literal["admin", "weight", "all"]) -> Orders:
    """Return the orders without the overrides of exactly this scope, of a kind or of both."""
    gone = of_scope(orders.overrides, scope, what)
    return replace(orders, overrides=tuple(each for each in orders.overrides if each not in gone)) if gone else orders


def of_scope(
    overrides: Iterable[Override], scope: Scope, what: Literal["admin", "weight", "all"]
) -> tuple[Override, ...]:
    """Return the overrides of exactly this scope, of a kind or of both."""
    return tuple(each for each in overrides if each.scope == scope and what in {"all", kind(each)})


def expired(orders: Orders, now: float) -> tuple[Orders, tuple[Override, ...]]:
    """Return the orders without the overrides whose time is over, and those."""
    over = tuple(each for each in orders.overrides if _is_over(each, now))
    if not over:
        return orders, ()
    return replace(orders, overrides=tuple(each for each in orders.overrides if not _is_over(each, now))), over


def next_expiry(orders: Orders) -> float | None:
    """Return when the first override's time is over, None where none has an end."""
    return min((each.expires_at for each in orders.overrides if each.expires_at is not None), default=None)


def _is_over(override: Override, now: float) -> bool:
    return override.expires_at is not None and override.expires_at <= now


def _width(override: Override) -> tuple[bool, bool]:
    return override.scope.virtual_server is None, override.scope.port is None
