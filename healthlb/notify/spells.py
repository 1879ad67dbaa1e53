"""Events that begin something which another ends: down and up, lost and regained."""

from healthlb.model.occurrence import Occurrence

ENDS = {
    "real_server_down": "real_server_up",
    "real_server_held": "real_server_released",
    "real_server_drained": "real_server_undrained",
    "check_warned": "check_warning_ended",
    "quorum_lost": "quorum_regained",
    "panic_began": "panic_ended",
    "sorry_server_activated": "sorry_server_stood_down",
    "override_set": "override_ended",
    "state_unsaved": "state_saved",
    "operation_failed": "operation_recovered",
    "table_lost": "table_regained",
    "config_refused": "config_reloaded",
}
"""The event that ends it, by the one that begins it."""
BEGINS = {end: begin for begin, end in ENDS.items()}
CHANGED = "virtual_server_changed"
"""Begins and ends by itself: a state that is not `up`, and `up` again."""
TOLD_APART_BY = {
    "check_warned": ("check",),
    "override_set": ("scope", "what"),
    "state_unsaved": ("path",),
    "operation_failed": ("operation",),
}
"""The details that tell one spell from another of the same servers."""

Spell = tuple[str, str, str, tuple[tuple[str, str], ...]]


def spell(occurrence: Occurrence) -> Spell:
    """Return which spell an event belongs to: the name of what begins it, the servers, and details by their names.

    Events that neither begin nor end one are a spell of their own; where they are of no server, their sentence tells
    them apart.
    """
    name = BEGINS.get(occurrence.name, occurrence.name)
    details = tuple((each, str(occurrence.details.get(each, ""))) for each in TOLD_APART_BY.get(name, ()))
    pool, server = occurrence.virtual_server or "", occurrence.real_server or ""
    if not (pool or server or details or name in ENDS):
        details = (("message", occurrence.sentence),)
    return name, pool, server, details


def lasts(occurrence: Occurrence) -> bool | None:
    """Say whether an event begins a spell (True), ends one (False) or is over as it happens (None)."""
    if occurrence.name == CHANGED:
        return occurrence.details.get("after") != "up"
    if occurrence.name in ENDS:
        return True
    return False if occurrence.name in BEGINS else None
