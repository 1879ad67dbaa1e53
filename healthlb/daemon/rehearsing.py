"""A reload's plan, told in the log before it is carried out."""

import logging
from collections.abc import Sequence

from healthlb.core.decision import Level
from healthlb.core.desired import Standing
from healthlb.core.rehearsal import Known, Rehearsal, rehearse
from healthlb.daemon.breath import Breath
from healthlb.daemon.controller import Controller
from healthlb.daemon.targets import listed
from healthlb.daemon.worker import Worker
from healthlb.model.config import Config
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Override
from healthlb.model.table import ServiceKey

LOG = logging.getLogger("healthlb")
MOST_LINES = 50
"""Lines of a plan that are written at most."""


async def rehearsed(
    controller: Controller, config: Config, overrides: Sequence[Override], thoughts: Worker
) -> Rehearsal | None:
    """Return what putting a configuration in force would do to the table as known; None where it was never read."""
    actual = controller.known
    if actual is None:
        return None
    pools, breath = controller.pools, Breath()
    levels = []
    for pool in list(pools.by_name.values()):
        levels.append(pool.level())
        await breath()
    ours, now = pools.ours, pools.steady()

    def work() -> Rehearsal:
        by_key = {level.server.service.key: level for level in levels}
        return rehearse(config, actual, _known(levels), ours, now, overrides=overrides, levels=by_key)

    return await thoughts.do(work)


def _known(levels: Sequence[Level]) -> Known:
    known: dict[tuple[str, Endpoint], Standing] = {}
    for level in levels:
        name = level.server.name
        for servers, standings in (
            (level.server.real_servers, level.standings),
            (level.server.sorry_servers, level.sorry),
        ):
            for server, standing in zip(servers, standings, strict=True):
                known[name, server.address] = standing
    return known


def tell(rehearsal: Rehearsal | None, notes: Sequence[str]) -> None:
    """Write a plan into the log: what it comes to, then a line each for the first of its parts."""
    if rehearsal is None:
        LOG.info("reload plan: the table has not been read yet, so that nobody knows what will change in it")
        return
    operations, waiting = len(rehearsal.operations), len(rehearsal.waiting)
    LOG.info(
        "reload plan: %s, %s to wait for; takes out %s of the live weight",
        "no operation" if not operations else f"{operations} operation{'s' * (operations > 1)}",
        "no first verdict" if not waiting else f"{waiting} first verdict{'s' * (waiting > 1)}",
        percent(rehearsal.share),
    )
    lines = [*notes, *(str(each) for each in rehearsal.operations[:MOST_LINES])]
    lines += [f"wait for the first verdict on {each}" for each in rehearsal.waiting[:MOST_LINES]]
    unwritten = len(notes) + operations + waiting - min(len(lines), MOST_LINES)
    for line in lines[:MOST_LINES]:
        LOG.info("reload plan: %s", line)
    if unwritten:
        LOG.info("reload plan: and %d more", unwritten)


def too_much(rehearsal: Rehearsal | None, before: Config, limit: float) -> str | None:
    """Return one sentence if a reload would take out more of the live weight than the limit, in percent."""
    if rehearsal is None or rehearsal.share * 100 <= limit + 1e-9:
        return None
    names = {pool.service.key: name for name, pool in before.virtual_servers.items()}
    lost = listed([_place(names, key, address) for key, address in rehearsal.lost])
    share, most = percent(rehearsal.share), percent(limit / 100)
    meant = "if it is meant, force it with `healthlb reload --force`"
    return f"it takes out {share} of the live weight, max_reload_change allows {most}: {lost}; {meant}"


def percent(share: float) -> str:
    """Return a share as `12.5 %`, never as nothing or all where it is not."""
    value = round(share * 100, 1)
    if 0 < share < 0.001:
        return "less than 0.1 %"
    return f"{min(value, 99.9) if share < 1 else value:g} %"


def _place(names: dict[ServiceKey, str], key: ServiceKey, address: Endpoint) -> str:
    return f"{address} in {names.get(key, str(key))}"
