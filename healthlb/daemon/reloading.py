"""Reloads: the file is read again, and what it says is put in force, whole or not at all."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from healthlb.api.listening import ListenError
from healthlb.api.source import ReloadOutcome
from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader
from healthlb.daemon.changes import changes
from healthlb.daemon.controller import Controller
from healthlb.daemon.doors import Doors
from healthlb.daemon.fitness import Fitness
from healthlb.daemon.orders import Draft, OrderBook
from healthlb.daemon.pools import Sink
from healthlb.daemon.rehearsing import rehearsed, tell, too_much
from healthlb.daemon.service_manager import ServiceManager
from healthlb.daemon.targets import listed
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.view import Reload
from healthlb.daemon.worker import Worker
from healthlb.linux.table import TableUnavailableError
from healthlb.model.changes import Actor
from healthlb.model.config import Config
from healthlb.model.events import ConfigRefused, ConfigReloaded


class Reloading:
    """Reloads one after the other; `follow` is awaited with a configuration that is in force.

    The files are read before it is a reload's turn: one that cannot be read holds up no drain.
    """

    def __init__(
        self,
        loader: Loader,
        files: Worker,
        fitness: Fitness,
        controller: Controller,
        doors: Doors,
        *,
        book: OrderBook,
        thoughts: Worker,
        manager: ServiceManager,
        sink: Sink,
        tasks: Tasks,
        status: Reload,
        stopping: Callable[[], bool],
        follow: Callable[[Config], Awaitable[None]],
    ) -> None:
        self._loader = loader
        self._files = files
        self._fitness = fitness
        self._controller = controller
        self._doors = doors
        self._book = book
        self._thoughts = thoughts
        self._manager = manager
        self._sink = sink
        self._tasks = tasks
        self._stopping = stopping
        self._follow = follow
        self._next: dict[bool, asyncio.Task[ReloadOutcome]] = {}
        self._askers: dict[bool, dict[str, None]] = {False: {}, True: {}}
        self.status = status
        self.reading = asyncio.Lock()

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        """Read the file again; a bad one is refused whole and what was in force stays in force.

        So is one that takes out more of the live weight than the `max_reload_change` that is in force allows, unless
        `force` is given: a file that was cut short must not bring its own limit along.

        All who ask alike while a reload waits for its turn share it, and one who goes away does not end it.
        """
        return await asyncio.shield(self.soon(actor, force=force))

    def soon(self, actor: Actor, *, force: bool = False) -> asyncio.Task[ReloadOutcome]:
        """Reload, as `reload` does, without waiting for it."""
        self._askers[force][f"{actor.who} ({actor.why})" if actor.why else actor.who] = None
        if force not in self._next:
            self._next[force] = self._tasks.begin(self._one_by_one(force))
        return self._next[force]

    async def _one_by_one(self, force: bool) -> ReloadOutcome:
        async with self.reading:
            del self._next[force]
            who = listed(list(self._askers[force]))
            self._askers[force].clear()
            if self._stopping():
                return ReloadOutcome(False, "the director is stopping")
            self._manager.reloading()
            try:
                return await self._try(who, force=force)
            except ConfigError as error:
                return self._refuse("; ".join(str(error).splitlines()), who)
            except (ListenError, TableUnavailableError, TimeoutError) as error:
                return self._refuse(str(error) or "the table does not answer", who)
            finally:
                before = self._controller.config
                self._manager.ready(before.summary() if before is not None else "")

    async def _try(self, who: str, *, force: bool) -> ReloadOutcome:
        file = await self._files.do(self._loader.load)
        refused = await self._fitness.unfit(file, self._book.file.virtual_servers)
        if refused:
            return self._refuse(refused, who)
        built = await self._book.build(file)
        async with self._book.turn:
            draft = await self._book.draft(file, self._book.orders, built)
            outcome = await self._put_in_force(draft, who, force=force)
        if outcome.accepted:
            await self._fitness.look_around(draft.config)  # it reads files, and no drain is to wait for those
        return outcome

    async def _put_in_force(self, draft: Draft, who: str, *, force: bool) -> ReloadOutcome:
        before, config = self._controller.config, draft.config
        assert before is not None  # noqa: S101  a reload comes after a start
        rehearsal = await rehearsed(self._controller, config, self._book.orders.overrides, self._thoughts)
        tell(rehearsal, draft.amended.notes)
        refused = too_much(rehearsal, before, before.director.max_reload_change)
        if refused and not force:
            return self._refuse(refused, who)
        await self._doors.open(config.api)
        found = await self._thoughts.do(lambda: changes(before, config))
        found += draft.amended.over
        await self._book.adopt(draft)
        await self._controller.make_pass()
        self.status.loaded_at, self.status.refused = time.time(), None
        await self._follow(config)
        self._sink(ConfigReloaded(config.sha256, found, who))
        gc.collect(1)
        gc.freeze()
        return ReloadOutcome(True, "The new configuration is in force.", found)

    def _refuse(self, reason: str, who: str) -> ReloadOutcome:
        self.status.refused = reason
        self._book.changed()
        self._sink(ConfigRefused(reason, who))
        return ReloadOutcome(False, reason)
