"""The event journal on disk: one SQLite file, written by one thread, read by anybody who may read it.

It is in WAL mode, so that readers of other processes and the writer never wait for each other
(https://www.sqlite.org/wal.html), and bounded: beyond so many events the oldest leave.
"""

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from healthlb.model.occurrence import EventQuery, Occurrence
from healthlb.store.file import set_aside
from healthlb.store.owner import create
from healthlb.store.rows import COLUMNS, SCHEMA, asked, event_of, row_of

NAME = "events.db"
VERSION = 1
SPARE = 500
"""Events beyond the bound after which the oldest are deleted: a batch at a time costs less than one by one."""
MOST_DELETED = 5_000
"""Events that one batch deletes, so that a bound that was lowered by far holds up nobody."""
MOST_FREE = 256
"""Empty pages (4 KiB) that the file may hold for new events; more go back to the disk."""
BUSY = 1.0
"""Seconds for which another process's lock on the file is waited for."""
_BEGINNING = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html
_CORRUPT, _NO_DATABASE = 11, 26  # https://www.sqlite.org/rescode.html


class DamagedError(Exception):
    """The file cannot be believed, and why."""


class EventsFile:
    """The file, opened for writing. Every method blocks, and raises OSError, sqlite3.Error or DamagedError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _made(path)
        self._database = _connected(path)
        try:
            with _believed():
                self._prepare()
                self.last_id, self.count = self._database.execute("SELECT max(id), count(*) FROM events").fetchone()
        except BaseException:
            self._database.close()
            raise
        self.new = self.last_id is None
        self.last_id = self.last_id or 0

    def add(self, events: Sequence[Occurrence], keep: int) -> int:
        """Append events, of which at most `keep` stay, and return how many of them no row could be made of."""
        rows = []
        for event in events:
            with contextlib.suppress(TypeError, ValueError):
                rows.append(row_of(event))
        marks = ", ".join("?" * 10)
        with _believed(), self._transaction():
            # An id that is there already is that event: it was written just before a fault was told.
            done = self._database.executemany(f"INSERT OR IGNORE INTO events ({COLUMNS}) VALUES ({marks})", rows)  # noqa: S608
            self.count += done.rowcount
            self._trim(keep)
        self._shrink()
        return len(events) - len(rows)

    def elsewhere(self) -> bool:
        """Return whether the file is no longer what its path leads to: somebody removed or replaced it."""
        try:
            return _identity(self.path.stat()) != self._identity
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _prepare(self) -> None:
        run = self._database.execute
        # Before the first table, or it changes nothing.
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA journal_size_limit = 4194304")
        (version,) = run("PRAGMA user_version").fetchone()
        if version not in {0, VERSION}:
            raise DamagedError(_other_version(version))
        found = run("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise DamagedError(str(found[0]))
        if version == 0:
            if run("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                raise DamagedError("it is a database of something else")
            self._database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        count = self.count
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self.count = count
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def _trim(self, keep: int) -> None:
        if self.count <= keep + min(SPARE, keep):
            return
        oldest = "SELECT id FROM events ORDER BY id LIMIT ?"
        gone = self._database.execute(
            f"DELETE FROM events WHERE id IN ({oldest})",  # noqa: S608
            [min(self.count - keep, MOST_DELETED)],
        )
        self.count -= gone.rowcount

    def _shrink(self) -> None:
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        if free > MOST_FREE:
            self._database.execute(f"PRAGMA incremental_vacuum({MOST_FREE})").fetchall()


def read_file(path: str | Path, query: EventQuery, deadline: float = 10.0) -> list[Occurrence]:
    """Return what a query asks for, by id; the file is neither made nor changed, whoever reads and whoever writes it.

    Raise OSError with a sentence where it is not there or cannot be read within `deadline` seconds.
    """
    path = Path(path)
    # Not opened to see: closing it would drop the locks of this process's own writer (fcntl(2), F_SETLK).
    path.stat()
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    try:
        try:
            return _read(path, query, deadline)
        except sqlite3.DatabaseError:
            # A writer came or went between the look at its files and the reading.
            return _read(path, query, deadline)
    except (sqlite3.Error, AttributeError, TypeError, ValueError) as error:
        raise OSError(f"{path}: {error}") from error


def events_aside(path: Path) -> str:
    """Set the file aside, with what SQLite keeps beside it, and return its new name; raise OSError."""
    return set_aside([path, *_beside(path)])


def _read(path: Path, query: EventQuery, deadline: float) -> list[Occurrence]:
    # Without a writer SQLite would make the files beside it, in the reader's name: then nobody changes the file.
    how = "mode=ro" if all(each.exists() for each in _beside(path)) else "mode=ro&immutable=1"
    until = time.monotonic() + deadline
    database = sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=min(BUSY, deadline))
    try:
        database.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:  # it is being made
            return []
        if version != VERSION:
            raise ValueError(_other_version(version))
        events = [event_of(row) for row in database.execute(*asked(query))]
    finally:
        database.close()
    return sorted(events, key=lambda event: event.id)


def _other_version(version: int) -> str:
    return f"it is of version {version}, and this healthlb reads version {VERSION}"


def _beside(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm")]


def _made(path: Path) -> tuple[int, int]:
    """Make the file where it is not there, for its owner to write and its group to read, and return which it is."""
    try:
        status = path.stat()
    except FileNotFoundError:
        os.close(create(path, 0o640))
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DamagedError("it is not a regular file")
    if status.st_size and not _begins_well(path):
        raise DamagedError("file is not a database")
    return _identity(status)


def _begins_well(path: Path) -> bool:
    """Return whether a file begins as a database: SQLite writes over one that is too short to be anything."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY, isolation_level=None, check_same_thread=False
    )


@contextlib.contextmanager
def _believed() -> Iterator[None]:
    """Raise DamagedError where SQLite finds that what it reads is no database of its own."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {_CORRUPT, _NO_DATABASE}:
            raise DamagedError(str(error)) from error
        raise
