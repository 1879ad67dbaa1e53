"""What is made for readers: by one piece of work at a time, and never older than a change that was asked after."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api.sharing import Shared


@dataclass(frozen=True)
class Document:
    """What a maker saw when it began."""

    saw: int
    work: float = 0.0


class Maker:
    """Makes documents of the newest change, each when it is let; counts how many are under way at once."""

    def __init__(self, rest: float = 1e9) -> None:
        self.changes = 0
        self.made = 0
        self.most = 0
        self.at_once = 0
        self.fault: Exception | None = None
        self.steps = asyncio.Semaphore(0)
        self.shared = Shared(self.make, lambda _: rest, lambda: self.changes)

    async def make(self) -> Document:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        saw = self.changes
        try:
            await self.steps.acquire()
            if self.fault is not None:
                raise self.fault
        finally:
            self.at_once -= 1
        self.made += 1
        return Document(saw)


async def settle() -> None:
    """Let everybody do what can be done now."""
    for _ in range(10):
        await asyncio.sleep(0)


@given(st.lists(st.sampled_from(["ask", "change", "finish", "leave"]), max_size=40))
def test_nobody_is_given_what_was_begun_before_the_newest_change_that_was_there_when_asking(deeds: list[str]) -> None:
    async def run() -> None:
        maker = Maker()
        askers: list[tuple[int, asyncio.Task[Document]]] = []
        for deed in deeds:
            if deed == "ask":
                askers.append((maker.changes, asyncio.create_task(maker.shared.current())))
            elif deed == "change":
                maker.changes += 1
            elif deed == "finish":
                maker.steps.release()
            elif askers:
                askers.pop(len(askers) // 2)[1].cancel()
            await settle()
        for _ in deeds:
            maker.steps.release()
        for known, asker in askers:
            assert (await asker).saw >= known
        assert maker.most <= 1
        assert maker.made <= 1 + maker.changes
        await maker.shared.close()

    asyncio.run(run())


def test_a_change_is_shown_to_who_asks_next_however_long_what_was_made_before_would_serve() -> None:
    async def run() -> None:
        maker = Maker()
        maker.steps.release()
        first = await maker.shared.current()
        assert await maker.shared.current() is first
        maker.changes += 1
        maker.steps.release()
        assert (await maker.shared.current()).saw == 1
        await maker.shared.close()

    asyncio.run(run())


def test_who_asked_before_a_change_need_not_wait_for_what_comes_after_it() -> None:
    async def run() -> None:
        maker = Maker()
        early = asyncio.create_task(maker.shared.current())
        await settle()
        maker.changes += 1
        late = [asyncio.create_task(maker.shared.current()) for _ in range(20)]
        await settle()
        maker.steps.release()
        assert (await early).saw == 0
        assert not any(each.done() for each in late)
        maker.steps.release()
        assert {(await each).saw for each in late} == {1}
        assert maker.made == 2
        await maker.shared.close()

    asyncio.run(run())


def test_a_string_of_changes_under_way_costs_one_more_and_no_more() -> None:
    async def run() -> None:
        maker = Maker()
        askers = []
        for _ in range(50):
            askers.append(asyncio.create_task(maker.shared.current()))
            await settle()
            maker.changes += 1
        maker.steps.release()
        maker.steps.release()
        await asyncio.gather(*askers)
        assert maker.made == 2
        await maker.shared.close()

    asyncio.run(run())


def test_a_fault_before_a_change_does_not_spoil_what_is_made_after_it() -> None:
    async def run() -> None:
        maker = Maker()
        maker.fault = TimeoutError("late")
        early = asyncio.create_task(maker.shared.current())
        await settle()
        maker.changes += 1
        late = asyncio.create_task(maker.shared.current())
        await settle()
        maker.steps.release()
        with pytest.raises(TimeoutError, match="late"):
            await early
        maker.fault = None
        maker.steps.release()
        assert (await late).saw == 1
        await maker.shared.close()

    asyncio.run(run())


@pytest.mark.parametrize("let_go", [lambda _: None, lambda maker: maker.steps.release()])
def test_nothing_is_kept_and_nothing_goes_on_after_the_end(let_go: Callable[[Maker], Any]) -> None:
    async def run() -> None:
        maker = Maker()
        askers = [asyncio.create_task(maker.shared.current())]
        await settle()
        maker.changes += 1
        askers.append(asyncio.create_task(maker.shared.current()))
        await settle()
        let_go(maker)
        await maker.shared.close()
        await asyncio.gather(*askers, return_exceptions=True)
        assert maker.shared.idle
        assert not maker.shared.under_way
        assert maker.at_once == 0

    asyncio.run(run())
