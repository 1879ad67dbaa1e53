"""What a reload of a configuration would do to a table, from what is known of the servers now."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from healthlb.core.decision import NOTHING, Leaving, Level, Looked
from healthlb.core.desired import Standing
from healthlb.core.health import combine
from healthlb.core.overrides import applied as overridden
from healthlb.core.plan import applied, plan, scope
from healthlb.core.policy import decide
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.operations import Operation
from healthlb.model.overrides import Override
from healthlb.model.table import Destination, IpvsTable, ServiceKey

Known = Mapping[tuple[str, Endpoint], Standing]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The operations that come at once, and the servers that wait for a first verdict, each as `pool: server`.

    `share` is how much of the table's live weight the operations take out, from 0 to 1, and `lost` where they do.
    """

    operations: Sequence[Operation]
    waiting: Sequence[str]
    share: float = 0.0
    lost: Sequence[tuple[ServiceKey, Endpoint]] = ()


def rehearse(
    config: Config,
    actual: IpvsTable,
    known: Known,
    former: frozenset[ServiceKey],
    now: float = 0.0,
    *,
    overrides: Sequence[Override] = (),
    levels: Mapping[ServiceKey, Level] = NOTHING,
) -> Rehearsal:
    """Return what a reload would do.

    `known` is what a running director knows, by virtual server's name and address; without it a row's own weight
    stands for the verdict. `former` are the services that the running configuration lists, `overrides` those that are
    in force. `levels` are what the director's decisions rest on at the moment `now`: quorums, and rows that leave.
    """
    services = {}
    waiting = []
    nearby = defaultdict[str, list[Override]](list)
    for each in overrides:
        nearby[each.scope.address].append(each)
    for server in config.virtual_servers.values():
        row = actual.services.get(server.service.key)
        present = row.destinations if row is not None else {}
        standings = [_standing(server.name, each, known, present, nearby) for each in server.real_servers]
        sorry = [_standing(server.name, each, known, present, nearby) for each in server.sorry_servers]
        for real_server, standing in zip(server.real_servers, standings, strict=True):
            if standing.health is Health.UNKNOWN and real_server.initial == "wait":
                waiting.append(f"{server.name}: {real_server.name}")
        level = _level(server, standings, sorry, levels.get(server.service.key), now)
        services[server.service.key] = decide(level, Looked(present), now).row
    everything = frozenset(actual.services) if config.director.foreign_services == "remove" else former
    here = scope(actual, everything | services.keys())
    operations = plan(here, IpvsTable(services, config.director.ipvs_timeouts))
    return Rehearsal(operations, waiting, *taken_out(here, applied(here, operations)))


def taken_out(before: IpvsTable, after: IpvsTable) -> tuple[float, Sequence[tuple[ServiceKey, Endpoint]]]:
    """Return the share of the live weight of `before` that is no more in `after`, from 0 to 1, and where it was.

    A destination counts by what its own weight falls by, all of it where it is gone; weight that another one gains
    makes up for nothing, as that is where the connections would have to go.
    """
    live = gone = 0
    lost = []
    for key, row in before.services.items():
        later = after.services.get(key)
        present = later.destinations if later is not None else {}
        for address, destination in row.destinations.items():
            live += destination.weight
            remaining = present.get(address)
            fall = destination.weight - (remaining.weight if remaining is not None else 0)
            if fall > 0:
                gone += fall
                lost.append((key, address))
    return (gone / live if live else 0.0), lost


def _standing(
    name: str,
    server: RealServer,
    known: Known,
    present: Mapping[Endpoint, Destination],
    overrides: Mapping[str, Sequence[Override]],
) -> Standing:
    standing = known.get((name, server.address)) or _guess(server, present.get(server.address))
    if not overrides:
        return standing
    return replace(standing, applied=overridden(overrides.get(server.address.address, ()), name, server.address))


def _guess(server: RealServer, present: Destination | None) -> Standing:
    if not server.probes:
        return Standing(combine(server.require, ()))
    if present is None:
        return Standing()
    return Standing(Health.UP if present.weight or not server.weight else Health.DOWN)


def _level(
    server: VirtualServer, standings: Sequence[Standing], sorry: Sequence[Standing], before: Level | None, now: float
) -> Level:
    """Return what the decision will rest on; servers that are no longer listed begin to leave if they are to."""
    if before is None:
        return Level(server, standings, sorry)
    leaving = {each.address: each for each in before.leaving}
    for each in (*before.server.real_servers, *before.server.sorry_servers):
        if each.drain_timeout > 0:
            leaving[each.address] = Leaving(each.address, now + each.drain_timeout, each.drain_timeout)
    for each in (*server.real_servers, *server.sorry_servers):
        leaving.pop(each.address, None)
    return Level(server, standings, sorry, before.quorum_met, tuple(leaving.values()), before.ending)
