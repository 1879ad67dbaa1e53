"""What is wrong, of what the status tells: the servers, the virtual servers, and how bad it is altogether."""

from typing import Any, Literal

from healthlb.cli.status_pair import pair_problems
from healthlb.cli.status_words import director_problems
from healthlb.core import concern

Verdict = Literal["fine", "degraded", "down"]

SEVERITY = ("down", "panic", "degraded", "up")
"""States of a virtual server, the worst first."""


def verdict(status: dict[str, Any], *, whole: bool) -> Verdict:
    """Return how bad it is: `down` where a virtual server is down or in panic.

    `whole`: also what troubles the director itself or its pair counts, as `degraded`; else only the virtual servers do.
    """
    states = {pool["state"] for pool in status["virtual_servers"]}
    if states & {"down", "panic"}:
        return "down"
    if "degraded" in states or (whole and (director_problems(status["director"]) or pair_problems(status))):
        return "degraded"
    return "fine"


def is_wrong(server: dict[str, Any]) -> bool:
    """Say whether somebody has to look after a server, or may have to soon."""
    checks = server["checks"]
    return bool(
        concern.of_server(
            server["health"],
            server["admin"],
            pooled_but_down=bool(server.get("pooled_but_down")),
            held=server.get("held_until") is not None,
            as_wanted=server["weight"]["effective"] == server["weight"]["kernel"],
            unsent=any(check.get("unsent_reason") for check in checks),
            uneasy=any(check.get("warning") or (check["last"] and not check["last"]["passed"]) for check in checks),
        )
    )


def is_ordinary(server: dict[str, Any]) -> bool:
    """Say whether there is nothing to tell of a server but that all is well."""
    told = server.get("overrides") or server.get("ramp") is not None or server.get("origin") == "runtime"
    return not (told or is_wrong(server)) and server["admin"] == "enabled"


def is_troubled(pool: dict[str, Any]) -> bool:
    """Say whether something is wrong with a virtual server or with one of its servers."""
    met, sorry = pool["quorum"]["met"], bool(pool["sorry_server_active"])
    if concern.of_pool(pool["state"], quorum_met=met, sorry_server_active=sorry):
        return True
    return any(map(is_wrong, (*pool["real_servers"], *pool.get("sorry_servers", ()))))


def by_severity(pools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return virtual servers, the worst first; of those that are up, those first that have a server in trouble."""
    return sorted(pools, key=lambda pool: (SEVERITY.index(pool["state"]), not is_troubled(pool)))
