"""What a reload of a configuration would do to a table, from what is known of the servers now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthlb.core.desired import Standing, desired_row
from healthlb.core.plan import plan, scope
from healthlb.model.config import Config, RealServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.operations import Operation
from healthlb.model.table import Destination, IpvsTable, ServiceKey

Known = Mapping[tuple[str, Endpoint], Standing]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The operations that come at once, and the servers that wait for a first verdict, each as `pool: server`."""

    operations: Sequence[Operation]
    waiting: Sequence[str]


def rehearse(config: Config, actual: IpvsTable, known: Known, former: frozenset[ServiceKey]) -> Rehearsal:
    """Return what a reload would do.

    `known` is what a running director knows, by virtual server's name and address; without it a row's own weight
    stands for the verdict. `former` are the services that the running configuration lists.
    """
    services = {}
    waiting = []
    for server in config.virtual_servers.values():
        row = actual.services.get(server.service.key)
        present = row.destinations if row is not None else {}
        standings = []
        for real_server in server.real_servers:
            standing = known.get((server.name, real_server.address))
            standings.append(standing or _guess(real_server, present.get(real_server.address)))
            if standings[-1].health is Health.UNKNOWN and real_server.initial == "wait":
                waiting.append(f"{server.name}: {real_server.name}")
        services[server.service.key] = desired_row(server, standings, present)
    everything = frozenset(actual.services) if config.director.foreign_services == "remove" else former
    here = scope(actual, everything | services.keys())
    return Rehearsal(plan(here, IpvsTable(services, config.director.ipvs_timeouts)), waiting)


def _guess(server: RealServer, present: Destination | None) -> Standing:
    if present is None:
        return Standing()
    return Standing(Health.UP if present.weight or not server.weight else Health.DOWN)
