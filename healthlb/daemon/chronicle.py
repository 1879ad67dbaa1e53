"""What happens, told to everyone who wants to know: the log, and whoever listens (the event journal, notifiers).

An event becomes one occurrence here, with its moment, its number and its sentence. Listeners only take it into a queue
of theirs: none may wait.
"""

import logging
from collections.abc import Callable

from healthlb.daemon.fault import describe
from healthlb.daemon.sentences import told
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import Event
from healthlb.model.occurrence import Level, Occurrence, details_of, name_of
from healthlb.model.table import ServiceKey

LOG = logging.getLogger("healthlb")
LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Places = Callable[[str | None, str | None], tuple[ServiceKey | None, Endpoint | None]]


class Chronicle:
    """Numbers events and hands them on. `places` finds what a virtual and a real server's names stand for."""

    def __init__(self, clock: Callable[[], float], places: Places = lambda *_: (None, None)) -> None:
        self._clock = clock
        self.places = places
        self.listeners: list[Callable[[Occurrence], None]] = []
        self.last_id = 0

    def record(self, event: Event) -> None:
        """Tell of an event."""
        level, sentence = told(event)
        name, details = name_of(type(event)), details_of(event)
        pool, server = getattr(event, "virtual_server", None), getattr(event, "real_server", None)
        shown = {key: value for key, value in details.items() if key != "saw"}
        LOG.log(LEVELS[level], "%s", sentence, extra={"event": type(event).__name__, "details": shown})
        self.last_id += 1
        occurrence = Occurrence(
            self.last_id, self._clock(), name, level, sentence, pool, server, *self.places(pool, server), details
        )
        for listener in self.listeners:
            try:
                listener(occurrence)
            except Exception as error:  # noqa: BLE001  the others are told all the same
                LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback
