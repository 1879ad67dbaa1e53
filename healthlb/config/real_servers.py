"""Real servers: inheritance filled in, and every rule that spans more than one key.

The kernel's rules are those of Linux net/netfilter/ipvs: ip_vs_ctl.c (`ip_vs_genl_set_cmd`: a real server of the other
family under method tunnel only; `__ip_vs_add_dest`: lower threshold at most the upper, no IPv6 link-local address) and
ip_vs_core.c (`ip_vs_schedule`, `ip_vs_sched_persist`: where a port is translated and where it is not).
"""

from dataclasses import dataclass
from typing import Any

from checks.options import show_seconds
from healthlb.config.faults import Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Scalar
from healthlb.config.server_sections import FlapDampingSection, RealServerSection, TunnelSection
from healthlb.config.services import read_method
from healthlb.config.walk import WRONG, Wrong, wrong
from healthlb.config.walk_checks import CheckWalk, Configured, same_family
from healthlb.model.check import Probe
from healthlb.model.config import FlapDamping, Initial, OnFailure, Origin, RealServer
from healthlb.model.endpoint import Endpoint, Family
from healthlb.model.health import Require
from healthlb.model.table import Method, Service

IP: dict[Family, str] = {"inet": "IPv4", "inet6": "IPv6"}
LINK_LOCAL = ("fe8", "fe9", "fea", "feb")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a real server takes from its virtual server, by value alone; equal patterns are one object.

    `kind` is the virtual server's forwarding method as it is written, `method` what comes of it with `tunnel`. In one
    that a configuration holds nothing is wrong. Checks are compared without their names, as everywhere.
    """

    kind: Any
    tunnel: TunnelSection | Wrong | None
    method: Method | Wrong
    checks: tuple[Configured, ...] | Wrong
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    require: Require = "all"
    on_failure: OnFailure = "quiesce"
    initial: Initial = "wait"
    slow_start: float = 0.0
    drain_timeout: float = 0.0
    flap_damping: FlapDamping | Wrong | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the checks."""
        return () if isinstance(self.checks, Wrong) else tuple(each.check.name for each in self.checks)


@dataclass(frozen=True, slots=True)
class Pool:
    """Where a real server belongs, and the section (`of`) that says what may be written of it."""

    name: str
    service: Service | Wrong
    pattern: Pattern
    of: type = RealServerSection
    origin: Origin = "file"


def read_real_server(walk: CheckWalk, pool: Pool, node: Node, keys: Keys) -> RealServer | None:
    """Return one real server after telling its faults, or None where not even its address can be told."""
    if isinstance(node, Scalar):
        place = walk.read(ADDRESS, node, keys)
        section = pool.of(address=place)
        mapping = MappingNode(node.source, node.line, node.column, [])
    elif isinstance(node, MappingNode):
        section = walk.partial(pool.of, node, keys)
        mapping = node
    else:
        walk.fault(node, keys, f"expected an address or a mapping, found a list{BRACKETS}")
        return None
    above = pool.pattern
    method = _method(walk, above, section, mapping, keys)
    upper = _first(section.upper_threshold, above.upper_threshold)
    lower = _first(section.lower_threshold, above.lower_threshold)
    if section.upper_threshold is not None or section.lower_threshold is not None:
        thresholds(walk, upper, lower, mapping, keys)
    own = section.flap_damping
    damped = above.flap_damping if own is None else read_flap_damping(walk, own, mapping, keys)
    checks = above.checks if section.check is None else distinct(section.check, walk, mapping, keys)
    address = _address(walk, pool, section, mapping, keys, method=method)
    if isinstance(address, Wrong):
        return None
    name = str(address) if section.name is None or wrong(section.name) else section.name
    aim = Aim(pool, name, address, mapping, keys)
    return RealServer(
        name=name,
        address=address,
        method=walk.share(known(method)),
        probes=() if isinstance(checks, Wrong) else tuple(_probe(walk, each, aim) for each in checks),
        weight=_first(section.weight, above.weight),
        upper_threshold=upper,
        lower_threshold=lower,
        require=_first(section.require, above.require),
        on_failure=_first(section.on_failure, above.on_failure),
        initial=_first(section.initial, above.initial),
        slow_start=_first(section.slow_start, above.slow_start),
        drain_timeout=_first(section.drain_timeout, above.drain_timeout),
        flap_damping=None if isinstance(damped, Wrong) else damped,
        origin=pool.origin,
    )


def known(method: Method | Wrong) -> Method:
    """Return the method, or one made up where a fault about it has been told."""
    return Method("nat") if isinstance(method, Wrong) else method


ADDRESS = RealServerSection.__dataclass_fields__["address"].metadata["kind"]
BRACKETS = "; an IPv6 address in brackets needs quotes"


def _first(own: Any, above: Any) -> Any:
    return above if own is None else own


def at(node: Node, key: str) -> Node:
    """Return the value under a key where there is one, else the node itself: the nearest place."""
    return node.find(key) if isinstance(node, MappingNode) else node


def _method(
    walk: CheckWalk, above: Pattern, section: RealServerSection, node: MappingNode, keys: Keys
) -> Method | Wrong:
    if section.method is None and section.tunnel is None:
        return above.method
    kind = _first(section.method, above.kind)
    tunnel = _first(section.tunnel, above.tunnel if kind == "tunnel" else None)
    return read_method(walk, kind, tunnel, node, keys, own=section.tunnel is not None)


def _address(
    walk: CheckWalk, pool: Pool, section: RealServerSection, node: MappingNode, keys: Keys, *, method: Method | Wrong
) -> Endpoint | Wrong:
    """Return the real server's address with its port, as the kernel's rules allow them."""
    service = pool.service
    if wrong(section.address) or isinstance(service, Wrong):
        return WRONG
    text, given = section.address
    at, keys = node.find("address"), keys / "address" if node.pairs else keys
    key = service.key
    endpoint = Endpoint(text, key.port if given is None else given)
    if isinstance(method, Wrong):
        return endpoint
    if endpoint.family != key.family and method.kind != "tunnel":
        return walk.fault(
            at,
            keys,
            f"an {IP[endpoint.family]} real server in an {IP[key.family]} service needs method tunnel, not {method}",
        )
    if endpoint.address.startswith(LINK_LOCAL) and endpoint.family == "inet6":
        return walk.fault(at, keys, f"{endpoint.address} is link-local, which an IPVS row cannot hold")
    if endpoint.port == key.port:
        return endpoint
    if endpoint.port == 0:
        return walk.fault(at, keys, "port 0 is out of range: 1 to 65535; leave it out for the virtual server's port")
    if method.kind != "nat":
        theirs = f"the virtual server's port {key.port}" if key.port else "the port that the client asked for"
        return walk.fault(
            at, keys, f"{method.kind} does not translate ports: the real server listens on {theirs}; leave the port out"
        )
    if key.port == 0 and service.persistence is not None:
        what = "firewall mark" if key.protocol == "fwmark" else "all-port"
        return walk.fault(
            at, keys, f"the kernel does not translate ports of a persistent {what} service; leave the port out"
        )
    return endpoint


def thresholds(walk: CheckWalk, upper: Any, lower: Any, node: MappingNode, keys: Keys) -> None:
    """Tell of thresholds that the kernel would refuse."""
    if not wrong(upper, lower) and lower > upper:
        walk.fault(
            node.find("lower_threshold" if node.has("lower_threshold") else "upper_threshold"),
            keys / "lower_threshold",
            f"{lower} is above upper_threshold, which is {upper}",
        )


def read_flap_damping(walk: CheckWalk, given: Any, node: MappingNode, keys: Keys) -> FlapDamping | Wrong | None:
    """Return when a server is held down for its flapping, None for never; `given` is the section, or `none`."""
    if not isinstance(given, FlapDampingSection):
        return WRONG if wrong(given) else None
    if given.hold > given.longest:
        return walk.fault(
            at(node.find("flap_damping"), "hold"),
            keys / "flap_damping" / "hold",
            f"{show_seconds(given.hold)} is above longest, which is {show_seconds(given.longest)}",
        )
    shared: FlapDamping = walk.share(FlapDamping(given.changes, given.window, given.hold, given.longest))
    return shared


def distinct(
    checks: tuple[Configured, ...] | Wrong, walk: CheckWalk, node: MappingNode, keys: Keys
) -> tuple[Configured, ...] | Wrong:
    """Return the checks, whose names must tell them apart in the status."""
    if isinstance(checks, Wrong):
        return WRONG
    names = [configured.check.name for configured in checks]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"two checks are called {name}; give one another name"
            return walk.fault(node.find("check"), keys / "check", message)
    return checks


@dataclass(frozen=True, slots=True)
class Aim:
    """The real server that a probe is for, and where the file has it."""

    pool: Pool
    name: str
    address: Endpoint
    node: MappingNode
    keys: Keys


def _probe(walk: CheckWalk, configured: Configured, aim: Aim) -> Probe:
    address, port = configured.address or aim.address.address, configured.port or aim.address.port
    check, way = configured.check, configured.way
    if port == 0 and configured.has_port:
        message = f"the check {check.name} has no port to probe; give the check a port"
        walk.fault(aim.node, aim.keys, message)
    if way.source is not None and not same_family(way.source, address):
        message = (
            f"the check {check.name} probes from {way.source}, which cannot reach {address}; "
            "give it a check whose source is of its own address family"
        )
        walk.fault(aim.node, aim.keys, message)
    if configured.conversation.per_server:
        return Probe(check, Endpoint(address, port), _context(aim))
    # Without a port of its own, a check of two services on one machine is one probe.
    return Probe(check, Endpoint(address, port if configured.has_port else 0))


def _context(aim: Aim) -> tuple[tuple[str, str], ...]:
    """Return what a check that is probed for each real server by itself is told of it."""
    service = aim.pool.service
    if isinstance(service, Wrong):
        return ()
    key = service.key
    mark = (("fwmark", str(key.fwmark)),) if key.protocol == "fwmark" else ()
    return (
        ("virtual_server", aim.pool.name),
        ("virtual_address", key.address),
        ("virtual_port", str(key.port)),
        ("protocol", key.protocol),
        *mark,
        ("real_server", aim.name),
    )
