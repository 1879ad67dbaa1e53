"""What HTTP asks of the director: a snapshot to read, and the few commands that change something."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from healthlb.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What a reload came to: `message` is one sentence, `changes` is what it did to the table, a line each."""

    accepted: bool
    message: str
    changes: tuple[str, ...] = ()


class SnapshotSource(Protocol):
    """Where snapshots come from."""

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return what the director knows, with kernel counters at most `max_age` seconds old.

        The wait is bounded by the source; `TimeoutError` says that the bound was passed.
        """
        ...


class Admin(Protocol):
    """The commands that change something; the one writer carries them out."""

    async def reload(self) -> ReloadOutcome:
        """Read the configuration again; a bad file is refused and the old one stays in force."""
        ...


class SharedSource:
    """A source whose snapshot, while it is being made, is that of everyone who asks; it is made once for a crowd."""

    def __init__(self, source: SnapshotSource) -> None:
        self._source = source
        self._task: asyncio.Task[Snapshot] | None = None

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return the source's snapshot; raise what the source raises. All askers of one listener want one `max_age`."""
        if self._task is None:
            self._task = asyncio.create_task(self._source.snapshot(max_age))
            self._task.add_done_callback(self._done)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop a snapshot that is being made."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _done(self, task: asyncio.Task[Snapshot]) -> None:
        self._task = None
        fault_seen(task)


def fault_seen(task: asyncio.Task[Any]) -> None:
    """Take note of a shared task's fault: its askers are told, and when all have gone there is nobody to tell."""
    if not task.cancelled():
        task.exception()
