"""The state directory: the lock on it, operators' orders and health. Every method blocks on the disk."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from healthlb.model.events import StateSetAside
from healthlb.model.overrides import Orders
from healthlb.model.remembered import Remembered
from healthlb.store import health as health_words
from healthlb.store import orders as orders_words
from healthlb.store.file import Absent, Damaged, StateFile, told
from healthlb.store.lock import Lock

Word = TypeVar("Word")
LOCK_PATIENCE = 1.0
"""Seconds for which a start waits for the lock: a director that ends holds it until its process is gone."""
LOCK_TRIES = 10
LATE = "it was there before this director began to keep its state in the directory"


class TakenError(Exception):
    """Another director has the lock on the directory."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there was: orders and health, and of when they are in UNIX seconds, None where they were not there.

    `fault` is why nothing can be saved beside it, empty where that was not seen.
    """

    orders: Orders = field(default_factory=Orders)
    orders_at: float | None = None
    health: Remembered = field(default_factory=Remembered)
    health_at: float | None = None
    fault: str = ""


class StateFolder:
    """One state directory, used by one thread. `set_asides` are the files that were set aside and not yet told of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_asides: list[StateSetAside] = []
        self._lock = Lock(path)
        self._orders = orders_words.file_in(path)
        self._health = health_words.file_in(path)
        self._looked = False

    def hold(self) -> None:
        """Make the directory, where its parent is there, and hold the lock; raise TakenError or OSError."""
        if self._lock.lost():
            self.path.mkdir(mode=0o750, exist_ok=True)
            if not self._lock.take():
                raise TakenError(f"another director uses {self.path}")

    def open(self) -> Found:
        """Take the lock and return what there is; raise TakenError, or OSError where the directory is not there.

        Where it can be read and no more, orders that were given are in force all the same.
        """
        fault = ""
        try:
            self._wait_for_lock()
        except OSError as error:
            if not self.path.is_dir():
                raise
            fault = told(error)
        self._looked = True
        for file in (self._orders, self._health):
            file.tidy()
        orders, orders_at = self._read(self._orders, orders_words.decode, Orders())
        health, health_at = self._read(self._health, health_words.decode, Remembered())
        return Found(orders, orders_at, health, health_at, fault)

    def save_orders(self, orders: Orders) -> None:
        """Replace the orders on the disk; raise TakenError or OSError."""
        self.hold()
        self._look()
        self._orders.write(orders_words.encode(orders))

    def save_health(self, health: Remembered) -> None:
        """Replace the health on the disk; raise TakenError or OSError."""
        self.hold()
        self._look()
        self._health.write(health_words.encode(health))

    def still_true(self) -> bool:
        """Say that the health on the disk is still true; return False where what was saved has vanished."""
        try:
            self._orders.path.stat()
            self._health.touch()
        except FileNotFoundError:
            return False
        return not self._lock.lost()

    def forget(self) -> None:
        """Take what was read for unread: it came too late for anybody to know it."""
        self._looked = False

    def close(self) -> None:
        """Let somebody else have the directory."""
        self._lock.release()

    def _wait_for_lock(self) -> None:
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(TakenError):
                return self.hold()
            time.sleep(LOCK_PATIENCE / LOCK_TRIES)
        return self.hold()

    def _look(self) -> None:
        """Set aside what is there already, where this director began without having read it."""
        if self._looked:
            return
        for file in (self._orders, self._health):
            if not isinstance(found := file.read(), Absent):
                self._tell(file, found if isinstance(found, Damaged) else file.set_aside(LATE))
        self._looked = True

    def _read(self, file: StateFile, decode: Callable[[bytes], Word], nothing: Word) -> tuple[Word, float | None]:
        found = file.read()
        if isinstance(found, Absent):
            return nothing, None
        if isinstance(found, Damaged):
            self._tell(file, found)
            return nothing, None
        try:
            return decode(found.body), found.at
        except ValueError as error:
            self._tell(file, file.set_aside(str(error)))
            return nothing, None

    def _tell(self, file: StateFile, damaged: Damaged) -> None:
        self.set_asides.append(StateSetAside(str(file.path), damaged.reason, damaged.kept_as))
