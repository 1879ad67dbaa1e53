"""Why a VRRP instance is MASTER, BACKUP or in FAULT, what its priority is made of, and what would make it MASTER."""

from typing import Any

from healthlb.cli.explain_words import Explanation, Section, ago, span
from healthlb.cli.times import moment, shown
from healthlb.core import pair_concern

Document = dict[str, Any]
LATEST = 5
"""Events that are told, the newest."""
OF_INSTANCES = (
    "became_master",
    "became_backup",
    "entered_fault",
    "stopped_as_master",
    "vrrp_priority_changed",
    "master_changed",
    "split_brain_seen",
    "split_brain_ended",
    "failover_ordered",
)
LEAST, HIGHEST = 1, 254
"""What the file's priority may become by weights; 255, the owner's, stays (RFC 9568 section 5.2.4)."""


def explain(one: Document, speaker: Document | None, events: list[Document], now: float) -> Explanation:
    """Explain an instance; raise KeyError, TypeError or ValueError where it is none. The newest event is the last."""
    concern = pair_concern.of_instance(
        one["name"], one["state"], faults=one["faults"], split_brain=one["split_brain"] or ""
    )
    silent = "" if speaker is None else pair_concern.of_speaker(running=speaker["running"], problem="")
    down = [each for each in one["tracked"] if not each["up"]]
    fine = one["state"] in ("MASTER", "BACKUP") and not (concern or silent or down or one["yielded"])
    sections = [Section("Why", _why(one, silent, now)), Section("Priority", _priority(one))]
    told = [f"{shown(now - moment(each['at']))} ago: {each['message']}." for each in reversed(events[-LATEST:])]
    sections.append(Section("Last changes", told or ["None is known."]))
    remedies = _remedies(one)
    if remedies:
        sections.append(Section("What would make it MASTER", remedies))
    facts = {"instance": one, "events": events[-LATEST:]}
    return Explanation(_headline(one, now), sections, fine, facts)


def _headline(one: Document, now: float) -> str:
    where = f"{one['name']} (VRRP {one['version']}, router id {one['router_id']} on {one['interface']})"
    return f"{where} has been {one['state']} for {shown(now - moment(one['since']))}."


def _why(one: Document, silent: str, now: float) -> list[str]:
    told = [f"{silent[0].upper()}{silent[1:]} on this director now."] if silent else []
    match one["state"]:
        case "MASTER":
            told.append("It has the addresses: no better master is heard.")
            told += [f"But there is a second master: {one['split_brain']}."] if one["split_brain"] else []
        case "BACKUP":
            told += _why_backup(one, now)
        case "FAULT":
            told += [f"It may not be master: {each}." for each in one["faults"]]
        case _ if not silent:
            told.append("It does not speak: a dry run speaks nothing, and at its start a director is not ready to.")
    told.append(f"Addresses: {', '.join(one['addresses'])}.")
    if one["group"]:
        told.append(f"It is in the group {one['group']}: all of it are MASTER or none is.")
    dropped = one["adverts"]["dropped_total"]
    counted = [f"{number} {reason}" for reason, number in dropped.items() if number]
    if counted:
        told.append(f"Adverts that were not heeded: {', '.join(counted)} (docs/pairing.md has what each means).")
    return told


def _why_backup(one: Document, now: float) -> list[str]:
    told = []
    order = one["handed_over"]
    if order:
        who = order["by"] or "An operator"
        told.append(f"{who} handed it over {ago(order['at'], now)}: whoever is master stays so, of whatever priority.")
    if not one["master"]:
        return [*told, "No master is heard: unless one is within three intervals, it takes over."]
    ours, theirs = one["priority"]["effective"], one["master_priority"]
    told.append(f"{one['master']} is master with priority {theirs}; ours is {ours}.")
    if ours > theirs and not one["yielded"]:
        rest = ", and each of its group has to be able to" if one["group"] else ""
        told.append(f"Whether and when the higher one takes over `preempt` and `start_delay` say in the file{rest}.")
    if ours == theirs:
        told.append("A master stays where the priorities are equal.")
    return told


def _priority(one: Document) -> list[str]:
    configured, effective = one["priority"]["configured"], one["priority"]["effective"]
    told = [f"It is {effective}; the file says {configured}."]
    reckoned = configured
    for each in one["tracked"]:
        weight = each["weight"]
        state = "up" if each["up"] else "down"
        because = f" ({each['reason']})" if each["reason"] and not each["up"] else ""
        counts = 0 if weight is None or (weight < 0) == each["up"] else weight
        reckoned += counts
        effect = "" if each["up"] else ": FAULT"
        if weight is not None:
            effect = f": {counts:+d}" if counts else f": 0, {weight:+d} while {'down' if weight < 0 else 'up'}"
        told.append(f"{each['kind'].replace('_', ' ')} {each['name']} is {state}{because}{effect}.")
    if configured <= HIGHEST:
        reckoned = max(LEAST, min(HIGHEST, reckoned))
        if effective != reckoned:
            told.append(f"By that it would be {reckoned}; the last changes say what else counts.")
    return told


def _remedies(one: Document) -> list[str]:
    """Return what would make it MASTER, each by itself; nothing where it is."""
    name = one["name"]
    if one["state"] == "FAULT":
        return ["Nothing of what it is in FAULT for may be down any more; then it begins as BACKUP."]
    if one["state"] != "BACKUP":
        return []
    told = [f"No advert for {span(_patience(one))}: then it is MASTER."]
    if one["yielded"]:
        return [f"`healthlb failover {name} --back` here.", *told]
    if one["master"]:
        told.append(
            f"A failover that is ordered on {one['master']}: `healthlb failover {name}`, if that is a healthlb."
        )
        if one["priority"]["effective"] <= one["master_priority"]:
            told.append(f"A priority of more than {one['master_priority']}, by the file or by what it tracks.")
    return told


def _patience(one: Document) -> float:
    """Return Active_Down_Interval (RFC 9568 section 6.1, RFC 3768 section 6.1), rounded for people, in seconds."""
    skew, interval = (256 - int(one["priority"]["effective"])) / 256, float(one["interval"])
    return round(3 * interval + skew * (1 if one["version"] == 2 else interval), 3)
