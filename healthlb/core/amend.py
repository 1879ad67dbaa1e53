"""From the file's configuration and operators' orders to the configuration in force.

What was added at run time joins its pool after the file's own servers; what was removed is left out. The file has the
last word: a server that it lists by now is its own again, and an order about something that it knows no more is over.
An addition that cannot be a server of its pool any more, because the check it names is gone or its name is taken, stays
among the orders without effect until it can be again or is taken back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Addition, Orders, Removal

Built = Mapping[Addition, RealServer | str]
"""The real server that each addition makes, or in one sentence without a full stop why it can make none."""


@dataclass(frozen=True, slots=True)
class Amended:
    """The configuration in force, the orders that survive, and what became of each, in sentences without a full stop.

    `held` are the orders that stay and have their effect, `over` those that are no more, `aside` those that stay
    without effect.
    """

    config: Config
    orders: Orders
    held: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """All of it, as a plan tells it."""
        return self.held + self.over + self.aside


def to_build(config: Config, orders: Orders) -> tuple[Addition, ...]:
    """Return the additions that have a pool to join which does not list them itself: `amend` asks for those alone."""
    pools = {each.virtual_server for each in orders.additions}
    listed = {name: {server.address for server in _real(config, name)} for name in pools}
    return tuple(
        each
        for each in orders.additions
        if each.virtual_server in config.virtual_servers and each.address not in listed[each.virtual_server]
    )


def without_removed(config: Config, removals: Iterable[Removal]) -> Config:
    """Return the configuration without the real servers that were removed at run time."""
    gone: dict[str, set[Endpoint]] = {}
    for each in removals:
        gone.setdefault(each.virtual_server, set()).add(each.address)
    pools = dict(config.virtual_servers)
    for name in gone.keys() & pools.keys():
        pools[name] = _with(pools[name], [each for each in pools[name].real_servers if each.address not in gone[name]])
    return replace(config, virtual_servers=pools)


def amend(config: Config, orders: Orders, built: Built) -> Amended:
    """Return what is in force by a file's configuration and orders; `built` has the additions of `to_build`."""
    if not orders.additions and not orders.removals:
        return Amended(config, orders)
    held: list[str] = []
    over: list[str] = []
    aside: list[str] = []
    removals = [each for each in orders.removals if _still_removed(config, each, held, over)]
    changed = dict(without_removed(config, removals).virtual_servers)
    additions = []
    for each in orders.additions:
        pool = changed.get(each.virtual_server)
        if pool is None:
            over.append(f"the addition of {each.address} is dropped: there is no virtual server {each.virtual_server}")
        elif any(server.address == each.address for server in config.virtual_servers[pool.name].real_servers):
            gone = f"the addition at run time by {each.who} is dropped"
            over.append(f"{pool.name}: {each.address} is in the file now; {gone}")
        else:
            additions.append(each)
            server = built[each]
            fault = server if isinstance(server, str) else _clash(pool, server)
            if isinstance(server, str) or fault:
                aside.append(f"{pool.name}: {each.address}, added at run time by {each.who}, is kept aside: {fault}")
                continue
            changed[pool.name] = _with(pool, [*pool.real_servers, server])
            held.append(f"{pool.name}: keeps {label(server)}, added at run time by {each.who}")
    kept = replace(orders, additions=tuple(additions), removals=tuple(removals))
    return Amended(replace(config, virtual_servers=changed), kept, tuple(held), tuple(over), tuple(aside))


def label(server: RealServer) -> str:
    """Return `web1 (192.0.2.1:80)`, or the address alone for a server that has no other name."""
    address = str(server.address)
    return address if server.name == address else f"{server.name} ({address})"


def _still_removed(config: Config, removal: Removal, held: list[str], over: list[str]) -> bool:
    name = removal.virtual_server
    server = next((each for each in _real(config, name) if each.address == removal.address), None)
    if server is None:
        over.append(f"{name}: {removal.address} is no longer in the file; its removal is forgotten")
        return False
    held.append(f"{name}: {label(server)} stays out, removed at run time by {removal.who}")
    return True


def _clash(pool: VirtualServer, server: RealServer) -> str:
    """Return why a server cannot join a pool beside those that are there, or nothing."""
    for other in (*pool.real_servers, *pool.sorry_servers):
        if server.address == other.address:
            return f"the pool has a server at {server.address} already"
        if server.name == other.name:
            return f"the pool has another server named {server.name}"
    return ""


def _real(config: Config, name: str) -> tuple[RealServer, ...]:
    pool = config.virtual_servers.get(name)
    return pool.real_servers if pool is not None else ()


def _with(pool: VirtualServer, servers: Iterable[RealServer]) -> VirtualServer:
    return replace(pool, real_servers=tuple(servers))
