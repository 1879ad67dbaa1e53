"""One notifier's messages on their way: a bounded queue, one try at a time, and patience with a receiver that fails.

What is put in is taken at once, whatever the receiver does; nobody waits for it.
"""

import asyncio
import contextlib
import random
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from healthlb.model.events import NotifierFailed, NotifierRecovered
from healthlb.model.notifiers import Notifier
from healthlb.model.occurrence import Occurrence
from healthlb.model.snapshot import NotifierStatus
from healthlb.notify.grouping import Grouping, Wants
from healthlb.notify.message import Message, plain
from healthlb.notify.sending import RefusedError, Sender, UndeliveredError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between two tries: doubled each time, of which chance takes up to half."""
LONGEST_WAIT = 300.0
"""Seconds for which a receiver may have us wait by its own word."""
MOST_EVENTS_WAITING = 20_000
"""Events in all messages that wait; the oldest message is dropped beyond that, as beyond the notifier's `queue`."""
LAST_TRY = 2.0
"""Seconds that a stop leaves to what waits."""

Tell = Callable[[NotifierFailed | NotifierRecovered], None]
Makes = Callable[[tuple[Occurrence, ...]], Message]


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Message
    made_at: float


class Outbox:
    """The way of one notifier's messages. All of it runs in the loop that made it.

    `makes` puts events into a message. `tell` is told once when it begins to fail and once when it delivers again.
    """

    def __init__(
        self,
        notifier: Notifier,
        wants: Wants,
        sender: Sender,
        makes: Makes,
        tell: Tell,
        *,
        chance: random.Random,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.notifier = notifier
        self.wants = wants
        self._sender = sender
        self._makes = makes
        self._tell = tell
        self._chance = chance
        self._grouping = Grouping(notifier.group, notifier.quiet)
        self._queue: deque[_Waiting] = deque()
        self._events_waiting = 0
        self._trying: _Waiting | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._more = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._sent = self._failed = self._dropped = 0
        self._lost_before = 0
        self._failing = ""
        self._busy = False
        self._retired: list[Sender] = []

    def status(self) -> NotifierStatus:
        """Return how it fares; a message that is still open for more events waits, too."""
        return NotifierStatus(
            name=self.notifier.name,
            type=type(self.notifier.settings).__name__.lower(),
            waiting=len(self._queue) + (self._trying is not None) + (self._grouping.waiting > 0),
            sent_total=self._sent,
            failed_total=self._failed,
            dropped_total=self._dropped,
            failing=self._failing,
        )

    def take(self, event: Occurrence) -> None:
        """Take an event in, if the notifier is to be told of it."""
        if self._stopping or not self.wants(event):
            return
        now = self._loop.time()
        self._put(self._grouping.take(event, now))
        if self._grouping.group <= 0:
            self._put(self._grouping.close(now))
        self._set_timer()

    def adopt(self, notifier: Notifier, wants: Wants, sender: Sender | None) -> None:
        """Go by new settings from the next try on, which comes at once. What waits and the counters stay.

        `sender` is None where the way out is the same as before.
        """
        self.notifier, self.wants = notifier, wants
        if (notifier.group, notifier.quiet) != (self._grouping.group, self._grouping.quiet):
            self._put(self._grouping.close(self._loop.time(), last=True))
            self._grouping = Grouping(notifier.group, notifier.quiet)
        if sender is not None:
            self._retired.append(self._sender)
            self._sender = sender
            self._hurry.set()
            if not self._busy:
                self._let_go()
        self._drop_surplus()
        self._set_timer()

    async def stop(self, grace: float = LAST_TRY) -> int:
        """Give each message that waits a last try within `grace` seconds in all; return how many were not delivered."""
        self._stopping = True
        self._put(self._grouping.close(self._loop.time(), last=True))
        self._set_timer()
        self._hurry.set()
        self._more.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=grace)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._sender.close()
        left = len(self._queue) + (self._trying is not None)
        self._dropped += left
        self._queue.clear()
        self._trying = None
        return left

    def _set_timer(self) -> None:
        due = None if self._stopping else self._grouping.due
        if self._timer is not None:
            if due is not None and self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._put(self._grouping.close(self._loop.time()))
        self._set_timer()

    def _put(self, events: tuple[Occurrence, ...]) -> None:
        if not events:
            return
        self._queue.append(_Waiting(self._makes(events), self._loop.time()))
        self._events_waiting += len(events)
        self._drop_surplus()
        self._more.set()
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    def _drop_surplus(self) -> None:
        while len(self._queue) > self.notifier.queue or (
            self._events_waiting > MOST_EVENTS_WAITING and len(self._queue) > 1
        ):
            self._pop()
            self._dropped += 1

    def _pop(self) -> _Waiting:
        waiting = self._queue.popleft()
        self._events_waiting -= len(waiting.message.events)
        return waiting

    async def _work(self) -> None:
        pause = 0.0
        while True:
            if self._trying is None:
                if not self._queue:
                    if self._stopping:
                        return
                    self._more.clear()
                    await self._more.wait()
                    continue
                self._trying = self._pop()
            pause = await self._try(self._trying, pause)
            if pause:
                await self._rest(pause)

    async def _try(self, waiting: _Waiting, pause: float) -> float:
        """Try once; return how many seconds to rest, 0 after a success."""
        sender, wait = self._sender, None
        self._busy = True
        try:
            async with asyncio.timeout(self.notifier.timeout):
                await sender.send(waiting.message)
        except TimeoutError:
            reason, again = f"timed out after {self.notifier.timeout:g}s", True
        except UndeliveredError as error:
            reason, again, wait = str(error), True, error.wait
        except RefusedError as error:
            reason, again = str(error), False
        except Exception as error:  # noqa: BLE001  whatever it is, the next message has its try
            reason, again = f"a fault of the director's own: {_where(error)}", False
        else:
            self._delivered()
            return 0.0
        finally:
            self._let_go()
        self._missed(plain(reason), waiting, again=again)
        if sender is not self._sender:
            return 0.0
        longer = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
        return longer if wait is None else max(longer, min(wait, LONGEST_WAIT))

    def _let_go(self) -> None:
        self._busy = False
        for sender in self._retired:
            sender.close()
        self._retired.clear()

    async def _rest(self, pause: float) -> None:
        """Wait before the next try, but not where a stop or a reload wants one now."""
        if not self._stopping:
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * self._chance.uniform(0.5, 1.0)):
                    await self._hurry.wait()

    def _delivered(self) -> None:
        self._trying = None
        self._sent += 1
        lost = self._failed + self._dropped
        if self._failing:
            self._failing = ""
            self._tell(NotifierRecovered(self.notifier.name, lost - self._lost_before))
        self._lost_before = lost

    def _missed(self, reason: str, waiting: _Waiting, *, again: bool) -> None:
        """Take note of a try in vain. What has waited for too long is failed, be it this message or those behind it."""
        if not self._failing:
            self._tell(NotifierFailed(self.notifier.name, reason))
        self._failing = reason
        oldest = self._loop.time() - self.notifier.retry_for
        if not again or waiting.made_at <= oldest or self._stopping:
            self._trying = None
            self._failed += 1
        while self._queue and self._queue[0].made_at <= oldest:
            self._pop()
            self._failed += 1


def _where(error: Exception) -> str:
    """Return what an exception is and where it arose, without its text, which could hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}:{frames[-1].lineno}"
