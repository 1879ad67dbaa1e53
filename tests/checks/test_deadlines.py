"""The wheel of deadlines: never early, at most one slot late, and what was discarded never comes up."""

import math

from hypothesis import given
from hypothesis import strategies as st

from checks.engine.deadlines import SLOTS_PER_SECOND, Deadlines

TIMES = st.floats(0, 30, allow_nan=False)


@given(st.lists(TIMES), st.sets(st.integers(0, 40)), st.lists(TIMES))
def test_every_entry_is_due_once_never_early_and_at_most_a_slot_late(
    deadlines: list[float], discarded: set[int], looks: list[float]
) -> None:
    wheel: Deadlines[int] = Deadlines()
    buckets = {number: wheel.add(number, deadline) for number, deadline in enumerate(deadlines)}
    due = {number: bucket.due for number, bucket in buckets.items()}
    for number in discarded & due.keys():
        buckets[number].discard(number)
    waiting = {number for number in due if number not in discarded}
    for now in [*sorted(looks), 31.0]:
        earliest = wheel.earliest()
        assert earliest == min((due[number] for number in waiting), default=None)
        taken = wheel.take_due(now)
        assert len(taken) == len(set(taken))
        assert set(taken) == {number for number in waiting if due[number] <= now}
        waiting -= set(taken)
    assert not waiting
    assert wheel.earliest() is None


@given(TIMES)
def test_an_entry_is_due_within_one_slot_after_its_deadline(deadline: float) -> None:
    due = Deadlines[str]().add("probe", deadline).due
    assert deadline < due <= deadline + 1 / SLOTS_PER_SECOND
    assert math.isfinite(due)


def test_discarding_what_was_taken_already_is_no_fault() -> None:
    wheel: Deadlines[str] = Deadlines()
    bucket = wheel.add("probe", 1.0)
    assert wheel.take_due(2.0) == ["probe"]
    bucket.discard("probe")
    assert wheel.earliest() is None
