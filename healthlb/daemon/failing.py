"""The operations that the table refuses now, and when each is tried again."""

import random
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from healthlb.core.plan import service_of
from healthlb.model.operations import KINDS, Operation, OperationFailure
from healthlb.model.table import ServiceKey

FIRST = 0.5
"""Seconds before the first retry; each further one waits twice as long."""
LONGEST = 30.0
"""Seconds between retries at most."""


def backoff(attempts: int, chance: random.Random) -> float:
    """Return the jittered seconds to wait after so many attempts."""
    return min(LONGEST, FIRST * 2.0 ** min(attempts - 1, 16)) * chance.uniform(0.8, 1.2)


@dataclass(slots=True)
class _Failing:
    reason: str
    attempts: int
    retry_at: float


class FailingOperations:
    """Remembers refusals until the operation is carried out or no longer wanted. `now` is monotonic seconds."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._failing: dict[Operation, _Failing] = {}
        self.counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._failing)

    def held(self, now: float) -> frozenset[Operation]:
        """Return the operations whose retry is not due."""
        return frozenset(operation for operation, each in self._failing.items() if each.retry_at > now)

    def next_retry(self) -> float | None:
        """Return when the earliest retry is due."""
        return min((each.retry_at for each in self._failing.values()), default=None)

    def failed(self, failure: OperationFailure, now: float) -> float:
        """Note a refusal and return the seconds until its retry."""
        self.counts[KINDS[type(failure.operation)]] += 1
        before = self._failing.get(failure.operation)
        attempts = before.attempts + 1 if before is not None else 1
        wait = backoff(attempts, self._chance)
        self._failing[failure.operation] = _Failing(failure.reason, attempts, now + wait)
        return wait

    def settle(
        self, failures: Iterable[OperationFailure], held: Collection[Operation], touched: Collection[ServiceKey] | None
    ) -> list[Operation]:
        """Forget what a pass over `touched` services (None: all) neither refused nor held back, and return it."""
        refused = {failure.operation for failure in failures}
        recovered = [
            operation
            for operation in self._failing
            if (touched is None or service_of(operation) in touched)
            and operation not in refused
            and operation not in held
        ]
        for operation in recovered:
            del self._failing[operation]
        return recovered

    def sentences(self) -> tuple[str, ...]:
        """Return each failing operation with its reason."""
        return tuple(f"{operation}: {each.reason}" for operation, each in self._failing.items())
