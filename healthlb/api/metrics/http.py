"""The families of HTTP, by listener."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, Sample, columns, labels, lines, measures
from healthlb.model.snapshot import ListenerStatus, Snapshot

_USUAL = (200, 400, 401, 403, 404, 500, 503)
"""Status codes that are shown before the first answer that has them."""

_LISTENER: tuple[Measure[ListenerStatus], ...] = measures(
    "healthlb_http_",
    ("listener",),
    ("connections", "gauge", "Connections that are open.", lambda listener: listener.connections),
    ("streams", "gauge", "Streams of events that are open.", lambda listener: listener.streams),
    (
        "refused_connections_total",
        "counter",
        "Connections that came when there was no room for more.",
        lambda listener: listener.refused_total,
    ),
    (
        "cut_connections_total",
        "counter",
        "Connections that took too long over a request or an answer.",
        lambda listener: listener.cut_total,
    ),
)

_REQUESTS = Family(
    "healthlb_http_requests_total",
    "counter",
    "Requests that were answered, by status code; a stream counts when it begins.",
    ("listener", "code"),
)

FAMILIES = (*(family for family, _ in _LISTENER), _REQUESTS)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of each listener."""
    listeners = list(snapshot.director.listeners)
    yield from columns(_LISTENER, [labels(listener=each.name) for each in listeners], listeners)
    yield from lines(_REQUESTS, (sample for each in listeners for sample in _by_code(each)))


def _by_code(listener: ListenerStatus) -> Iterator[Sample]:
    known = dict.fromkeys(_USUAL, 0) | dict(listener.answers)
    for code, count in sorted(known.items()):
        yield labels(listener=listener.name, code=str(code)), count
