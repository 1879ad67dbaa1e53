"""What is due when, kept by grains of time: a place on the wheel costs hardly anything, however many there are."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

GRAINS = 256
"""Grains in a second: an entry comes at most so much late, and never early."""

Entry = TypeVar("Entry")


class Wheel(Generic[Entry]):
    """Entries by when they are due, in the loop's seconds; `earliest` is when the next are, or infinity."""

    __slots__ = ("_grains", "_order", "earliest")

    def __init__(self) -> None:
        self._grains: dict[int, list[Entry]] = {}
        self._order: list[int] = []
        self.earliest = float("inf")

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._grains.values())

    def add(self, entry: Entry, due: float) -> None:
        """Keep the entry until it is due."""
        grain = int(due * GRAINS) + 1
        entries = self._grains.get(grain)
        if entries is None:
            self._grains[grain] = [entry]
            heappush(self._order, grain)
            self.earliest = self._order[0] / GRAINS
        else:
            entries.append(entry)

    def take_due(self, now: float) -> list[Entry]:
        """Remove and return what is due, in the order of the grains."""
        due: list[Entry] = []
        order = self._order
        while order and order[0] <= now * GRAINS:
            due += self._grains.pop(heappop(order))
        self._look()
        return due

    def keep(self, wanted: Callable[[Entry], bool]) -> None:
        """Forget every entry but those that are wanted."""
        kept = {grain: [each for each in entries if wanted(each)] for grain, entries in self._grains.items()}
        self._grains = {grain: entries for grain, entries in kept.items() if entries}
        self._order = list(self._grains)
        heapify(self._order)
        self._look()

    def _look(self) -> None:
        self.earliest = self._order[0] / GRAINS if self._order else float("inf")
