"""What somebody has to look after in the pair of directors: the one rule of the API, the page and the terminal.

As `core.concern` it is told in plain words, so that a reader of JSON can ask as well as the director. Each function
returns a sentence without a full stop, empty where there is nothing to say.
"""

from collections.abc import Sequence


def of_instance(name: str, state: str, *, faults: Sequence[str], split_brain: str) -> str:
    """Return what is wrong with an instance: it may not be master, or another one is as well."""
    if state == "FAULT":
        return f"{name} is in FAULT: {', '.join(faults)}" if faults else f"{name} is in FAULT"
    return f"{name} has a second master: {split_brain}" if split_brain else ""


def of_speaker(*, running: bool, problem: str) -> str:
    """Return what is wrong with the process that speaks VRRP."""
    if not running:
        return f"nobody speaks VRRP: {problem}" if problem else "nobody speaks VRRP"
    return f"VRRP: {problem}" if problem else ""


def of_sync(role: str, *, running: bool, wanted: bool, problem: str) -> str:
    """Return what is wrong with a connection sync daemon; one that runs unasked is somebody else's, and no fault."""
    if problem:
        return f"connection sync: the {role} daemon: {problem}"
    return "" if running or not wanted else f"connection sync: the {role} daemon does not run"


def warning_of(name: str, *, yielded: bool, by: str = "") -> str:
    """Return what is as it was ordered, and is not to be forgotten; `by` is empty where that is not known."""
    if not yielded:
        return ""
    return f"{name} was handed over by {by or 'an operator'}; `healthlb failover {name} --back` takes it back"
