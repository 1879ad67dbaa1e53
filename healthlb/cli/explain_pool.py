"""Why a virtual server is in the state that it is in, who is out, and what would bring it up, in sentences."""

from typing import Any

from healthlb.cli.explain_outlook import pool_back, quorum
from healthlb.cli.explain_reading import start
from healthlb.cli.explain_server import cause, is_fine, last_change, out_line
from healthlb.cli.explain_words import Explanation, Section, ahead, some, stamp
from healthlb.cli.status_words import counted
from healthlb.cli.times import local, moment, shown
from healthlb.core.outlook import present
from healthlb.core.panic import floor

Document = dict[str, Any]
LISTED = 20
"""Servers that are out and are told of, a line each, at most."""


def explain(pool: Document, director: Document, event: Document | None, now: float) -> Explanation:
    """Explain a virtual server; raise KeyError, TypeError or ValueError where it is none."""
    servers = pool["real_servers"]
    serving = sum(1 for each in servers if each["weight"]["kernel"])
    state = pool["state"]
    headline = (
        f"{pool['name']} ({pool['protocol']} {pool['address']}, {pool['scheduler']}) is "
        f"{state if state == 'up' else state.upper()}: {serving} of {counted(len(servers), 'real server')} "
        f"{'takes' if 1 in (serving, len(servers)) else 'take'} traffic."
    )
    out = [each for each in servers if not is_fine(each)]
    sections = [Section("Why", _why(pool, director, now))]
    if out:
        more = [f"… and {len(out) - LISTED} more."] if len(out) > LISTED else []
        sections.append(
            Section(f"Not as configured: {len(out)}", [out_line(pool, each) for each in out[:LISTED]] + more)
        )
    sections.append(Section("Last change", last_change(event, None, now)))
    remedies, facts = _remedies(pool, now) if state != "up" else ([], {})
    if remedies:
        sections.append(Section("What would bring it up", remedies))
    return Explanation(headline, sections, state == "up", {"virtual_server": pool, "event": event, "outlook": facts})


def _why(pool: Document, director: Document, now: float) -> list[str]:
    met = pool["quorum"]["met"]
    told = [*_state(pool, now), f"Quorum {'met' if met else 'LOST'}: {quorum(pool)}."]
    told += [*_panic(pool, now), *_sorry(pool)]
    told += [
        f"{row['address']} is no longer in the pool; its row stays for what is open "
        f"({row['connections']['active']} active), until {local(row['until'])} at the latest."
        for row in pool["leaving"]
    ]
    told += [f"{each['address']} was removed at run time by {each['who'] or 'somebody'}." for each in pool["removed"]]
    failing = director["table"]["failing"]
    told += [f"This operation fails and is tried again: {each}." for each in failing if pool["address"] in each][:5]
    used = pool["connections"]
    rate = pool["rates"]["connections_per_second"]
    return [*told, f"Connections: {used['active']} active, {used['inactive']} inactive, {rate} new a second."]


def _state(pool: Document, now: float) -> list[str]:
    if not pool.get("since"):
        return []  # a director of an earlier version
    state = pool["state"] if pool["state"] == "up" else pool["state"].upper()
    return [f"It has been {state} for {shown(now - moment(pool['since']))}."]


def _panic(pool: Document, now: float) -> list[str]:
    if not pool["panic"]:
        return ["There is no panic floor."]
    decision = present(start(pool, now)).decision
    least = floor(pool["panic"], decision.enabled)
    terms = f"{pool['panic']:g} % of the enabled weight {decision.enabled} is {least}"
    carried = f"servers that do not fail carry {decision.carried}"
    kept = [each["name"] for each in pool["real_servers"] if each["pooled_but_down"]]
    if kept:
        return [f"Panic floor: {terms}, and the {carried}; so failing servers stay in: {some(kept)}."]
    return [f"Panic floor: {terms}; the {carried}."]


def _sorry(pool: Document) -> list[str]:
    names = [each["name"] for each in pool["sorry_servers"]]
    if not names:
        return ["There is no sorry server."]
    if pool["sorry_server_active"]:
        return [f"The sorry server takes all new connections: {some(names)}."]
    ready = [each["name"] for each in pool["sorry_servers"] if each["health"] == "up" and each["admin"] == "enabled"]
    if ready:
        return [f"The sorry server stands by: {some(ready)}."]
    unfit = [f"{each['name']} ({cause(pool, each, sorry=True)})" for each in pool["sorry_servers"]]
    return [f"The sorry server cannot stand in: {some(unfit)}."]


def _remedies(pool: Document, now: float) -> tuple[list[str], Document]:
    """Return what is to come in its order: some traffic, the quorum, the end of panic, all of it."""
    goals = []
    if pool["state"] == "down":
        goals.append(("traffic", "The first real server takes traffic", lambda each: each.state != "down"))
    if not pool["quorum"]["met"]:
        goals.append(("quorum", f"The quorum ({quorum(pool)}) is met", lambda each: each.decision.quorum_met))
    if pool["state"] == "panic":
        goals.append(("panic_over", "Panic is over", lambda each: each.state != "panic"))
    goals.append(("up", "All servers that are meant to have traffic have it", lambda each: each.state == "up"))
    told, facts = [], {}
    for key, words, holds in goals:
        at = pool_back(pool, now, holds)
        facts[f"{key}_at"] = None if at is None else stamp(at)
        told.append(
            f"{words} {ahead(at, now)} at the earliest." if at is not None else f"Not by time alone: {words.lower()}."
        )
    told.append("That is if the probes of all servers pass from now on; `healthlb explain VS RS` tells of each.")
    return told, facts
