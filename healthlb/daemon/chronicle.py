"""What happens, told to everyone who wants to know: the log, and whoever listens (the event journal, notifiers).

An event becomes one occurrence here, with its moment, its number and its sentence. Listeners only take it into a queue
of theirs: none may wait. A switch that takes thousands of servers with it makes as many events at one moment: what is
more than a stretch of the loop's time waits here for the next, in its order.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from healthlb.daemon.breath import STRETCH
from healthlb.daemon.fault import describe
from healthlb.daemon.sentences import told
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import Event
from healthlb.model.occurrence import Level, Occurrence, details_of, name_of
from healthlb.model.table import ServiceKey

LOG = logging.getLogger("healthlb")
LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Places = Callable[[str | None, str | None], tuple[ServiceKey | None, Endpoint | None]]


class _Moment(NamedTuple):
    """An event, when it happened in UNIX seconds, and what its names stood for then."""

    event: Event
    at: float
    service: ServiceKey | None
    address: Endpoint | None


class Chronicle:
    """Numbers events and hands them on. `places` finds what a virtual and a real server's names stand for.

    Called from the thread of one event loop; without one every event is handed on at once.
    """

    def __init__(self, clock: Callable[[], float], places: Places = lambda *_: (None, None)) -> None:
        self._clock = clock
        self._waiting: deque[_Moment] = deque()
        self._spent = 0.0
        self._turning = False
        self.places = places
        self.listeners: list[Callable[[Occurrence], None]] = []
        self.last_id = 0
        self._counts: Counter[str] = Counter()

    def record(self, event: Event) -> None:
        """Tell of an event."""
        names = getattr(event, "virtual_server", None), getattr(event, "real_server", None)
        self._waiting.append(_Moment(event, self._clock(), *self.places(*names)))
        if not self._turning:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
                return
            self._turning = True
            loop.call_soon(self._turn)
        if len(self._waiting) == 1 and self._spent < STRETCH:
            self._hand_on_some()

    def counts(self) -> tuple[tuple[str, int], ...]:
        """Return how many events there were of each name."""
        return tuple(self._counts.items())

    def flush(self) -> None:
        """Hand on all that waits."""
        while self._waiting:
            self._hand_on(self._waiting.popleft())

    def _turn(self) -> None:
        self._spent = 0.0
        self._turning = False
        if self._waiting:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)
            self._hand_on_some()

    def _hand_on_some(self) -> None:
        began = perf_counter()
        while self._waiting and self._spent < STRETCH:
            self._hand_on(self._waiting.popleft())
            now = perf_counter()
            self._spent += now - began
            began = now

    def _hand_on(self, moment: _Moment) -> None:
        event = moment.event
        level, sentence = told(event)
        name, details = name_of(type(event)), details_of(event)
        pool, server = getattr(event, "virtual_server", None), getattr(event, "real_server", None)
        shown = {key: value for key, value in details.items() if key != "saw"}
        LOG.log(LEVELS[level], "%s", sentence, extra={"event": type(event).__name__, "details": shown})
        self.last_id += 1
        self._counts[name] += 1
        occurrence = Occurrence(
            self.last_id, moment.at, name, level, sentence, pool, server, moment.service, moment.address, details
        )
        for listener in self.listeners:
            try:
                listener(occurrence)
            except Exception as error:  # noqa: BLE001  the others are told all the same
                LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback
