"""When pools are looked at again because the time has come."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.appointments import NEVER, Appointments

names = st.sampled_from(["shop", "api", "mail"])
times = st.one_of(st.none(), st.integers(0, 9).map(float))


@given(st.lists(st.tuples(names, times, times)), st.sets(names), st.integers(-1, 10))
def test_of_each_pool_the_latest_times_count_and_those_that_are_gone_have_none(
    notes: list[tuple[str, float | None, float | None]], kept: set[str], now: float
) -> None:
    appointments = Appointments()
    for note in notes:
        appointments.note(*note)
    appointments.keep_only(kept)
    latest = {name: (again, look) for name, again, look in notes if name in kept}
    again = {name: at for name, (at, _) in latest.items() if at is not None}
    assert appointments.due(now) == {name for name, at in again.items() if at <= now}
    assert appointments.next() == min(again.values(), default=NEVER)
    assert appointments.next_look() == min((at for _, at in latest.values() if at is not None), default=NEVER)
