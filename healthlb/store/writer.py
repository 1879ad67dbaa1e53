"""The thread that writes events to the journal's file, a batch at a time, and tries again for as long as it fails."""

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from healthlb.model.occurrence import Occurrence
from healthlb.store.events_file import DamagedError, EventsFile, events_aside
from healthlb.store.file import told

QUEUE = 10_000
"""Events that wait to be written at most."""
BATCH = 500
"""Events of one commit at most."""
PAUSE = 1.0
"""Seconds for which a commit waits for more events at most."""
FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Seconds until a failed write is tried again: at first, and doubled each time, at last."""
TAKEN = "it has events of another director, numbered as this one's next ones are"


@dataclass(frozen=True, slots=True)
class Place:
    """Where events are kept, and how many of them."""

    path: Path
    keep: int = 100_000


class Hears(Protocol):
    """Is told, in the loop, of what becomes of the file."""

    def opened(self, last_id: int) -> None:
        """Take note of a file that was opened, with the greatest id in it, 0 where it has no event."""
        ...

    def set_aside(self, path: str, reason: str, kept_as: str) -> None:
        """Take note of a damaged file that is called otherwise now."""
        ...

    def failed(self, reason: str) -> None:
        """Take note that events cannot be written."""
        ...

    def written(self, lost: int) -> None:
        """Take note that they are written, and how many were lost since this was said last."""
        ...


class Writer:
    """Writes what it is given. Its methods are called from the loop and never wait; `post` calls back in the loop.

    `after` is the id after which events are numbered, None where that follows from the file.
    """

    def __init__(
        self,
        place: Place,
        hears: Hears,
        post: Callable[..., None],
        ended: Callable[[], None],
        after: int | None = None,
    ) -> None:
        self.place = place
        self.dropped_total = 0
        self._hears = hears
        self._post = post
        self._ended = ended
        self._more = threading.Condition()
        self._unwritten: deque[Occurrence] = deque()
        self._file: EventsFile | None = None
        self._path = None if after is None else Path()
        self._greatest = after or 0
        self._moved = self._hurried = self._stopping = False
        self._told_dropped = 0
        threading.Thread(target=self._serve, name="journal", daemon=True).start()

    def put(self, event: Occurrence) -> None:
        """Have an event written, or count it where too many wait."""
        with self._more:
            if len(self._unwritten) >= QUEUE:
                self.dropped_total += 1
                return
            self._unwritten.append(event)
            self._greatest = max(self._greatest, event.id)
            if len(self._unwritten) in {1, BATCH}:
                self._more.notify()

    def put_again(self, events: Iterable[Occurrence]) -> None:
        """Have events written that a new file lacks."""
        with self._more:
            known = {event.id for event in self._unwritten}
            self._unwritten.extend(event for event in events if event.id not in known)
            self._more.notify()

    def oldest(self) -> int | None:
        """Return the id of the event that is written next, None where all are."""
        with self._more:
            return self._unwritten[0].id if self._unwritten else None

    def move(self, place: Place) -> None:
        """Write to another file from now on, or keep more or fewer events."""
        with self._more:
            self.place, self._moved = place, True
            self._more.notify()

    def hurry(self) -> None:
        """Write what waits now, and wait for no more of it."""
        with self._more:
            self._hurried = True
            self._more.notify()

    def stop(self) -> None:
        """Write what waits, once, and end."""
        with self._more:
            self._stopping = True
            self._more.notify()

    def _serve(self) -> None:
        retry = 0.0
        stopping = failed = False
        batch: list[Occurrence] = []
        while True:
            failed = not self._carried_out(batch)
            retry = min(LAST_RETRY, max(FIRST_RETRY, retry * 2)) if failed else 0.0
            if stopping and (failed or not self._unwritten):
                break
            batch, stopping = self._gathered(retry)
        if self._file is not None:
            self._file.close()
        self._post(self._ended)

    def _gathered(self, retry: float) -> tuple[list[Occurrence], bool]:
        """Wait for what there is to do; return the next batch, and whether to end after it."""
        with self._more:
            if retry:
                self._more.wait_for(self._urgent, retry)
            else:
                self._more.wait_for(lambda: self._unwritten or self._urgent())
                self._more.wait_for(lambda: len(self._unwritten) >= BATCH or self._urgent(), PAUSE)
            self._moved = self._hurried = False
            return list(islice(self._unwritten, BATCH)), self._stopping

    def _urgent(self) -> bool:
        return self._stopping or self._moved or self._hurried

    def _carried_out(self, batch: list[Occurrence]) -> bool:
        """Write a batch; return False where it has to be tried again."""
        reason = ""
        for _ in range(2):
            try:
                self._write(batch)
            except DamagedError as error:
                reason = str(error)
                if not self._put_aside(reason):
                    break
            except (OSError, sqlite3.Error) as error:
                reason = told(error)
                break
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the journal for good
                reason = f"internal fault, please report it: {type(error).__name__}: {error}"
                break
            else:
                self._written(batch)
                return True
        self._let_go()
        self._post(self._hears.failed, reason)
        return False

    def _write(self, batch: list[Occurrence]) -> None:
        place = self.place
        if self._file is not None and (self._file.path != place.path or self._file.elsewhere()):
            self._let_go()
        if self._file is None:
            place.path.parent.mkdir(mode=0o750, exist_ok=True)
            self._file = self._opened(place.path)
            self._post(self._hears.opened, self._file.last_id)
        unwritable = self._file.add(batch, place.keep)
        with self._more:
            self.dropped_total += unwritable

    def _opened(self, path: Path) -> EventsFile:
        """Open a file; in one that was moved to, no event may have the id of one that is to come."""
        file = EventsFile(path)
        if self._path not in {None, path} and file.last_id > self._greatest:
            file.close()
            raise DamagedError(TAKEN)
        self._path = path
        return file

    def _written(self, batch: list[Occurrence]) -> None:
        with self._more:
            for _ in batch:
                self._unwritten.popleft()
            dropped, behind = self.dropped_total, len(self._unwritten) >= BATCH
        if not behind:
            self._post(self._hears.written, dropped - self._told_dropped)
            self._told_dropped = dropped

    def _put_aside(self, reason: str) -> bool:
        path = self.place.path
        self._let_go()
        kept_as = ""
        with contextlib.suppress(OSError):
            kept_as = events_aside(path)
            self._post(self._hears.set_aside, str(path), reason, kept_as)
        return bool(kept_as)

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
