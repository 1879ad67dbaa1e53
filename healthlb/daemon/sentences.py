"""Events in words: what happened, to what, on what evidence, and how bad it is."""

from datetime import UTC, datetime

from healthlb.daemon.pair_sentences import told_of_pair
from healthlb.model.events import (
    CheckWarned,
    CheckWarningEnded,
    CommandRefused,
    ConfigRefused,
    ConfigReloaded,
    DriftRepaired,
    Event,
    ForeignServicesKept,
    LoopHeld,
    NotifierFailed,
    NotifierRecovered,
    OperationFailed,
    OperationRecovered,
    OverrideEnded,
    OverrideSet,
    PanicBegan,
    PanicEnded,
    ProbeFailed,
    ProbePassed,
    ProbesUnsent,
    ProbesWaited,
    QuorumLost,
    QuorumRegained,
    RealServerAdded,
    RealServerDown,
    RealServerDrained,
    RealServerEmptied,
    RealServerHeld,
    RealServerReleased,
    RealServerRemoved,
    RealServerUndrained,
    RealServerUp,
    RealServerWeightChanged,
    SorryServerActivated,
    SorryServerStoodDown,
    StateSaved,
    StateSetAside,
    StateTakenUp,
    StateUnsaved,
    TableChanged,
    TableLost,
    TableRegained,
    VirtualServerChanged,
    Warned,
)
from healthlb.model.occurrence import Level
from healthlb.model.pool_state import PoolState

NAMED = 10
"""Servers that a sentence names at most."""
INFO: Level = "info"
WARNING: Level = "warning"
ERROR: Level = "error"


def told(event: Event) -> tuple[Level, str]:  # noqa: C901, PLR0912, PLR0915  a table in code, one row an event
    """Return an event's level and sentence."""
    match event:
        case RealServerUp(pool, server, check, reason, streak, _):
            return INFO, f"{pool}: {server} is UP: {check}: {reason} ({_times(streak)})"
        case RealServerDown(pool, server, check, reason, streak, evidence, _):
            return WARNING, f"{pool}: {server} is DOWN: {check}: {reason} ({_times(streak)}){_saw(evidence)}"
        case RealServerWeightChanged(pool, server, check, reason, before, after):
            return INFO, f"{pool}: {server} has weight {after}, was {before}: {check}: {reason}"
        case RealServerDrained(pool, server, check, reason):
            return WARNING, f"{pool}: {server} is drained: {check}: {reason}"
        case RealServerUndrained(pool, server, check, reason, weight):
            return INFO, f"{pool}: {server} is drained no longer, weight {weight}: {check}: {reason}"
        case CheckWarned(pool, server, check, warning):
            return WARNING, f"{pool}: {server}: {check} warns: {warning}"
        case CheckWarningEnded(pool, server, check):
            return INFO, f"{pool}: {server}: {check} warns no longer"
        case ProbePassed(check, target, reason, seconds, evidence):
            return INFO, f"probe {check} of {target} passed: {reason} in {seconds:.4f}s{_saw(evidence)}"
        case ProbeFailed(check, target, reason, seconds, evidence):
            return INFO, f"probe {check} of {target} failed: {reason} in {seconds:.4f}s{_saw(evidence)}"
        case VirtualServerChanged(pool, before, after, live):
            level = INFO if after == "up" else WARNING
            return level, f"{pool} is {_state(after)}, was {_state(before)}: live weight {live}"
        case QuorumLost(pool, live):
            return ERROR, f"{pool} lost its quorum: live weight {live}"
        case QuorumRegained(pool, live):
            return INFO, f"{pool} has its quorum: live weight {live}"
        case PanicBegan(pool, live, pooled):
            names = _some(pooled)
            return ERROR, f"{pool} is in panic: too many servers fail, so that failing ones stay in the pool: {names}"
        case PanicEnded(pool, live):
            return INFO, f"{pool} is in panic no longer: live weight {live}"
        case SorryServerActivated(pool, servers):
            return ERROR, f"{pool}: the sorry server takes the traffic: {_some(servers)}"
        case SorryServerStoodDown(pool):
            return INFO, f"{pool}: the sorry server takes no more traffic"
        case RealServerHeld(pool, server, turns, seconds):
            return WARNING, f"{pool}: {server} is held down for {seconds:g}s: it turned {turns} times in a short time"
        case RealServerReleased(pool, server):
            return INFO, f"{pool}: {server} is held down no longer"
        case RealServerEmptied(pool, server, seconds):
            return INFO, f"{pool}: {server} has no connections left after {seconds:.0f}s: safe to take away"
        case OverrideSet(scope, what, who, why, expires_at):
            until = f" until {_when(expires_at)}" if expires_at is not None else ""
            return WARNING, f"{scope}: {what}{until}, by {who}{_because(why)}"
        case OverrideEnded(scope, what, who, why):
            return INFO, f"{scope}: {what} " + (f"taken back by {who}{_because(why)}" if who else "has expired")
        case RealServerAdded(pool, server, who, why):
            return WARNING, f"{pool}: {server} added at run time by {who}{_because(why)}"
        case RealServerRemoved(pool, server, who, why):
            return WARNING, f"{pool}: {server} removed at run time by {who}{_because(why)}"
        case CommandRefused(command, who, reason, more):
            again = f"; {more} more since the last that was told" if more else ""
            return WARNING, f"refused {command} from {who}: {reason}{again}"
        case StateTakenUp(age, verdicts, orders):
            return INFO, f"state of {age:.0f}s ago taken up: {verdicts} verdicts, {orders} operators' orders"
        case StateSetAside(path, reason, kept_as):
            where = f"set aside as {kept_as}" if kept_as else "left alone"
            return ERROR, f"saved state cannot be used, {where}: {path}: {reason}"
        case StateUnsaved(path, reason):
            return ERROR, f"state cannot be saved, a restart would not know it: {path}: {reason}"
        case StateSaved(path):
            return INFO, f"state is saved again: {path}"
        case NotifierFailed(name, reason):
            return ERROR, f"notifier {name} cannot deliver: {reason}"
        case NotifierRecovered(name, dropped):
            lost = f"; {dropped} messages were lost" if dropped else ""
            return INFO, f"notifier {name} delivers again{lost}"
        case TableChanged(operation):
            return INFO, f"table: {operation}"
        case DriftRepaired(operation):
            return WARNING, f"table: drift repaired, somebody else had changed it: {operation}"
        case OperationFailed(operation, reason, wait):
            retry = f"; next try in {wait:.1f}s" if wait is not None else ""
            return ERROR, f"table: cannot {operation}: {reason}{retry}"
        case OperationRecovered(operation):
            return INFO, f"table: no longer failing: {operation}"
        case TableLost(reason):
            return ERROR, f"table out of reach: {reason}"
        case TableRegained():
            return INFO, "table within reach again"
        case ForeignServicesKept(services):
            return INFO, f"table: left alone, not in the configuration: {', '.join(services)}"
        case ConfigReloaded(sha256, changes, who):
            asker = f", by {who}" if who else ""
            return INFO, f"configuration {sha256[:12]} in force{asker}: {'; '.join(changes) or 'no change'}"
        case ConfigRefused(reason, who):
            asker = f", asked by {who}" if who else ""
            return ERROR, f"reload refused{asker}, the configuration before it stays in force: {reason}"
        case ProbesUnsent(check, target, reason):
            return ERROR, f"probes cannot be sent, verdicts stay as they are: {check} to {target}: {reason}"
        case ProbesWaited(most):
            return (
                WARNING,
                f"more probes are due than the {most} that may be under way at once: some come late",
            )
        case LoopHeld(seconds, void):
            what = "1 probe is void, not failed" if void == 1 else f"{void} probes are void, not failed"
            return WARNING, f"the loop was late by {seconds:.2f}s; {what}"
        case Warned(warning):
            return WARNING, warning
        case _:
            return told_of_pair(event)


def _state(state: PoolState) -> str:
    return "in panic" if state == "panic" else state


def _saw(evidence: str) -> str:
    return f"; {evidence}" if evidence else ""


def _times(streak: int) -> str:
    return "1 result" if streak == 1 else f"{streak} results in a row"


def _some(names: tuple[str, ...]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
