"""The families of the process, under the names that every Prometheus client library gives them.

https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
"""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, columns, labels, lines, measures
from healthlb.model.snapshot import ProcessStatus, Snapshot

_PROCESS: tuple[Measure[ProcessStatus], ...] = measures(
    "process_",
    (),
    ("cpu_seconds_total", "counter", "User and system CPU time.", lambda process: process.cpu_seconds),
    ("resident_memory_bytes", "gauge", "Memory that is resident.", lambda process: process.resident_bytes),
    ("virtual_memory_bytes", "gauge", "Memory that is mapped.", lambda process: process.virtual_bytes),
    ("open_fds", "gauge", "File descriptors that are open.", lambda process: process.open_descriptors),
    ("max_fds", "gauge", "File descriptors that may be open.", lambda process: process.most_descriptors),
    ("threads", "gauge", "Threads.", lambda process: process.threads),
    ("start_time_seconds", "gauge", "When the process started, in UNIX seconds.", lambda process: process.started_at),
)

_COLLECTIONS = Family(
    "python_gc_collections_total", "counter", "Runs of Python's garbage collector, by generation.", ("generation",)
)

FAMILIES = (*(family for family, _ in _PROCESS), _COLLECTIONS)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of the process."""
    process = snapshot.director.process
    yield from columns(_PROCESS, [""], [process])
    yield from lines(
        _COLLECTIONS,
        ((labels(generation=str(number)), count) for number, count in enumerate(process.collections)),
    )
