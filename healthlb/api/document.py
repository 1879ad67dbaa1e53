"""A snapshot as JSON, in the words of the public contract.

Every name here is public: add freely, change none. A row that the kernel does not have shows as `weight.kernel` null
and zero traffic, so that programs need no second shape. Times are RFC 3339 in UTC; durations are seconds.
"""

from collections.abc import Iterable, Iterator

from healthlb.api import pair, shapes
from healthlb.api.orders import addition, moment, override, overrides, removal, timestamp
from healthlb.api.picking import (
    EVERYTHING,
    Passing,
    Selection,
    Tree,
    array,
    concern_of,
    encode,
    members,
    pick,
    pool_concern,
)
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import SeenProbe, escaped
from healthlb.model.health import Feedback, Schedule
from healthlb.model.snapshot import (
    CheckStatus,
    DirectorStatus,
    LeavingStatus,
    NotifierStatus,
    Policy,
    RealServerStatus,
    Snapshot,
    Turns,
    VirtualServerStatus,
)
from healthlb.model.table import Method, Persistence, ServiceKey

_UNUSED = Usage()
_TURN = 200
"""Servers that are looked at for problems before the loop may turn."""


def status(snapshot: Snapshot, only: Selection = EVERYTHING) -> Iterator[str]:
    """Yield `/api/v1/status`, a real server and an order at a time."""
    tree, director, whose = only.fields, snapshot.director, pair.pair_of(snapshot)

    def whole(wanted: Tree | None) -> Iterator[str]:
        lists = {
            "overrides": lambda below: array((encode(pick(override(each), below)),) for each in director.overrides),
            "added": lambda below: array((encode(pick(addition(each), below)),) for each in director.additions),
        }
        yield from members(_director(director), lists, wanted)

    parts = {
        "taken_at": lambda _: (Passing(encode(timestamp(snapshot.taken_at))),),
        "ready": lambda _: (encode(snapshot.ready),),
        "director": whole,
        "virtual_servers": lambda below: array(_pools(snapshot, Selection(below, only.problems))),
        "vrrp": lambda below: array((encode(pick(pair.instance(each), below)),) for each in whose.instances),
        "connection_sync": lambda below: array((encode(pick(pair.sync(each), below)),) for each in whose.sync),
        "speaker": lambda below: (encode(pick(pair.speaker(whose.speaker), below)),),
    }
    yield from members({}, parts, tree)
    yield "\n"


def virtual_servers(snapshot: Snapshot, only: Selection = EVERYTHING) -> Iterator[str]:
    """Yield `/api/v1/virtual_servers`, a real server at a time."""
    lists = {"virtual_servers": lambda below: array(_pools(snapshot, Selection(below, only.problems)))}
    yield from members({}, lists, only.fields)
    yield "\n"


def _pools(snapshot: Snapshot, only: Selection) -> Iterator[Iterable[str] | None]:
    for one in snapshot.virtual_servers:
        if not only.problems:
            yield virtual_server(one, only)
            continue
        if pool_concern(one):
            yield virtual_server(one, only)
            continue
        for position, server in enumerate((*one.real_servers, *one.sorry_servers), 1):
            if concern_of(server):
                yield virtual_server(one, only)
                break
            if position % _TURN == 0:
                yield None
        yield None


def virtual_server(one: VirtualServerStatus, only: Selection = EVERYTHING) -> Iterator[str]:
    """Yield one virtual server, or what is wanted of it, a real server at a time."""

    def shown(servers: Iterable[RealServerStatus], tree: Tree | None) -> Iterator[str]:
        return array(
            (encode(pick(real_server(each), tree)),) if not only.problems or concern_of(each) else None
            for each in servers
        )

    lists = {
        "sorry_servers": lambda tree: shown(one.sorry_servers, tree),
        "real_servers": lambda tree: shown(one.real_servers, tree),
    }
    yield from members(_pool(one), lists, only.fields)


def _pool(one: VirtualServerStatus) -> shapes.VirtualServerHead:
    service, usage = one.service, one.usage or _UNUSED
    return {
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
        "in_table": one.usage is not None,
        "state": one.state,
        "since": timestamp(one.since),
        "quorum": {
            "up": one.quorum.wanted.up,
            "hysteresis": one.quorum.wanted.hysteresis,
            "live_weight": one.quorum.live_weight,
            "met": one.quorum.met,
        },
        "panic": one.panic,
        "sorry_server_active": one.sorry_server_active,
        "leaving": [leaving(row) for row in one.leaving],
        "removed": [removal(each) for each in one.removed],
        **_usage(usage),
    }


def service_address(key: ServiceKey) -> str:
    """`192.0.2.1:80`, or `fwmark 25` for a service that has no address of its own."""
    return str(key) if key.protocol == "fwmark" else str(Endpoint(key.address, key.port))


def _director(director: DirectorStatus) -> shapes.DirectorHead:
    config, table, probing = director.config, director.table, director.probing
    state, journal = director.state, director.journal
    return {
        "name": director.name,
        "version": director.version,
        "started_at": timestamp(director.started_at),
        "config": {
            "path": config.path,
            "sha256": config.sha256,
            "loaded_at": timestamp(config.loaded_at),
            "refused": config.refused,
            "max_reload_change": config.max_reload_change,
        },
        "table": {
            "backend": table.backend,
            "in_sync": table.in_sync,
            "last_resync_at": moment(table.last_resync_at),
            "drift_repaired_total": table.drift_repaired_total,
            "operations_total": table.operations_total,
            "failed_operations_total": table.failed_operations_total,
            "failing": table.failing,
            "ipvs_version": table.version or None,
            "connection_slots": table.slots or None,
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
        "state": {
            "path": state.path or None,
            "saved_at": moment(state.saved_at),
            "failing": state.failing or None,
        },
        "journal": {
            "path": journal.path or None,
            "events_total": journal.events_total,
            "dropped_total": journal.dropped_total,
            "failing": journal.failing or None,
        },
        "notifiers": [_notifier(notifier) for notifier in director.notifiers],
    }


def _notifier(notifier: NotifierStatus) -> shapes.Notifier:
    return {
        "name": notifier.name,
        "type": notifier.type,
        "waiting": notifier.waiting,
        "sent_total": notifier.sent_total,
        "failed_total": notifier.failed_total,
        "dropped_total": notifier.dropped_total,
        "failing": notifier.failing or None,
    }


def leaving(row: LeavingStatus) -> shapes.Leaving:
    """Return a row that stays for its connections' sake."""
    return {
        "address": str(row.address),
        "until": timestamp(row.until),
        "method": None if row.method is None else row.method.kind,
        "tunnel": None if row.method is None else _tunnel(row.method),
        "weight": {"kernel": row.weight},
        **_usage(row.usage or _UNUSED),
    }


def real_server(server: RealServerStatus) -> shapes.RealServer:
    """Return one real server, or one sorry server."""
    return {
        "name": server.name,
        "address": str(server.address),
        "method": server.method.kind,
        "tunnel": _tunnel(server.method),
        "origin": server.origin,
        "health": server.health.value,
        "admin": server.admin,
        "overrides": overrides(server.overrides),
        "since": timestamp(server.since),
        "held_until": moment(server.held_until),
        "pooled_but_down": server.pooled_but_down,
        "ramp": server.ramp,
        "policy": _policy(server.policy),
        "turns": _turns(server.turns),
        "weight": {
            "configured": server.weight.configured,
            "effective": server.weight.effective,
            "kernel": server.weight.kernel,
            "chain": server.weight.chain,
        },
        **_usage(server.usage or _UNUSED),
        "checks": [_check(check) for check in server.checks],
    }


def _policy(policy: Policy) -> shapes.Policy:
    damping = policy.flap_damping
    return {
        "require": policy.require,
        "on_failure": policy.on_failure,
        "initial": policy.initial,
        "slow_start": policy.slow_start,
        "flap_damping": None
        if damping is None
        else {
            "changes": damping.changes,
            "window": damping.window,
            "hold": damping.hold,
            "longest": damping.longest,
        },
    }


def _turns(turns: Turns) -> shapes.Turns:
    return {
        "turned_at": moment(turns.turned_at or None),
        "recovered_at": moment(turns.recovered_at),
        "recent": [timestamp(at) for at in turns.recent],
        "level": turns.level,
        "held_until": moment(turns.held_until),
    }


def _check(check: CheckStatus) -> shapes.Check:
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
        "passing": check.passing,
        "recent": check.recent,
        "target": check.target,
        "next_at": moment(check.next_at),
        "schedule": _schedule(check.schedule),
        "passed_total": check.passed_total,
        "failed_total": check.failed_total,
        "unsent_total": check.unsent_total,
        "unsent_reason": check.unsent_reason or None,
        "feedback": _feedback(check.feedback),
        "warning": check.warning or None,
        "last_failure": _seen(check.last_failure),
        "last_pass": _seen(check.last_pass),
    }


def _seen(probe: SeenProbe | None) -> shapes.SeenProbe | None:
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


def _schedule(schedule: Schedule | None) -> shapes.Schedule | None:
    if schedule is None:
        return None
    return {
        "interval": schedule.interval,
        "fast_interval": schedule.fast_interval,
        "down_interval": schedule.down_interval,
        "timeout": schedule.timeout,
        "rise": schedule.rise,
        "fall": schedule.fall,
    }


def _feedback(feedback: Feedback | None) -> shapes.Feedback | None:
    if feedback is None:
        return None
    return {"weight": feedback.weight, "percent": feedback.percent, "admin": feedback.admin}


def connections(usage: Usage | None) -> shapes.Connections:
    """Return how many connections there are, none where there is no row."""
    usage = usage or _UNUSED
    return {"active": usage.active, "inactive": usage.inactive, "persistent": usage.persistent}


def _usage(usage: Usage) -> shapes.Used:
    rates = usage.rates
    return {
        "connections": connections(usage),
        "stats": _traffic(usage.stats),
        "rates": {
            "connections_per_second": rates.connections,
            "in_packets_per_second": rates.in_packets,
            "out_packets_per_second": rates.out_packets,
            "in_bytes_per_second": rates.in_bytes,
            "out_bytes_per_second": rates.out_bytes,
        },
    }


def _traffic(traffic: Traffic) -> shapes.Stats:
    return {
        "connections": traffic.connections,
        "in_packets": traffic.in_packets,
        "out_packets": traffic.out_packets,
        "in_bytes": traffic.in_bytes,
        "out_bytes": traffic.out_bytes,
    }


def _tunnel(method: Method) -> shapes.Tunnel | None:
    tunnel = method.tunnel
    return None if tunnel is None else {"type": tunnel.type, "port": tunnel.port, "checksum": tunnel.checksum}


def _persistence(persistence: Persistence | None) -> shapes.Persistence | None:
    if persistence is None:
        return None
    return {"timeout": persistence.timeout, "prefix": persistence.prefix, "engine": persistence.engine}
