"""The pair of directors in the words of the public contract, and what is wrong with it.

Names here are public: add freely, change none.
"""

from collections import Counter
from collections.abc import Iterator

from healthlb.api import shapes
from healthlb.api.orders import moment, timestamp
from healthlb.core import pair_concern
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import InstanceStatus, PairStatus, SpeakerStatus, SyncStatus

_ALONE = PairStatus()
_NAMED = 3
"""Instances that the role names each."""


def pair_of(snapshot: Snapshot) -> PairStatus:
    """Return the pair, one without instances where the file has no `vrrp`."""
    return snapshot.pair or _ALONE


def instance(one: InstanceStatus) -> shapes.VrrpInstance:
    """Return one instance."""
    return {
        "name": one.name,
        "state": one.state,
        "priority": {"configured": one.configured_priority, "effective": one.effective_priority},
        "router_id": one.router_id,
        "interface": one.interface,
        "addresses": list(one.addresses),
        "since": timestamp(one.since),
        "master": one.master or None,
        "master_priority": one.master_priority if one.master else None,
        "version": one.version,
        "interval": one.interval,
        "faults": list(one.faults),
        "tracked": [
            {"kind": each.kind, "name": each.name, "up": each.up, "weight": each.weight, "reason": each.reason or None}
            for each in one.tracked
        ],
        "yielded": one.yielded,
        "handed_over": {"by": one.yielded_by or None, "at": timestamp(one.yielded_at)} if one.yielded else None,
        "split_brain": one.split_brain or None,
        "group": one.group or None,
        "became_master_total": one.became_master_total,
        "adverts": {
            "sent_total": one.adverts_sent_total,
            "received_total": one.adverts_received_total,
            "dropped_total": dict(one.dropped),
        },
    }


def sync(one: SyncStatus) -> shapes.SyncDaemon:
    """Return one of the kernel's connection sync daemons."""
    return {
        "role": one.role,
        "interface": one.interface,
        "id": one.id,
        "running": one.running,
        "wanted": one.wanted,
        "last_packet_at": moment(one.last_packet_at),
        "problem": one.problem or None,
    }


def speaker(one: SpeakerStatus | None) -> shapes.Speaker | None:
    """Return the process that speaks VRRP; None where there is nothing to speak."""
    if one is None:
        return None
    median, late, worst = one.lateness
    return {
        "running": one.running,
        "pid": one.pid or None,
        "since": moment(one.since or None),
        "restarts_total": one.restarts_total,
        "real_time": one.real_time,
        "memory_locked": one.memory_locked,
        "lateness": {"median": round(median, 6), "p99": round(late, 6), "worst": round(worst, 6)},
        "problem": one.problem or None,
    }


def problems(pair: PairStatus) -> Iterator[str]:
    """Yield what somebody has to look after."""
    told = [
        *(
            pair_concern.of_instance(each.name, each.state, faults=each.faults, split_brain=each.split_brain)
            for each in pair.instances
        ),
        *(
            pair_concern.of_sync(each.role, running=each.running, wanted=each.wanted, problem=each.problem)
            for each in pair.sync
        ),
    ]
    if pair.speaker is not None:
        told.append(pair_concern.of_speaker(running=pair.speaker.running, problem=pair.speaker.problem))
    yield from filter(None, told)


def warnings(pair: PairStatus) -> Iterator[str]:
    """Yield what is as it was ordered, and is not to be forgotten."""
    told = (pair_concern.warning_of(each.name, yielded=each.yielded, by=each.yielded_by) for each in pair.instances)
    yield from filter(None, told)


def role(pair: PairStatus) -> str | None:
    """Return this director's role: the state that its instances have, each with its own, or how many have each."""
    states = Counter(each.state for each in pair.instances)
    if not states:
        return None
    if len(states) == 1:
        return str(next(iter(states)))
    if len(pair.instances) > _NAMED:
        return ", ".join(f"{number} {state}" for state, number in states.items())
    return ", ".join(f"{each.name} {each.state}" for each in pair.instances)
