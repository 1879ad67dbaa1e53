"""Which virtual servers of the status are wanted: those that are named, or those that something is wrong with."""

from collections.abc import Collection
from typing import Any

from healthlb.cli.status_verdict import is_troubled, is_wrong
from healthlb.cli.words import UsageError


def named_only(status: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the status with the virtual servers of these names; raise UsageError for one that is not there."""
    pools = status["virtual_servers"]
    there = {pool["name"] for pool in pools}
    for name in names:
        if name not in there:
            raise UsageError(_not_there(name, list(there)))
    return status | {"virtual_servers": [pool for pool in pools if pool["name"] in names]}


def wrong_only(status: dict[str, Any]) -> dict[str, Any]:
    """Return the status with the virtual servers and servers that are in trouble."""
    return status | {"virtual_servers": [_wrong_part(pool) for pool in status["virtual_servers"] if is_troubled(pool)]}


def _wrong_part(pool: dict[str, Any]) -> dict[str, Any]:
    wrong = {key: [each for each in pool.get(key, ()) if is_wrong(each)] for key in ("real_servers", "sorry_servers")}
    return pool | wrong


def _not_there(name: str, there: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only those who mistype wait for it

    shown = repr(name if len(name) <= 64 else name[:63] + "…")
    near = get_close_matches(name[:64], there, 1)
    if near:
        return f"there is no virtual server {shown}; did you mean {near[0]!r}?"
    return f"there is no virtual server {shown}; `healthlb status` lists all"
