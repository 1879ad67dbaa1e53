"""What a reload changes, in the words of the file."""

from collections.abc import Sequence
from dataclasses import replace

from healthlb.model.config import Config, VirtualServer

MOST_NAMED = 10
"""Real servers of one pool that are named one by one; of more, the number tells more than the names."""


def changes(before: Config, after: Config) -> tuple[str, ...]:
    """Return one short sentence for each thing that differs between two configurations."""
    found = [
        f"{name} section changed"
        for name, old, new in (
            ("director", before.director, after.director),
            ("api", before.api, after.api),
            ("notifiers", before.notifiers, after.notifiers),
            ("vrrp", before.vrrp, after.vrrp),
        )
        if old != new
    ]
    old_servers, new_servers = before.virtual_servers, after.virtual_servers
    found += [f"{name} removed" for name in old_servers if name not in new_servers]
    found += [f"{name} added" for name in new_servers if name not in old_servers]
    for name, server in new_servers.items():
        old = old_servers.get(name)
        if old is not None and old is not server and old != server:
            found.append(f"{name}: {_pool_change(old, server)}")
    return tuple(found)


def _pool_change(before: VirtualServer, after: VirtualServer) -> str:
    if before.service.key != after.service.key:
        return f"now {after.service.key}"
    old = {server.address: server for server in before.real_servers}
    new = {server.address: server for server in after.real_servers}
    parts = ["settings changed"] if replace(before, real_servers=()) != replace(after, real_servers=()) else []
    parts += _named("removed", [str(address) for address in old if address not in new])
    parts += _named("added", [str(address) for address in new if address not in old])
    parts += _named("changed", [str(each.address) for each in new.values() if old.get(each.address, each) != each])
    return ", ".join(parts) or "real servers in another order"


def _named(what: str, addresses: Sequence[str]) -> list[str]:
    if len(addresses) > MOST_NAMED:
        return [f"{len(addresses)} real servers {what}"]
    return [f"real server {address} {what}" for address in addresses]
