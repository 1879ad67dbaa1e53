"""What a notifier is told, and which events are one message. Pure: `now` is seconds that only grow."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from math import inf

from healthlb.model.notifiers import Notifier, Webhook
from healthlb.model.occurrence import Occurrence
from healthlb.notify.message import MOST_EVENTS
from healthlb.notify.spells import ENDS, Spell, spell

QUORUM = frozenset({"quorum_lost", "quorum_regained"})
NEVER = frozenset({"notifier_failed", "notifier_recovered"})
"""A notifier is not told of notifiers: one that fails would have news of itself for ever."""
MOST_REMEMBERED = 50_000
"""Events that are remembered for `quiet`; the oldest are forgotten beyond that."""


class Wants:
    """Which events one notifier is told. `quorum_pools` are the virtual servers whose `on_quorum_lost` names it."""

    def __init__(self, notifier: Notifier, quorum_pools: Collection[str] = ()) -> None:
        settings = notifier.settings
        names = notifier.events
        if isinstance(settings, Webhook) and settings.preset == "alertmanager" and settings.template is None:
            names |= {ENDS[name] for name in names if name in ENDS}  # or its alerts would never end
        self._names = names - NEVER
        self._pools = frozenset(notifier.virtual_servers)
        self._quorum_pools = frozenset(quorum_pools)
        self.names = self._names | (QUORUM if self._quorum_pools else frozenset())

    def __call__(self, event: Occurrence) -> bool:
        """Say whether it is told of an event. One of no virtual server is everybody's."""
        if event.name in QUORUM and event.virtual_server in self._quorum_pools:
            return True
        if event.name not in self._names:
            return False
        return not self._pools or event.virtual_server is None or event.virtual_server in self._pools


@dataclass(slots=True)
class _Heard:
    """The last that was told of a spell, when each of its events was, and what was kept back since."""

    last: Occurrence
    told: dict[str, float]
    kept: Occurrence | None = None


class Grouping:
    """Gathers events into messages: all within `group` seconds of the first are one, MOST_EVENTS at most.

    The same event of the same server is told again only after `quiet` seconds. What was kept back is told then after
    all, where it is the newest of its spell and not what was told last: nobody is left believing that a server is up.
    """

    def __init__(self, group: float, quiet: float) -> None:
        self.group = group
        self.quiet = quiet
        self._open: list[Occurrence] = []
        self._closes = 0.0
        self._heard: dict[Spell, _Heard] = {}
        self._kept: dict[Spell, float] = {}
        self._look = inf

    @property
    def waiting(self) -> int:
        """How many events wait for their message to be closed."""
        return len(self._open)

    @property
    def due(self) -> float | None:
        """When `close` has something to do, or None."""
        due = min(self._look, self._closes if self._open else inf)
        return due if due < inf else None

    def take(self, event: Occurrence, now: float) -> tuple[Occurrence, ...]:
        """Take an event in; return the events of a message that is closed because it is full."""
        if self.quiet > 0 and self._is_repeated(event, now):
            return ()
        return self._add(event, now)

    def close(self, now: float, *, last: bool = False) -> tuple[Occurrence, ...]:
        """Return the events of the message whose time has come; `last`: of the one that is open, whatever the time."""
        if self._look <= now or last:
            for key in [key for key, time in self._kept.items() if time <= now or last]:
                if closed := self._release(key, now):
                    return closed
            self._look = min(self._kept.values(), default=inf)
        return self._closed() if self._open and (self._closes <= now or last) else ()

    def _is_repeated(self, event: Occurrence, now: float) -> bool:
        key = spell(event)
        heard = self._heard.get(key)
        told = heard.told.get(event.name) if heard is not None else None
        if heard is not None and told is not None and now - told < self.quiet:
            heard.kept = event
            self._kept[key] = told + self.quiet
            self._look = min(self._look, told + self.quiet)
            return True
        self._kept.pop(key, None)
        self._remember(key, event, now)
        return False

    def _release(self, key: Spell, now: float) -> tuple[Occurrence, ...]:
        """Let an event go that was kept back, unless what was told last of its spell says the same."""
        del self._kept[key]
        heard = self._heard[key]
        kept, heard.kept = heard.kept, None
        if kept is None or _state(kept) == _state(heard.last):
            return ()
        self._remember(key, kept, now)
        return self._add(kept, now)

    def _remember(self, key: Spell, event: Occurrence, now: float) -> None:
        """Take note that an event is told; the spell that was told of last is the last, so that the first are old."""
        heard = self._heard.pop(key, None)
        if heard is None:
            self._forget(now)
            heard = _Heard(event, {})
        heard.last, heard.kept = event, None
        heard.told[event.name] = now
        self._heard[key] = heard

    def _forget(self, now: float) -> None:
        for key, heard in list(islice(self._heard.items(), 2)):
            if now - max(heard.told.values()) >= self.quiet or len(self._heard) >= MOST_REMEMBERED:
                del self._heard[key]
                self._kept.pop(key, None)

    def _add(self, event: Occurrence, now: float) -> tuple[Occurrence, ...]:
        if not self._open:
            self._closes = now + self.group
        self._open.append(event)
        return self._closed() if len(self._open) >= MOST_EVENTS else ()

    def _closed(self) -> tuple[Occurrence, ...]:
        events, self._open = tuple(self._open), []
        return events


def _state(event: Occurrence) -> tuple[str, object]:
    return event.name, event.details.get("after")
