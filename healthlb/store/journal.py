"""The event journal: takes events without waiting, has them written by a thread, and answers who asks for them.

The newest events are in memory too, so that readers and streams need no disk, and go on where it fails. What cannot be
written waits, up to a bound, and is tried again; what is beyond the bound is counted. The loop never waits for it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from healthlb.model.events import Event, StateSaved, StateSetAside, StateUnsaved, Warned
from healthlb.model.occurrence import EventQuery, Occurrence
from healthlb.model.snapshot import JournalStatus
from healthlb.store.events_file import NAME, read_file
from healthlb.store.rows import limited, wanted
from healthlb.store.writer import QUEUE, Place, Writer

__all__ = ["NAME", "Journal", "Place", "read_file"]

RING = 1_000
"""Events that are in memory whether they are written or not."""
READ_DEADLINE = 2.0
"""Seconds after which a reader is answered from memory alone."""
UNKEPT = frozenset({"probe_passed", "probe_failed"})
"""Single probes are for the log: thousands of them would push out all that matters."""

OffLoop = Callable[[Callable[[], list[Occurrence]]], "asyncio.Future[list[Occurrence]]"]
"""Does work that blocks in a thread."""


class Journal:
    """The journal of one director; made and used in its loop. Until it is told where, it is in memory alone.

    `tell` takes what becomes of the file. `begun` is called once, with the id after which events are to be numbered:
    the greatest in the file, or, where that cannot be known, one that no file has reached.
    """

    def __init__(
        self, tell: Callable[[Event], None], off_loop: OffLoop, begun: Callable[[int], None] = lambda _: None
    ) -> None:
        self.last_id = 0
        self._tell = tell
        self._off_loop = off_loop
        self._begun = begun
        self._loop = asyncio.get_running_loop()
        self._place: Place | None = None
        self._writer: Writer | None = None
        self._ended: set[asyncio.Future[None]] = set()
        self._dropped = 0
        self._numbered = asyncio.Event()
        self._progress = asyncio.Event()
        self._untold: list[Event] = []
        self._recent: deque[Occurrence] = deque()
        self._floor: int | None = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._turn = asyncio.Lock()
        self._reading: asyncio.Future[list[Occurrence]] | None = None
        self._total = 0
        self._failing = ""

    def keep_in(self, place: Place) -> None:
        """Keep events in a file from now on, those too that are in memory."""
        self._place = place
        if self._writer is None:
            self._floor = None
            self._writer = self._hired(place)
        else:
            self._writer.move(place)

    def keep_in_memory(self) -> None:
        """Keep events in no file any more: it is another director's now. What waits is written once more."""
        if self._writer is not None:
            self._writer.stop()
            self._dropped += self._writer.dropped_total
        self._writer = self._place = None
        self._failing = ""

    async def number(self, deadline: float) -> None:
        """Return once events can be numbered, after `deadline` seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await self._numbered.wait()
        self._begin_beyond_all()

    def take(self, event: Occurrence) -> None:
        """Take an event, in no time."""
        if event.name in UNKEPT:
            return
        self._total += 1
        self.last_id = event.id
        self._recent.append(event)
        if self._writer is not None:
            self._writer.put(event)
        if len(self._recent) > RING:
            self._forget()
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def kept(self, deadline: float) -> None:
        """Have written what was taken so far; return once it is, after `deadline` seconds at the latest."""
        writer, last = self._writer, self.last_id
        if writer is None or self._failing:
            return
        writer.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while (oldest := writer.oldest()) is not None and oldest <= last:
                    self._progress.clear()
                    await self._progress.wait()

    async def read(self, query: EventQuery) -> list[Occurrence]:
        """Return what a query asks for, by id; from memory alone where the file does not answer."""
        recent = self._remembered(query)
        if self._knows_all(query, len(recent)):
            return limited(query, recent)
        found: list[Occurrence] = []
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(READ_DEADLINE):
                found = await self._from_file(query)
        # Memory once more: it has what came while the file was read.
        merged = {event.id: event for event in found + self._remembered(query)}
        return limited(query, [merged[number] for number in sorted(merged)])

    async def wait(self, after: int) -> None:
        """Return once there is an event with an id above `after`."""
        while self.last_id <= after:
            news: asyncio.Future[None] = self._loop.create_future()
            self._waiting.add(news)
            try:
                await news
            finally:
                self._waiting.discard(news)

    def status(self) -> JournalStatus:
        """Return how the journal does; the path is empty where it is in memory alone."""
        path = "" if self._place is None else str(self._place.path)
        dropped = 0 if self._writer is None else self._writer.dropped_total
        return JournalStatus(path, self._total, self._dropped + dropped, self._failing)

    async def close(self, deadline: float = 2.0) -> None:
        """Write what waits, within so many seconds, and let go of the file."""
        if self._writer is not None:
            self._writer.stop()
        if self._ended:
            await asyncio.wait(self._ended, timeout=deadline)

    def opened(self, last_id: int) -> None:
        """Take note of a file that was opened; a new one is to have what is in memory."""
        if self._floor is None:
            self._floor = last_id
        if self._untold and not last_id:
            self._begin_beyond_all()
        self._begin_after(last_id)
        if self._writer is not None and self._recent and last_id < self._recent[-1].id:
            self._writer.put_again([event for event in self._recent if event.id > last_id])

    def set_aside(self, path: str, reason: str, kept_as: str) -> None:
        """Tell of a damaged file, once events can be numbered."""
        event = StateSetAside(path, reason, kept_as)
        if self._numbered.is_set():
            self._tell(event)
        else:
            self._untold.append(event)

    def failed(self, reason: str) -> None:
        """Tell, once for each spell, that events cannot be written."""
        self._begin_beyond_all()
        begins, self._failing = not self._failing, reason
        if begins:
            self._tell(StateUnsaved(self.status().path, reason))

    def written(self, lost: int) -> None:
        """Tell that events are written again, and how many are lost."""
        self._progress.set()
        if self._failing:
            self._failing = ""
            self._tell(StateSaved(self.status().path))
        if lost:
            self._tell(Warned(f"{lost} events are not in the journal: more came than could be written"))

    def _hired(self, place: Place) -> Writer:
        """Return a writer, which is listened to only until there is another one, or none."""
        ended: asyncio.Future[None] = self._loop.create_future()
        self._ended.add(ended)
        ended.add_done_callback(self._ended.discard)
        over = partial(ended.set_result, None)

        def hear(call: Callable[..., None], *arguments: Any) -> None:
            if call is over or self._writer is writer:
                call(*arguments)

        after = self.last_id if self._numbered.is_set() else None
        writer = Writer(place, self, partial(self._post, hear), over, after)
        return writer

    def _begin_beyond_all(self) -> None:
        """Have events numbered from the clock's seconds on: no file has had as many events as there are since 1970."""
        self._begin_after(int(time.time()))

    def _begin_after(self, last_id: int) -> None:
        if self._numbered.is_set():
            return
        self._numbered.set()
        self.last_id = max(self.last_id, last_id)
        self._begun(last_id)
        untold, self._untold = self._untold, []
        for event in untold:
            self._tell(event)

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            self._loop.call_soon_threadsafe(call, *arguments)

    def _remembered(self, query: EventQuery) -> list[Occurrence]:
        return [event for event in self._recent if wanted(query, event)]

    def _forget(self) -> None:
        """Leave in memory the newest, and beyond those only what is not written yet."""
        unwritten = self._writer.oldest() if self._writer is not None else None
        while len(self._recent) > RING:
            if unwritten is not None and self._recent[0].id >= unwritten and len(self._recent) <= RING + QUEUE:
                break
            self._floor = self._recent.popleft().id

    def _knows_all(self, query: EventQuery, found: int) -> bool:
        """Return whether memory alone can answer: it has every event with an id above the floor."""
        if self._writer is None:
            return True
        if self._floor is None:
            return False
        if query.after is not None:
            return query.after >= self._floor
        return found >= query.limit

    async def _from_file(self, query: EventQuery) -> list[Occurrence]:
        """Ask the file, one reader after the other: a file that does not answer has one thread waiting for it."""
        if self._place is None:
            raise OSError("there is no file")
        path = self._place.path
        async with self._turn:
            if self._reading is not None and not self._reading.done():
                await asyncio.wait([self._reading])
            self._reading = self._off_loop(lambda: read_file(path, query, READ_DEADLINE))
            self._reading.add_done_callback(_seen)
            return await asyncio.shield(self._reading)


def _seen(reading: "asyncio.Future[list[Occurrence]]") -> None:
    """Take note of a fault that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()
