"""How the pools and checks that VRRP instances track stand now."""

from dataclasses import replace

from healthlb.core.vrrp.tracking import NOT_YET, Seen, statuses
from healthlb.daemon.pools import Pools
from healthlb.daemon.records import Pool, ProbeRecord
from healthlb.model.health import Health
from healthlb.model.vrrp import VrrpInstance
from healthlb.model.vrrp_status import TrackStatus


def standing(instance: VrrpInstance, pools: Pools) -> tuple[TrackStatus, ...]:
    """Return everything that an instance tracks but interfaces, of which the process that speaks knows better."""
    servers = {each.name: _pool(pools.by_name.get(each.name)) for each in instance.track.virtual_servers}
    checks = {each.tracked.name: _check(pools.tracked.get(each.probe)) for each in instance.track.checks}
    return (
        *statuses("virtual_server", instance.track.virtual_servers, servers),
        *statuses("check", (each.tracked for each in instance.track.checks), checks),
    )


def steady(now: tuple[TrackStatus, ...], before: tuple[TrackStatus, ...] | None) -> tuple[TrackStatus, ...]:
    """Return how things stand where a reload makes some of them unknown: as before, and new ones count for nothing.

    A master that a file only asks to look at more must not give way for it. With nothing `before`, at the start, what
    is unknown is down.
    """
    if before is None:
        return now
    known = {(each.kind, each.name): each.up for each in before}
    return tuple(
        replace(each, up=known.get((each.kind, each.name), each.weight is None or each.weight < 0))
        if each.reason == NOT_YET.reason
        else each
        for each in now
    )


def _pool(pool: Pool | None) -> Seen:
    """Say that a pool is up while it has its quorum; a sorry server is no way to serve."""
    if pool is None or pool.quorum_met is None:
        return NOT_YET
    if pool.quorum_met:
        return Seen(up=True)
    return Seen(up=False, reason=f"its quorum is not met: live weight {pool.live_weight} of {pool.server.quorum.up}")


def _check(record: ProbeRecord | None) -> Seen:
    if record is None or record.state.health is Health.UNKNOWN:
        return NOT_YET
    if record.state.health is Health.UP:
        return Seen(up=True)
    return Seen(up=False, reason=record.failure[1].reason if record.failure is not None else "")
