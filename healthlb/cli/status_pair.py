"""The pair of directors, of what the status tells: what is wrong with it, and its part of what an operator reads.

A director of an earlier version, or one whose file has no `vrrp`, has nothing of it to tell.
"""

from typing import Any

from healthlb.cli.table import Cell, Colour, Column, lines, paint, printable, wrapped
from healthlb.cli.times import moment, shown
from healthlb.core import pair_concern

_COLOURS: dict[str, Colour] = {"MASTER": "green", "FAULT": "red", "INIT": "yellow"}
_COLUMNS = (
    Column("VRRP"),
    Column("State"),
    Column("For", right=True),
    Column("Priority", right=True),
    Column("Interface"),
    Column("Id", right=True),
    Column("Master"),
    Column("Addresses"),
)
_Item = dict[str, Any]


def pair_problems(status: _Item) -> list[str]:
    """Return what somebody has to look after now."""
    told = [
        pair_concern.of_instance(
            each["name"], each["state"], faults=each["faults"], split_brain=each["split_brain"] or ""
        )
        for each in status.get("vrrp", ())
    ]
    told += [
        pair_concern.of_sync(
            each["role"], running=each["running"], wanted=each["wanted"], problem=each["problem"] or ""
        )
        for each in status.get("connection_sync", ())
    ]
    speaker = status.get("speaker")
    if speaker is not None:
        told.append(pair_concern.of_speaker(running=speaker["running"], problem=speaker["problem"] or ""))
    return [each for each in told if each]


def pair_warnings(status: _Item) -> list[str]:
    """Return what is as it was ordered, and is not to be forgotten."""
    told = [
        pair_concern.warning_of(each["name"], yielded=each["yielded"], by=(each["handed_over"] or {}).get("by") or "")
        for each in status.get("vrrp", ())
    ]
    return [each for each in told if each]


def pair_view(status: _Item, now: float, *, colour: bool, width: int) -> list[str]:
    """Return the lines of the pair, with an empty one before them; none where there is no pair."""
    instances, daemons, speaker = status.get("vrrp", ()), status.get("connection_sync", ()), status.get("speaker")
    made: list[str] = []
    if instances:
        made += lines(_COLUMNS, [_row(each, now) for each in instances], colour=colour, width=width)
    for text, level in (*_sync(daemons, now), *_speaker(speaker)):
        made += [paint(line, level, colour) for line in wrapped(printable(text), width)]
    return ["", *made] if made else []


def _row(one: _Item, now: float) -> list[Cell]:
    state, priority = one["state"], one["priority"]
    configured, effective = priority["configured"], priority["effective"]
    return [
        Cell(printable(one["name"]), "bold"),
        Cell(state, _COLOURS.get(state, "")),
        Cell(shown(now - moment(one["since"]))),
        Cell(str(configured) if effective == configured else f"{effective}/{configured}"),
        Cell(printable(one["interface"])),
        Cell(str(one["router_id"])),
        Cell(_master(one)),
        Cell(printable(", ".join([*one["addresses"], *_said(one)]))),
    ]


def _master(one: _Item) -> str:
    if one["state"] == "MASTER":
        return "this director"
    if not one["master"]:
        return "none known"
    return printable(f"{one['master']} ({one['master_priority']})")


def _said(one: _Item) -> list[str]:
    """Return what is to be said of an instance beside its addresses."""
    words = [f"group {one['group']}"] if one["group"] else []
    words += ["handed over"] if one["yielded"] else []
    for each in one["tracked"]:
        if not each["up"]:
            reason = f" ({each['reason']})" if each["reason"] else ""
            weight = each["weight"]
            effect = "" if weight is None or weight >= 0 else f": {weight}"
            words.append(f"{each['name']} is down{reason}{effect}")
    return words


def _sync(daemons: list[_Item], now: float) -> list[tuple[str, Colour]]:
    told: list[tuple[str, Colour]] = []
    for each in daemons:
        runs = "runs" if each["running"] else "DOES NOT RUN"
        words = [f"connection sync: {each['role']} {runs} on {each['interface']}, id {each['id']}"]
        if each["running"] and not each["wanted"]:
            words.append("not of this file")
        if each["role"] == "backup" and each["running"]:
            heard = each["last_packet_at"]
            words.append(
                "no packet of the peer's seen yet"
                if heard is None
                else f"the peer's packets last seen {shown(now - moment(heard))} ago"
            )
        words += [each["problem"]] if each["problem"] else []
        told.append((", ".join(words), "red" if each["wanted"] and not each["running"] else ""))
    return told


def _speaker(one: _Item | None) -> list[tuple[str, Colour]]:
    if one is None:
        return []
    if not one["running"]:
        return [("speaker: DOES NOT RUN" + (f", {one['problem']}" if one["problem"] else ""), "red")]
    late = one["lateness"]
    words = [f"speaker: process {one['pid']}", "real time" if one["real_time"] else "not real time"]
    words.append("memory locked" if one["memory_locked"] else "memory not locked")
    words.append(f"adverts late by {late['p99'] * 1000:.3g}ms (p99), {late['worst'] * 1000:.3g}ms at worst")
    if one["restarts_total"]:
        words.append(
            f"started again {one['restarts_total']} times" if one["restarts_total"] > 1 else "started again once"
        )
    words += [one["problem"]] if one["problem"] else []
    return [(", ".join(words), "yellow" if one["problem"] else "")]
