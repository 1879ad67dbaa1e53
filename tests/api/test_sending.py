"""Sending in turns: a crowd for whom the same document is ready does not have the loop all at once."""

import asyncio
import itertools

import pytest

from healthlb.api.answers import Sending
from healthlb.api.rendering import SLICE


def test_the_loop_gets_its_turn_between_readers_that_all_have_something_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = 0.0
    monkeypatch.setattr("healthlb.api.answers.time.perf_counter", lambda: seconds)
    sent_in_turn = [0]

    async def run() -> None:
        sending = Sending()

        async def reader(number: int) -> None:
            nonlocal seconds
            for _ in range(5):
                await sending.turn(number)
                seconds += SLICE / 2
                sent_in_turn[-1] += 1

        async def other() -> None:
            while True:
                sent_in_turn.append(0)
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await asyncio.gather(*(reader(number) for number in range(100)))
        beside.cancel()

    asyncio.run(run())
    assert sum(sent_in_turn) == 500
    assert max(sent_in_turn) <= 3
    # Nor does it have less than its slice: a crowd is not slower than it must be.
    assert len(sent_in_turn) <= 300


def test_a_reader_that_leaves_while_it_waits_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("healthlb.api.answers.time.perf_counter", lambda: next(clock) * SLICE)

    async def run() -> list[int]:
        sending = Sending()
        came: list[int] = []

        async def reader(number: int) -> None:
            await sending.turn(number)
            came.append(number)

        readers = [asyncio.create_task(reader(number)) for number in range(4)]
        await asyncio.sleep(0)
        readers[1].cancel()
        readers[2].cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        return came

    assert asyncio.run(run()) == [0, 3]
