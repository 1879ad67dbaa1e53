"""The composition root: makes every part, wires them, and sees them through start, reload and stop."""

import asyncio
import gc
import logging
import random
import resource
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from checks import Check, Target
from checks.engine import Engine
from healthlb.api.listening import ListenError
from healthlb.api.source import ReloadOutcome
from healthlb.config import ConfigError, Loader, plugins
from healthlb.daemon.changes import changes
from healthlb.daemon.chronicle import Chronicle
from healthlb.daemon.controller import Controller
from healthlb.daemon.doors import Doors
from healthlb.daemon.fault import describe
from healthlb.daemon.pools import Pools
from healthlb.daemon.preflight import surroundings, tls_settings, unsupported, unusable
from healthlb.daemon.prober import SPELL, Prober
from healthlb.daemon.punctuality import Punctuality
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.report import report
from healthlb.daemon.service_manager import ServiceManager
from healthlb.daemon.signals import release_signals
from healthlb.daemon.view import Reload, View
from healthlb.daemon.worker import Answer, Worker
from healthlb.linux.table import Table, TableUnavailableError
from healthlb.model.changes import Actor, Change, ChangeOutcome
from healthlb.model.config import Config, VirtualServer
from healthlb.model.events import CommandRefused, ConfigRefused, ConfigReloaded, ProbesWaited, Warned

SPARE_DESCRIPTORS = 256
"""File descriptors that are kept for everything but probes."""
MOST_PROBES = 8_000
"""Probes under way at most, whatever the descriptors allow."""
CROWD = "More probes are due than the {} that may be under way at once, so that some start late."
SCARCE = (
    "Probes wait for a file descriptor or a local port, so that some come late (LimitNOFILE, sysctl "
    "net.ipv4.ip_local_port_range)."
)
MUTE = 30.0
"""Seconds by which probes may be overdue before the watchdog is no longer fed."""
SWITCH = 0.0001
"""Seconds after which a working thread lets the loop have the interpreter. The loop asks for it after every system call
of a probe, half a dozen times: at Python's own 5 ms a few probes would hold it as long as a reload takes."""
COLLECT = (2_000, 5, 10_000)
"""When the collector runs (`gc.set_threshold`): not for what the probes of one tick make, which is freed by reference
count when they end, as nearly everything is here, and never at so much that the loop is held long: a look at 10,000
objects takes a millisecond. One at all that a director of 10,000 servers has made since its start takes 50 ms and finds
next to nothing.
"""
"""Signals whose default is to end the process."""
LOG = logging.getLogger("healthlb")


class StartError(Exception):
    """The director cannot start; the text is one sentence for the operator."""


class Director:
    """The whole service. `run` returns once it was told to stop, with the exit status.

    Files are read by a thread of their own, so that one on a server that is gone holds up neither the table nor a stop.
    """

    def __init__(self, loader: Loader, table: Table, manager: ServiceManager, *, kernel: bool) -> None:
        loop = asyncio.get_running_loop()
        chance = random.Random()  # noqa: S311  spreads probes and retries, guards nothing
        self._loader = loader
        self._table = table
        self._manager = manager
        self._kernel = kernel
        self._warnings: tuple[str, ...] = ()
        self._plugins: tuple[str, ...] = ()
        self._waits = 0
        self._waited_at = float("-inf")
        self._reload = Reload()
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[ReloadOutcome] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._files = Worker("files")
        self._engine = Engine(loop, lambda sentence: LOG.error("%s", sentence), self._hint)
        self.chronicle = Chronicle(time.time)
        self._tell = self.chronicle.record
        pools = Pools(self._tell, time.time, self._probe_added, self._probe_removed)
        self.chronicle.places = pools.places
        self.controller = Controller(table, pools, self._tell, chance, self._alive)
        self.prober = Prober(
            loop, self._engine, self.controller.finished, _probe_limit(), chance, crowded=self._crowded
        )
        self._punctuality = Punctuality(loop, lambda: pools.void_total, self._tell)
        self.view = View(
            self.controller,
            self.prober,
            table.backend,
            self._reload,
            self._all_warnings,
            lags=self._punctuality.lags,
            counts=lambda: self._engine.counts,
        )
        self._doors = Doors(self.view, self)

    async def start(self, config: Config) -> None:
        """Take up the work; raise StartError, with the table untouched, where that cannot be."""
        async with self._turn:
            await self._start(config)

    async def _start(self, config: Config) -> None:
        refused = await self._unfit(config, {})
        if refused:
            raise StartError(refused)
        await self.controller.adopt(config)
        self._reload.loaded_at = time.time()
        try:
            await self._doors.open(config.api)
        except ListenError as error:
            raise StartError(str(error)) from error
        await self._look_around(config)
        await self._look_at_plugins()
        await self.controller.make_pass()
        gc.collect()
        gc.freeze()
        self._punctuality.start()
        self._manager.ready(config.summary())
        LOG.info("serving %s, table %s", config.summary(), self._table.backend)

    def obey(self) -> None:
        """Listen to signals from now on; those that `hold_signals` held are heard as well."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: LOG.error("%s", _unhandled(context)))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._begin(self._report()))
        release_signals()

    async def run(self, config: Config) -> int:
        """Start and serve until told to stop; raise as `start` does, with nothing left open."""
        self.obey()
        failed = True
        try:
            started = await self._unless_told_to_stop(self.start(config))
            failed = False
            if not started:
                return 0
            passes = self._begin(self.controller.run())
            passes.add_done_callback(lambda _: self._stop.set())
            await self._stop.wait()
            return int(passes.done())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.stop(withdraw=not failed)

    async def stop(self, *, withdraw: bool) -> None:
        """Let go of everything, whatever part of it fails; `withdraw`: leave the table as `on_stop` says."""
        self._manager.stopping()
        self._punctuality.close()
        self.prober.close()
        for part in (self._doors.close, self.controller.withdraw) if withdraw else (self._doors.close,):
            try:
                await part()
            except Exception as error:  # noqa: BLE001  the rest is let go of all the same
                LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback
        self.controller.close()
        self._files.close()
        self._engine.close()
        if withdraw:
            LOG.info("stopped")

    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        """Carry out an operator's change."""
        raise NotImplementedError

    def refused(self, command: str, who: str, reason: str, more: int = 0) -> None:
        """Tell that somebody was refused a command."""
        self._tell(CommandRefused(command, who, reason, more))

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:  # noqa: ARG002  told and limited next
        """Read the file again; a bad one is refused whole and what was in force stays in force.

        All who ask while a reload waits for its turn share it, and one who goes away does not end it.
        """
        return await asyncio.shield(self._reload_soon())

    def _reload_soon(self) -> asyncio.Task[ReloadOutcome]:
        if self._next is None:
            self._next = self._begin(self._reload_in_turn())
        return self._next

    async def _reload_in_turn(self) -> ReloadOutcome:
        async with self._turn:
            self._next = None
            if self._stop.is_set():
                return ReloadOutcome(False, "the director is stopping")
            self._manager.reloading()
            try:
                return await self._try_reload()
            finally:
                before = self.controller.config
                self._manager.ready(before.summary() if before is not None else "")

    async def _try_reload(self) -> ReloadOutcome:
        before = self.controller.config
        assert before is not None  # noqa: S101  a reload comes after a start
        try:
            config = await self._files.do(self._loader.load)
            refused = await self._unfit(config, before.virtual_servers)
            if refused:
                return self._refuse(refused)
            await self._doors.open(config.api)
        except ConfigError as error:
            return self._refuse("; ".join(str(error).splitlines()))
        except (ListenError, TableUnavailableError, TimeoutError) as error:
            return self._refuse(str(error) or "the table does not answer")
        found = await self._files.do(lambda: changes(before, config))
        await self._look_around(config)
        await self.controller.adopt(config)
        await self.controller.make_pass()
        self._engine.keep_only(await self._files.do(lambda: tls_settings(config)))
        self._reload.loaded_at, self._reload.refused = time.time(), None
        self.view.forget()
        self._tell(ConfigReloaded(config.sha256, found))
        gc.collect(1)
        gc.freeze()
        return ReloadOutcome(True, "The new configuration is in force.", found)

    async def _unfit(self, config: Config, before: Mapping[str, VirtualServer]) -> str | None:
        """Return one sentence if the engine or the table cannot do what a configuration asks for."""
        refused = await self._files.do(lambda: unusable(self._engine, config))
        return refused or await self.controller.with_table(lambda: unsupported(self._table, config, before))

    def _refuse(self, reason: str) -> ReloadOutcome:
        self._reload.refused = reason
        self._tell(ConfigRefused(reason))
        return ReloadOutcome(False, reason)

    async def _look_around(self, config: Config) -> None:
        if not self._kernel:
            return
        self._warnings = await self._files.do(lambda: surroundings(config))
        for warning in self._warnings:
            self._tell(Warned(warning))

    async def _look_at_plugins(self) -> None:
        self._plugins = await self._files.do(plugins.conflicts)
        for sentence in self._plugins:
            self._tell(Warned(sentence))

    async def _report(self) -> None:
        if self.controller.config is not None:
            await report(self.view)

    async def _unless_told_to_stop(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work and return True, or leave it and return False when told to stop meanwhile."""
        told = self._begin(self._stop.wait())
        doing = asyncio.get_running_loop().create_task(work)
        try:
            await asyncio.wait([told, doing], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
            return doing.done()
        finally:
            doing.cancel()
            await asyncio.wait([doing])

    def _begin(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            LOG.error("%s", describe(error))

    def _alive(self) -> None:
        self._look_at_waits()
        if self.prober.overdue() < MUTE:
            self._manager.alive()

    def _hint(self, check: Check, target: Target) -> None:
        self.prober.hurry(check, target)

    def _crowded(self) -> None:
        self._tell(ProbesWaited(self.prober.limit))

    def _all_warnings(self) -> tuple[str, ...]:
        crowd = (CROWD.format(self.prober.limit),) if self.prober.crowded() else ()
        scarce = (SCARCE,) if self._scarce() else ()
        return self._warnings + self._plugins + crowd + scarce

    def _scarce(self) -> bool:
        """Whether a probe had to wait for a socket or a port lately."""
        return asyncio.get_running_loop().time() - self._waited_at < SPELL

    def _look_at_waits(self) -> None:
        waits = self._engine.counts.waits_total
        if waits == self._waits:
            return
        if not self._scarce():
            self._tell(Warned(SCARCE))
        self._waits, self._waited_at = waits, asyncio.get_running_loop().time()

    def _probe_added(self, record: ProbeRecord) -> None:
        self.prober.add(record)

    def _probe_removed(self, record: ProbeRecord) -> None:
        self.prober.remove(record)


def _probe_limit() -> int:
    """Raise the descriptor limit as far as allowed, and return how many probes may be under way."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_PROBES + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(16, allowed - SPARE_DESCRIPTORS)


async def serve(loader: Loader, config: Config, table: Table, *, kernel: bool) -> int:
    """Run a director in this loop; raise StartError or TableUnavailableError where it cannot start."""
    sys.setswitchinterval(SWITCH)
    gc.set_threshold(*COLLECT)
    return await Director(loader, table, ServiceManager(), kernel=kernel).run(config)


def _unhandled(context: Mapping[str, Any]) -> str:
    """Return what a callback left unhandled in one line (`asyncio.loop.set_exception_handler`)."""
    error = context.get("exception")
    return f"{context['message']}: {describe(error)}" if error is not None else str(context["message"])
