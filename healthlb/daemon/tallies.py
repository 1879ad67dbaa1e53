"""What became of all probes of a check, counted by its name: as cheap for the hundredth server as for the first."""

from collections.abc import Iterator

from healthlb.daemon.histogram import DURATION, LATENESS, Histogram
from healthlb.model.check import Check
from healthlb.model.snapshot import CheckTotals


class Tally:
    """Counts the probes of the checks of one name and type. `durations` are those that were sent, passed or failed."""

    __slots__ = ("durations", "failed", "lateness", "name", "type", "unsent", "users", "void")

    def __init__(self, name: str = "", kind: str = "") -> None:
        self.name = name
        self.type = kind
        self.users = 0
        self.failed = self.unsent = self.void = 0
        self.lateness = Histogram(LATENESS)
        self.durations = Histogram(DURATION)

    def totals(self) -> CheckTotals:
        """Return what was counted so far."""
        lateness, durations = self.lateness.distribution(), self.durations.distribution()
        passed = sum(durations.counts) - self.failed
        return CheckTotals(self.name, self.type, passed, self.failed, self.unsent, self.void, lateness, durations)


class Tallies:
    """The tally of each name and type. One that nobody uses any more is forgotten by the next `prune`."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._tallies.values())

    def join(self, check: Check, before: Tally | None = None) -> Tally:
        """Return the tally of a check for one more probe, which was counted in another `before`."""
        name = check.name, check.type
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = Tally(*name)
        tally.users += 1
        if before is not None:
            before.users -= 1
        return tally

    def prune(self) -> None:
        """Forget what no probe is counted in any more, so that names do not add up reload after reload."""
        for name, tally in list(self._tallies.items()):
            if not tally.users:
                del self._tallies[name]
