"""The state of the page as it goes, made once for all who watch, and only while somebody does.

A state is looked at once a second at most, and less often where a look takes long: no crowd of readers takes more than
a fifth of the loop. What changed is a difference, made into text once; the last of them are kept for those who come
again after a moment. Whoever is further behind begins anew.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, replace

from healthlb.api.page.difference import difference, same
from healthlb.api.page.overview import State, Work, look, overview
from healthlb.api.page.turns import in_turns
from healthlb.api.rendering import CHUNK, REST, Rendering, in_slices
from healthlb.api.sharing import fault_seen
from healthlb.api.source import SnapshotSource

PERIOD = 1.0
"""Seconds between two looks at least."""
LONGEST_PERIOD = 10.0
"""Seconds between two looks at most, besides the look itself."""
SUMS = 2.0
"""Seconds between two differences, at least, that tell of connections and rates."""
LINGER = 10.0
"""Seconds for which the state is kept true after the last reader has gone."""
KEPT = 120
"""Differences that are kept."""
KEPT_BYTES = 4 * 1024 * 1024
"""Bytes of differences that are kept; a reader that would need more is better off with the whole."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """What led to the state with this `id`, as an event of a stream, in pieces."""

    id: int
    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(map(len, self.pieces))


class Live:
    """The newest state, and the differences that led to it.

    Ids of states grow by 1. They begin with the clock, so that those of another start are unknown here.
    """

    def __init__(self, source: SnapshotSource, max_age: float) -> None:
        self._source = source
        self._max_age = max_age
        self._state: State | None = None
        self._next_id = int(time.time() * 1000)
        self._kept: deque[Difference] = deque()
        self._kept_bytes = 0
        self._looking = asyncio.Lock()
        self._grown = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Rendering]] = set()
        self._rendering: tuple[State, asyncio.Task[Rendering]] | None = None
        self._wanted_at = float("-inf")
        self._sums_at = float("-inf")
        self._looked_at = float("-inf")
        self._work = 0.0
        self.readers = 0

    async def state(self) -> State:
        """Return the newest state, and keep it true for a while; raise what the source raises where there is none."""
        self._wanted_at = time.monotonic()
        if self._state is None:
            async with self._looking:
                if self._state is None:
                    await self._look()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        state = self._state
        if state is None:
            raise RuntimeError("a look makes a state")
        return state

    async def rendering(self) -> tuple[State, Rendering]:
        """Return the newest state and its overview, which is made once for all who ask for it."""
        state = await self.state()
        if self._rendering is None or self._rendering[0] is not state:
            task = asyncio.create_task(in_slices(overview(state)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(fault_seen)
            self._rendering = state, task
        state, task = self._rendering
        return state, await asyncio.shield(task)

    def since(self, known: int) -> list[Difference] | None:
        """Return what has changed since a state; None where that is not known any more, or never was."""
        if self._state is None or known > self._state.id or known < self._state.id - len(self._kept):
            return None
        missing = self._state.id - known
        return list(self._kept)[len(self._kept) - missing :] if missing else []

    async def changed(self, known: int, patience: float) -> None:
        """Return once there is another state than the one that is known; raise TimeoutError after so many seconds."""
        async with asyncio.timeout(patience):
            while self._state is not None and self._state.id == known:
                await self._grown.wait()

    @property
    def fresh(self) -> bool:
        """Whether the director answered lately."""
        return time.monotonic() - self._looked_at < LONGEST_PERIOD + REST * self._work + LINGER

    async def close(self) -> None:
        """Look no more."""
        tasks = [*self._tasks, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._forget()

    async def _run(self) -> None:
        """Look as long as somebody wants to see."""
        try:
            while self.readers or time.monotonic() - self._wanted_at < LINGER:
                await asyncio.sleep(min(max(PERIOD, REST * self._work), LONGEST_PERIOD))
                async with self._looking:
                    await self._try_to_look()
        finally:
            self._task = None
            self._forget()

    async def _try_to_look(self) -> None:
        try:
            await self._look()
        except TimeoutError:
            # The readers' stream falls silent; the next look may be answered.
            return
        except Exception as error:  # noqa: BLE001  the page goes on when the director can be read again
            _log.error("looking for the page failed: %s: %s", type(error).__name__, error)

    async def _look(self) -> None:
        began = time.monotonic()
        snapshot = await self._source.snapshot(self._max_age)
        before = self._state
        sums = before is None or began - self._sums_at >= SUMS - PERIOD / 4
        after = await in_turns(look(snapshot, before, sums=sums))
        if sums:
            self._sums_at = began
        if before is not None and same(before, after):
            self._state = replace(before, taken_at=after.taken_at)
        else:
            after = replace(after, id=self._next_id)
            if before is not None:
                self._keep(await _event(before, after))
            self._next_id += 1
            self._state = after
            self._grown.set()
            self._grown = asyncio.Event()
        self._looked_at = time.monotonic()
        self._work = self._looked_at - began

    def _keep(self, made: Difference) -> None:
        self._kept.append(made)
        self._kept_bytes += made.size
        while len(self._kept) > KEPT or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= self._kept.popleft().size

    def _forget(self) -> None:
        """Let go of the state: the next one has an id that follows none of those that were given out."""
        self._state = None
        self._rendering = None
        self._kept.clear()
        self._kept_bytes = 0
        self._next_id += 1
        self._grown.set()


async def _event(before: State, after: State) -> Difference:
    """Return a difference as an event of a stream (HTML Living Standard, section 9.2): its data is one line."""
    return Difference(after.id, tuple(await in_turns(_pieces(before, after))))


def _pieces(before: State, after: State) -> Work[list[bytes]]:
    pieces: list[bytes] = []
    waiting = [f"id: {after.id}\nevent: change\ndata: "]
    size = 0
    for text in difference(before, after):
        waiting.append(text)
        size += len(text)
        if size >= CHUNK:
            pieces.append("".join(waiting).encode())
            waiting.clear()
            size = 0
        yield ""
    pieces.append(("".join(waiting) + "\n\n").encode())
    return pieces
