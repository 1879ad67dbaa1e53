"""The families of the director itself."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, columns, labels, lines, measures
from healthlb.model.snapshot import Snapshot

_INFO = Family(
    "healthlb_info", "gauge", "Always 1; the labels say which director this is.", ("director", "version", "backend")
)

_BUILD = Family(
    "healthlb_build_info", "gauge", "Always 1; the labels say what is running.", ("version", "python_version")
)

_DIRECTOR: tuple[Measure[Snapshot], ...] = measures(
    "healthlb_",
    (),
    (
        "ready",
        "gauge",
        "1 when every check has a verdict and the table is in sync.",
        lambda snapshot: snapshot.ready,
    ),
    (
        "start_timestamp_seconds",
        "gauge",
        "When the director started, in UNIX seconds.",
        lambda snapshot: snapshot.director.started_at,
    ),
    (
        "config_loaded_timestamp_seconds",
        "gauge",
        "When the configuration in force was loaded.",
        lambda snapshot: snapshot.director.config.loaded_at,
    ),
    (
        "config_refused",
        "gauge",
        "1 when the newest reload was refused and the old one stays.",
        lambda snapshot: snapshot.director.config.refused is not None,
    ),
    (
        "warnings",
        "gauge",
        "Warnings about this machine or the configuration; see the status.",
        lambda snapshot: len(snapshot.director.warnings),
    ),
    (
        "overrides",
        "gauge",
        "Operators' overrides of real servers that are in force.",
        lambda snapshot: len(snapshot.director.overrides),
    ),
    (
        "overrides_oldest_timestamp_seconds",
        "gauge",
        "When the oldest override that is in force was set; absent: there is none.",
        lambda snapshot: min((each.at for each in snapshot.director.overrides), default=None),
    ),
    (
        "real_servers_added",
        "gauge",
        "Real servers that operators added at run time.",
        lambda snapshot: len(snapshot.director.additions),
    ),
    (
        "state_failing",
        "gauge",
        "1 when what is to outlive a restart cannot be saved.",
        lambda snapshot: bool(snapshot.director.state.failing),
    ),
    (
        "state_saved_timestamp_seconds",
        "gauge",
        "When it was last saved; absent: not yet.",
        lambda snapshot: snapshot.director.state.saved_at,
    ),
    (
        "journal_events_total",
        "counter",
        "Events of this director since it started.",
        lambda snapshot: snapshot.director.journal.events_total,
    ),
    (
        "journal_dropped_events_total",
        "counter",
        "Events that the journal could not keep.",
        lambda snapshot: snapshot.director.journal.dropped_total,
    ),
    (
        "journal_failing",
        "gauge",
        "1 when the journal cannot be written.",
        lambda snapshot: bool(snapshot.director.journal.failing),
    ),
)

FAMILIES = (_INFO, _BUILD, *(family for family, _ in _DIRECTOR))


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of the director."""
    director = snapshot.director
    which = labels(director=director.name, version=director.version, backend=director.table.backend)
    yield from lines(_INFO, [(which, 1)])
    yield from lines(_BUILD, [(labels(version=director.version, python_version=director.process.python), 1)])
    yield from columns(_DIRECTOR, [""], [snapshot])
