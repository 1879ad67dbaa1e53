"""Loads a file, and loads it again: a virtual server whose text has not changed is not parsed again.

What a file says rests on its text and the environment's variables alone. No name is resolved, and no file that an
option names (`*_file`) is opened: that belongs to whoever uses it, so that what is kept here can never be stale.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from checks import registry
from healthlb.config.blocks import Block, Blocks, Doubt, LazySequence, Stale, virtual_server
from healthlb.config.director import read_api, read_director
from healthlb.config.faults import ROOT, Faults, Keys
from healthlb.config.files import Contents, Gathered, Gathering
from healthlb.config.kinds import Name
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Scalar, Sequence
from healthlb.config.notifiers import read_notifier, refuse_strangers
from healthlb.config.real_servers import Pattern
from healthlb.config.servers import read_virtual_server
from healthlb.config.vrrp import read_vrrp
from healthlb.config.vrrp_track import Trackable
from healthlb.config.walk import WRONG, Wrong, twice
from healthlb.config.walk_checks import CheckTypes, CheckWalk, Configured
from healthlb.config.watching import Watched
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.notifiers import Notifier
from healthlb.model.table import ServiceKey


@dataclass(frozen=True, slots=True)
class Rests:
    """What a kept value rests on beside its own text."""

    variables: tuple[tuple[str, str | None], ...] = ()
    names: tuple[tuple[str, Configured], ...] = ()
    receivers: tuple[str, ...] = ()

    @classmethod
    def of(cls, walk: CheckWalk) -> "Rests":
        """Return what a walk has met."""
        rests = cls(tuple(walk.variables.items()), tuple(walk.names.items()), tuple(walk.receivers))
        return rests if rests != NOTHING else NOTHING

    def hold(self, environ: Mapping[str, str], named: Mapping[str, Any], notifiers: Collection[str]) -> bool:
        """Whether all of it is still so."""
        return (
            all(environ.get(name) == value for name, value in self.variables)
            and all(
                named.get(name) == configured and named[name].check.name == configured.check.name
                for name, configured in self.names
            )
            and all(name in notifiers for name in self.receivers)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A virtual server as it was read from a text."""

    server: VirtualServer
    rests: Rests


@dataclass(frozen=True, slots=True)
class KeptPool:
    """The real servers of a long pool as they were read from their texts."""

    context: bytes
    rests: Rests
    servers: Mapping[bytes, RealServer]


@dataclass(slots=True)
class Memory:
    """What one load leaves to the next."""

    servers: dict[bytes, Kept] = field(default_factory=dict)
    pools: dict[str, KeptPool] = field(default_factory=dict)
    by_name: Mapping[str, VirtualServer] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)


NOTHING = Rests()


class Loader:
    """Loads one file any number of times; not for two threads at once. A failed load leaves what is kept alone."""

    def __init__(self, path: str, *, types: CheckTypes | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._types = registry.types() if types is None else types
        self._environ = os.environ if environ is None else environ
        self._memory = Memory({}, {}, {}, {})
        self._watched = Watched()

    def fingerprint(self) -> object:
        """Return how the file, and all that its includes mean now, look from outside; equal while nothing has changed.

        Which includes there are is known from the last load, whatever became of it. Nothing is read, nothing raised.
        """
        return self._watched.now()

    @property
    def as_read(self) -> object:
        """What `fingerprint` was just before the last load: another one means that a load would see something else."""
        return self._watched.as_read()

    def load(self) -> Config:
        """Return the configuration; raise ConfigError with every fault."""
        contents = Contents()
        self._watched = contents.watched
        before = self._memory
        try:
            try:
                reading = _Reading(self._types, self._environ, before)
                config = reading.read(self.path, contents, whole=False)
            except Stale:
                reading = _Reading(self._types, self._environ, Memory())
                config = reading.read(self.path, contents, whole=False)
        except Doubt:
            reading = _Reading(self._types, self._environ, Memory(shared=before.shared))
            config = reading.read(self.path, contents, whole=True)
            config = _with_equal_ones_kept(config, before.by_name)
        self._memory = reading.after
        self._memory.by_name = config.virtual_servers
        return config


def load(path: str, *, environ: Mapping[str, str] | None = None) -> Config:
    """Return what a file says; raise ConfigError with every fault."""
    return Loader(path, environ=environ).load()


def _with_equal_ones_kept(config: Config, known: Mapping[str, VirtualServer]) -> Config:
    """Return the configuration with those virtual servers of before that are still equal."""
    servers = {
        name: known[name] if known.get(name) == server else server for name, server in config.virtual_servers.items()
    }
    return replace(config, virtual_servers=servers)


class _Reading:
    """One load."""

    def __init__(self, types: CheckTypes, environ: Mapping[str, str], before: Memory) -> None:
        self._types = types
        self._environ = environ
        self._before = before
        self._faults = Faults()
        self._named: dict[str, Configured | Wrong] = {}
        self._notifiers: dict[str, Notifier | Wrong] = {}
        self._names: dict[str, Scalar | None] = {}
        self._keys: dict[ServiceKey, tuple[str, Node | None]] = {}
        self._patterns: set[int] = set()
        self.after = Memory()

    def read(self, path: str, contents: Contents, *, whole: bool) -> Config:
        """Return the configuration; raise ConfigError, or Doubt unless the files are taken whole."""
        walk = self._walk()
        gathered = Gathering(walk, contents, whole=whole).gather(path)
        director = read_director(walk, _merged(gathered, "director"))
        api = read_api(walk, _merged(gathered, "api"))
        self._read_checks(walk, gathered)
        places = self._read_notifiers(walk, gathered)
        servers = self._read_servers(gathered)
        vrrp = read_vrrp(walk, _merged(gathered, "vrrp"), Trackable(self._named, self._names))
        for notifier, node, keys in places:
            refuse_strangers(walk, notifier, node, keys, self._names)
        if "virtual_servers" not in gathered.sections and not self._faults:
            walk.faults.add(
                gathered.main, 0, 0, ROOT / "virtual_servers", "is missing; for none at all write virtual_servers: {}"
            )
        if self._faults or director is None or api is None:
            raise self._faults.error()
        notifiers = {notifier.name: notifier for notifier, _, _ in places}
        return Config(director, api, servers, path, gathered.sha256, notifiers, dict(self._named), vrrp)

    def _walk(self) -> CheckWalk:
        return CheckWalk(self._faults, self._environ, self._types, self._named, self._share, notifiers=self._notifiers)

    def _hold(self, rests: Rests) -> bool:
        return rests.hold(self._environ, self._named, self._notifiers)

    def _share(self, value: Any) -> Any:
        """Return the one object that stands for all equal ones; a check's name counts here."""
        if isinstance(value, Wrong):
            return value
        key = (value, _names(value))
        shared = self.after.shared.get(key)
        if shared is None:
            shared = self.after.shared[key] = self._before.shared.get(key, value)
        return shared

    def _read_checks(self, walk: CheckWalk, gathered: Gathered) -> None:
        keys = ROOT / "checks"
        for name, value in walk.pairs((node for _, node in gathered.sections.get("checks", ())), keys):
            self._named[name.text] = WRONG
            if self._name(walk, name, keys):
                self._named[name.text] = walk.check(value, keys / name.text, named=True)

    def _read_notifiers(self, walk: CheckWalk, gathered: Gathered) -> list[tuple[Notifier, Node, Keys]]:
        """Return the notifiers with their places; whether what they name is there shows once all is read."""
        keys = ROOT / "notifiers"
        found = []
        for name, node in walk.pairs((node for _, node in gathered.sections.get("notifiers", ())), keys):
            self._notifiers[name.text] = WRONG
            if not self._name(walk, name, keys):
                continue
            notifier = read_notifier(walk, name.text, node, keys / name.text)
            if not isinstance(notifier, Wrong):
                self._notifiers[name.text] = notifier
                found.append((notifier, node, keys / name.text))
        return found

    def _name(self, walk: CheckWalk, name: Scalar, keys: Keys) -> bool:
        try:
            Name().parse(name.text)
        except ValueError as error:
            walk.fault(name, keys, str(error))
            return False
        return True

    def _read_servers(self, gathered: Gathered) -> dict[str, VirtualServer]:
        servers: dict[str, VirtualServer] = {}
        keys = ROOT / "virtual_servers"
        for _, section in gathered.sections.get("virtual_servers", ()):
            if isinstance(section, Blocks):
                read = (self._read_block(block) for block in section.children)
            elif isinstance(section, MappingNode):
                read = (self._read_pair(name, node) for name, node in section.pairs)
            else:
                walk = self._walk()
                walk.fault(section, keys, f"expected a mapping, found {walk.found(section)}")
                continue
            servers.update((server.name, server) for server in read if server is not None)
        return servers

    def _read_block(self, block: Block) -> VirtualServer | None:
        digest = block.digest()
        kept = self._before.servers.get(digest)
        if kept is None or not self._hold(kept.rests):
            name, node = virtual_server(block)
            return self._read_pair(name, node, digest)
        server = kept.server
        if server.name in self._names:
            raise Doubt
        if server.service.key in self._keys:
            raise Stale
        self._names[server.name] = None
        self._keys[server.service.key] = (server.name, None)
        self.after.servers[digest] = kept
        for _, configured in kept.rests.names:
            self._share(configured)
        if id(server.pattern) not in self._patterns:
            self._patterns.add(id(server.pattern))
            self._share(server.pattern)
        if server.name in self._before.pools:
            self.after.pools[server.name] = self._before.pools[server.name]
        return server

    def _read_pair(self, name: Scalar, node: Node, digest: bytes | None = None) -> VirtualServer | None:
        """Return the virtual server unless its name or its row in the kernel is taken."""
        keys = ROOT / "virtual_servers" / name.text[:128]
        if name.text in self._names:
            first = self._names[name.text]
            if first is None or digest is not None:
                raise Doubt
            self._faults.add(name.source, name.line, name.column, keys, twice(name, first))
            return None
        self._names[name.text] = name
        server, rests = self._read_server(name, node)
        if server is None:
            return None
        key = server.service.key
        other, place = self._keys.setdefault(key, (server.name, node))
        if other != server.name:
            if place is None:
                raise Stale
            at = (
                node.find("fwmark" if key.protocol == "fwmark" else "address")
                if isinstance(node, MappingNode)
                else node
            )
            message = f"{key} is the virtual server {other} already ({place.source.path}:{place.line + 1})"
            self._faults.add(at.source, at.line, at.column, keys, message)
        elif digest is not None:
            self.after.servers[digest] = Kept(server, rests)
        return server

    def _read_server(self, name: Scalar, node: Node) -> tuple[VirtualServer | None, Rests]:
        walk = self._walk()
        keys = ROOT / "virtual_servers"
        named = self._name(walk, name, keys)

        def items(
            listed: Sequence, read: Callable[[Node, int], RealServer | None]
        ) -> Iterable[tuple[Node, RealServer | None]]:
            if isinstance(listed, LazySequence):
                return self._read_pool(walk, name.text, listed, read)
            return ((item, read(item, index)) for index, item in enumerate(listed.items))

        short = name.text[:128]
        server = read_virtual_server(walk, short, node, keys / short, items)
        return server if named else None, Rests.of(walk)

    def _read_pool(
        self, walk: CheckWalk, name: str, listed: LazySequence, read: Callable[[Node, int], RealServer | None]
    ) -> Iterator[tuple[Node, RealServer | None]]:
        before = self._before.pools.get(name)
        known: Mapping[bytes, RealServer] = {}
        if before is not None and before.context == listed.context and self._hold(before.rests):
            known = before.servers
            walk.variables.update(before.rests.variables)
            walk.names.update(before.rests.names)
            walk.receivers.update(dict.fromkeys(before.rests.receivers))
        servers: dict[bytes, RealServer] = {}
        for index, (digest, node) in enumerate(listed.walk(known.__contains__)):
            server = known[digest] if node is None else read(node, index)
            if server is not None:
                servers[digest] = server
            yield (listed if node is None else node), server
        self.after.pools[name] = KeptPool(listed.context, Rests.of(walk), servers)


def _names(value: Any) -> str:
    """Return the names within a value, which do not make checks differ but must not be swapped for one another."""
    if isinstance(value, Configured):
        return value.check.name
    if isinstance(value, Pattern):
        return " ".join(value.names)
    return str(getattr(value, "name", ""))


def _merged(gathered: Gathered, section: str) -> Node | None:
    """Return a section's pieces over all files as one mapping."""
    pieces = [node for _, node in gathered.sections.get(section, ())]
    wrong = next((piece for piece in pieces if not isinstance(piece, MappingNode)), None)
    if not pieces or wrong is not None or len(pieces) == 1:
        return wrong or (pieces[0] if pieces else None)
    first = pieces[0]
    pairs = [pair for piece in pieces if isinstance(piece, MappingNode) for pair in piece.pairs]
    return MappingNode(first.source, first.line, first.column, pairs)
