"""Reads checks: the common options, those of the type, and how the type's own options fit together."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from checks import DIRECT, CarrierName, Way
from checks import Check as Conversation
from checks.options import name_of, show_seconds
from checks.plugins import PluginError
from healthlb.config.check_sections import CheckName, CommonCheck, InlineCheck
from healthlb.config.faults import Faults, Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Scalar
from healthlb.config.server_sections import NotifierName
from healthlb.config.walk import WRONG, Walk, Wrong, options_of, words
from healthlb.model.check import Check
from healthlb.model.health import Schedule

CheckTypes = Mapping[str, type]

WITHOUT_PORT: frozenset[CarrierName] = frozenset({"echo", "process", "file"})
"""Carriers that reach a server, or do not need to, without a port."""
PACKETS = ("source", "source_port", "interface", "fwmark")
IDLE: Mapping[CarrierName, tuple[str, ...]] = {"process": PACKETS, "file": (*PACKETS, "namespace")}
"""The common options that a carrier has no use for, because it sends no packets of its own."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A check together with what it is aimed at instead of the real server's own address or port."""

    check: Check
    address: str | None = None
    port: int | None = None

    @property
    def conversation(self) -> Conversation:
        """Return the settings of the check's type."""
        return cast("Conversation", self.check.conversation)

    @property
    def way(self) -> Way:
        """Return how probes leave the director."""
        return cast("Way", self.check.way)

    @property
    def has_port(self) -> bool:
        """Whether the check cannot do without a port."""
        return self.conversation.carrier not in WITHOUT_PORT


class CheckWalk(Walk):
    """A walk that knows checks and the names of notifiers. `named` is the file's `checks`, `notifiers` its `notifiers`.

    `names` and `receivers` note which of them were asked for.
    """

    def __init__(
        self,
        faults: Faults,
        environ: Mapping[str, str],
        types: CheckTypes,
        named: Mapping[str, Configured | Wrong],
        share: Callable[[Any], Any],
        *,
        notifiers: Collection[str] = (),
    ) -> None:
        super().__init__(faults, environ)
        self.names: dict[str, Configured] = {}
        self.receivers: dict[str, None] = {}
        self._notifiers = notifiers
        self._types = types
        self._named = named
        self.share = share

    def read(self, kind: Any, node: Node, keys: Keys) -> Any:
        """Return what a node means as a kind, or WRONG."""
        if isinstance(kind, InlineCheck):
            return self.check(node, keys, named=kind.named)
        if isinstance(kind, CheckName):
            return self._by_name(node, keys)
        if isinstance(kind, NotifierName):
            return self._notifier(kind, node, keys)
        return super().read(kind, node, keys)

    def is_written_as(self, kind: Any, node: Node) -> bool:
        """Whether a kind is told from others by being a mapping, a list or a scalar as this node is."""
        if isinstance(kind, InlineCheck):
            return isinstance(node, MappingNode)
        return super().is_written_as(kind, node)

    def check(self, node: Node, keys: Keys, *, named: bool) -> Any:
        """Return a Configured check, or WRONG."""
        of = self._type(node, keys)
        if of is None:
            return WRONG
        common_options = options_of(CommonCheck)
        values = self.fields({**options_of(of), **common_options}, node, keys)
        if values is None or not isinstance(node, MappingNode):
            return WRONG
        if named and node.has("name"):
            return self.fault(node.find("name"), keys / "name", "the key in checks is the name already; leave it out")
        if any(value is WRONG for value in values.values()):
            return WRONG
        common = CommonCheck(**{key: values[key] for key in common_options})
        try:
            conversation: Conversation = of(**{key: values[key] for key in options_of(of) if key not in common_options})
            misfits = [*conversation.faults(), *_common_faults(common, conversation)]
        except ValueError as error:
            return self.fault(node, keys, str(error))
        except Exception as error:  # noqa: BLE001  a check is third-party code
            return self.fault(node, keys, f"the check type {common.type} failed: {type(error).__name__}: {error}")
        for key, sentence in misfits:
            self.fault(node.find(key), keys / key, sentence)
        if misfits:
            return WRONG
        name = str(keys.name) if named else common.name or common.type
        return self.share(Configured(self.share(_check(name, common, conversation)), common.address, common.port))

    def default(self) -> Configured:
        """Return the check of a virtual server that configures none: a TCP connection, with every default."""
        values = {key: option.default for key, option in options_of(CommonCheck).items()}
        common = CommonCheck(**{**values, "type": "tcp"})
        return Configured(self.share(_check("tcp", common, self._types["tcp"]())))

    def _type(self, node: Node, keys: Keys) -> type | None:
        """Return the class that the mapping's `type` names."""
        if not isinstance(node, MappingNode):
            self.fault(node, keys, f"expected a check, found {self.found(node)}")
            return None
        if not node.has("type"):
            self.fault(node, keys / "type", f"is missing: a check says its type; {self._known_types()}")
            return None
        at = node.find("type")
        try:
            return self._class(self.value(at))
        except (ValueError, PluginError) as error:
            self.fault(at, keys / "type", str(error))
            return None

    def _class(self, value: Any) -> type:
        """Return the class of a type; raise ValueError or PluginError where it cannot be had."""
        of = self._types.get(value) if isinstance(value, str) else None
        if of is None:
            guess = self.guess(value, self._types) or f"; {self._known_types()}"
            raise ValueError(f"there is no check type {name_of(value)}{guess}")
        taken = [name for name in options_of(of) if name in options_of(CommonCheck)]
        if taken:
            raise ValueError(
                f"the check type {value} of {of.__module__} cannot be used: {words(taken)} is an option of every check"
            )
        return of

    def _known_types(self) -> str:
        return f"known types: {words(sorted(self._types))}"

    def _by_name(self, node: Node, keys: Keys) -> Any:
        if not isinstance(node, Scalar):
            return self.fault(node, keys, f"expected a check's name, found {self.found(node)}")
        try:
            name = self.value(node)
        except ValueError as error:
            return self.fault(node, keys, str(error))
        if isinstance(name, str) and name in self._named:
            configured = self._named[name]
            if isinstance(configured, Configured):
                self.names[name] = configured
            return configured
        guess = self.guess(name, self._named)
        if not guess and isinstance(name, str) and name in self._types:
            guess = f"; for a check of that type with its defaults write {{type: {name}}}"
        return self.fault(node, keys, f"there is no check named {name_of(name)} under checks{guess}")

    def _notifier(self, kind: NotifierName, node: Node, keys: Keys) -> Any:
        name = super().read(kind, node, keys)
        if isinstance(name, Wrong):
            return WRONG
        if name not in self._notifiers:
            guess = self.guess(name, self._notifiers)
            return self.fault(node, keys, f"there is no notifier named {name_of(name)} under notifiers{guess}")
        self.receivers[name] = None
        return name


def _common_faults(common: CommonCheck, conversation: Conversation) -> Iterator[tuple[str, str]]:
    """Yield (option, sentence) for what is wrong between the common options, or between them and the type."""
    for key in IDLE.get(conversation.carrier, ()):
        if getattr(common, key) is not None:
            yield key, f"a check of type {common.type} sends no packets of its own; leave it out"
    if common.source is not None and common.address is not None and not same_family(common.source, common.address):
        yield "source", f"{common.source} cannot reach {common.address}, which is of the other address family"
    if conversation.takes >= common.timeout:
        takes, timeout = show_seconds(conversation.takes), show_seconds(common.timeout)
        yield "timeout", f"{timeout} is too short: by its other options, the check cannot pass before {takes}"


def same_family(one: str, other: str) -> bool:
    """Whether two addresses are both IPv4 or both IPv6."""
    return (":" in one) is (":" in other)


def _way(common: CommonCheck) -> Way:
    way = Way(common.source, common.source_port or 0, common.interface, common.fwmark or 0, common.namespace)
    return DIRECT if way == DIRECT else way


def _check(name: str, common: CommonCheck, conversation: Conversation) -> Check:
    return Check(
        name=name,
        type=common.type,
        schedule=Schedule(
            interval=common.interval,
            timeout=common.timeout,
            rise=common.rise,
            fall=common.fall,
            fast_interval=common.interval if common.fast_interval is None else common.fast_interval,
            down_interval=common.interval if common.down_interval is None else common.down_interval,
        ),
        conversation=conversation,
        way=_way(common),
        log=common.log,
    )
