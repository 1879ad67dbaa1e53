"""What an IPVS table can do, whether it is the kernel's or one in memory. Calls block; each has a deadline inside."""

from collections.abc import Sequence
from typing import Protocol

from healthlb.model.counters import TableReading
from healthlb.model.operations import Operation, OperationFailure
from healthlb.model.table import Service


class TableUnavailableError(Exception):
    """The table cannot be reached (no module, no privilege, no answer); the text is one sentence with a remedy."""


class Table(Protocol):
    """A table that can be read whole and changed in batches. One thread uses it at a time."""

    backend: str

    def read(self) -> TableReading:
        """Return every row with its usage; raise TableUnavailableError."""

    def apply(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        """Attempt every operation in order and return the refused ones; raise TableUnavailableError."""

    def unsupported(self, service: Service) -> str | None:
        """Return one sentence if this table cannot hold such a service (an unknown scheduler, say), else None."""

    def close(self) -> None:
        """Let go of the table; its rows stay."""
