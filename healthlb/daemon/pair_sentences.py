"""Events of the pair of directors in words, and how bad each is."""

from healthlb.model.occurrence import Level
from healthlb.model.vrrp_events import (
    BecameBackup,
    BecameMaster,
    EnteredFault,
    FailoverOrdered,
    MasterChanged,
    PairEvent,
    SpeakerFailed,
    SpeakerStarted,
    SplitBrainEnded,
    SplitBrainSeen,
    StoppedAsMaster,
    SyncFailed,
    SyncPeerHeard,
    SyncStarted,
    VrrpPriorityChanged,
)


def told_of_pair(event: PairEvent) -> tuple[Level, str]:  # noqa: C901, PLR0912  a table in code, one row an event
    """Return an event's level and sentence."""
    match event:
        case BecameMaster(instance, priority, why):
            return "warning", f"{instance} is MASTER, priority {priority}: {why}"
        case BecameBackup(instance, priority, master, why):
            where = f", the master is {master}" if master else ""
            return "warning", f"{instance} is BACKUP, priority {priority}: {why}{where}"
        case EnteredFault(instance, why):
            return "error", f"{instance} is in FAULT: {why}"
        case StoppedAsMaster(instance, priority):
            return "warning", f"{instance} is MASTER no more, had priority {priority}: it stops"
        case VrrpPriorityChanged(instance, before, after, why):
            return "warning", f"{instance} has priority {after}, was {before}: {why}"
        case MasterChanged(instance, before, master, priority):
            was = f", was {before}" if before else ""
            return "info", f"{instance}: the master is {master} with priority {priority}{was}"
        case SplitBrainSeen(instance, other, sign):
            return "error", f"{instance}: split brain: we are MASTER and hear {other}: {sign}"
        case SplitBrainEnded(instance, seconds):
            return "warning", f"{instance}: the split brain is over after {seconds:.1f}s"
        case SpeakerFailed(reason):
            return "error", f"VRRP: {reason}"
        case SpeakerStarted(pid):
            return "info", f"VRRP is spoken by process {pid}"
        case FailoverOrdered(actor, instance, back, forced, why):
            what = "taken back" if back else "handed over"
            because = f" ({why})" if why else ""
            return "warning", f"{instance} is {what}, by {actor}{' (forced)' if forced else ''}{because}"
        case SyncStarted(role, interface, number):
            return "info", f"connection sync: the {role} daemon runs on {interface}, id {number}"
        case SyncFailed(role, reason):
            return "error", f"connection sync: the {role} daemon cannot run: {reason}"
        case SyncPeerHeard(number, source):
            return "info", f"connection sync: packets with id {number} arrive from {source}"
