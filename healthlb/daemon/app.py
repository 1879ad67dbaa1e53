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

from checks import Check, Target, registry
from checks.engine import Engine
from healthlb.api.listening import ListenError
from healthlb.api.source import ReloadOutcome
from healthlb.config.addition import added
from healthlb.config.loader import Loader
from healthlb.daemon.chronicle import Chronicle
from healthlb.daemon.controller import Controller
from healthlb.daemon.doors import Doors
from healthlb.daemon.failing_over import CarefulFailovers
from healthlb.daemon.fault import describe
from healthlb.daemon.fitness import Fitness
from healthlb.daemon.history import History
from healthlb.daemon.memory import Memory
from healthlb.daemon.notifying import Notifying
from healthlb.daemon.operators import Operators
from healthlb.daemon.orders import OrderBook
from healthlb.daemon.pair import Pair
from healthlb.daemon.pools import Pools
from healthlb.daemon.preflight import tls_settings
from healthlb.daemon.prober import SPELL, Prober
from healthlb.daemon.punctuality import Punctuality
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.reloading import Reloading
from healthlb.daemon.report import report
from healthlb.daemon.service_manager import ServiceManager
from healthlb.daemon.signals import release_signals
from healthlb.daemon.steady import steady_clock
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.tidying import COLLECT, Tidying
from healthlb.daemon.view import Reload, View
from healthlb.daemon.watching import Watcher
from healthlb.daemon.worker import Worker
from healthlb.linux.sysctl import templates_pin
from healthlb.linux.table import Table
from healthlb.model.changes import Actor, Change, ChangeOutcome
from healthlb.model.config import Config
from healthlb.model.events import CommandRefused, ProbesWaited, Warned

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
KEPT = 0.5
"""Seconds that the answer to a change waits for the journal."""
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
        self._table = table
        self._manager = manager
        self._dry_run = not kernel
        self._waits = 0
        self._waited_at = float("-inf")
        self._turn = asyncio.Lock()
        self._tasks = Tasks()
        self._stop = asyncio.Event()
        self._files = Worker("files")
        self._thoughts = Worker("thoughts")
        self._steady = steady_clock()
        self._engine = Engine(loop, lambda sentence: LOG.error("%s", sentence), self._hint)
        self.chronicle = Chronicle(time.time)
        self._tell = self.chronicle.record
        self.notifying = Notifying(self._tell, chance, dry_run=not kernel)
        self.chronicle.listeners.append(self.notifying.hear)
        pools = Pools(
            self._tell,
            time.time,
            self._probe_added,
            self._probe_removed,
            steady=self._steady,
            turned=lambda: self.pair.look(),  # noqa: PLW0108  it is made below
        )
        self.chronicle.places = pools.places
        self.memory = Memory(self.chronicle, pools, self._silence)
        self.controller = Controller(table, pools, self._tell, chance, self._alive, templates_pin=templates_pin)
        self.prober = Prober(
            loop, self._engine, self.controller.finished, _probe_limit(), chance, crowded=self._crowded
        )
        self.pair = Pair(
            pools,
            self._tell,
            chance,
            kernel=kernel,
            overdue=self.prober.overdue,
            nudge=self.controller.wake,
            changed=lambda: self.view.forget(),  # noqa: PLW0108  the same
            save=self.memory.hand_over,
        )
        self._tidying = Tidying(loop)
        self._punctuality = Punctuality(loop, lambda: pools.void_total, self._tell)
        self._fitness = Fitness(self._engine, table, self.controller, self._files, self._tell, kernel=kernel)
        status = Reload()
        self.view = View(
            self.controller,
            self.prober,
            table.backend,
            status,
            self._all_warnings,
            lags=self._punctuality.lags,
            counts=lambda: self._engine.counts,
            notifiers=self.notifying.statuses,
            state=self.memory.status,
            journal=self.memory.journal.status,
            orders=lambda: self.book.orders,
            events=self.chronicle.counts,
            listeners=lambda: self._doors.statuses(),  # noqa: PLW0108  they are made below
            pair=self.pair.status,
        )
        self.book = OrderBook(
            self.controller,
            self._engine,
            self._files,
            self._thoughts,
            self._turn,
            make=added,
            tell=self._tell,
            tasks=self._tasks,
            clock=self._steady,
            changed=self.view.forget,
            save=self.memory.save,
        )
        self._operators = Operators(self.book, self.controller, self._tasks, self._steady, self._stop.is_set)
        self.history = History(self.view.samples)
        self._failovers = CarefulFailovers(self.pair, self.view, self.pair.peer, self.pair.ask)
        self._doors = Doors(self.view, self, self.memory.journal, self.history, self._failovers)
        self._reloading = Reloading(
            loader,
            self._files,
            self._fitness,
            self.controller,
            self._doors,
            book=self.book,
            thoughts=self._thoughts,
            manager=manager,
            sink=self._tell,
            tasks=self._tasks,
            status=status,
            stopping=self._stop.is_set,
            follow=self._follow,
        )
        self._watcher = Watcher(self._files, loader, self.reload)

    async def start(self, config: Config) -> None:
        """Take up the work; raise StartError, with the table untouched, where that cannot be."""
        async with self._reloading.reading, self._turn:
            await self._start(config)

    async def _start(self, file: Config) -> None:
        refused = await self._fitness.unfit(file, {})
        if refused:
            raise StartError(refused)
        await self.memory.open(file.director)
        self._keep_a_dry_run_quiet()
        await self.book.begin(self.memory.orders)
        draft = await self.book.draft(file, self.book.orders, {})
        config = draft.config
        for note in draft.amended.held:
            LOG.info("%s", note)
        self.notifying.adopt(config)
        await self.book.adopt(draft)
        self._reloading.status.loaded_at = time.time()
        try:
            await self._doors.open(config.api)
        except ListenError as error:
            raise StartError(str(error)) from error
        await self.pair.begin(self.memory.handed_over)
        await self._fitness.look_around(config)
        await self._fitness.look_at_plugins()
        await self.controller.make_pass()
        self.memory.begin()
        await self._follow(config)
        gc.collect()
        gc.freeze()
        self._punctuality.start()
        self._tidying.start()
        self._manager.ready(config.summary())
        LOG.info("serving %s, table %s", config.summary(), self._table.backend)

    async def _follow(self, config: Config) -> None:
        """Let everything else follow a configuration that is in force, at start and after each reload."""
        await self.memory.follow(config.director)
        self.notifying.adopt(config)
        self._engine.keep_only(await self._thoughts.do(lambda: tls_settings(config)))
        self._watcher.switch(on=config.director.watch)
        self.pair.adopt(config.vrrp)
        self.view.forget()

    def obey(self) -> None:
        """Listen to signals from now on; those that `hold_signals` held are heard as well."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: LOG.error("%s", _unhandled(context)))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._reloading.soon(Actor("SIGHUP")))
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._tasks.begin(self._report()))
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
            self._tasks.begin(self._watcher.run())
            self._tasks.begin(self.history.run())
            passes = self._tasks.begin(self.controller.run())
            passes.add_done_callback(lambda _: self._stop.set())
            await self._stop.wait()
            return int(passes.done())
        finally:
            await self._tasks.stop()
            await self.stop(withdraw=not failed)

    async def stop(self, *, withdraw: bool) -> None:
        """Let go of everything, whatever part of it fails; `withdraw`: leave the table as `on_stop` says."""
        self._manager.stopping()
        self.book.close()
        self._punctuality.close()
        self._tidying.close()
        withdrawing = (self.controller.withdraw,) if withdraw else ()
        reading = (self._doors.close, self.view.close)
        # Mastership goes first: while there are clients, the table serves them and the probes keep it true.
        parts = (self.pair.close, self._stop_probing, *reading, *withdrawing)
        for part in (*parts, self._tell_the_rest, self.notifying.close, self.memory.close):
            try:
                await part()
            except Exception as error:  # noqa: BLE001  the rest is let go of all the same
                LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback
        self.controller.close()
        self._files.close()
        self._thoughts.close()
        self._failovers.close()
        self._engine.close()
        self.chronicle.flush()
        if withdraw:
            LOG.info("stopped")

    async def _stop_probing(self) -> None:
        self.prober.close()

    async def _tell_the_rest(self) -> None:
        self.chronicle.flush()

    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        """Carry out an operator's change, as `Operators.change` says; its event is in the journal then."""
        outcome = await self._operators.change(actor, change)
        if outcome.result == "done":
            await self.memory.journal.kept(KEPT)
        return outcome

    def refused(self, command: str, who: str, reason: str, more: int = 0) -> None:
        """Tell that somebody was refused a command."""
        self._tell(CommandRefused(command, who, reason, more))

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        """Read the file again, as `Reloading.reload` says."""
        return await self._reloading.reload(actor, force=force)

    async def _report(self) -> None:
        if self.controller.config is not None:
            await report(self.view)

    async def _unless_told_to_stop(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work and return True, or leave it and return False when told to stop meanwhile."""
        told = self._tasks.begin(self._stop.wait())
        doing = asyncio.get_running_loop().create_task(work)
        try:
            await asyncio.wait([told, doing], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
            return doing.done()
        finally:
            doing.cancel()
            await asyncio.wait([doing])

    def _alive(self) -> None:
        self._look_at_waits()
        if self.prober.overdue() < MUTE:
            self._manager.alive()
        self.pair.alive()

    def _hint(self, check: Check, target: Target) -> None:
        self.prober.hurry(check, target)

    def _keep_a_dry_run_quiet(self) -> None:
        """Have a dry run notify nobody where it cannot know whether it is alone, as that of a user without rights."""
        failing = self.memory.status().failing
        if self._dry_run and failing and not self.notifying.silent:
            self._silence(f"a dry run without saved state: {failing}")
            self._tell(Warned("another director may use the saved state: this dry run notifies nobody"))

    def _silence(self, why: str) -> None:
        self.notifying.silent = why

    def _crowded(self) -> None:
        self._tell(ProbesWaited(self.prober.limit))

    def _all_warnings(self) -> tuple[str, ...]:
        crowd = (CROWD.format(self.prober.limit),) if self.prober.crowded() else ()
        scarce = (SCARCE,) if self._scarce() else ()
        return self._fitness.warnings + self.memory.warnings + self.book.aside + crowd + scarce

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
    registry.import_all()
    return await Director(loader, table, ServiceManager(), kernel=kernel).run(config)


def _unhandled(context: Mapping[str, Any]) -> str:
    """Return what a callback left unhandled in one line (`asyncio.loop.set_exception_handler`)."""
    error = context.get("exception")
    return f"{context['message']}: {describe(error)}" if error is not None else str(context["message"])
