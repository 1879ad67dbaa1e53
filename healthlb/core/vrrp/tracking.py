"""What the priority of an instance comes to, and whether it may be master at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from healthlb.model.vrrp import OWNER, Tracked, VrrpInstance
from healthlb.model.vrrp_status import TrackStatus

LEAST: Final = 1
MOST: Final = 254
"""The priorities of a router that does not own the addresses (RFC 9568 section 5.2.4)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether something tracked is up, and why it is not."""

    up: bool
    reason: str = ""


NOT_YET: Final = Seen(up=False, reason="nothing is known of it yet")


@dataclass(frozen=True, slots=True)
class Standing:
    """The effective priority, why the instance may not be master (clauses; empty: it may), and everything tracked."""

    priority: int
    faults: tuple[str, ...]
    statuses: tuple[TrackStatus, ...]


def tracked(
    instance: VrrpInstance, interfaces: Mapping[str, Seen], pools: Mapping[str, Seen], checks: Mapping[str, Seen]
) -> Standing:
    """Return how an instance stands. What is in no mapping is down: nothing is known of it yet.

    As keepalived.conf(5) has it: a negative weight counts while the thing is down, a positive one while it is up, and
    one without a weight is a fault while it is down; so is the instance's own interface. The sum is kept within 1 to
    254; a router that owns the addresses stays at 255.
    """
    return standing(
        instance.priority,
        (
            *statuses("interface", interfaces_of(instance), interfaces),
            *statuses("virtual_server", instance.track.virtual_servers, pools),
            *statuses("check", (check.tracked for check in instance.track.checks), checks),
        ),
    )


def interfaces_of(instance: VrrpInstance) -> tuple[Tracked, ...]:
    """Return the interfaces that an instance tracks: its own one, too, which without a weight of its own is needed."""
    listed = instance.track.interfaces
    own = () if any(each.name == instance.interface for each in listed) else (Tracked(instance.interface),)
    return own + listed


def statuses(kind: str, things: Iterable[Tracked], seen: Mapping[str, Seen]) -> tuple[TrackStatus, ...]:
    """Return how things of a kind (interface, virtual_server or check) stand."""
    found = ((thing, seen.get(thing.name, NOT_YET)) for thing in things)
    return tuple(TrackStatus(kind, thing.name, state.up, thing.weight, state.reason) for thing, state in found)


def standing(priority: int, tracked: tuple[TrackStatus, ...]) -> Standing:
    """Return what a configured priority comes to with everything that is tracked."""
    faults = tuple(_fault(status) for status in tracked if status.weight is None and not status.up)
    return Standing(_priority(priority, tracked), faults, tracked)


def _priority(configured: int, statuses: Iterable[TrackStatus]) -> int:
    if configured == OWNER:
        return OWNER
    weights = (status.weight for status in statuses if status.weight and (status.weight > 0) == status.up)
    return min(max(configured + sum(weights), LEAST), MOST)


def _fault(status: TrackStatus) -> str:
    why = f" ({status.reason})" if status.reason else ""
    return f"{status.kind.replace('_', ' ')} {status.name} is down{why}"
