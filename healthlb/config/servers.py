"""Virtual servers: the service, what its real servers inherit, the pool, and what stands in for it."""

from collections.abc import Callable, Iterable
from typing import Any

from healthlb.config.blocks import Stale
from healthlb.config.faults import Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Sequence
from healthlb.config.real_servers import (
    Pattern,
    Pool,
    at,
    distinct,
    known,
    read_flap_damping,
    read_real_server,
    thresholds,
)
from healthlb.config.server_sections import QuorumSection, SorryServerSection, VirtualServerSection
from healthlb.config.services import read_method, read_service
from healthlb.config.walk import Wrong, wrong
from healthlb.config.walk_checks import CheckWalk
from healthlb.model.config import Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint

RAW = ("real_servers", "sorry_server")
ReadItem = Callable[[Node, int], RealServer | None]
ReadItems = Callable[[Sequence, ReadItem], Iterable[tuple[Node, RealServer | None]]]


def read_virtual_server(
    walk: CheckWalk,
    name: str,
    node: Node,
    keys: Keys,
    read_items: ReadItems,
) -> VirtualServer | None:
    """Return a virtual server after telling its faults, or None where not even its key in the kernel can be told.

    `read_items` goes through the pool's list. With a fault told, the values in what is returned may be made up.
    """
    section: VirtualServerSection | Wrong = walk.partial(VirtualServerSection, node, keys, raw=RAW)
    if isinstance(section, Wrong) or not isinstance(node, MappingNode):
        return None
    service = read_service(walk, section, node, keys)
    _quorum(walk, section.quorum, node, keys)
    pattern = _pattern(walk, section, node, keys)
    pool = Pool(name, service, pattern)
    taken = _Taken(walk)
    real_servers = _real_servers(walk, pool, section.real_servers, keys, read_items, taken=taken)
    sorry_servers = _sorry_servers(walk, pool, node, keys, taken)
    if isinstance(service, Wrong):
        return None
    return VirtualServer(
        name=name,
        service=service,
        method=known(pattern.method),
        real_servers=tuple(real_servers),
        quorum=Quorum() if wrong(section.quorum) else walk.share(Quorum(section.quorum.up, section.quorum.hysteresis)),
        panic=section.panic,
        sorry_servers=tuple(sorry_servers),
        on_quorum_lost=section.on_quorum_lost,
        pattern=pattern,
    )


def _pattern(walk: CheckWalk, section: VirtualServerSection, node: MappingNode, keys: Keys) -> Pattern:
    """Return what the pool's servers inherit."""
    thresholds(walk, section.upper_threshold, section.lower_threshold, node, keys)
    pattern = Pattern(
        kind=section.method,
        tunnel=section.tunnel,
        method=walk.share(read_method(walk, section.method, section.tunnel, node, keys, own=True)),
        checks=distinct((walk.default(),) if section.check is None else section.check, walk, node, keys),
        weight=section.weight,
        upper_threshold=section.upper_threshold,
        lower_threshold=section.lower_threshold,
        require=section.require,
        on_failure=section.on_failure,
        initial=section.initial,
        slow_start=section.slow_start,
        drain_timeout=section.drain_timeout,
        flap_damping=read_flap_damping(walk, section.flap_damping, node, keys),
    )
    shared: Pattern = walk.share(pattern)
    return shared


def _stand_in(pattern: Pattern) -> Pattern:
    """Return what a sorry server inherits: how packets reach it and what becomes of its row, but no check or limit."""
    return Pattern(
        kind=pattern.kind,
        tunnel=pattern.tunnel,
        method=pattern.method,
        checks=(),
        on_failure=pattern.on_failure,
        drain_timeout=pattern.drain_timeout,
    )


class _Taken:
    """The addresses and names that a pool has already, with their places."""

    def __init__(self, walk: CheckWalk) -> None:
        self._walk = walk
        self._addresses: dict[Endpoint, Node] = {}
        self._names: dict[str, Node] = {}

    def take(self, server: RealServer, node: Node, keys: Keys) -> None:
        """Tell of a server whose address or name is taken; Stale where a place is not known, only that of its list."""
        first = self._addresses.get(server.address) or self._names.get(server.name)
        if first is not None and (isinstance(first, Sequence) or isinstance(node, Sequence)):
            raise Stale
        if server.address in self._addresses:
            message = f"{server.address} is in this pool already (line {self._addresses[server.address].line + 1})"
            self._walk.fault(at(node, "address"), keys, message)
        elif server.name in self._names:
            message = f"the name {server.name} is in this pool already (line {self._names[server.name].line + 1})"
            self._walk.fault(at(node, "name"), keys, message)
        self._addresses.setdefault(server.address, node)
        self._names.setdefault(server.name, node)


def _real_servers(
    walk: CheckWalk, pool: Pool, listed: Any, keys: Keys, read_items: ReadItems, *, taken: _Taken
) -> list[RealServer]:
    keys /= "real_servers"
    if not isinstance(listed, Sequence):
        if not isinstance(listed, Wrong):
            walk.fault(listed, keys, f"expected a list, found {walk.found(listed)}")
        return []
    found = []

    def read(node: Node, index: int) -> RealServer | None:
        return read_real_server(walk, pool, node, keys / index)

    for index, (node, server) in enumerate(read_items(listed, read)):
        if server is not None:
            taken.take(server, node, keys / index)
            found.append(server)
    return found


def _sorry_servers(walk: CheckWalk, pool: Pool, node: MappingNode, keys: Keys, taken: _Taken) -> list[RealServer]:
    """Return what stands in for the pool: one server, or a list of them."""
    if not node.has("sorry_server"):
        return []
    backup = Pool(pool.name, pool.service, _stand_in(pool.pattern), SorryServerSection)
    listed, keys = node.find("sorry_server"), keys / "sorry_server"
    items = [(listed, keys)]
    if isinstance(listed, Sequence):
        items = [(item, keys / index) for index, item in enumerate(listed.items)]
        if not items:
            walk.fault(listed, keys, "expected a list of at least 1, found 0")
    found = []
    for item, place in items:
        server = read_real_server(walk, backup, item, place)
        if server is not None:
            taken.take(server, item, place)
            found.append(server)
    return found


def _quorum(walk: CheckWalk, quorum: QuorumSection | Wrong, node: MappingNode, keys: Keys) -> None:
    if isinstance(quorum, Wrong) or quorum.hysteresis < quorum.up:
        return
    message = (
        f"{quorum.hysteresis} is not below up, which is {quorum.up}: the quorum would only be lost with nobody left"
    )
    walk.fault(at(node.find("quorum"), "hysteresis"), keys / "quorum" / "hysteresis", message)
