"""When a real server, or a pool, is back at the earliest: the status as the core knows it, played on by the core."""

from collections.abc import Callable
from typing import Any, NamedTuple

from healthlb.cli.explain_reading import start
from healthlb.cli.explain_words import ahead, times
from healthlb.core.outlook import Moment, Start, first, present, verdict_at
from healthlb.core.slow_start import STEPS, Recovered

Document = dict[str, Any]


class Back(NamedTuple):
    """When a server is back, in UNIX seconds: `at` by itself, `with_all` if all servers pass; None: it does not come.

    `full_at` is when slow start lets it have all of its weight. `held_until` is when a hold ends that its next turn
    begins. `needs` are what its checks, its hold and its pool need, a sentence each.
    """

    serves: bool
    at: float | None
    with_all: float | None
    full_at: float | None
    held_until: float | None
    needs: list[str]


def back(pool: Document, server: Document, now: float) -> Back:
    """Return when a real server of a pool is back."""
    begun = start(pool, now)
    place = pool["real_servers"].index(server)
    address = begun.server.real_servers[place].address

    def serves(moment: Moment) -> bool:
        return moment.serves(address)

    here = present(begun)
    if serves(here):
        return Back(True, now, now, _full_at(begun, place, here), None, [])
    found = first(begun, [place], serves)
    everyone = range(len(begun.members))
    with_all = found if found is not None else first(begun, everyone, serves)
    there = found or with_all
    held = there.level.standings[place].held_until if there is not None else None
    if held is not None and (held <= now or held == begun.members[place].flaps.held_until):
        held = None
    return Back(
        False,
        None if found is None else found.at,
        None if with_all is None else with_all.at,
        None if there is None else _full_at(begun, place, there),
        held,
        _needs(pool, server, begun, place),
    )


def _full_at(begun: Start, place: int, there: Moment) -> float | None:
    server, standing = begun.server.real_servers[place], there.level.standings[place]
    if server.address not in there.decision.ramps or standing.recovered_at is None:
        return None
    return Recovered(server, standing.recovered_at, 0, 0).begins(STEPS)


def _needs(pool: Document, server: Document, begun: Start, place: int) -> list[str]:
    """Return what it needs beside its operators' word."""
    outset, told = begun.members[place], []
    if server["health"] != "up":
        waiting = [each for each in server["checks"] if each["health"] != "up"]
        told = [_passes(each) for each in waiting]
        if told and len(server["checks"]) > 1 and server["policy"]["require"] == "any":
            told = [f"One of {len(told)}: {' '.join(told)}"]
        if waiting:
            up_at = verdict_at(begun.server.real_servers[place], outset, begun.now)
            told.append(f"Then its verdict is up, {ahead(up_at, begun.now)} at the earliest.")
    if outset.flaps.held_until is not None and outset.flaps.held_until > begun.now:
        told.append(f"Its hold for flapping has to end: {ahead(outset.flaps.held_until, begun.now)}.")
    if pool["sorry_server_active"]:
        told.append(f"The pool has to regain its quorum: {quorum(pool)}.")
    return told


def _passes(check: Document) -> str:
    schedule = check["schedule"]
    lacking = max(schedule["rise"] - (check["streak"] if check["passing"] else 0), 1)
    more = " more" if check["passing"] and check["streak"] else ""
    if check["unsent_reason"]:
        return f"{check['name']} has to be sent again ({check['unsent_reason']}), and to pass."
    return f"{check['name']} needs {times(lacking, f'{more} pass'.strip())}."


def quorum(pool: Document) -> str:
    """Return the arithmetic of a quorum."""
    each = pool["quorum"]
    up, slack, live = each["up"], each["hysteresis"], each["live_weight"]
    if each["met"]:
        return (
            f"live weight {live}, {up} wanted, lost at 0 or below {up - slack}"
            if slack
            else f"live weight {live}, {up} wanted"
        )
    needed = f"{up} + {slack} = {up + slack}" if slack else str(up)
    return f"live weight {live}, {needed} needed"


def pool_back(pool: Document, now: float, holds: Callable[[Moment], bool]) -> float | None:
    """Return when something holds of a pool at the earliest, if the probes of all its servers pass from now on."""
    begun = start(pool, now)
    found = first(begun, range(len(begun.members)), holds)
    return None if found is None else found.at
