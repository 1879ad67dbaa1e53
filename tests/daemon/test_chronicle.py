"""Events told to all who listen, thousands of one moment too."""

import asyncio

import pytest

from healthlb.daemon.chronicle import Chronicle
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import QuorumLost, TableLost
from healthlb.model.occurrence import Occurrence
from healthlb.model.table import ServiceKey

VIP = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))
MANY = 3000


def test_a_burst_of_events_leaves_the_loop_its_turns_and_is_told_in_order() -> None:
    heard: list[Occurrence] = []
    turns = 0

    async def story() -> None:
        nonlocal turns
        chronicle = Chronicle(lambda: 1000.0)
        chronicle.listeners.append(heard.append)
        for number in range(MANY):
            chronicle.record(QuorumLost("shop", number))
        assert len(heard) < MANY, "the rest waits for the loop's next turn"
        while len(heard) < MANY:
            turns += 1
            await asyncio.sleep(0)
        for _ in range(2):  # the turn in which the last of them was told, and its share of the loop, is over
            await asyncio.sleep(0)
        chronicle.record(QuorumLost("shop", MANY))
        assert len(heard) == MANY + 1, "what comes alone is told at once"

    asyncio.run(story())
    assert turns > 2
    assert [each.id for each in heard] == list(range(1, MANY + 2))
    assert [each.details["live_weight"] for each in heard] == list(range(MANY + 1))


def test_an_event_that_waits_keeps_its_moment_and_its_places() -> None:
    heard: list[Occurrence] = []
    now, place = 1000.0, VIP

    async def story() -> None:
        nonlocal now
        chronicle = Chronicle(lambda: now, lambda *_: (place, None))
        chronicle.listeners.append(heard.append)
        for number in range(MANY):
            chronicle.record(QuorumLost("shop", number))
        now = 2000.0
        chronicle.places = lambda *_: (None, None)
        chronicle.flush()

    asyncio.run(story())
    assert {(each.at, each.service) for each in heard} == {(1000.0, VIP)}
    assert len(heard) == MANY


def test_without_a_loop_events_are_told_at_once() -> None:
    heard: list[Occurrence] = []
    chronicle = Chronicle(lambda: 1000.0)
    chronicle.listeners.append(heard.append)
    chronicle.record(TableLost("gone"))
    assert [each.name for each in heard] == ["table_lost"]


def test_a_listener_that_fails_keeps_the_others_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Occurrence] = []

    def fails(_: Occurrence) -> None:
        raise ValueError("a fault of a listener")

    chronicle = Chronicle(lambda: 1000.0)
    chronicle.listeners += [fails, heard.append]
    chronicle.record(TableLost("gone"))
    assert len(heard) == 1
    assert "a fault of a listener" in caplog.text


def test_what_a_listener_tells_comes_after_what_it_heard() -> None:
    heard: list[str] = []

    async def story() -> None:
        chronicle = Chronicle(lambda: 1000.0)

        def answers(event: Occurrence) -> None:
            heard.append(event.name)
            if event.name == "quorum_lost":
                chronicle.record(TableLost("gone"))

        chronicle.listeners.append(answers)
        chronicle.record(QuorumLost("shop", 0))
        chronicle.flush()

    asyncio.run(story())
    assert heard == ["quorum_lost", "table_lost"]
