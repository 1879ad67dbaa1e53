"""What HTTP asks of the director: a snapshot to read, and the few commands that change something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from healthlb.model.changes import Actor, Change, ChangeOutcome, FailoverOutcome
from healthlb.model.occurrence import EventQuery, Occurrence
from healthlb.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What a reload came to: `message` is one sentence, `changes` is what it did to the table, a line each."""

    accepted: bool
    message: str
    changes: tuple[str, ...] = ()


class SnapshotSource(Protocol):
    """Where snapshots come from. However many ask, one at most is being made."""

    @property
    def changes(self) -> int:
        """How many changes there were so far that are shown to whoever asks after them, whatever was made before."""
        ...

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return what the director knows, with kernel counters at most `max_age` seconds old.

        The wait is bounded by the source; `TimeoutError` says that the bound was passed.
        """
        ...


class Admin(Protocol):
    """The commands that change something; the one writer carries them out."""

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        """Read the configuration again; a bad file is refused and the old one stays in force.

        `force`: also where it takes out more live weight than `max_reload_change` allows.
        """
        ...

    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        """Carry out an operator's change and save it; return once the table follows, or after a bounded wait."""
        ...

    def refused(self, command: str, who: str, reason: str, more: int = 0) -> None:
        """Take note that somebody was refused a command, and `more` times since the last that was told."""
        ...


class Failovers(Protocol):
    """Where an instance is handed over to the other director, and taken back."""

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        """Give up mastership until it is taken back (`back`); return once it is so, or after a bounded wait.

        `force`: also where the other director would serve clients worse, or cannot be asked.
        """
        ...


class EventSource(Protocol):
    """Where events are read."""

    @property
    def last_id(self) -> int:
        """The id of the newest event, 0 where there is none yet."""
        ...

    async def read(self, query: EventQuery) -> list[Occurrence]:
        """Return what a query asks for, by id; raise OSError with a sentence where the journal cannot be read."""
        ...

    async def wait(self, after: int) -> None:
        """Return once there is an event with an id above `after`."""
        ...


class HistorySource(Protocol):
    """Where the last hour of virtual servers is kept: one sample every `step` seconds."""

    @property
    def step(self) -> float:
        """Seconds between two samples."""
        ...

    @property
    def end(self) -> float | None:
        """The moment of the newest sample in UNIX seconds, None where there is none yet."""
        ...

    def series(self, virtual_server: str) -> Mapping[str, Sequence[int | None]] | None:
        """Return the samples of a virtual server by what they are of, oldest first, None where there was no sample."""
        ...
