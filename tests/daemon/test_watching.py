"""Files that are watched: when they are read again by themselves, and when not."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.config.faults import ConfigError
from healthlb.daemon import watching
from healthlb.daemon.watching import Settling
from healthlb.model.events import ConfigRefused, ConfigReloaded, Event
from tests.daemon.rig import OTHER, shop
from tests.daemon.test_app import ME, SERVER, House, play
from waiting import until


def test_what_is_as_it_was_is_never_ripe() -> None:
    settling = Settling(2.0)
    assert not any(settling.ripe("a", "a", float(now)) for now in range(100))


def test_a_change_is_ripe_once_it_has_rested() -> None:
    settling = Settling(2.0)
    looks = ["a", "b", "b", "c", "c", "c"]
    assert [settling.ripe(seen, "a", float(now)) for now, seen in enumerate(looks)] == [False] * 5 + [True]


def test_a_change_that_is_taken_back_was_none() -> None:
    settling = Settling(2.0)
    looks = ["a", "b", "a", "a", "a"]
    assert not any(settling.ripe(seen, "a", float(now)) for now, seen in enumerate(looks))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 3.0)), max_size=30))
def test_nothing_is_ripe_before_it_has_stayed_the_same_for_the_whole_rest(looks: list[tuple[str, float]]) -> None:
    settling, now, since, last = Settling(2.0), 0.0, 0.0, ""
    for seen, wait in looks:
        now += wait
        since = since if seen == last else now
        last = seen
        assert settling.ripe(seen, "a", now) is (seen != "a" and now - since >= 2.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and let a change rest only a moment."""
    monkeypatch.setattr(watching, "EVERY", 0.005)
    monkeypatch.setattr(watching, "REST", 0.02)


def story_of(folder: Path, story: Callable[[House, list[Event]], Coroutine[Any, Any, None]], **director: Any) -> None:
    async def whole(house: House) -> None:
        house.put(shop(SERVER), **director)
        await house.begin()
        events: list[Event] = []
        house.director._reloading._sink = events.append
        await story(house, events)

    play(folder, whole)


@pytest.mark.usefixtures("quick")
def test_a_file_that_changed_is_read_again_by_itself_once(tmp_path: Path) -> None:
    async def story(house: House, events: list[Event]) -> None:
        house.put(shop(SERVER, key=OTHER), watch=True)
        house.loader.print = 1
        await until(lambda: house.table.weights(OTHER) is not None and events)
        await asyncio.sleep(0.1)
        assert house.loader.loads == 1
        [reloaded] = events
        assert isinstance(reloaded, ConfigReloaded)
        assert reloaded.who == "a changed file"

    story_of(tmp_path, story, watch=True)


@pytest.mark.usefixtures("quick")
def test_a_file_that_is_refused_is_told_once_and_tried_again_when_it_changes_again(tmp_path: Path) -> None:
    async def story(house: House, events: list[Event]) -> None:
        house.loader.fault = ConfigError([])
        house.loader.print = 1
        await until(lambda: events)
        await asyncio.sleep(0.1)
        assert [type(each) for each in events] == [ConfigRefused]
        house.loader.fault = None
        house.loader.print = 2
        await until(lambda: len(events) == 2)
        assert isinstance(events[1], ConfigReloaded)

    story_of(tmp_path, story, watch=True)


@pytest.mark.usefixtures("quick")
def test_what_somebody_else_had_read_again_is_not_read_once_more(tmp_path: Path) -> None:
    async def story(house: House, events: list[Event]) -> None:
        house.loader.print = 1
        assert (await house.director.reload(ME)).accepted
        await asyncio.sleep(0.1)
        assert house.loader.loads == len(events) == 1

    story_of(tmp_path, story, watch=True)


@pytest.mark.usefixtures("quick")
def test_watching_is_switched_on_and_off_by_a_reload(tmp_path: Path) -> None:
    async def story(house: House, events: list[Event]) -> None:
        house.loader.print = 1
        await asyncio.sleep(0.1)
        assert house.loader.loads == 0
        house.put(shop(SERVER), watch=True)
        assert (await house.director.reload(ME)).accepted
        house.put(shop(SERVER), watch=False)
        house.loader.print = 2
        await until(lambda: len(events) == 2)
        house.loader.print = 3
        await asyncio.sleep(0.1)
        assert house.loader.loads == len(events) == 2

    story_of(tmp_path, story)


@pytest.mark.usefixtures("quick")
def test_a_stop_ends_the_watching_even_while_a_file_hangs(tmp_path: Path) -> None:
    async def story(house: House, _: list[Event]) -> None:
        house.loader.going.clear()
        house.loader.print = 1
        await until(lambda: house.loader.loads == 1)

    story_of(tmp_path, story, watch=True)


@pytest.mark.usefixtures("quick")
def test_a_fault_of_ours_in_a_reload_is_told_and_does_not_end_the_watching(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(house: House, events: list[Event]) -> None:
        house.loader.fault = RuntimeError("a fault of ours")  # type: ignore[assignment]
        house.loader.print = 1
        await until(lambda: "a fault of ours" in caplog.text)
        house.loader.fault = None
        house.loader.print = 2
        await until(lambda: events)
        assert isinstance(events[0], ConfigReloaded)

    story_of(tmp_path, story, watch=True)
