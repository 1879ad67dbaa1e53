"""The families of probing as a whole."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, Sample, buckets, columns, labels, lines, measures
from healthlb.model.snapshot import CheckTotals, ProbingStatus, Snapshot

_PROBING: tuple[Measure[ProbingStatus], ...] = measures(
    "healthlb_",
    (),
    (
        "probes",
        "gauge",
        "Distinct probes; a check shared by many virtual servers is one.",
        lambda probing: probing.probes,
    ),
    ("probes_in_flight", "gauge", "Probes under way.", lambda probing: probing.in_flight),
    ("probes_late_total", "counter", "Probes that started later than their tick.", lambda probing: probing.late_total),
    (
        "probes_unsent_total",
        "counter",
        "Probes that the director itself could not send.",
        lambda probing: probing.unsent_total,
    ),
    (
        "probes_void_total",
        "counter",
        "Probes without a verdict because the director was late.",
        lambda probing: probing.void_total,
    ),
    (
        "probes_waiting",
        "gauge",
        "Probes that are due and wait for a place, a socket or a port.",
        lambda probing: probing.waiting,
    ),
    ("probe_sockets_open", "gauge", "Sockets of probes, idle ones included.", lambda probing: probing.sockets.open),
    (
        "probe_sockets_kept",
        "gauge",
        "Sockets of probes that are kept for the next ones.",
        lambda probing: probing.sockets.kept,
    ),
    (
        "probe_sockets_opened_total",
        "counter",
        "Sockets that were made for probes.",
        lambda probing: probing.sockets.opened_total,
    ),
    (
        "probe_sockets_reset_total",
        "counter",
        "Sockets that were reset to be used again.",
        lambda probing: probing.sockets.reset_total,
    ),
    (
        "probe_socket_waits_total",
        "counter",
        "Probes that waited for a socket or a local port.",
        lambda probing: probing.sockets.waits_total,
    ),
)

_NAMED = ("check", "type")
_LAG = Family("healthlb_loop_lag_seconds", "histogram", "How late the director's loop comes to a timer of its own.")
_RESULTS = Family(
    "healthlb_probe_results_total",
    "counter",
    "Probes by the name of their check and by outcome; each counts once, however many servers rest on it.",
    (*_NAMED, "outcome"),
)
_DURATION = Family(
    "healthlb_probe_duration_seconds", "histogram", "How long probes take, by the name of their check.", _NAMED
)
_LATENESS = Family(
    "healthlb_probe_start_lateness_seconds", "histogram", "How late probes start, by the name of their check.", _NAMED
)

FAMILIES = (*(family for family, _ in _PROBING), _LAG, _RESULTS, _DURATION, _LATENESS)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of probing."""
    probing = snapshot.director.probing
    yield from columns(_PROBING, [""], [probing])
    yield from lines(_LAG, buckets(probing.loop_lag))
    yield from lines(_RESULTS, (sample for each in probing.checks for sample in _outcomes(each)))
    yield from lines(
        _DURATION,
        (sample for each in probing.checks for sample in buckets(each.durations, check=each.name, type=each.type)),
    )
    yield from lines(
        _LATENESS,
        (sample for each in probing.checks for sample in buckets(each.lateness, check=each.name, type=each.type)),
    )


def _outcomes(each: CheckTotals) -> Iterator[Sample]:
    name = {"check": each.name, "type": each.type}
    yield labels(**name, outcome="passed"), each.passed_total
    yield labels(**name, outcome="failed"), each.failed_total
    yield labels(**name, outcome="unsent"), each.unsent_total
    yield labels(**name, outcome="void"), each.void_total
