"""The names of users, which a directory server may be slow to tell."""

import asyncio
import threading

import pytest

from healthlb.api import callers
from healthlb.api.callers import LOOKING, Callers, look_up


def test_a_user_without_a_name_that_can_be_shown_has_none() -> None:
    assert look_up(0) == "root"
    assert look_up(2**32 - 2) in {"", "nobody"}


def test_a_name_is_looked_up_once_for_all_who_ask() -> None:
    asked: list[int] = []

    def found(user: int) -> str:
        asked.append(user)
        return f"user{user}"

    async def run() -> None:
        callers = Callers(found)
        assert await asyncio.gather(*(callers._name(7) for _ in range(5))) == ["user7"] * 5
        assert await callers._name(7) == "user7"

    asyncio.run(run())
    assert asked == [7]


def test_a_directory_server_that_does_not_answer_costs_the_name_and_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callers, "PATIENCE", 0.1)
    answered = threading.Event()

    def hang(user: int) -> str:
        answered.wait()
        return "late"

    async def run() -> None:
        callers = Callers(hang)
        before = threading.active_count()
        assert await asyncio.gather(*(callers._name(user) for user in range(3 * LOOKING))) == [""] * (3 * LOOKING)
        assert threading.active_count() <= before + LOOKING
        looking = list(callers._looking.values())
        answered.set()
        assert await asyncio.gather(*looking) == ["late"] * LOOKING
        assert await callers._name(0) == "late"

    asyncio.run(run())
