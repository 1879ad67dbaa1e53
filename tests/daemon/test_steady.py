"""The clock of policy: right at the start, and never set."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.steady import steady_clock


@given(
    st.integers(0, 2**31), st.integers(0, 10**6), st.lists(st.integers(0, 10_000), max_size=9), st.integers(0, 2**31)
)
def test_the_steady_clock_starts_with_the_wall_clock_and_goes_on_when_that_is_set(
    wall: int, boot: int, steps: list[int], set_to: int
) -> None:
    walls, ticks = [float(wall)], [float(boot)]
    clock = steady_clock(lambda: walls[0], lambda: ticks[0])
    assert clock() == wall
    walls[0] = float(set_to)
    for step in steps:
        before = clock()
        ticks[0] += step
        assert clock() - before == step
