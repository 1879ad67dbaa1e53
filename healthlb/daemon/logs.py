"""Logging that never makes the loop wait: lines go through a bounded queue to a thread that writes them.

A reader that stalls (a full disk, a stopped terminal) costs lines, which are counted and told once it reads again.
"""

import json
import logging
import queue
import sys
import threading
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from typing import ClassVar, Literal, TextIO

QUEUE = 10_000
"""Lines that wait at most."""
DRAIN = 2.0
"""Seconds that a stop waits for the last lines."""

Style = Literal["text", "json"]


class Text(logging.Formatter):
    """One readable line, with a syslog priority prefix where the service manager reads it (sd-daemon(3))."""

    PRIORITY: ClassVar = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the journal has its own clock, so there the time is left out."""
        message = " ".join(super().format(record).split("\n"))
        if self._journal:
            return f"<{self.PRIORITY.get(record.levelno, 6)}>{message}"
        return f"{_when(record)} {record.levelname.lower():7} {message}"


class Json(logging.Formatter):
    """One JSON object a line: time, level, message, and an event's name and fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "message": super().format(record),
        }
        event = getattr(record, "event", None)
        if event is not None:
            line["event"] = event
            line |= getattr(record, "details", {})
        return json.dumps(line, ensure_ascii=False)


class Logs:
    """The root logger's queue and the thread that empties it."""

    def __init__(self, style: Style, stream: TextIO = sys.stderr, *, journal: bool = False) -> None:
        self._stream = stream
        self._formatter = Json() if style == "json" else Text(journal=journal)
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE)
        self._handler = _Dropping(self._queue)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)

    @property
    def dropped_total(self) -> int:
        """How many lines were lost because nobody read them in time."""
        return self._handler.dropped_total

    def start(self, level: int = logging.INFO) -> None:
        """Take over the root logger."""
        root = logging.getLogger()
        root.handlers[:] = [self._handler]
        root.setLevel(level)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, for a bounded time, and let go of the root logger."""
        logging.getLogger().removeHandler(self._handler)
        try:
            self._queue.put(None, timeout=DRAIN)
        except queue.Full:
            return
        self._thread.join(DRAIN)

    def _write(self) -> None:
        told = 0
        while (record := self._queue.get()) is not None:
            if not self._line(self._formatted(record)):
                self._handler.dropped_total += 1
            if self._queue.empty():
                told = self._tell_dropped(told)
        self._tell_dropped(told)

    def _tell_dropped(self, told: int) -> int:
        """Tell how many lines were lost, if there are more than were told; return how many are told now."""
        lost = self.dropped_total
        if lost > told and self._line(f"{lost} log lines dropped so far: they were not read in time"):
            return lost
        return told

    def _formatted(self, record: logging.LogRecord) -> str:
        try:
            return self._formatter.format(record)
        except Exception as error:  # noqa: BLE001  a library's bad line must not end all logging
            return f"a log line of {record.name} cannot be formatted: {type(error).__name__}: {error}: {record.msg!r}"

    def _line(self, line: str) -> bool:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


class _Dropping(QueueHandler):
    """A queue handler that drops and counts instead of raising when the queue is full."""

    def __init__(self, target: "queue.Queue[logging.LogRecord | None]") -> None:
        super().__init__(target)
        self.dropped_total = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave formatting to the writing thread; the arguments are plain strings."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue the record or count it as dropped."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped_total += 1


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
