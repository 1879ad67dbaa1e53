"""Probes that the director itself could not send: counted, and told once for each spell of a reason."""

from collections import Counter
from collections.abc import Callable

from checks import ProbeResult
from healthlb.daemon.records import ProbeRecord
from healthlb.model.events import Event, ProbesUnsent


class Unsent:
    """Knows of each reason how many probes cannot be sent for it now. `total` counts the probes that were not."""

    def __init__(self, sink: Callable[[Event], None]) -> None:
        self._sink = sink
        self._reasons: Counter[str] = Counter()
        self.total = 0

    def sent(self, record: ProbeRecord) -> None:
        """Take note that a probe could be sent, or that it is no more."""
        reason, record.unsent = record.unsent, ""
        if reason:
            self._reasons[reason] -= 1
            if not self._reasons[reason]:
                del self._reasons[reason]

    def not_sent(self, record: ProbeRecord, result: ProbeResult) -> None:
        """Take note that a probe could not be sent."""
        record.unsent_total += 1
        record.steady = None
        self.total += 1
        if record.unsent == result.reason:
            return
        self.sent(record)
        record.unsent = result.reason
        self._reasons[result.reason] += 1
        if self._reasons[result.reason] == 1:
            self._sink(ProbesUnsent(record.probe.check.name, record.probe.where, result.reason))
