"""The deadlines of all probes under way, on a wheel: no timer each, and an end in time costs one discard."""

import heapq
from typing import Generic, TypeVar

SLOTS_PER_SECOND = 256
"""A deadline is kept at most 1/256 s late, and never early."""

Entry = TypeVar("Entry")


class Deadlines(Generic[Entry]):
    """A set of hashable entries by deadline. Times are the loop's seconds; nothing here reads a clock."""

    __slots__ = ("_entries", "_order")

    def __init__(self) -> None:
        self._entries: dict[int, set[Entry]] = {}
        self._order: list[int] = []

    def add(self, entry: Entry, deadline: float) -> float:
        """Keep the entry until `deadline`; return when it will be due, which is what `discard` wants back."""
        slot = int(deadline * SLOTS_PER_SECOND) + 1
        entries = self._entries.get(slot)
        if entries is None:
            self._entries[slot] = {entry}
            heapq.heappush(self._order, slot)
        else:
            entries.add(entry)
        return slot / SLOTS_PER_SECOND

    def discard(self, entry: Entry, due: float) -> None:
        """Forget an entry that `add` said is due then; one that is gone already is no fault."""
        entries = self._entries.get(int(due * SLOTS_PER_SECOND))
        if entries is not None:
            entries.discard(entry)

    def earliest(self) -> float | None:
        """Return when the next entry is due."""
        while self._order:
            slot = self._order[0]
            if self._entries[slot]:
                return slot / SLOTS_PER_SECOND
            heapq.heappop(self._order)
            del self._entries[slot]
        return None

    def take_due(self, now: float) -> list[Entry]:
        """Remove and return the entries that are due, earliest slot first."""
        due: list[Entry] = []
        while self._order and self._order[0] <= now * SLOTS_PER_SECOND:
            due.extend(self._entries.pop(heapq.heappop(self._order)))
        return due
