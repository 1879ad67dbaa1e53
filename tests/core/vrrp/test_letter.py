"""A machine that nobody gives orders to does what the RFCs say, advert by advert."""

from typing import Literal

from hypothesis import example, given
from hypothesis import strategies as st

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Output, SendAdvert
from healthlb.core.vrrp.packet import Advert
from healthlb.model.vrrp import Announcing
from tests.core.vrrp.letter import MOMENT, Letter
from tests.core.vrrp.machines import HIGHER_ADDRESS, LIST, LOWER_ADDRESS, OURS, initial, only
from tests.core.vrrp.wire import packed

LONGEST = 20.0
heard = st.tuples(
    st.sampled_from([0, 1, 99, 100, 101, 254, 255]),
    st.sampled_from([0.1, 1.0, 3.0]),
    st.sampled_from([LOWER_ADDRESS, HIGHER_ADDRESS]),
)
pauses = st.floats(0.02, LONGEST) | st.sampled_from([0.02, 0.1, 1.0])
happenings = st.lists(st.tuples(pauses, st.sampled_from(["start", "stop"]) | heard), max_size=40)


class Both:
    """A machine and the letter, to which the same happens."""

    def __init__(self, version: Literal[2, 3], priority: int, interval: float, preempt: bool) -> None:
        quiet = Announcing(repeat=0, delay=0.0)
        options = {"version": version, "priority": priority, "interval": interval, "preempt": preempt}
        self.machine: Machine = initial(**options, announcing=quiet)
        self.letter = Letter(version, priority, interval, preempt, packed(OURS))
        self.now = 0.0

    def compare(self, outputs: list[Output], sent: list[int]) -> None:
        assert [each.priority for each in only(SendAdvert, outputs)] == sent
        assert self.machine.state == self.letter.state

    def pass_time(self, until: float) -> None:
        """Let every timer fire in its turn."""
        while True:
            timers = (self.machine.next_timer(), self.letter.adver_timer, self.letter.down_timer)
            due = min((at for at in timers if at is not None), default=until)
            if due >= until - 2 * MOMENT:
                break
            self.compare(self.machine.timer(due + MOMENT), self.letter.timers(due + MOMENT))
        self.now = until

    def happen(self, what: str | tuple[int, float, bytes]) -> None:
        if what == "start":
            sent = self.letter.startup(self.now) if self.letter.state == "INIT" else []
            self.compare(self.machine.start(self.now), sent)
        elif what == "stop":
            self.compare(self.machine.stop(self.now), self.letter.shutdown())
        elif not isinstance(what, str):
            priority, interval, source = what
            interval = interval if self.letter.version == 3 else self.letter.advertisement_interval
            advert = Advert(self.letter.version, 51, priority, interval, LIST)
            outputs = self.machine.received(self.now, advert, source)
            self.compare(outputs, self.letter.hears(self.now, priority, interval, source))


@given(
    st.sampled_from([2, 3]), st.sampled_from([1, 100, 254, 255]), st.sampled_from([1.0, 2.0]), st.booleans(), happenings
)
@example(3, 100, 1.0, True, [(1.0, (0, 1.0, LOWER_ADDRESS)), (9.0, (100, 3.0, HIGHER_ADDRESS)), (19.0, "stop")])
def test_a_machine_sends_what_the_letter_sends_and_is_what_the_letter_is(
    version: Literal[2, 3],
    priority: int,
    interval: float,
    preempt: bool,
    what: list[tuple[float, str | tuple[int, float, bytes]]],
) -> None:
    both = Both(version, priority, interval, preempt)
    both.happen("start")
    for after, event in what:
        both.pass_time(both.now + after)
        both.happen(event)
    both.pass_time(both.now + LONGEST)
