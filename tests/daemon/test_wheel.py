"""What is due when."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.wheel import GRAINS, Wheel

times = st.floats(0, 1000)


@given(st.lists(times), st.lists(times))
def test_each_entry_comes_once_never_early_and_at_most_a_grain_late(dues: list[float], looks: list[float]) -> None:
    wheel: Wheel[int] = Wheel()
    for number, due in enumerate(dues):
        wheel.add(number, due)
    seen: list[int] = []
    for now in [*sorted(looks), 2000.0]:
        taken = wheel.take_due(now)
        assert all(dues[each] <= now for each in taken)
        seen += taken
        assert all(due > now - 1 / GRAINS for number, due in enumerate(dues) if number not in seen)
        assert wheel.earliest > now
        assert len(wheel) == len(dues) - len(seen)
    assert sorted(seen) == list(range(len(dues)))


@given(st.lists(times))
def test_what_is_not_wanted_any_more_is_forgotten(dues: list[float]) -> None:
    wheel: Wheel[int] = Wheel()
    for number, due in enumerate(dues):
        wheel.add(number, due)
    wheel.keep(lambda number: number % 2 == 0)
    assert sorted(wheel.take_due(2000.0)) == list(range(0, len(dues), 2))
    wheel.add(7, 5.0)
    assert wheel.take_due(5.0 + 1 / GRAINS) == [7]
