"""The families of notifiers and their queues."""

from collections.abc import Iterator

from healthlb.api.exposition import Measure, columns, labels, measures
from healthlb.model.snapshot import NotifierStatus, Snapshot

_NOTIFIER: tuple[Measure[NotifierStatus], ...] = measures(
    "healthlb_notifier_",
    ("notifier", "type"),
    ("failing", "gauge", "1 when the notifier cannot deliver.", lambda notifier: bool(notifier.failing)),
    ("waiting_messages", "gauge", "Messages that wait to be delivered.", lambda notifier: notifier.waiting),
    ("sent_messages_total", "counter", "Messages that were delivered.", lambda notifier: notifier.sent_total),
    (
        "failed_messages_total",
        "counter",
        "Messages that were given up after their tries.",
        lambda notifier: notifier.failed_total,
    ),
    (
        "dropped_messages_total",
        "counter",
        "Messages that were dropped for want of room.",
        lambda notifier: notifier.dropped_total,
    ),
)

FAMILIES = tuple(family for family, _ in _NOTIFIER)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of each notifier."""
    notifiers = list(snapshot.director.notifiers)
    yield from columns(_NOTIFIER, [labels(notifier=each.name, type=each.type) for each in notifiers], notifiers)
