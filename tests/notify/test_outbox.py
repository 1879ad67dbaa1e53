"""An outbox and a receiver that takes, fails, refuses or hangs at the test's word."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from healthlb.model.events import NotifierFailed, NotifierRecovered
from healthlb.model.notifiers import Notifier
from healthlb.notify import outbox as module
from healthlb.notify.grouping import Wants
from healthlb.notify.message import MOST_EVENTS, Message
from healthlb.notify.outbox import Outbox
from healthlb.notify.sending import RefusedError, UndeliveredError
from tests.notify.happenings import happened, message, notifier, play
from waiting import until


class Receiver:
    """Keeps what it took; `answer` decides what becomes of a try."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tries = 0
        self.closed = 0
        self.answer: Callable[[], Coroutine[Any, Any, None]] = takes

    async def send(self, told: Message) -> None:
        self.tries += 1
        await self.answer()
        self.taken.append(told)

    def close(self) -> None:
        self.closed += 1

    @property
    def names(self) -> list[str]:
        """The servers of which it was told, in order."""
        return [str(event.real_server) for told in self.taken for event in told.events]


async def takes() -> None:
    """Take what is sent."""


async def hangs() -> None:
    """Never answer."""
    await asyncio.Event().wait()


class Holds:
    """Answers nothing until it is let go, and then that it is out of order."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self) -> None:
        await self.over.wait()
        raise UndeliveredError("status 503")


async def fails() -> None:
    """Be out of order."""
    raise UndeliveredError("status 503")


async def refuses() -> None:
    """Want none of it."""
    raise RefusedError("status 404")


class House:
    """An outbox with its receiver and what it tells of itself."""

    def __init__(self, settings: Notifier) -> None:
        self.receiver = Receiver()
        self.told: list[NotifierFailed | NotifierRecovered] = []
        self.box = Outbox(
            settings, Wants(settings), self.receiver, lambda events: message(*events), self.told.append,
            chance=random.Random(1),
        )  # fmt: skip

    def take(self, *servers: str) -> None:
        for server in servers:
            self.box.take(happened(server=server))


def housed(story: Callable[[House], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def whole() -> None:
        house = House(notifier(**settings))
        try:
            await story(house)
        finally:
            await house.box.stop(0.0)

    play(whole)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


def test_what_it_is_told_of_arrives_in_order_and_is_counted() -> None:
    async def story(house: House) -> None:
        house.take("a", "b", "c")
        house.box.take(happened("real_server_held"))
        await until(lambda: len(house.receiver.taken) == 3)
        assert house.receiver.names == ["a", "b", "c"]
        status = house.box.status()
        assert (status.name, status.type) == ("oncall", "webhook")
        assert (status.waiting, status.sent_total, status.failed_total, status.dropped_total) == (0, 3, 0, 0)
        assert house.told == []

    housed(story)


def test_events_that_come_together_are_one_message() -> None:
    async def story(house: House) -> None:
        house.take("a", "b")
        assert house.box.status().waiting == 1
        house.take("c")
        await until(lambda: house.receiver.taken)
        assert [len(each.events) for each in house.receiver.taken] == [3]

    housed(story, group=0.05)


def test_a_receiver_that_fails_is_tried_again_and_told_of_once_each_way() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = fails
        house.take("a", "b")
        await until(lambda: house.receiver.tries >= 5)
        assert house.box.status().failing == "status 503"
        house.receiver.answer = takes
        await until(lambda: len(house.receiver.taken) == 2)
        assert house.receiver.names == ["a", "b"]
        assert house.told == [NotifierFailed("oncall", "status 503"), NotifierRecovered("oncall", 0)]
        assert house.box.status().failing == ""

    housed(story)


def test_a_receiver_that_hangs_is_left_at_the_deadline() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = hangs
        house.take("a")
        await until(lambda: house.told)
        assert house.told == [NotifierFailed("oncall", "timed out after 0.01s")]
        house.receiver.answer = takes
        await until(lambda: house.receiver.taken)

    housed(story, timeout=0.01)


def test_a_message_that_is_refused_is_not_tried_again_but_the_next_is() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = refuses
        house.take("a")
        await until(lambda: house.box.status().failed_total == 1)
        assert house.receiver.tries == 1
        house.receiver.answer = takes
        house.take("b")
        await until(lambda: house.receiver.taken)
        assert house.receiver.names == ["b"]
        assert house.told[-1] == NotifierRecovered("oncall", 1)

    housed(story)


def test_a_message_is_given_up_after_its_time_and_so_are_those_that_waited_behind_it() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = fails
        house.take("a", "b", "c")
        await until(lambda: house.box.status().failed_total == 3)
        assert house.box.status().waiting == 0
        house.receiver.answer = takes
        house.take("d")
        await until(lambda: house.receiver.taken)
        assert house.receiver.names == ["d"]
        assert house.told == [NotifierFailed("oncall", "status 503"), NotifierRecovered("oncall", 3)]

    housed(story, retry_for=0.05)


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = holds = Holds()
        house.take("first")
        await until(lambda: house.receiver.tries == 1)
        house.take(*[f"web{number}" for number in range(10)])
        assert house.box.status().dropped_total == 7
        assert house.box.status().waiting == 4
        house.receiver.answer = takes
        holds.over.set()
        await until(lambda: len(house.receiver.taken) == 4)
        assert house.receiver.names == ["first", "web7", "web8", "web9"]
        assert house.told[-1] == NotifierRecovered("oncall", 7)

    housed(story, queue=3)


def test_a_storm_for_a_receiver_that_hangs_is_bounded_in_events_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS_WAITING", 3 * MOST_EVENTS)

    async def story(house: House) -> None:
        house.receiver.answer = hangs
        for number in range(10 * MOST_EVENTS):
            house.take(f"web{number}")
        status = house.box.status()
        assert house.box._events_waiting == sum(len(each.message.events) for each in house.box._queue)
        assert house.box._events_waiting <= 3 * MOST_EVENTS
        assert status.dropped_total + status.waiting == 10

    housed(story, group=60.0)


def test_a_receiver_may_say_how_long_to_wait_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    async def rest(_: Outbox, pause: float) -> None:
        rests.append(pause)
        await asyncio.sleep(0)

    async def busy(seconds: float) -> None:
        raise UndeliveredError("status 429", seconds)

    async def story(house: House) -> None:
        house.receiver.answer = lambda: busy(7.0)
        house.take("a")
        await until(lambda: rests)
        house.receiver.answer = lambda: busy(1e9)
        await until(lambda: len(rests) > 1 and rests[-1] != 7.0)
        house.receiver.answer = takes
        await until(lambda: house.receiver.taken)
        assert rests[0] == 7.0
        assert max(rests) == module.LONGEST_WAIT

    monkeypatch.setattr(Outbox, "_rest", rest)
    housed(story)


def test_a_fault_of_our_own_is_told_without_its_text_and_ends_nothing() -> None:
    async def breaks() -> None:
        raise KeyError("https://hooks.example.com/secret")

    async def story(house: House) -> None:
        house.receiver.answer = breaks
        house.take("a")
        await until(lambda: house.told)
        assert isinstance(house.told[0], NotifierFailed)
        assert house.told[0].reason.startswith("a fault of the director's own: KeyError in test_outbox.py:")
        house.receiver.answer = takes
        house.take("b")
        await until(lambda: house.receiver.names == ["b"])

    housed(story)


def test_a_stop_gives_what_waits_one_last_try_and_counts_the_rest() -> None:
    async def story() -> None:
        house = House(notifier(group=60.0))
        house.take("a", "b")
        assert await house.box.stop() == 0
        assert house.receiver.names == ["a", "b"]
        assert house.receiver.closed == 1
        house.take("too late")
        assert house.box.status().waiting == 0

        deaf = House(notifier())
        deaf.receiver.answer = hangs
        deaf.take("a", "b", "c")
        assert await deaf.box.stop(0.02) == 3
        assert deaf.box.status().dropped_total == 3

        failing = House(notifier())
        failing.receiver.answer = fails
        failing.take("a", "b", "c")
        await until(lambda: failing.receiver.tries)
        assert await failing.box.stop() == 0
        assert failing.box.status().failed_total == 3

    play(story)


def test_a_stop_does_not_wait_for_the_pause_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 3600.0)

    async def story() -> None:
        house = House(notifier())
        house.receiver.answer = fails
        house.take("a")
        await until(lambda: house.told)
        house.receiver.answer = takes
        assert await house.box.stop(15.0) == 0
        assert house.receiver.names == ["a"]

    play(story)


def test_new_settings_take_over_the_queue_and_the_counters_and_are_tried_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 3600.0)

    async def story(house: House) -> None:
        house.receiver.answer = fails
        house.take("a", "b")
        await until(lambda: house.told)
        other = Receiver()
        settings = replace(house.box.notifier, timeout=4.0)
        house.box.adopt(settings, Wants(settings), other)
        await until(lambda: len(other.taken) == 2)
        assert other.names == ["a", "b"]
        assert house.receiver.closed == 1
        assert house.box.status().sent_total == 2

    housed(story)


def test_the_old_way_out_is_closed_only_once_its_try_has_ended() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = holds = Holds()
        house.take("a")
        await until(lambda: house.receiver.tries)
        other = Receiver()
        house.box.adopt(house.box.notifier, house.box.wants, other)
        assert house.receiver.closed == 0
        holds.over.set()
        await until(lambda: other.taken)
        assert house.receiver.closed == 1

    housed(story)


def test_a_shorter_queue_and_another_window_act_at_once() -> None:
    async def story(house: House) -> None:
        house.receiver.answer = hangs
        house.take("first")
        await until(lambda: house.receiver.tries)
        house.take("a", "b", "c")
        settings = replace(house.box.notifier, queue=1, group=60.0)
        house.box.adopt(settings, Wants(settings), None)
        assert house.box.status().dropped_total == 2
        house.take("d", "e")
        assert house.box.status().waiting == 3
        settings = replace(settings, queue=10, group=0.0)
        house.box.adopt(settings, Wants(settings), None)
        assert [len(each.message.events) for each in house.box._queue] == [1, 2]

    housed(story)
