"""What is wrong, of what the status tells: the servers, the virtual servers, and how bad it is altogether."""

from typing import Any, Literal

from healthlb.cli.status_words import director_problems

Verdict = Literal["fine", "degraded", "down"]

SEVERITY = ("down", "panic", "degraded", "up")
"""States of a virtual server, the worst first."""


def verdict(status: dict[str, Any], *, whole: bool) -> Verdict:
    """Return how bad it is: `down` where a virtual server is down or in panic.

    `whole`: also what troubles the director itself counts, as `degraded`; else only the virtual servers do.
    """
    states = {pool["state"] for pool in status["virtual_servers"]}
    if states & {"down", "panic"}:
        return "down"
    return "degraded" if "degraded" in states or (whole and director_problems(status["director"])) else "fine"


def is_wrong(server: dict[str, Any]) -> bool:
    """Say whether somebody should look after a server. One that is meant to be out may be as it likes."""
    if server.get("pooled_but_down") or server.get("held_until") is not None:
        return True
    if server["admin"] != "enabled":
        return False
    weight = server["weight"]
    if server["health"] != "up" or weight["effective"] != weight["kernel"]:
        return True
    return any(
        check.get("unsent_reason")
        or check.get("warning")
        or (check["last"] is not None and not check["last"]["passed"])
        for check in server["checks"]
    )


def is_ordinary(server: dict[str, Any]) -> bool:
    """Say whether there is nothing to tell of a server but that all is well."""
    told = server.get("overrides") or server.get("ramp") is not None or server.get("origin") == "runtime"
    return not (told or is_wrong(server)) and server["admin"] == "enabled"


def is_troubled(pool: dict[str, Any]) -> bool:
    """Say whether something is wrong with a virtual server or with one of its servers."""
    return pool["state"] != "up" or any(map(is_wrong, (*pool["real_servers"], *pool.get("sorry_servers", ()))))


def by_severity(pools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return virtual servers, the worst first; of those that are up, those first that have a server in trouble."""
    return sorted(pools, key=lambda pool: (SEVERITY.index(pool["state"]), not is_troubled(pool)))
