"""The one writer: takes probe results and configurations, and keeps the table right, pass after pass.

Everyone else only wakes it. Results change levels at once and mark pools; wakes coalesce; each pass works from the
levels that it finds. It looks at the table anew at start, after a failure, when a reader wants fresh counters, and
every `resync` seconds, so that an `ipvsadm -C`, a lost answer and a restart are all the same case.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from checks import ProbeResult
from healthlb.daemon.appointments import Appointments
from healthlb.daemon.breath import Breath
from healthlb.daemon.failing import FailingOperations, backoff
from healthlb.daemon.fault import describe
from healthlb.daemon.findings import again_at, keep, news, settled
from healthlb.daemon.histogram import PASS, Histogram
from healthlb.daemon.pools import Pools, Sink
from healthlb.daemon.reconcile import Job, Outcome, reconcile, withdraw
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.worker import Answer, Worker
from healthlb.linux.table import Table, TableUnavailableError
from healthlb.model.config import Config
from healthlb.model.counters import TableReading
from healthlb.model.events import (
    DriftRepaired,
    ForeignServicesKept,
    OperationFailed,
    OperationRecovered,
    TableChanged,
    TableLost,
    TableRegained,
    Warned,
)
from healthlb.model.operations import KINDS
from healthlb.model.overrides import Override
from healthlb.model.table import IpvsTable, ServiceKey

PASS_DEADLINE = 15.0
"""Seconds after which a pass counts as stuck; the table's own requests have shorter deadlines inside."""
STUCK = f"the table has not answered for {PASS_DEADLINE:g}s"
REFRESH_DEADLINE = 2.0
"""Seconds that a reader waits for fresh counters before it gets the older ones."""
HEARTBEAT = 1.0
"""Seconds between signs of life at most."""
FINEST = 0.1
"""Seconds between passes that only the time asks for: a thousand servers that climb are as many as one."""
REST = 10
"""A pass that only time asks for comes after so many times what the last one took, and so does a look that only rows
which end ask for: a tenth of the work."""
LONGEST_REST = 2.0
"""Seconds between passes that only time asks for at most, however long one took."""


class Controller:
    """Owns the pools and the table. `alive` is called whenever the controller has made progress.

    `templates_pin` is asked, in the table's thread, whether persistence templates outlive a weight of 0.
    """

    def __init__(
        self,
        table: Table,
        pools: Pools,
        sink: Sink,
        chance: random.Random,
        alive: Callable[[], None] = lambda: None,
        *,
        templates_pin: Callable[[], bool] = lambda: False,
    ) -> None:
        self._table = table
        self._sink = sink
        self._chance = chance
        self._alive = alive
        self._templates_pin = templates_pin
        self._appointments = Appointments()
        self._timed_at = float("-inf")
        self._timed_took = 0.0
        self._look_took = 0.0
        self._worker = Worker("table")
        self._wake = asyncio.Event()
        self._busy = asyncio.Lock()
        self._passed = asyncio.Event()
        self._look = True
        self._look_at = 0.0
        self._seen_at: float | None = None
        self._taken: set[str] = set()
        self._failing = FailingOperations(chance)
        self._lost_attempts = 0
        self._undecided: dict[ServiceKey, str] = {}
        self._running: asyncio.Future[Any] | None = None
        self._foreign: tuple[ServiceKey, ...] | None = None
        self.pools = pools
        self.config: Config | None = None
        self.known: IpvsTable | None = None
        self.reading = TableReading()
        self.read_at: float | None = None
        self.lost: str | None = None
        self.done: Counter[str] = Counter()
        self.drift_repaired_total = 0
        self.passes = Histogram(PASS)

    async def adopt(self, config: Config) -> None:
        """Put a configuration in force; the table follows with the next pass."""
        async with self._busy:
            await self.pools.adopt(config)
            self._appointments.keep_only(self.pools.by_name)
            # Timeouts and foreign services are judged by a look at the whole table alone.
            self._look = self._look or self.config is None or self.config.director != config.director
            self.config = config
        self.wake()

    async def override(self, overrides: Iterable[Override]) -> None:
        """Put operators' overrides in force, all that there are; the table follows with the next pass."""
        await self.pools.override(overrides)
        self.wake()

    def finished(self, record: ProbeRecord, result: ProbeResult) -> float:
        """Take a probe's result; return the seconds from its start to the next, before jitter."""
        interval = self.pools.observe(record, result)
        if self.pools.dirty:
            self.wake()
        return interval

    def wake(self) -> None:
        """Ask for a pass soon."""
        self._wake.set()

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            if not self.stuck:
                self._alive()
            await self._sleep()
            if self._due():
                await self.make_pass()

    async def make_pass(self) -> None:
        """Make one pass now, over all pools if the table is to be looked at, else over those that changed."""
        async with self._busy:
            self._wake.clear()
            self._taken, self.pools.dirty = self.pools.dirty, set()
            try:
                asked = self._now()
                job = await self._job()
                began = self._now()
                outcome = await self._work(lambda: reconcile(self._table, job))
                await self._digest(job, outcome)
                if self._timed_at >= asked:
                    self._timed_took = self._now() - asked
                if outcome.reading is not None:
                    self._look_took = self._now() - began
                self.passes.observe(self._now() - asked)
                self._taken = set()
            except (TableUnavailableError, TimeoutError) as error:
                self._unreachable(str(error) or STUCK)
            except Exception as error:  # noqa: BLE001  the one writer outlives its own faults, and says so
                self._unreachable(describe(error))
            finally:
                self.pools.dirty |= self._taken
                self._taken = set()
            passed, self._passed = self._passed, asyncio.Event()
            passed.set()

    async def refresh(self, max_age: float) -> None:
        """Return once the counters are at most `max_age` seconds old, or after a bounded wait."""
        oldest = min(self._now(), self._now() - max_age)
        try:
            async with asyncio.timeout(REFRESH_DEADLINE):
                # A pass that was under way already may end without a look at the table.
                while self.lost is None and (self._seen_at is None or self._seen_at < oldest):
                    self._look = True
                    self.wake()
                    await self._passed.wait()
        except TimeoutError:
            return

    @property
    def in_sync(self) -> bool:
        """Whether the table is what the latest verdicts want, as far as is known."""
        pending = self._failing or self._undecided or self._taken or self.pools.dirty or self.pools.former
        return self.known is not None and self.lost is None and not pending

    @property
    def refused(self) -> Counter[str]:
        """How many operations of each kind were refused so far."""
        return self._failing.counts

    def failing(self) -> tuple[str, ...]:
        """Return what fails now, with reasons."""
        if self.lost is not None:
            return (self.lost,)
        return (*self._undecided.values(), *self._failing.sentences())

    async def with_table(self, work: Callable[[], Answer]) -> Answer:
        """Do other work with the table, between passes; raise TableUnavailableError or TimeoutError."""
        async with self._busy:
            return await self._work(work)

    async def withdraw(self) -> None:
        """Carry out `on_stop`: leave our services alone (keep), empty their weights (drain) or delete them (remove)."""
        config = self.config
        if config is None or config.director.on_stop == "keep":
            return
        async with self._busy:
            ours = self.pools.ours | frozenset(self.pools.former)
            mode = config.director.on_stop
            try:
                if self._running is not None:
                    await asyncio.wait([self._running], timeout=PASS_DEADLINE)
                outcome = await self._work(lambda: withdraw(self._table, ours, mode))
            except (TableUnavailableError, TimeoutError) as error:
                self._unreachable(str(error) or STUCK)
                return
            except Exception as error:  # noqa: BLE001  a stop has more to let go of
                self._unreachable(describe(error))
                return
            for operation in outcome.done:
                self._sink(TableChanged(operation))
            for failure in outcome.failures:
                self._sink(OperationFailed(failure.operation, failure.reason, None))

    def close(self) -> None:
        """Let go of the worker; a pass that is stuck in the kernel is left behind."""
        self._worker.close()

    def _due(self) -> bool:
        now = self._now()
        if self.lost is not None or now >= self._look_at:
            return now >= self._look_at
        retry = self._failing.next_retry()
        if self._look or self.pools.dirty or self.pools.former or (retry is not None and now >= retry):
            return True
        return min(self._time_left(), self._time_to_look()) <= 0

    def _time_left(self) -> float:
        """Return the seconds until the first pool changes by time alone; not at once after the last such pass."""
        rested = self._timed_at + min(max(FINEST, REST * self._timed_took), LONGEST_REST)
        return max(self._appointments.next() - self.pools.steady(), rested - self._now())

    def _time_to_look(self) -> float:
        """Return the seconds until rows that end ask for a look; one that took long is followed by a rest."""
        left = self._appointments.next_look() - self.pools.steady()
        return left if self._seen_at is None else max(left, self._seen_at + REST * self._look_took - self._now())

    async def _sleep(self) -> None:
        until = min(self._look_at, self._now() + HEARTBEAT)
        if self.lost is None:
            retry = self._failing.next_retry()
            left = max(0.0, min(self._time_left(), self._time_to_look()))
            until = min(until, until if retry is None else retry, self._now() + left)
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _job(self) -> Job:
        now, steady = self._now(), self.pools.steady()
        retry = self._failing.next_retry()
        read = self._look or self.known is None or now >= self._look_at or (retry is not None and now >= retry)
        read = read or self._time_to_look() <= 0
        due = self._appointments.due(steady)
        if due:
            self._timed_at = now
        breath = Breath()
        work = []
        for name in self.pools.by_name if read else self._taken | due:
            work.append(self.pools.by_name[name].level())
            await breath()
        director = self.config.director if self.config is not None else None
        return Job(
            pools=tuple(work),
            now=steady,
            known=self.known,
            read=read,
            ours=self.pools.ours,
            former=frozenset(self.pools.former),
            remove_foreign=read and director is not None and director.foreign_services == "remove",
            timeouts=director.ipvs_timeouts if director is not None and read else None,
            held=self._failing.held(now),
            templates_pin=self._templates_pin,
        )

    async def _work(self, work: Callable[[], Answer]) -> Answer:
        if self.stuck:
            raise TimeoutError
        running = self._worker.do(work)
        self._running = running
        async with asyncio.timeout(PASS_DEADLINE):
            return await asyncio.shield(running)

    @property
    def stuck(self) -> bool:
        """Whether a pass has not come back from the table."""
        return self._running is not None and not self._running.done()

    def _unreachable(self, reason: str) -> None:
        self._lost_attempts += 1
        self._look = True
        self._look_at = self._now() + backoff(self._lost_attempts, self._chance)
        if self.lost != reason:
            self._sink(TableLost(reason))
        self.lost = reason

    async def _digest(self, job: Job, outcome: Outcome) -> None:
        now = self._now()
        if self.lost is not None:
            self.lost = None
            self._lost_attempts = 0
            self._sink(TableRegained())
        self.known = outcome.table
        self.pools.former &= outcome.table.services.keys()
        if outcome.reading is not None:
            self._seen(outcome.reading, outcome.foreign, now)
        if outcome.reading is not None and not job.read:
            # Somebody else was at the table, and only this pass's pools were put right: look at all of them.
            self._look = True
            self.wake()
        await self._tell(outcome)
        for failure in outcome.failures:
            self._sink(OperationFailed(failure.operation, failure.reason, self._failing.failed(failure, now)))
        touched = None if job.read else outcome.wanted.keys() | job.former
        for operation in self._failing.settle(outcome.failures, job.held, touched):
            self._sink(OperationRecovered(operation))
        await self._take(job, outcome)

    async def _take(self, job: Job, outcome: Outcome) -> None:
        """Tell what was found of the job's pools, and keep it."""
        breath, ended = Breath(), self.pools.steady()
        self._note_faults(job, outcome)
        for level in job.pools:
            pool, worth = self.pools.by_name[level.server.name], outcome.worth.get(level.server.service.key)
            if worth is None:
                self._appointments.note(pool.server.name, None, None)
                continue
            for event in news(pool, worth, job.now):
                self._sink(event)
            decision = settled(worth.decision, job.now, ended)
            if keep(pool, replace(worth, decision=decision), job.now, self.pools.clock()):
                self.pools.turns += 1
            self._appointments.note(pool.server.name, again_at(pool, decision), decision.look_at)
            await breath()

    def _note_faults(self, job: Job, outcome: Outcome) -> None:
        """Keep the faults in the decisions on pools, and tell of new ones; the next look tries them again."""
        decided = {level.server.service.key for level in job.pools}
        before = self._undecided
        kept = {key: fault for key, fault in before.items() if key not in decided and key in self.pools.ours}
        self._undecided = kept | outcome.faults
        for key, fault in outcome.faults.items():
            if before.get(key) != fault:
                self._sink(Warned(f"{fault}: its rows stay as they are."))

    def _seen(self, reading: TableReading, foreign: tuple[ServiceKey, ...], now: float) -> None:
        self._look = False
        self._look_at = now + (self.config.director.resync if self.config is not None else HEARTBEAT)
        self.reading = reading
        self._seen_at = now
        self.read_at = time.time()
        kept = self.config is not None and self.config.director.foreign_services == "keep"
        if kept and foreign and foreign != self._foreign:
            self._sink(ForeignServicesKept(tuple(str(key) for key in foreign)))
        self._foreign = foreign

    async def _tell(self, outcome: Outcome) -> None:
        breath = Breath()
        for operation in outcome.done:
            self.done[KINDS[type(operation)]] += 1
            if operation in outcome.drift:
                self.drift_repaired_total += 1
                self._sink(DriftRepaired(operation))
            else:
                self._sink(TableChanged(operation))
            await breath()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
