"""`healthlb probe`: one probe of one real server, with everything that it saw."""

import argparse
import json
from typing import TYPE_CHECKING

from healthlb.cli.table import printable
from healthlb.cli.words import UsageError, add_file, load, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from healthlb.daemon.single import Feedback, ProbeResult
    from healthlb.model.check import Probe
    from healthlb.model.config import Config, RealServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)
    parser.add_argument("virtual_server", metavar="VS", help="the virtual server's name")
    parser.add_argument("real_server", metavar="RS", help="the real server's name or address")
    parser.add_argument("--check", metavar="NAME", help="probe with this check alone (default: every check)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Probe with every check of the server, or the one that is named; 0 when all pass."""
    import asyncio  # noqa: PLC0415

    from healthlb.daemon.single import probe_once  # noqa: PLC0415

    _, config = load(arguments.config)
    server = _find(config, arguments.virtual_server, arguments.real_server)
    probes = _chosen(server, arguments.check)
    seen = [(probe, asyncio.run(probe_once(probe))) for probe in probes]
    if arguments.json:
        say(json.dumps([_document(probe, result) for probe, result in seen], indent=2))
    else:
        for probe, result in seen:
            _print(probe, result)
    return 0 if all(result.passed for _, result in seen) else 1


def _find(config: "Config", virtual_server: str, real_server: str) -> "RealServer":
    pool = config.virtual_servers.get(virtual_server)
    if pool is None:
        names = ", ".join(config.virtual_servers) or "none"
        raise UsageError(f"there is no virtual server '{virtual_server}' in the configuration; there is: {names}")
    for server in pool.real_servers:
        if real_server in (server.name, str(server.address)):
            return server
    names = ", ".join(server.name for server in pool.real_servers) or "none"
    raise UsageError(f"there is no real server '{real_server}' in {virtual_server}; there is: {names}")


def _chosen(server: "RealServer", name: str | None) -> "Sequence[Probe]":
    if name is None:
        return server.probes
    chosen = [probe for probe in server.probes if probe.check.name == name]
    if not chosen:
        names = ", ".join(probe.check.name for probe in server.probes) or "none"
        raise UsageError(f"there is no check '{name}' of {server.name}; there is: {names}")
    return chosen


def _document(probe: "Probe", result: "ProbeResult") -> dict[str, object]:
    from healthlb.model.evidence import escaped  # noqa: PLC0415  the other verbs need none of it

    evidence, feedback = result.evidence, result.feedback
    return {
        "check": probe.check.name,
        "type": probe.check.type,
        "target": probe.where,
        "passed": result.passed,
        "sent": result.sent,
        "reason": result.reason,
        "seconds": round(result.seconds, 6),
        "warning": result.warning or None,
        "feedback": {"weight": feedback.weight, "percent": feedback.percent, "admin": feedback.admin}
        if feedback is not None
        else None,
        "evidence": {
            "sent": escaped(evidence.sent),
            "received": escaped(evidence.received),
            "peer": evidence.peer,
            "certificate": evidence.certificate,
        }
        if evidence is not None
        else None,
    }


def _print(probe: "Probe", result: "ProbeResult") -> None:
    word = "passed" if result.passed else "FAILED" if result.sent else "NOT SENT"
    reason = result.reason.removeprefix("not sent: ")
    say(f"{probe.check.name} ({probe.check.type}) to {probe.where}: {word}: {reason} in {result.seconds:.4f}s")
    if result.warning:
        say(f"  warning: {printable(result.warning)}")
    if result.feedback is not None:
        say(f"  feedback: {_said(result.feedback)}")
    evidence = result.evidence
    if evidence is None:
        return
    for name, value in (("peer", evidence.peer), ("certificate", evidence.certificate)):
        if value:
            say(f"  {name}: {printable(value)}")
    for name, data in (("sent", evidence.sent), ("received", evidence.received)):
        if data:
            say(f"  {name} (first {len(data)} bytes):")
            # Only these end a line: str.splitlines() takes bytes of binary protocols for ends, too, and loses them.
            for line in data.removesuffix(b"\n").split(b"\n"):
                text = line.removesuffix(b"\r").decode("latin-1")
                say(f"    {text.encode('unicode_escape').decode('ascii')}")


def _said(feedback: "Feedback") -> str:
    """Return what the server said of itself in words."""
    words = []
    if feedback.weight is not None:
        words.append(f"{feedback.weight} % of its weight" if feedback.percent else f"weight {feedback.weight}")
    words += [feedback.admin] if feedback.admin is not None else []
    return ", ".join(words) or "nothing new"
