"""Reloads: the file is read again, and what it says is put in force, whole or not at all."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from healthlb.api.listening import ListenError
from healthlb.api.source import ReloadOutcome
from healthlb.config import ConfigError, Loader
from healthlb.daemon.changes import changes
from healthlb.daemon.controller import Controller
from healthlb.daemon.doors import Doors
from healthlb.daemon.fitness import Fitness
from healthlb.daemon.pools import Sink
from healthlb.daemon.service_manager import ServiceManager
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.view import Reload
from healthlb.daemon.worker import Worker
from healthlb.linux.table import TableUnavailableError
from healthlb.model.changes import Actor
from healthlb.model.config import Config
from healthlb.model.events import ConfigRefused, ConfigReloaded


class Reloading:
    """Reloads one after the other, each in its `turn`; `follow` is awaited with a configuration that is in force."""

    def __init__(
        self,
        loader: Loader,
        files: Worker,
        fitness: Fitness,
        controller: Controller,
        doors: Doors,
        *,
        manager: ServiceManager,
        tell: Sink,
        tasks: Tasks,
        turn: asyncio.Lock,
        status: Reload,
        stopping: Callable[[], bool],
        follow: Callable[[Config], Awaitable[None]],
    ) -> None:
        self._loader = loader
        self._files = files
        self._fitness = fitness
        self._controller = controller
        self._doors = doors
        self._manager = manager
        self._tell = tell
        self._tasks = tasks
        self._turn = turn
        self._stopping = stopping
        self._follow = follow
        self._next: asyncio.Task[ReloadOutcome] | None = None
        self.status = status

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        """Read the file again; a bad one is refused whole and what was in force stays in force.

        All who ask while a reload waits for its turn share it, and one who goes away does not end it.
        """
        return await asyncio.shield(self.soon(actor, force=force))

    def soon(self, actor: Actor, *, force: bool = False) -> asyncio.Task[ReloadOutcome]:  # noqa: ARG002  told and limited next
        """Reload, as `reload` does, without waiting for it."""
        if self._next is None:
            self._next = self._tasks.begin(self._in_turn())
        return self._next

    async def _in_turn(self) -> ReloadOutcome:
        async with self._turn:
            self._next = None
            if self._stopping():
                return ReloadOutcome(False, "the director is stopping")
            self._manager.reloading()
            try:
                return await self._try()
            finally:
                before = self._controller.config
                self._manager.ready(before.summary() if before is not None else "")

    async def _try(self) -> ReloadOutcome:
        before = self._controller.config
        assert before is not None  # noqa: S101  a reload comes after a start
        try:
            config = await self._files.do(self._loader.load)
            refused = await self._fitness.unfit(config, before.virtual_servers)
            if refused:
                return self._refuse(refused)
            await self._doors.open(config.api)
        except ConfigError as error:
            return self._refuse("; ".join(str(error).splitlines()))
        except (ListenError, TableUnavailableError, TimeoutError) as error:
            return self._refuse(str(error) or "the table does not answer")
        found = await self._files.do(lambda: changes(before, config))
        await self._fitness.look_around(config)
        await self._controller.adopt(config)
        await self._controller.make_pass()
        self.status.loaded_at, self.status.refused = time.time(), None
        await self._follow(config)
        self._tell(ConfigReloaded(config.sha256, found))
        gc.collect(1)
        gc.freeze()
        return ReloadOutcome(True, "The new configuration is in force.", found)

    def _refuse(self, reason: str) -> ReloadOutcome:
        self.status.refused = reason
        self._tell(ConfigRefused(reason))
        return ReloadOutcome(False, reason)
