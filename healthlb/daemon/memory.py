"""What outlives a restart: taken up at the start, saved as it changes. Every look at the disk is in a thread.

Orders are on the disk before a change is answered, or the answer says that they are not. Health follows within
seconds, and the time of its file says until when it was true. A disk that fails costs what it must and no more: the
director goes on, tells of it once, and tries again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from healthlb.daemon.chronicle import Chronicle
from healthlb.daemon.fault import describe
from healthlb.daemon.worker import Worker
from healthlb.model.config import Director
from healthlb.model.events import StateSaved, StateTakenUp, StateUnsaved, Warned
from healthlb.model.overrides import HandedOver, Orders
from healthlb.model.remembered import Remembered
from healthlb.model.snapshot import StateStatus
from healthlb.store.file import told
from healthlb.store.folder import Found, StateFolder, TakenError
from healthlb.store.journal import NAME, Journal, Place

Answer = TypeVar("Answer")
PERIOD = 2.0
"""Seconds between two looks at what turned, and so between two writings of health at least."""
SHARE = 20
"""Writing health takes at most one part in so many of the time."""
STILL_TRUE = 30.0
"""Seconds after which health that did not turn is said to be true still."""
START_DEADLINE = 10.0
"""Seconds that a start waits for the disk: orders that it does not know would be as good as taken back."""
SAVE_DEADLINE = 2.0
"""Seconds that a change or a stop waits for the disk."""
FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds until a failed save is tried again: at first, and doubled each time, at last."""
AHEAD = 60.0
"""Seconds by which a file may be of the future: clocks are set. Beyond that nobody knows how old it is."""
WARNED = 5
"""Files that were set aside and are told of in the status, the newest."""
SILENT = "the disk does not answer"
LOG = logging.getLogger("healthlb")


class Knows(Protocol):
    """Who knows the health of everything: `turns` grows when it changes, `recalled` servers have theirs again."""

    turns: int
    recalled: int

    def recall(self, before: Remembered) -> None:
        """Take up what a director before this one knew."""
        ...

    async def remembered(self) -> Remembered:
        """Return what a director after this one should know."""
        ...


class Memory:
    """The director's memory. `orders` are those that were found, or saved last; so are `handed_over`, which are apart.

    `elsewhere` is why this director has no saved state, where that is so: another one has the directory. `silence` is
    told of it, as notifying people is the other's business then, and of its end with an empty text.
    """

    def __init__(
        self,
        chronicle: Chronicle,
        knows: Knows,
        silence: Callable[[str], None] = lambda _: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.orders = Orders()
        self.handed_over: tuple[HandedOver, ...] = ()
        self.elsewhere = ""
        self.warnings: tuple[str, ...] = ()
        self._silence = silence
        self._chronicle = chronicle
        self._tell = chronicle.record
        self._knows = knows
        self._wall = wall
        self._disk = Worker("state")
        self._reader = Worker("journal reader")
        self.journal = Journal(self._tell, self._reader.do, self._number_after)
        chronicle.listeners.append(self.journal.take)
        self._folder: StateFolder | None = None
        self._found = Found()
        self._living = False
        self._keeping: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._tries: list[asyncio.Future[None]] = []
        self._wanted = self._kept = 0
        self._kept_turns: int | None = None
        self._health_at = self._true_at = 0.0
        self._saved_at: float | None = None
        self._failing = ""

    async def open(self, director: Director) -> None:
        """Take up what is in the state directory: `orders`, and what the pools are to recall."""
        if not director.state_dir:
            return
        folder = self._folder = StateFolder(Path(director.state_dir))
        try:
            async with asyncio.timeout(START_DEADLINE):
                self._found = await self._disk.do(folder.open)
        except TakenError as error:
            self._give_up(str(error))
            return
        except OSError as error:
            _unheard(self._disk.do(folder.forget))
            self._wanted += 1
            await self._open_journal(director)
            self._failed(_told(error))
        else:
            await self._open_journal(director)
            self._tell_set_asides()
            if self._found.fault:
                self._wanted += 1
                self._failed(self._found.fault)
        self.orders = replace(self._found.orders, handed_over=())
        self.handed_over = self._found.orders.handed_over
        self._recall(director.state_max_age)
        self._keeping = asyncio.create_task(self._keep())

    def begin(self) -> None:
        """Save health from now on: the configuration is in force, and has taken up what fits it."""
        found, orders = self._found, len(_each(self.orders)) + len(self.handed_over)
        at = found.health_at if found.health_at is not None else found.orders_at
        if at is not None and (self._knows.recalled or orders):
            self._tell(StateTakenUp(max(0.0, self._wall() - at), self._knows.recalled, orders))
        self._found = Found()
        self._living = True
        self._wake.set()

    async def follow(self, director: Director) -> None:
        """Keep everything where a new configuration says."""
        before, path = self._folder, Path(director.state_dir)
        if not director.state_dir or (before is not None and before.path == path):
            if before is not None and not self.elsewhere:
                self.journal.keep_in(_place(director))
            return
        folder = self._folder = StateFolder(path)
        self.elsewhere = ""
        self._silence("")
        if before is not None:
            await self._leave(before)
        try:
            async with asyncio.timeout(SAVE_DEADLINE):
                await self._disk.do(folder.hold)
        except TakenError as error:
            self._give_up(str(error))
            return
        except OSError as error:
            self._failed(_told(error))
        self.journal.keep_in(_place(director))
        self._save_again()
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _leave(self, folder: StateFolder) -> None:
        """Let go of a directory; a disk that does not answer keeps the threads that wait for it, and nobody else."""
        leaving = _unheard(self._disk.do(folder.close))
        await asyncio.wait([leaving], timeout=SAVE_DEADLINE)
        if leaving.done():
            return
        self._disk.close()
        self._disk = Worker("state")
        self.journal.keep_in_memory()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    async def save(self, orders: Orders) -> str | None:
        """Save operators' orders; return a sentence, with no full stop, where they are not on the disk by a deadline.

        They are tried again until they are.
        """
        self.orders = orders
        return await self._save_orders()

    async def hand_over(self, handed_over: tuple[HandedOver, ...]) -> str | None:
        """Save which VRRP instances are handed over, as `save` does with the other orders."""
        self.handed_over = handed_over
        return await self._save_orders()

    async def _save_orders(self) -> str | None:
        if self.elsewhere:
            return "it would not survive a restart: another director has the saved state"
        if self._keeping is None:
            return None
        self._wanted += 1
        mine = self._wanted
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tries.append(tried)
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAVE_DEADLINE):
                await tried
        if self._kept >= mine:
            return None
        return f"it would not survive a restart: {self.status().path}: {self._failing or SILENT}"

    async def close(self) -> None:
        """Save what there is, within a deadline, and let go of the disk."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_DEADLINE):
                    await self._save_all(now=True)
        await self.journal.close(SAVE_DEADLINE)
        if self._folder is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_DEADLINE):
                    await self._disk.do(self._folder.close)
        self._disk.close()
        self._reader.close()

    def status(self) -> StateStatus:
        """Return how saving does; the path is empty where nothing is saved."""
        path = "" if self._folder is None or self.elsewhere else str(self._folder.path)
        return StateStatus(path, self._saved_at, self._failing)

    def _give_up(self, reason: str) -> None:
        """Work without saved state: who has the lock saves it, keeps the journal and tells people."""
        self.elsewhere = self._failing = reason
        self._silence(reason)
        if self.journal.status().path == "":
            self._number_after(int(self._wall()))
        self.journal.keep_in_memory()
        self._tell(Warned(f"{reason}: this one saves nothing, keeps its events in memory and notifies nobody"))

    async def _open_journal(self, director: Director) -> None:
        self.journal.keep_in(_place(director))
        await self.journal.number(SAVE_DEADLINE)

    def _number_after(self, last_id: int) -> None:
        self._chronicle.last_id = max(self._chronicle.last_id, last_id)

    def _recall(self, max_age: float) -> None:
        at = self._found.health_at
        if at is None:
            return
        age = self._wall() - at
        if -AHEAD <= age <= max_age:
            self._knows.recall(self._found.health)
        else:
            LOG.info("the saved health is of %.0fs ago, older than state_max_age: every server is looked at anew", age)

    async def _keep(self) -> None:
        retry = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(retry, PERIOD)):
                    await self._wake.wait()
            if self._wake.is_set():
                # Whoever changes things now may be about to make room: what failed for them adds no patience.
                retry = 0.0
            self._wake.clear()
            try:
                failed = not await self._save_all()
            except Exception as error:  # noqa: BLE001  a fault of ours must not end all saving
                failed = True
                self._failed(describe(error))
            retry = min(LAST_RETRY, max(FIRST_RETRY, retry * 2)) if failed else 0.0

    async def _save_all(self, *, now: bool = False) -> bool:
        """Save what is not saved, health only when it is due or `now`; return False where it has to be tried again."""
        folder, tries = self._folder, self._tries
        self._tries = []
        try:
            if folder is None or self.elsewhere:
                return True
            if self._wanted > self._kept:
                wanted, orders = self._wanted, replace(self.orders, handed_over=self.handed_over)
                await self._on_disk(lambda: folder.save_orders(orders))
                self._kept, self._saved_at = wanted, self._wall()
            for each in tries:
                _settle(each)
            if self._living:
                await self._keep_health(folder, now=now)
        except TakenError as error:
            self._give_up(str(error))
        except OSError as error:
            self._failed(_told(error))
            return False
        finally:
            self._tell_set_asides()
            for each in tries:
                _settle(each)
        self._succeeded()
        return True

    async def _keep_health(self, folder: StateFolder, *, now: bool) -> None:
        clock = time.monotonic
        begun, turns = clock(), self._knows.turns
        if (turns != self._kept_turns and begun >= self._health_at) or now:
            self._health_at = begun
            remembered = await self._knows.remembered()
            if folder is not self._folder:
                return  # saving would take the lock again that a reload has just let go of
            await self._on_disk(lambda: folder.save_health(remembered))
            if folder is not self._folder:
                return  # what is saved is where nobody looks for it any more
            self._kept_turns = turns
            self._health_at = begun + max(PERIOD * 0.9, (clock() - begun) * SHARE)
        elif begun - self._true_at >= STILL_TRUE:
            if not await self._on_disk(folder.still_true):
                self._save_again()
        else:
            return
        self._saved_at, self._true_at = self._wall(), clock()

    async def _on_disk(self, work: Callable[[], Answer]) -> Answer:
        """Have work done on the disk; a disk that takes long is told of meanwhile."""
        doing = _unheard(self._disk.do(work))
        await asyncio.wait([doing], timeout=SAVE_DEADLINE)
        if not doing.done():
            self._failed(SILENT)
        return await doing

    def _save_again(self) -> None:
        """Save everything, whether it changed or not."""
        self._wanted += 1
        self._kept_turns = None
        self._wake.set()

    def _failed(self, reason: str) -> None:
        begins, self._failing = not self._failing, reason
        if begins:
            self._tell(StateUnsaved(self.status().path, reason))

    def _succeeded(self) -> None:
        if self._failing and not self.elsewhere:
            self._failing = ""
            self._tell(StateSaved(self.status().path))

    def _tell_set_asides(self) -> None:
        if self._folder is not None:
            while self._folder.set_asides:
                event = self._folder.set_asides.pop(0)
                self._tell(event)
                lost = f"{event.path} could not be used at the start: {event.reason}; it is kept as {event.kept_as}"
                self.warnings = (*self.warnings, lost)[-WARNED:]


def _told(error: OSError) -> str:
    return told(error) or SILENT


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _unheard(future: asyncio.Future[Answer]) -> asyncio.Future[Answer]:
    """Return a future whose fault is nobody's where nobody waits for it any more."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _place(director: Director) -> Place:
    return Place(Path(director.state_dir) / NAME, director.keep_events)


def _each(orders: Orders) -> tuple[object, ...]:
    return (*orders.overrides, *orders.additions, *orders.removals)
