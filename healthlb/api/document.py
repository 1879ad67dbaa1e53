"""A snapshot as JSON, in the words of the public contract.

Every name here is public: add freely, change none. A row that the kernel does not have shows as `weight.kernel` null
and zero traffic, so that programs need no second shape. Times are RFC 3339 in UTC; durations are seconds.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import SeenProbe, escaped
from healthlb.model.health import Feedback
from healthlb.model.snapshot import (
    CheckStatus,
    DirectorStatus,
    RealServerStatus,
    Snapshot,
    VirtualServerStatus,
)
from healthlb.model.table import Method, Persistence, ServiceKey

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_UNUSED = Usage()


def status(snapshot: Snapshot) -> Iterator[str]:
    """Yield `/api/v1/status`, a real server at a time."""
    head = {
        "taken_at": timestamp(snapshot.taken_at),
        "ready": snapshot.ready,
        "director": _director(snapshot.director),
    }
    yield _encode(head)[:-1] + ',"virtual_servers":'
    yield from _array(map(virtual_server, snapshot.virtual_servers))
    yield ',"vrrp":[]}\n'


def virtual_servers(snapshot: Snapshot) -> Iterator[str]:
    """Yield `/api/v1/virtual_servers`, a real server at a time."""
    yield '{"virtual_servers":'
    yield from _array(map(virtual_server, snapshot.virtual_servers))
    yield "}\n"


def virtual_server(one: VirtualServerStatus) -> Iterator[str]:
    """Yield one virtual server, a real server at a time."""
    service, usage = one.service, one.usage or _UNUSED
    head = {
        "name": one.name,
        "address": service_address(service.key),
        "protocol": service.key.protocol,
        "family": service.key.family,
        "fwmark": service.key.fwmark or None,
        "scheduler": service.scheduler,
        "scheduler_flags": sorted(service.scheduler_flags),
        "method": one.method.kind,
        "tunnel": _tunnel(one.method),
        "persistence": _persistence(service.persistence),
        "one_packet": service.one_packet,
        "state": one.state,
        "quorum": {
            "up": one.quorum.wanted.up,
            "hysteresis": one.quorum.wanted.hysteresis,
            "live_weight": one.quorum.live_weight,
            "met": one.quorum.met,
        },
        "sorry_server_active": one.sorry_server_active,
        **_usage(usage),
    }
    yield _encode(head)[:-1] + ',"real_servers":'
    yield from _array((_encode(_real_server(server)),) for server in one.real_servers)
    yield "}"


def service_address(key: ServiceKey) -> str:
    """`192.0.2.1:80`, or `fwmark 25` for a service that has no address of its own."""
    return str(key) if key.protocol == "fwmark" else str(Endpoint(key.address, key.port))


def timestamp(seconds: float) -> str:
    """UNIX seconds as RFC 3339 section 5.6 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _array(items: Iterable[Iterable[str]]) -> Iterator[str]:
    separator = "["
    for item in items:
        yield separator
        yield from item
        separator = ","
    yield "[]" if separator == "[" else "]"


def _director(director: DirectorStatus) -> dict[str, Any]:
    config, table, probing = director.config, director.table, director.probing
    return {
        "name": director.name,
        "version": director.version,
        "started_at": timestamp(director.started_at),
        "config": {
            "path": config.path,
            "sha256": config.sha256,
            "loaded_at": timestamp(config.loaded_at),
            "refused": config.refused,
        },
        "table": {
            "backend": table.backend,
            "in_sync": table.in_sync,
            "last_resync_at": None if table.last_resync_at is None else timestamp(table.last_resync_at),
            "drift_repaired_total": table.drift_repaired_total,
            "operations_total": table.operations_total,
            "failed_operations_total": table.failed_operations_total,
            "failing": table.failing,
        },
        "probing": {
            "probes": probing.probes,
            "in_flight": probing.in_flight,
            "late_total": probing.late_total,
            "unsent_total": probing.unsent_total,
            "void_total": probing.void_total,
            "waiting": probing.waiting,
            "sockets": {"open": probing.sockets.open, "kept": probing.sockets.kept},
        },
        "warnings": director.warnings,
    }


def _real_server(server: RealServerStatus) -> dict[str, Any]:
    return {
        "name": server.name,
        "address": str(server.address),
        "method": server.method.kind,
        "tunnel": _tunnel(server.method),
        "health": server.health.value,
        "admin": server.admin,
        "since": timestamp(server.since),
        "weight": {
            "configured": server.weight.configured,
            "effective": server.weight.effective,
            "kernel": server.weight.kernel,
            "chain": server.weight.chain,
        },
        **_usage(server.usage or _UNUSED),
        "checks": [_check(check) for check in server.checks],
    }


def _check(check: CheckStatus) -> dict[str, Any]:
    last = check.last
    return {
        "name": check.name,
        "type": check.type,
        "health": check.health.value,
        "last": None
        if last is None
        else {
            "at": timestamp(last.at),
            "passed": last.passed,
            "reason": last.reason,
            "seconds": round(last.seconds, 6),
        },
        "streak": check.streak,
        "passed_total": check.passed_total,
        "failed_total": check.failed_total,
        "unsent_total": check.unsent_total,
        "unsent_reason": check.unsent_reason or None,
        "feedback": _feedback(check.feedback),
        "warning": check.warning or None,
        "last_failure": _seen(check.last_failure),
        "last_pass": _seen(check.last_pass),
    }


def _seen(probe: SeenProbe | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    saw = probe.evidence
    return {
        "at": timestamp(probe.at),
        "reason": probe.reason,
        "seconds": round(probe.seconds, 6),
        "evidence": None
        if saw is None
        else {
            "sent": escaped(saw.sent),
            "received": escaped(saw.received),
            "peer": saw.peer,
            "certificate": saw.certificate,
        },
    }


def _feedback(feedback: Feedback | None) -> dict[str, Any] | None:
    if feedback is None:
        return None
    return {"weight": feedback.weight, "percent": feedback.percent, "admin": feedback.admin}


def _usage(usage: Usage) -> dict[str, Any]:
    rates = usage.rates
    return {
        "connections": {"active": usage.active, "inactive": usage.inactive, "persistent": usage.persistent},
        "stats": _traffic(usage.stats),
        "rates": {
            "connections_per_second": rates.connections,
            "in_packets_per_second": rates.in_packets,
            "out_packets_per_second": rates.out_packets,
            "in_bytes_per_second": rates.in_bytes,
            "out_bytes_per_second": rates.out_bytes,
        },
    }


def _traffic(traffic: Traffic) -> dict[str, int]:
    return {
        "connections": traffic.connections,
        "in_packets": traffic.in_packets,
        "out_packets": traffic.out_packets,
        "in_bytes": traffic.in_bytes,
        "out_bytes": traffic.out_bytes,
    }


def _tunnel(method: Method) -> dict[str, Any] | None:
    tunnel = method.tunnel
    return None if tunnel is None else {"type": tunnel.type, "port": tunnel.port, "checksum": tunnel.checksum}


def _persistence(persistence: Persistence | None) -> dict[str, Any] | None:
    if persistence is None:
        return None
    return {"timeout": persistence.timeout, "prefix": persistence.prefix, "engine": persistence.engine}
