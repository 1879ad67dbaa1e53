"""A virtual server's own row: what identifies it in the kernel, its scheduler, its persistence."""

from checks.options import name_of
from healthlb.config.faults import Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.server_sections import PersistenceSection, TunnelSection, VirtualServerSection
from healthlb.config.walk import WRONG, Walk, Wrong, wrong
from healthlb.model.endpoint import Endpoint, Family
from healthlb.model.table import Method, Persistence, SchedulerFlag, Service, ServiceKey, Tunnel

NAMED_FLAGS: dict[str, SchedulerFlag] = {
    "sh-fallback": "flag-1",
    "sh-port": "flag-2",
    "mh-fallback": "flag-1",
    "mh-port": "flag-2",
    "flag-1": "flag-1",
    "flag-2": "flag-2",
    "flag-3": "flag-3",
}


def read_service(walk: Walk, section: VirtualServerSection, node: MappingNode, keys: Keys) -> Service | Wrong:
    """Return the service row after telling what does not fit; WRONG only where not even its key can be told.

    A row with a fault is made up where it must be: it lets the faults of the pool be told in the same run.
    """
    key = _key(walk, section, node, keys)
    flags = _flags(walk, section, node, keys)
    persistence = _persistence(walk, section, key, node, keys)
    one_packet = _one_packet(walk, section, node, keys)
    if isinstance(key, Wrong):
        return WRONG
    return Service(
        key,
        "" if wrong(section.scheduler) else section.scheduler,
        frozenset() if isinstance(flags, Wrong) else flags,
        None if isinstance(persistence, Wrong) else persistence,
        False if isinstance(one_packet, Wrong) else one_packet,
    )


def _key(walk: Walk, section: VirtualServerSection, node: MappingNode, keys: Keys) -> ServiceKey | Wrong:
    address, fwmark, family, protocol = section.address, section.fwmark, section.family, section.protocol
    if not node.has("address") and not node.has("fwmark"):
        return walk.fault(node, keys, "has no address: give address (such as 192.0.2.1:80) or fwmark")
    if node.has("address") and node.has("fwmark"):
        return walk.fault(
            node.find("fwmark"), keys / "fwmark", "a service has either an address or a firewall mark, not both"
        )
    if node.has("fwmark"):
        if node.has("protocol"):
            return walk.fault(
                node.find("protocol"),
                keys / "protocol",
                "a firewall mark takes whatever protocol was marked; leave it out",
            )
        return WRONG if fwmark is None or wrong(fwmark, family) else ServiceKey.marked(fwmark, family or "inet")
    if wrong(address, family, protocol):
        return WRONG
    endpoint = Endpoint(address[0], address[1])
    if family is not None and family != endpoint.family:
        return walk.fault(node.find("family"), keys / "family", f"{endpoint.address} is of the other family")
    if endpoint.port == 0 and section.persistence is None:
        return walk.fault(
            node.find("address"),
            keys / "address",
            "port 0 is out of range: 1 to 65535 (an all-port service needs persistence)",
        )
    return ServiceKey.at(protocol or "tcp", endpoint)


def _flags(
    walk: Walk, section: VirtualServerSection, node: MappingNode, keys: Keys
) -> frozenset[SchedulerFlag] | Wrong:
    if wrong(section.scheduler, section.scheduler_flags):
        return WRONG
    for flag in section.scheduler_flags:
        owner = flag.partition("-")[0]
        if owner in {"sh", "mh"} and owner != section.scheduler:
            return walk.fault(
                node.find("scheduler_flags"),
                keys / "scheduler_flags",
                f"{flag} is a flag of scheduler {owner}, and the scheduler here is {section.scheduler}",
            )
    return frozenset(NAMED_FLAGS[flag] for flag in section.scheduler_flags)


def _persistence(
    walk: Walk, section: VirtualServerSection, key: ServiceKey | Wrong, node: MappingNode, keys: Keys
) -> Persistence | Wrong | None:
    given: PersistenceSection | None = section.persistence
    if given is None:
        return None
    if wrong(given) or isinstance(key, Wrong):
        return WRONG
    at = node.find("persistence")
    place = at if isinstance(at, MappingNode) else node
    bits = 32 if key.family == "inet" else 128
    if given.netmask is not None and (given.netmask.bits > bits or (given.netmask.dotted and bits == 128)):
        wanted = "a netmask such as 255.255.255.0 or a prefix of 1 to 32" if bits == 32 else "a prefix of 1 to 128"
        return walk.fault(
            place.find("netmask"), keys / "persistence" / "netmask", f"an {_ip(key.family)} service takes {wanted}"
        )
    if given.engine == "sip" and key.protocol not in {"udp", "fwmark"}:
        return walk.fault(
            place.find("engine"),
            keys / "persistence" / "engine",
            f"the sip engine reads UDP only, and the service is {key.protocol}",
        )
    prefix = bits if given.netmask is None else given.netmask.bits
    return Persistence(given.timeout, prefix, given.engine or "")


def _one_packet(walk: Walk, section: VirtualServerSection, node: MappingNode, keys: Keys) -> bool | Wrong:
    if wrong(section.one_packet, section.protocol):
        return WRONG
    if section.one_packet and not node.has("fwmark") and section.protocol != "udp":
        return walk.fault(
            node.find("one_packet"),
            keys / "one_packet",
            f"is for UDP only, and the service is {section.protocol or 'tcp'}",
        )
    return section.one_packet


def read_method(
    walk: Walk, kind: str, tunnel: TunnelSection | Wrong | None, node: MappingNode, keys: Keys, *, own: bool
) -> Method | Wrong:
    """Return a forwarding method. `own`: the tunnel is written here, so it must make sense here."""
    if wrong(kind, tunnel):
        return WRONG
    if kind != "tunnel":
        if own and tunnel is not None:
            return walk.fault(
                node.find("tunnel"), keys / "tunnel", f"is for method tunnel, and the method here is {kind}"
            )
        return Method("nat") if kind == "nat" else Method("dr")
    if tunnel is None or isinstance(tunnel, Wrong):
        return Method("tunnel", Tunnel())
    at = node.find("tunnel")
    place = at if isinstance(at, MappingNode) else node
    if tunnel.type == "gue" and tunnel.port is None:
        return walk.fault(place, keys / "tunnel" / "port", "is missing: gue is sent to a UDP port, such as 6080")
    if tunnel.type != "gue" and tunnel.port is not None:
        return walk.fault(
            place.find("port"), keys / "tunnel" / "port", f"{tunnel.type} has no port; only gue is sent to one"
        )
    allowed = {"ipip": ("none",), "gre": ("none", "csum"), "gue": ("none", "csum", "remcsum")}[tunnel.type]
    if tunnel.checksum not in allowed:
        return walk.fault(
            place.find("checksum"),
            keys / "tunnel" / "checksum",
            f"{tunnel.type} has no {name_of(tunnel.checksum)}; it takes {' or '.join(allowed)}",
        )
    return Method("tunnel", Tunnel(tunnel.type, tunnel.port or 0, tunnel.checksum))


def _ip(family: Family) -> str:
    return "IPv4" if family == "inet" else "IPv6"
