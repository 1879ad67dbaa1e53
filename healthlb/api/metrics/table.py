"""The families of the kernel's table as a whole."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, Sample, buckets, columns, labels, lines, measures
from healthlb.model.operations import KINDS
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
        "failing_operations",
        "gauge",
        "Operations that fail now and are tried again.",
        lambda table: len(table.failing),
    ),
)

_DONE = Family(
    "healthlb_table_operations_total", "counter", "Operations that the kernel carried out, by their kind.", ("kind",)
)
_REFUSED = Family(
    "healthlb_table_failed_operations_total", "counter", "Operations that the kernel refused, by their kind.", ("kind",)
)
_PASSES = Family(
    "healthlb_table_pass_duration_seconds",
    "histogram",
    "How long passes took, from verdicts to what the kernel answered.",
)

FAMILIES = (*(family for family, _ in _TABLE), _DONE, _REFUSED, _PASSES)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of the table."""
    table = snapshot.director.table
    yield from columns(_TABLE, [""], [table])
    yield from lines(_DONE, _by_kind(table.done))
    yield from lines(_REFUSED, _by_kind(table.refused))
    yield from lines(_PASSES, buckets(table.passes))


def _by_kind(counts: tuple[tuple[str, int], ...]) -> Iterator[Sample]:
    """Yield a sample of each kind: a counter that is first seen at 1 has never increased, as far as PromQL knows."""
    known = dict(counts)
    for kind in KINDS.values():
        yield labels(kind=kind), known.get(kind, 0)
