"""What the speaker's loop rests on: a timer that is exact, lateness in bounded room, a director that does not read."""

import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.vrrp_events import SpeakerFailed
from healthlb.speaker import rights
from healthlb.speaker.channel import WAITING, Channel
from healthlb.speaker.lateness import Lateness
from healthlb.speaker.timer import Timer
from healthlb.speaker.wire import PIECE, Assembler, Happened, Heartbeat, pieces, socket_pair


@given(st.lists(st.floats(0, 40), min_size=1, max_size=300))
def test_lateness_is_told_within_a_quarter_and_its_worst_exactly(late: list[float]) -> None:
    lateness = Lateness()
    for each in late:
        lateness.note(5.0, each)
    median, high, worst = lateness.summary(5.0)
    assert median <= high <= worst == max(late)
    true = sorted(late)[(len(late) - 1) // 2]
    assert min(true, worst) <= median <= max(true * 1.25, 1e-5)


def test_lateness_forgets_after_a_minute() -> None:
    lateness = Lateness()
    lateness.note(5.0, 1.0)
    assert lateness.summary(50.0)[2] == 1.0
    assert lateness.summary(75.0) == (0.0, 0.0, 0.0)


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    with closing(timer):
        yield timer


def test_a_timer_never_rings_early_and_rings_for_a_moment_that_has_passed(timer: Timer) -> None:
    for wait in (0.0, 0.0004, 0.003):
        moment = time.monotonic() + wait
        timer.set(moment)
        assert select.select([timer], [], [], 60)[0]
        assert time.monotonic() >= moment
        timer.rang()
        assert not select.select([timer], [], [], 0)[0]


def test_a_timer_that_is_set_to_never_does_not_ring(timer: Timer) -> None:
    timer.set(time.monotonic())
    timer.set(None)
    assert not select.select([timer], [], [], 0)[0]


def test_a_director_that_does_not_read_costs_bounded_room_and_hears_the_oldest_first() -> None:
    end, other = socket_pair()
    channel = Channel(end)
    with closing(other), closing(channel):
        for number in range(2 * WAITING):
            channel.say(Happened(SpeakerFailed(str(number)), 0.0))
        assert 0 < channel.lost <= WAITING
        assert not channel.idle
        assembler, heard = Assembler(parent=True), []
        while not channel.idle:
            channel.flush()
            while select.select([other], [], [], 0)[0]:
                message = assembler.take(other.recv(PIECE + 1))
                assert isinstance(message, Happened)
                heard.append(message.event)
        assert heard == [SpeakerFailed(str(number)) for number in range(len(heard))]


def test_the_end_of_the_director_is_told_after_what_it_said() -> None:
    end, other = socket_pair()
    channel = Channel(end)
    with closing(channel):
        for piece in pieces(Heartbeat()):
            other.send(piece)
        other.close()
        assert list(channel.heard()) == [Heartbeat()]
        assert channel.ended


def test_the_process_keeps_no_right_that_speaking_does_not_take() -> None:
    code = "from healthlb.speaker import rights; assert not rights.give_up(); print(open('/proc/self/status').read())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ours, left = (dict(re.findall(r"(\w+):\t(.*)", text)) for text in (Path("/proc/self/status").read_text(), shown))
    needed = int(ours["CapEff"], 16) & sum(1 << each for each in rights.KEPT)
    assert [int(left[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")] == [needed, needed, 0, 0]
    assert left["NoNewPrivs"] == "1"


def test_a_process_that_may_not_ask_is_content_with_what_the_service_manager_left_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Forbidding:
        """As libc under the unit of packaging/systemd, whose filter has no capset(2)."""

        def prctl(self, *_: int) -> int:
            return 0

        def capset(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(rights.ctypes, "CDLL", lambda *_, **__: Forbidding())
    monkeypatch.setattr(rights, "_held", lambda: 1 << rights.NET_ADMIN | 1 << rights.NET_RAW)
    assert rights.give_up() == ""
    monkeypatch.setattr(rights, "_held", lambda: -1)
    assert rights.give_up().startswith("it keeps rights that it does not need: ")
