"""A loop that is held up says so, and how many probes that spoilt."""

from healthlb.daemon import sentences
from healthlb.daemon.punctuality import BEAT, GATHER, REST, Punctuality
from healthlb.model.events import LoopHeld
from tests.daemon.clock import Clock


class Held:
    """A watch over a clock that the test holds up."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.void = 0
        self.told: list[LoopHeld] = []
        self.watch = Punctuality(self.clock, lambda: self.void, self.told.append)
        self.watch.start()

    def hold(self, seconds: float) -> None:
        """Let time pass without a callback, as one that takes long does."""
        self.clock.now += seconds
        self.clock.run(0.0)

    def most(self) -> float:
        lags = self.watch.lags.distribution()
        return max((bound for bound, count in zip(lags.bounds, lags.counts, strict=False) if count), default=0.0)


def test_a_loop_on_time_has_nothing_to_tell() -> None:
    held = Held()
    held.clock.run(60)
    assert held.told == []
    assert sum(held.watch.lags.distribution().counts) >= 600
    assert held.most() <= 0.001


def test_a_loop_that_was_held_says_for_how_long_and_how_many_probes_are_void() -> None:
    held = Held()
    held.hold(0.6)
    held.clock.run(0.3)
    held.void = 12
    held.clock.run(GATHER)
    [event] = held.told
    assert event.void == 12
    assert 0.59 - BEAT <= event.seconds <= 0.6
    assert sentences.told(event)[1] == "the loop was late by 0.50s; 12 probes are void, not failed"
    held.clock.run(60)
    assert len(held.told) == 1


def test_a_loop_that_is_held_again_and_again_is_told_of_now_and_then_and_no_void_probe_is_forgotten() -> None:
    held = Held()
    for _ in range(100):
        held.hold(0.4)
        held.void += 1
        held.clock.run(0.6)
    held.clock.run(2 * REST)
    assert 8 <= len(held.told) <= 12
    assert sum(event.void for event in held.told) == 100


def test_void_probes_are_told_even_where_no_beat_was_late() -> None:
    held = Held()
    held.void = 1
    held.clock.run(2 * GATHER)
    assert [event.void for event in held.told] == [1]
    assert sentences.told(held.told[0])[1].endswith("1 probe is void, not failed")


def test_a_watch_that_is_closed_looks_no_more() -> None:
    held = Held()
    held.hold(1.0)
    held.watch.close()
    held.clock.run(60)
    assert held.told == []
