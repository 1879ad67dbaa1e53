"""The families of the kernel's table as a whole."""

from collections.abc import Iterator

from healthlb.api.exposition import Measure, columns, measures
from healthlb.model.snapshot import Snapshot, TableStatus

_TABLE: tuple[Measure[TableStatus], ...] = measures(
    "healthlb_table_",
    (),
    ("in_sync", "gauge", "1 when the kernel's table is what the probes say.", lambda table: table.in_sync),
    (
        "last_resync_timestamp_seconds",
        "gauge",
        "When the whole table was last compared.",
        lambda table: table.last_resync_at,
    ),
    (
        "drift_repaired_total",
        "counter",
        "Rows that someone else changed and we put right.",
        lambda table: table.drift_repaired_total,
    ),
    (
        "operations_total",
        "counter",
        "Operations that were sent to the kernel.",
        lambda table: table.operations_total,
    ),
    (
        "failed_operations_total",
        "counter",
        "Operations that the kernel refused.",
        lambda table: table.failed_operations_total,
    ),
    (
        "failing_operations",
        "gauge",
        "Operations that fail now and are tried again.",
        lambda table: len(table.failing),
    ),
)

FAMILIES = tuple(family for family, _ in _TABLE)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of the table."""
    yield from columns(_TABLE, [""], [snapshot.director.table])
