"""Work for readers, done once for all who ask, one piece at a time, and with rests in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar


class Costly(Protocol):
    """What was made for readers: `work` is the seconds of the loop that it took."""

    @property
    def work(self) -> float:
        """The seconds."""
        ...


Made = TypeVar("Made", bound=Costly)


class Turns:
    """One piece of work at a time, and after each a pause of `rest` times the work that it took.

    Whoever would wait for more than `patience` seconds is told so by TimeoutError.
    """

    def __init__(self, rest: float = 0.0, patience: float = 10.0) -> None:
        self._rest = rest
        self._patience = patience
        self._lock = asyncio.Lock()
        self._free_at = 0.0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Callable[[float], None]]:
        """Wait for a turn and have it; what is yielded is to be told the seconds of work."""
        loop = asyncio.get_running_loop()
        worked = 0.0

        def rest_after(seconds: float) -> None:
            nonlocal worked
            worked = seconds

        async with asyncio.timeout(self._patience):
            await self._lock.acquire()
            try:
                await asyncio.sleep(max(0.0, self._free_at - loop.time()))
            except BaseException:
                self._lock.release()
                raise
        try:
            yield rest_after
        finally:
            self._free_at = loop.time() + self._rest * worked
            self._lock.release()


class Shared(Generic[Made]):
    """Something that is made for readers, one at a time, and given to all who ask while it is made or still serves.

    `changes` counts what readers are to see as soon as they ask: nobody is given what was begun before the newest
    change. What is under way then is finished for those who wait for it, and the next is begun after it, for all who
    have asked meanwhile. So no number of readers, and no number of changes, has two made at once. A reader that leaves
    early never spoils it for the others. `serves` says for how many seconds what was made is given out, and kept.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Made]],
        serves: Callable[[Made], float],
        changes: Callable[[], int],
        turns: Turns | None = None,
    ) -> None:
        self._make = make
        self._serves = serves
        self._changes = changes
        self._turns = turns or Turns()
        self._newest: _Work[Made] | None = None
        self._tasks: set[asyncio.Task[Made]] = set()

    @property
    def under_way(self) -> bool:
        """Whether there is one that is being made."""
        return bool(self._tasks)

    @property
    def idle(self) -> bool:
        """Whether there is none."""
        return self._newest is None

    async def current(self) -> Made:
        """Return what there is, once it is made; raise what making it raises."""
        work = self._newest
        if work is None or work.begun_at not in {None, self._changes()}:
            self._forget(work)
            work = self._newest = _Work()
            before = tuple(self._tasks)
            work.task = asyncio.create_task(self._run(work, before))
            self._tasks.add(work.task)
            work.task.add_done_callback(self._tasks.discard)
            work.task.add_done_callback(fault_seen)
        return await asyncio.shield(work.task)

    async def close(self) -> None:
        """Stop what is under way, and keep nothing."""
        self._forget(self._newest)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, work: "_Work[Made]", before: tuple[asyncio.Task[Made], ...]) -> Made:
        try:
            if before:
                await asyncio.wait(before)
            async with self._turns.one() as rest_after:
                work.begun_at = self._changes()
                made = await self._make()
                rest_after(made.work)
        except BaseException:
            self._forget(work)
            raise
        if self._newest is work:
            work.ending = asyncio.get_running_loop().call_later(self._serves(made), self._forget, work)
        return made

    def _forget(self, work: "_Work[Made] | None") -> None:
        if work is None:
            return
        if work.ending is not None:
            work.ending.cancel()
        if self._newest is work:
            self._newest = None


class _Work(Generic[Made]):
    """One making: how many changes there were when it began, None before; and the timer that ends its use."""

    __slots__ = ("begun_at", "ending", "task")

    task: asyncio.Task[Made]

    def __init__(self) -> None:
        self.begun_at: int | None = None
        self.ending: asyncio.TimerHandle | None = None


def fault_seen(task: asyncio.Task[Any]) -> None:
    """Take note of a shared task's fault: its askers are told, and when all have gone there is nobody to tell."""
    if not task.cancelled():
        task.exception()
