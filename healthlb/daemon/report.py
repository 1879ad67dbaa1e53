"""A full status in the log, for whoever sends SIGUSR1."""

import logging

from healthlb.daemon.breath import Breath
from healthlb.daemon.view import View
from healthlb.model.snapshot import CheckStatus, RealServerStatus

LOG = logging.getLogger("healthlb")


async def report(view: View) -> None:
    """Write one line for the director, each virtual server and each real server."""
    snapshot = await view.build()
    breath = Breath()
    table = snapshot.director.table
    LOG.info(
        "status: ready %s, table in sync %s, %d probes, %d late, failing: %s",
        snapshot.ready,
        table.in_sync,
        snapshot.director.probing.probes,
        snapshot.director.probing.late_total,
        "; ".join(table.failing) or "nothing",
    )
    for pool in snapshot.virtual_servers:
        LOG.info(
            "status: %s %s is %s, live weight %d", pool.name, pool.service.key, pool.state, pool.quorum.live_weight
        )
        for server in pool.real_servers:
            LOG.info("status: %s: %s", pool.name, _line(server))
            await breath()


def _line(server: RealServerStatus) -> str:
    reasons = [f"{check.name}: {_last(check)}" for check in server.checks]
    weight = server.weight.kernel if server.weight.kernel is not None else "absent"
    admin = "" if server.admin == "enabled" else f", {server.admin}"
    return f"{server.name} is {server.health.value.upper()}{admin}, weight {weight}; {'; '.join(reasons)}"


def _last(check: CheckStatus) -> str:
    if check.unsent_reason:
        return f"cannot be probed: {check.unsent_reason}"
    return check.last.reason if check.last is not None else "not probed yet"
