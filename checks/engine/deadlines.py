"""The deadlines of all probes under way, on a wheel: no timer each, and an end in time costs one discard."""

import heapq
from typing import Generic, TypeVar

SLOTS_PER_SECOND = 256
"""A deadline is kept at most 1/256 s late, and never early."""

Entry = TypeVar("Entry")


class Bucket(set[Entry]):
    """The entries that are due at the same time; `discard` forgets one, and is no fault once it was taken."""

    __slots__ = ("due",)

    def __init__(self, due: float) -> None:
        super().__init__()
        self.due = due


class Deadlines(Generic[Entry]):
    """A set of hashable entries by deadline. Times are the loop's seconds; nothing here reads a clock."""

    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket[Entry]] = {}
        self._order: list[int] = []

    def add(self, entry: Entry, deadline: float) -> Bucket[Entry]:
        """Keep the entry until `deadline`; return the bucket that it is in now, to be discarded from."""
        slot = int(deadline * SLOTS_PER_SECOND) + 1
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = Bucket(slot / SLOTS_PER_SECOND)
            heapq.heappush(self._order, slot)
        bucket.add(entry)
        return bucket

    def earliest(self) -> float | None:
        """Return when the next entry is due."""
        while self._order:
            slot = self._order[0]
            if self._buckets[slot]:
                return slot / SLOTS_PER_SECOND
            heapq.heappop(self._order)
            del self._buckets[slot]
        return None

    def take_due(self, now: float) -> list[Entry]:
        """Remove and return the entries that are due, earliest slot first."""
        due: list[Entry] = []
        while self._order and self._order[0] <= now * SLOTS_PER_SECOND:
            due.extend(self._buckets.pop(heapq.heappop(self._order)))
        return due
