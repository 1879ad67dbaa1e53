"""Events to log lines: what happened, to what, on what evidence."""

import logging
from dataclasses import fields

from healthlb.model.events import (
    CheckWarned,
    CheckWarningEnded,
    ConfigRefused,
    ConfigReloaded,
    DriftRepaired,
    Event,
    ForeignServicesKept,
    LoopHeld,
    OperationFailed,
    OperationRecovered,
    ProbeFailed,
    ProbePassed,
    ProbesUnsent,
    ProbesWaited,
    QuorumLost,
    QuorumRegained,
    RealServerDown,
    RealServerDrained,
    RealServerUndrained,
    RealServerUp,
    RealServerWeightChanged,
    TableChanged,
    TableLost,
    TableRegained,
    VirtualServerChanged,
    Warned,
)

LOG = logging.getLogger("healthlb")


def record(event: Event) -> None:
    """Write an event's line; its fields go along for structured logs."""
    level, sentence = told(event)
    names = [field.name for field in fields(event)]
    details = {name: _plain(getattr(event, name)) for name in names}
    LOG.log(level, "%s", sentence, extra={"event": type(event).__name__, "details": details})


def told(event: Event) -> tuple[int, str]:  # noqa: C901, PLR0912  a table in code, one row an event
    """Return an event's level and sentence."""
    match event:
        case RealServerUp(pool, server, check, reason, streak):
            return logging.INFO, f"{pool}: {server} is UP: {check}: {reason} ({_times(streak)})"
        case RealServerDown(pool, server, check, reason, streak, evidence):
            return logging.WARNING, f"{pool}: {server} is DOWN: {check}: {reason} ({_times(streak)}){_saw(evidence)}"
        case RealServerWeightChanged(pool, server, check, reason, before, after):
            return logging.INFO, f"{pool}: {server} has weight {after}, was {before}: {check}: {reason}"
        case RealServerDrained(pool, server, check, reason):
            return logging.WARNING, f"{pool}: {server} is drained: {check}: {reason}"
        case RealServerUndrained(pool, server, check, reason, weight):
            return logging.INFO, f"{pool}: {server} is drained no longer, weight {weight}: {check}: {reason}"
        case CheckWarned(pool, server, check, warning):
            return logging.WARNING, f"{pool}: {server}: {check} warns: {warning}"
        case CheckWarningEnded(pool, server, check):
            return logging.INFO, f"{pool}: {server}: {check} warns no longer"
        case ProbePassed(check, target, reason, seconds, evidence):
            return logging.INFO, f"probe {check} of {target} passed: {reason} in {seconds:.4f}s{_saw(evidence)}"
        case ProbeFailed(check, target, reason, seconds, evidence):
            return logging.INFO, f"probe {check} of {target} failed: {reason} in {seconds:.4f}s{_saw(evidence)}"
        case VirtualServerChanged(pool, before, after, live):
            level = logging.INFO if after == "up" else logging.WARNING
            return level, f"{pool} is {after}, was {before}: live weight {live}"
        case QuorumLost(pool, live):
            return logging.ERROR, f"{pool} lost its quorum: live weight {live}"
        case QuorumRegained(pool, live):
            return logging.INFO, f"{pool} has its quorum: live weight {live}"
        case TableChanged(operation):
            return logging.INFO, f"table: {operation}"
        case DriftRepaired(operation):
            return logging.WARNING, f"table: drift repaired, somebody else had changed it: {operation}"
        case OperationFailed(operation, reason, wait):
            retry = f"; next try in {wait:.1f}s" if wait is not None else ""
            return logging.ERROR, f"table: cannot {operation}: {reason}{retry}"
        case OperationRecovered(operation):
            return logging.INFO, f"table: no longer failing: {operation}"
        case TableLost(reason):
            return logging.ERROR, f"table out of reach: {reason}"
        case TableRegained():
            return logging.INFO, "table within reach again"
        case ForeignServicesKept(services):
            return logging.INFO, f"table: left alone, not in the configuration: {', '.join(services)}"
        case ConfigReloaded(sha256, changes):
            return logging.INFO, f"configuration {sha256[:12]} in force: {'; '.join(changes) or 'no change'}"
        case ConfigRefused(reason):
            return logging.ERROR, f"reload refused, the configuration before it stays in force: {reason}"
        case ProbesUnsent(check, target, reason):
            return logging.ERROR, f"probes cannot be sent, verdicts stay as they are: {check} to {target}: {reason}"
        case ProbesWaited(most):
            return (
                logging.WARNING,
                f"more probes are due than the {most} that may be under way at once: some come late",
            )
        case LoopHeld(seconds, void):
            what = "1 probe is void, not failed" if void == 1 else f"{void} probes are void, not failed"
            return logging.WARNING, f"the loop was late by {seconds:.2f}s; {what}"
        case Warned(warning):
            return logging.WARNING, warning


def _saw(evidence: str) -> str:
    return f"; {evidence}" if evidence else ""


def _times(streak: int) -> str:
    return "1 result" if streak == 1 else f"{streak} results in a row"


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if isinstance(value, str | int | float | None) else str(value)
