"""Why a real server has the weight that it has, and what would bring it back, in sentences."""

from typing import Any

from healthlb.cli.explain_checks import all_checks, asked
from healthlb.cli.explain_outlook import Back, back
from healthlb.cli.explain_words import Explanation, Section, ahead, ordered, seen, span, stamp, taken_back
from healthlb.cli.status_words import counted
from healthlb.cli.times import moment, shown

Document = dict[str, Any]


def explain(pool: Document, server: Document, director: Document, event: Document | None, now: float) -> Explanation:
    """Explain one real server, or one sorry server; raise KeyError, TypeError or ValueError where it is none."""
    sorry = server not in pool["real_servers"]
    found = None if sorry else back(pool, server, now)
    sections = [
        Section("Why", _why(pool, server, director, now, sorry=sorry)),
        Section("Checks", all_checks(server, now)),
        Section("Last change", last_change(event, server, now)),
    ]
    if found is not None and not is_fine(server):
        sections.append(Section("What would bring it back", _remedies(pool, server, found, now)))
    facts = {"server": server, "event": event} | ({} if found is None else {"outlook": _facts(found)})
    headline = f"{_name(server)} in {pool['name']} {standing(server)}{_because(pool, server, sorry=sorry)}."
    return Explanation(headline, sections, is_fine(server) or (sorry and server["health"] == "up"), facts)


def is_fine(server: Document) -> bool:
    """Whether a server is up and has the weight that the file gives it."""
    weight = server["weight"]
    whole = weight["kernel"] == weight["effective"] == weight["configured"]
    return whole and server["health"] == "up" and server["admin"] == "enabled" and not server["pooled_but_down"]


def standing(server: Document) -> str:
    """Return what a server takes now."""
    weight = server["weight"]
    kernel, configured = weight["kernel"], weight["configured"]
    if kernel is None:
        return "is not in the table"
    if not kernel:
        return f"takes no new connections (weight 0, {configured} configured)"
    if kernel == configured:
        return f"takes traffic with its whole weight of {configured}"
    return f"takes traffic with weight {kernel}, {configured} configured"


def cause(pool: Document, server: Document, *, sorry: bool = False) -> str:
    """Return in a few words what decides over a server that has not its whole weight; empty where there is nothing."""
    admin = {each["admin"] for each in server["overrides"]}
    said = server["admin"] != "enabled" or any(each["feedback"] for each in server["checks"])
    stands_in = pool["sorry_server_active"] and not sorry
    ramp = server["ramp"] or 0.0
    # The order is that of policy, the last word first.
    causes = (
        ("disable" in admin, "an operator took it out"),
        ("drain" in admin, "an operator drained it"),
        (server["pooled_but_down"], "it fails, and the panic floor keeps it in"),
        (server["health"] == "down", _failing(server)),
        (server["health"] == "unknown", "it has no first verdict yet"),
        (server["held_until"] is not None, "it passes, and is held down for flapping"),
        (stands_in, "the quorum is lost, and the sorry server takes the traffic"),
        (sorry and not server["weight"]["kernel"], "it stands by: the pool takes its traffic itself"),
        (server["ramp"] is not None, f"slow start lets it have {ramp * 100:.0f} % of its weight"),
        (any(each["weight"] is not None for each in server["overrides"]), "an operator gave it another weight"),
        (said, "it asked for that itself"),
        (not server["weight"]["configured"], "it is configured with weight 0"),
    )
    return next((words for holds, words in causes if holds), "")


def _failing(server: Document) -> str:
    told = [f"{each['name']}: {each['last']['reason']}" for each in server["checks"] if _fails(each)]
    return f"it is DOWN ({'; '.join(told[:2])})" if told else "it is DOWN"


def _fails(check: Document) -> bool:
    return check["health"] == "down" and check["last"] is not None and not check["last"]["passed"]


def _because(pool: Document, server: Document, *, sorry: bool) -> str:
    words = cause(pool, server, sorry=sorry)
    weight = server["weight"]
    if weight["kernel"] != weight["effective"]:
        follows = "the table is yet to follow"
        words = f"{words}; {follows}" if words else follows
    return f": {words}" if words and not (is_fine(server) and weight["configured"]) else ""


def _name(server: Document) -> str:
    name, address = server["name"], server["address"]
    return str(name) if name == address else f"{name} ({address})"


def _why(pool: Document, server: Document, director: Document, now: float, *, sorry: bool) -> list[str]:
    """Return the order in which everything that decides over a weight is heard, as docs/operating.md has it."""
    weight = server["weight"]
    told = [f"It is configured with weight {weight['configured']}."]
    if server.get("origin") == "runtime":
        told = [f"It was added at run time, with weight {weight['configured']}."]
    told += [ordered(each, now) for each in server["overrides"]]
    told += [
        f"{each['name']} heard it ask for {asked(each['feedback'])}." for each in server["checks"] if each["feedback"]
    ]
    told += [*_of_policy(pool, server, now)] if not sorry else []
    if sorry:
        active = pool["sorry_server_active"]
        told.append("It is a sorry server, and " + ("stands in for the pool." if active else "stands by."))
    if len(weight["chain"]) > 1:
        told.append(f"So its weight is {' -> '.join(weight['chain'])}.")
    return [*told, *_in_the_kernel(server, director), _connections(server)]


def _of_policy(pool: Document, server: Document, now: float) -> list[str]:
    told, policy = [], server["policy"]
    out = "its row has weight 0 (on_failure: quiesce)"
    out = "its row is taken out (on_failure: remove)" if policy["on_failure"] == "remove" else out
    age = shown(now - moment(server["since"]))
    if server["health"] == "down":
        told.append(f"It has been DOWN for {age}: {out}.")
    elif server["health"] == "unknown":
        wait = "it is trusted until then" if policy["initial"] == "trust" else "a row that is there stays as it is"
        told.append(f"It has had no verdict for {age}: it needs its first; {wait} (initial: {policy['initial']}).")
    else:
        told.append(f"It has been up for {age}.")
    if server["held_until"] is not None:
        damping = policy["flap_damping"]
        limit = f"more than {damping['changes']} times within {span(damping['window'])}" if damping else "too often"
        left = ahead(moment(server["held_until"]), now)
        told.append(f"It turned {limit} and is held down; the hold ends {left}.")
    if server["ramp"] is not None:
        told.append(
            f"It recovered, and climbs to its weight over {span(policy['slow_start'])}: {server['ramp']:.0%} now."
        )
    if server["pooled_but_down"]:
        told.append(f"The panic floor of {pool['panic']:g} % keeps it in: too many servers of the pool fail.")
    if pool["sorry_server_active"]:
        told.append("The pool has lost its quorum; while the sorry server stands in, every real server has weight 0.")
    return told


def _in_the_kernel(server: Document, director: Document) -> list[str]:
    weight = server["weight"]
    kernel, wanted = weight["kernel"], weight["effective"]
    row = "has no row for it" if kernel is None else f"has it with weight {kernel}"
    if kernel == wanted:
        return [f"The table ({director['table']['backend']}) {row}, as is wanted."]
    told = [f"The table ({director['table']['backend']}) {row}, but {_wanted(wanted)}."]
    failing = director["table"]["failing"]
    mine = [each for each in failing if server["address"] in each] or failing[:3]
    return told + ([f"This operation fails and is tried again: {each}." for each in mine] or ["It is about to follow."])


def _wanted(wanted: int | None) -> str:
    return "is to have none" if wanted is None else f"is to have it with weight {wanted}"


def _connections(server: Document) -> str:
    each = server["connections"]
    rate = server["rates"]["connections_per_second"]
    return f"Connections: {each['active']} active, {each['inactive']} inactive, {rate} new a second."


def last_change(event: Document | None, server: Document | None, now: float) -> list[str]:
    """Return the newest event in words with its evidence; without one, the failure that a server's check remembers."""
    if event is not None:
        return [f"{shown(now - moment(event['at']))} ago: {event['message']}.", *seen(event["details"].get("saw"))]
    failures = [each["last_failure"] for each in (server or {"checks": ()})["checks"] if each["last_failure"]]
    if not failures:
        return ["None is known."]
    latest = max(failures, key=lambda each: moment(each["at"]))
    when = shown(now - moment(latest["at"]))
    return [
        f"The journal has none; the latest failed probe was {when} ago: {latest['reason']}.",
        *seen(latest["evidence"]),
    ]


def _remedies(pool: Document, server: Document, found: Back, now: float) -> list[str]:
    """Return what has to happen, one sentence for each thing, and at last when it is done at the earliest."""
    told = []
    for each in server["overrides"]:
        if each["admin"] is not None or not each["weight"]:
            ends = each["expires_at"]
            by_itself = "" if ends is None else f", or its end {ahead(moment(ends), now)}"
            told.append(f"The operator's word has to go: {taken_back(each, pool['name'])}{by_itself}.")
    told += [each for each in found.needs if each]
    for check in server["checks"]:
        if check["feedback"] and server["weight"]["effective"] != server["weight"]["configured"]:
            told.append(f"The server has to tell {check['name']} something else; {_due(check, now)}.")
    if not server["weight"]["configured"]:
        told.append(f"`healthlb weight {pool['name']} {server['address']} WEIGHT`, or another weight in the file.")
    if server["weight"]["kernel"] != server["weight"]["effective"]:
        told.append("The table has to follow; the director goes on trying.")
    return told + _when(server, found, now)


def _due(check: Document, now: float) -> str:
    if check["next_at"] is None:
        return "it is asked again with its next probe"
    return f"the next probe is {ahead(moment(check['next_at']), now)}"


def _when(server: Document, found: Back, now: float) -> list[str]:
    """Return the moment at which it is back, as the core reckons it."""
    if found.serves and found.full_at is None:
        return []
    if found.serves and found.full_at is not None:
        return [f"It has all of its weight {ahead(found.full_at, now)}."]
    if found.at is not None:
        full = "" if found.full_at is None else f", and with all of its weight (slow start) {ahead(found.full_at, now)}"
        held = "" if found.held_until is None else "; as it turned so often it is then held first, which is reckoned in"
        given = "if its probes pass from now on and the others stay as they are" if server["checks"] else "by itself"
        return [f"At the earliest it is back {ahead(found.at, now)}{full}, {given}{held}."]
    if found.with_all is not None:
        others = "if the probes of all servers pass from now on: the pool needs the others, too"
        return [f"At the earliest it is back {ahead(found.with_all, now)}, {others}."]
    return ["Time alone does not bring it back."]


def _facts(found: Back) -> Document:
    """Return when it is back, as JSON: moments, null where there is none."""
    times = {"earliest_at": found.at, "earliest_at_if_all_pass": found.with_all, "full_at": found.full_at}
    return {"serves": found.serves} | {key: None if at is None else stamp(at) for key, at in times.items()}


def out_line(pool: Document, server: Document) -> str:
    """Return one line on a server that is not fine."""
    open_ = server["connections"]["active"]
    still = f", {counted(open_, 'connection')} open" if open_ and not server["weight"]["kernel"] else ""
    return f"{_name(server)} {standing(server)}{_because(pool, server, sorry=False)}{still}."
