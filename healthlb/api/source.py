"""What HTTP asks of the director: a snapshot to read, and the few commands that change something."""

from dataclasses import dataclass
from typing import Protocol

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
