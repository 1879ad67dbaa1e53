"""Check types of other packages: classes under the entry-point group `healthlb.checks`.

Only the one that a file names is imported, so that a package that is broken, or that nobody asked for, harms nothing.
A type that is built in cannot be replaced, and one that two packages offer is neither's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from checks import Check
from checks.offers import may_be_offered

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint  # imported where it is needed: it takes as long as everything else here

GROUP = "healthlb.checks"


class PluginError(Exception):
    """A check type that a package offers cannot be used; the sentence says which, whose, and why."""


class Types(Mapping[str, type[Check]]):
    """Check types by name. A look-up may raise PluginError; going through them all leaves out what cannot be used."""

    def __init__(self, built_in: Mapping[str, type[Check]]) -> None:
        self._built_in = built_in
        self._entries: dict[str, list[EntryPoint]] | None = None
        self._faults: list[str] = []
        self._loaded: dict[str, type[Check]] = {}

    def __getitem__(self, name: str) -> type[Check]:
        """Return a type; raise KeyError where there is none, and PluginError where it cannot be used."""
        known = self._built_in.get(name) or self._loaded.get(name)
        if known is None:
            known = self._loaded[name] = _load(name, self._offered()[name])
        return known

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._offered()

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from (name for name in self._offered() if self._fault(name) is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def conflicts(self) -> tuple[str, ...]:
        """Return a sentence for each offer that is ignored or in doubt; nothing is imported for it."""
        offered = self._offered()
        doubtful = [_in_doubt(name, entries) for name, entries in offered.items() if len(entries) > 1]
        return (*self._faults, *doubtful)

    def broken(self) -> tuple[str, ...]:
        """Return a sentence for each type that cannot be used, importing them all."""
        found = [self._fault(name) for name in self._offered()]
        return (*self._faults, *(fault for fault in found if fault is not None))

    def _fault(self, name: str) -> str | None:
        try:
            self[name]
        except PluginError as error:
            return str(error)
        return None

    def _offered(self) -> "dict[str, list[EntryPoint]]":
        """Return what packages offer, by name; looked for once, as it means reading what every package says."""
        if self._entries is None:
            self._entries = {}
            for entry in self._found():
                if entry.name in self._built_in:
                    self._faults.append(f"{_whose(entry)} offers the check type {entry.name}, which is built in")
                else:
                    self._entries.setdefault(entry.name, []).append(entry)
        return self._entries

    def _found(self) -> "list[EntryPoint]":
        if not may_be_offered(GROUP):
            return []
        from importlib.metadata import entry_points  # noqa: PLC0415

        try:
            return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
        except Exception as error:  # noqa: BLE001  what packages say of themselves may be anything
            self._faults.append(f"the check types of other packages cannot be told: {_said(error)}")
            return []


def _load(name: str, entries: "list[EntryPoint]") -> type[Check]:
    if len(entries) > 1:
        raise PluginError(_in_doubt(name, entries))
    [entry] = entries
    try:
        found: Any = entry.load()
    except (Exception, SystemExit) as error:
        raise _unusable(entry, _said(error)) from error
    if not (isinstance(found, type) and issubclass(found, Check)):
        raise _unusable(entry, f"{entry.value} is no subclass of checks.Check")
    if getattr(found, "type", None) != name:
        raise _unusable(entry, f"the class calls itself {getattr(found, 'type', None)!r}")
    parameters = getattr(found, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or found.__hash__ is None:
        raise _unusable(entry, "the class is no frozen dataclass")
    bare = [field.name for field in fields(cast("Any", found)) if "kind" not in field.metadata]
    if bare:
        raise _unusable(entry, f"{', '.join(bare)} is not declared with checks.options.option")
    return found


def _in_doubt(name: str, entries: "list[EntryPoint]") -> str:
    return f"the check type {name} is offered by {' and by '.join(sorted(map(_whose, entries)))}; remove one of them"


def _unusable(entry: "EntryPoint", why: str) -> PluginError:
    return PluginError(f"the check type {entry.name} of {_whose(entry)} cannot be used: {why}")


def _whose(entry: "EntryPoint") -> str:
    return f"package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else f"module {entry.module}"


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
