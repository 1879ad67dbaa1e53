"""Hands what happens to the notifiers of the configuration, each with an outbox, a thread and programs of its own."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace

from healthlb.daemon.programs import Programs
from healthlb.daemon.worker import Worker
from healthlb.model.config import Config
from healthlb.model.events import Event
from healthlb.model.notifiers import Command, Fifo, Mail, Notifier, Webhook
from healthlb.model.occurrence import Occurrence
from healthlb.model.snapshot import NotifierStatus
from healthlb.notify.command import CommandSender
from healthlb.notify.fifo import FifoSender
from healthlb.notify.grouping import Wants
from healthlb.notify.mail import MailSender
from healthlb.notify.message import Message
from healthlb.notify.outbox import Outbox
from healthlb.notify.sending import Sender
from healthlb.notify.webhook import WebhookSender

LOG = logging.getLogger("healthlb")
UNTOLD = frozenset({"saw"})
"""Details that no message holds: all that a probe saw is the journal's, and long."""


class _Desk:
    """One notifier's outbox, and what its sender blocks: a thread, and the one that starts programs."""

    def __init__(self, notifier: Notifier, wants: Wants, house: "Notifying") -> None:
        self._worker = Worker(f"notifier {notifier.name}")
        self._programs = Programs(f"notifier {notifier.name} programs")
        self.outbox = Outbox(notifier, wants, self._sender(notifier), house.message, house.tell, chance=house.chance)

    def adopt(self, notifier: Notifier, wants: Wants) -> None:
        changed = notifier.settings != self.outbox.notifier.settings
        self.outbox.adopt(notifier, wants, self._sender(notifier) if changed else None)

    async def close(self) -> int:
        """Give what waits its last try; return how many messages were not delivered."""
        try:
            return await self.outbox.stop()
        finally:
            self._worker.close()
            self._programs.close()

    def _sender(self, notifier: Notifier) -> Sender:
        match notifier.settings:
            case Webhook() as settings:
                return WebhookSender(settings, self._worker.do)
            case Command() as settings:
                return CommandSender(settings, self._worker.do, self._programs.run)
            case Fifo() as settings:
                return FifoSender(settings, self._worker.do)
            case Mail() as settings:
                return MailSender(settings, self._worker.do)


class Notifying:
    """Listens to the chronicle. `hear` never waits.

    `silent` is why nobody is told of anything, where that is so: another director, with the same state, does.
    """

    def __init__(self, tell: Callable[[Event], None], chance: random.Random, *, dry_run: bool) -> None:
        self.tell = tell
        self.chance = chance
        self.silent = ""
        self._dry_run = dry_run
        self._director = ""
        self._desks: dict[str, _Desk] = {}
        self._names: frozenset[str] = frozenset()
        self._leaving: set[asyncio.Task[None]] = set()

    def hear(self, occurrence: Occurrence) -> None:
        """Take in what happened, for whoever is to be told of it."""
        if self.silent or occurrence.name not in self._names:
            return
        if not UNTOLD.isdisjoint(occurrence.details):
            shorter = {name: value for name, value in occurrence.details.items() if name not in UNTOLD}
            occurrence = replace(occurrence, details=shorter)
        for desk in self._desks.values():
            desk.outbox.take(occurrence)

    def message(self, events: tuple[Occurrence, ...]) -> Message:
        """Return events as a message of this director."""
        return Message(self._director, events, self._dry_run)

    def adopt(self, config: Config) -> None:
        """Go by a configuration. What waits for a notifier that is still in it, and its counters, stay."""
        self._director = config.director.name
        quorum_pools: dict[str, set[str]] = {}
        for pool in config.virtual_servers.values():
            for name in pool.on_quorum_lost:
                quorum_pools.setdefault(name, set()).add(pool.name)
        for name in [name for name in self._desks if name not in config.notifiers]:
            self._take_away(name)
        for name, notifier in config.notifiers.items():
            wants = Wants(notifier, quorum_pools.get(name, ()))
            if name in self._desks:
                self._desks[name].adopt(notifier, wants)
            else:
                self._desks[name] = _Desk(notifier, wants, self)
        self._names = frozenset[str]().union(*(desk.outbox.wants.names for desk in self._desks.values()))

    def statuses(self) -> tuple[NotifierStatus, ...]:
        """Return how each notifier fares, in the configuration's order."""
        found = tuple(desk.outbox.status() for desk in self._desks.values())
        return tuple(replace(each, failing=self.silent) for each in found) if self.silent else found

    async def close(self) -> None:
        """Give what waits a last try, for two seconds at most, and let go of everything."""
        for name in list(self._desks):
            self._take_away(name)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _take_away(self, name: str) -> None:
        task = asyncio.get_running_loop().create_task(_closed(name, self._desks.pop(name)))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _closed(name: str, desk: _Desk) -> None:
    if left := await desk.close():
        what = "1 message was" if left == 1 else f"{left} messages were"
        LOG.warning("notifier %s ends: %s not delivered", name, what)
