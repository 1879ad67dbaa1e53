"""What outlives a restart, through a memory that opens, saves and closes as the application lets it."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthlb.daemon import memory as memory_module
from healthlb.daemon.chronicle import Chronicle
from healthlb.daemon.memory import Memory
from healthlb.model.config import Director
from healthlb.model.events import Event, StateSaved, StateSetAside, StateTakenUp, StateUnsaved, Warned
from healthlb.model.health import CheckState, Health
from healthlb.model.occurrence import EventQuery, Occurrence, name_of
from healthlb.model.overrides import HandedOver, Orders, Override, Scope
from healthlb.model.remembered import Remembered, RememberedProbe
from healthlb.store import health as health_words
from healthlb.store import orders as orders_words
from healthlb.store import writer as writer_module
from healthlb.store.file import Kept
from healthlb.store.folder import StateFolder
from waiting import until

DRAIN = Orders((Override(Scope(None, "192.0.2.1", None), admin="drain", who="uid 0 (root)", at=5.0),))
WEIGHT = Orders((Override(Scope("shop", "192.0.2.1", 80), weight=5, who="uid 0 (root)", at=6.0),))
DOWN = Remembered((RememberedProbe("00", CheckState(Health.DOWN, False, 3)),))
UP = Remembered((RememberedProbe("00", CheckState(Health.UP, True, 9)),))


class Pools:
    """Stands in for the pools: knows what the test lets it know."""

    def __init__(self) -> None:
        self.turns = 0
        self.recalled = 0
        self.known = UP
        self.taken_up: Remembered | None = None

    def turn(self, known: Remembered) -> None:
        self.turns += 1
        self.known = known

    def recall(self, before: Remembered) -> None:
        self.taken_up = self.known = before
        self.recalled = len(before.probes)

    async def remembered(self) -> Remembered:
        return self.known


class Rig:
    """A memory with what it told, in a director's place."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Director("lb1", state_dir=str(folder), **settings)
        self.pools = Pools()
        self.told: list[Occurrence] = []
        chronicle = Chronicle(lambda: 1000.0)
        chronicle.listeners.append(self.told.append)
        self.record = chronicle.record
        self.memory = Memory(chronicle, self.pools)

    async def start(self) -> None:
        await self.memory.open(self.settings)
        self.memory.begin()

    def heard(self, *kinds: type[Event]) -> list[Occurrence]:
        return [each for each in self.told if each.name in {name_of(kind) for kind in kinds}]


Story = Callable[[Rig], Coroutine[Any, Any, None]]


def play(folder: Path, story: Story | None = None, **settings: Any) -> Rig:
    async def whole() -> Rig:
        rig = Rig(folder, **settings)
        try:
            await rig.start()
            if story is not None:
                await story(rig)
        finally:
            await rig.memory.close()
        return rig

    return asyncio.run(whole())


def saved_orders(folder: Path) -> Orders | None:
    found = orders_words.file_in(folder).read()
    return orders_words.decode(found.body) if isinstance(found, Kept) else None


def saved_health(folder: Path) -> Remembered | None:
    found = health_words.file_in(folder).read()
    return health_words.decode(found.body) if isinstance(found, Kept) else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for; no test asserts on it."""
    for name, seconds in {"PERIOD": 0.02, "FIRST_RETRY": 0.02, "LAST_RETRY": 0.05, "SHARE": 0}.items():
        monkeypatch.setattr(memory_module, name, seconds)
    monkeypatch.setattr(writer_module, "PAUSE", 0.01)
    monkeypatch.setattr(writer_module, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(writer_module, "LAST_RETRY", 0.05)


def test_orders_and_health_are_taken_up_after_a_restart(folder: Path) -> None:
    async def first(rig: Rig) -> None:
        assert await rig.memory.save(DRAIN) is None
        assert saved_orders(folder) == DRAIN
        rig.pools.turn(DOWN)
        await until(lambda: saved_health(folder) == DOWN)

    assert play(folder, first).heard(StateTakenUp, StateUnsaved, StateSetAside) == []
    second = play(folder)
    assert second.memory.orders == DRAIN
    assert second.pools.taken_up == DOWN
    (taken_up,) = second.heard(StateTakenUp)
    assert (taken_up.details["verdicts"], taken_up.details["orders"]) == (1, 1)
    assert folder.stat().st_mode & 0o777 == 0o750


def test_what_was_handed_over_is_taken_up_after_a_restart_beside_the_other_orders(folder: Path) -> None:
    handed_over = (HandedOver("VI_1", "ann", 7.0),)

    async def first(rig: Rig) -> None:
        assert await rig.memory.hand_over(handed_over) is None
        assert await rig.memory.save(DRAIN) is None
        assert saved_orders(folder) == replace(DRAIN, handed_over=handed_over)

    play(folder, first)
    second = play(folder)
    assert (second.memory.orders, second.memory.handed_over) == (DRAIN, handed_over)
    (taken_up,) = second.heard(StateTakenUp)
    assert taken_up.details["orders"] == 2


def test_a_stop_saves_what_turned_last(folder: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.pools.turn(DOWN)

    play(folder, story)
    assert saved_health(folder) == DOWN


def test_a_director_that_never_began_saves_no_health_over_what_there_is(folder: Path) -> None:
    play(folder)
    whole = (folder / "health.json").read_bytes()

    async def refused() -> None:
        rig = Rig(folder)
        await rig.memory.open(rig.settings)
        rig.pools.turn(Remembered())
        await rig.memory.close()

    asyncio.run(refused())
    assert (folder / "health.json").read_bytes() == whole


def test_health_that_is_older_than_its_bound_or_from_the_future_is_not_taken_up_but_orders_are(folder: Path) -> None:
    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)

    for seconds in (-400, 400):
        play(folder, story)
        path = folder / "health.json"
        at = path.stat().st_mtime + seconds
        os.utime(path, (at, at))
        rig = play(folder, state_max_age=300.0)
        assert rig.pools.taken_up is None
        assert rig.memory.orders == DRAIN


def test_health_that_does_not_turn_is_said_to_be_true_still(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "STILL_TRUE", 0.0)

    async def story(rig: Rig) -> None:
        path = folder / "health.json"
        await until(path.exists)
        written = path.read_bytes()
        os.utime(path, (5.0, 5.0))
        await until(lambda: path.stat().st_mtime > 1_000_000)
        assert path.read_bytes() == written

    play(folder, story)


@pytest.mark.parametrize("name", ["orders.json", "health.json"])
def test_a_damaged_file_is_set_aside_with_an_error_and_the_start_goes_on(folder: Path, name: str) -> None:
    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)

    play(folder, story)
    (folder / name).write_bytes(b"damaged")
    rig = play(folder)
    (told,) = rig.heard(StateSetAside)
    assert told.level == "error"
    assert Path(told.details["kept_as"]).read_bytes() == b"damaged"
    assert (rig.memory.orders == DRAIN) == (name == "health.json")
    assert (rig.pools.taken_up is None) == (name == "health.json")


def test_a_file_whose_checksum_is_right_and_whose_words_are_not_is_set_aside_too(folder: Path) -> None:
    folder.mkdir()
    orders_words.file_in(folder).write(b'{"overrides": 7}')
    (told,) = play(folder).heard(StateSetAside)
    assert told.details["reason"] == "list expected, not int"


def test_another_director_beside_it_works_without_saved_state_and_says_so(folder: Path) -> None:
    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)
        other = Rig(folder)
        await other.start()
        (told,) = other.heard(Warned)
        assert told.sentence.startswith(f"another director uses {folder}: this one saves nothing")
        assert other.memory.elsewhere
        assert other.memory.orders == Orders()
        assert await other.memory.save(WEIGHT) == (
            "it would not survive a restart: another director has the saved state"
        )
        assert [each.name for each in await other.memory.journal.read(EventQuery())] == ["warned"]
        await other.memory.close()
        assert not rig.memory.elsewhere

    play(folder, story)
    assert saved_orders(folder) == DRAIN


def test_without_a_state_directory_nothing_is_saved_and_nothing_is_wrong(tmp_path: Path) -> None:
    async def whole() -> None:
        rig = Rig(tmp_path)
        rig.settings = replace(rig.settings, state_dir="")
        await rig.start()
        assert await rig.memory.save(DRAIN) is None
        await rig.memory.follow(rig.settings)
        assert rig.told == []
        assert rig.memory.status().path == ""
        await rig.memory.close()

    asyncio.run(whole())
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told_once_and_everything_is_saved_once_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "gone" / "state"

    async def story(rig: Rig) -> None:
        assert await rig.memory.save(DRAIN) == (f"it would not survive a restart: {folder}: No such file or directory")
        rig.pools.turn(DOWN)
        assert rig.memory.status().failing == "No such file or directory"
        folder.parent.mkdir()
        await until(lambda: rig.memory.status().failing == "" and saved_health(folder) == DOWN)
        assert saved_orders(folder) == DRAIN
        await until(lambda: len(rig.heard(StateUnsaved, StateSaved)) == 4)

    rig = play(folder, story)
    paths = [(each.name, each.details["path"]) for each in rig.heard(StateUnsaved, StateSaved)]
    assert sorted(paths) == [
        (name, str(path)) for name in ("state_saved", "state_unsaved") for path in (folder, folder / "events.db")
    ]


def test_changes_on_a_bad_disk_do_not_put_off_the_next_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "LAST_RETRY", 3600.0)
    folder = tmp_path / "gone" / "state"

    async def story(rig: Rig) -> None:
        for _ in range(30):
            assert await rig.memory.save(DRAIN)
        folder.parent.mkdir()
        await until(lambda: saved_orders(folder) == DRAIN)

    play(folder, story)


def test_orders_of_a_directory_that_came_too_late_are_set_aside_rather_than_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "mount" / "state"
    elsewhere = tmp_path / "elsewhere"

    async def before(rig: Rig) -> None:
        await rig.memory.save(WEIGHT)

    play(elsewhere, before)

    async def story(rig: Rig) -> None:
        folder.parent.mkdir()
        elsewhere.rename(folder)
        assert await rig.memory.save(DRAIN) is None
        await until(lambda: rig.heard(StateSetAside))

    rig = play(folder, story)
    assert saved_orders(folder) == DRAIN
    kept = [Path(each.details["kept_as"]) for each in rig.heard(StateSetAside)]
    aside = next(path for path in kept if path.name.startswith("orders.json.damaged-"))
    assert b'"weight":5' in aside.read_bytes()


def test_a_directory_that_vanishes_is_made_again_with_everything_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "STILL_TRUE", 0.0)

    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)
        rig.pools.turn(DOWN)
        await until(lambda: saved_health(folder) == DOWN)
        shutil.move(folder, folder.with_name("gone"))  # at one stroke: nothing can be made in it meanwhile
        shutil.rmtree(folder.with_name("gone"), ignore_errors=True)
        await until(lambda: saved_health(folder) == DOWN and saved_orders(folder) == DRAIN)

    rig = play(folder, story)
    # A save that was under way when it vanished has failed, and been told; the next one was not.
    assert rig.heard(StateSetAside) == []
    assert not rig.memory.status().failing


def test_a_reload_that_names_another_directory_moves_everything_there_and_leaves_what_was_there_aside(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    async def before(rig: Rig) -> None:
        await rig.memory.save(WEIGHT)

    play(second, before)

    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)
        rig.record(Warned("told before the move"))
        await rig.memory.follow(replace(rig.settings, state_dir=str(second)))
        rig.pools.turn(DOWN)
        await until(lambda: saved_health(second) == DOWN)
        assert saved_orders(second) == DRAIN
        # Nobody has the one that was left.
        other = Rig(first)
        await other.start()
        assert not other.memory.elsewhere
        await other.memory.close()

    rig = play(first, story)
    assert len(rig.heard(StateSetAside)) == 2
    assert rig.heard(StateUnsaved) == []


def test_a_reload_that_names_a_directory_that_cannot_be_made_is_told_until_it_can(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "gone" / "second"

    async def story(rig: Rig) -> None:
        await rig.memory.save(DRAIN)
        await rig.memory.follow(replace(rig.settings, state_dir=str(second)))
        assert rig.memory.status().failing == "No such file or directory"
        second.parent.mkdir()
        await until(lambda: rig.memory.status().failing == "" and second.exists())
        assert saved_orders(second) == DRAIN

    play(first, story)


def test_a_reload_that_names_another_directors_directory_saves_nothing_there_and_one_back_saves_again(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    async def story(rig: Rig) -> None:
        other = Rig(second)
        await other.start()
        assert await other.memory.save(WEIGHT) is None
        await rig.memory.follow(replace(rig.settings, state_dir=str(second)))
        assert rig.memory.elsewhere == f"another director uses {second}"
        assert await rig.memory.save(DRAIN) is not None
        assert saved_orders(second) == WEIGHT
        assert rig.memory.journal.status().path == ""
        await rig.memory.follow(rig.settings)
        assert rig.memory.elsewhere == ""
        assert await rig.memory.save(DRAIN) is None
        assert saved_orders(first) == DRAIN
        await other.memory.close()

    play(first, story)


def test_health_that_is_gathered_while_a_reload_moves_on_is_saved_in_the_new_place_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    async def story(rig: Rig) -> None:
        gathering, go_on = asyncio.Event(), asyncio.Event()
        known = rig.pools.remembered

        async def slowly() -> Remembered:
            gathering.set()
            await go_on.wait()
            return await known()

        rig.pools.remembered = slowly  # type: ignore[method-assign]
        rig.pools.turn(DOWN)
        await gathering.wait()
        await rig.memory.follow(replace(rig.settings, state_dir=str(second)))
        go_on.set()
        await until(lambda: saved_health(second) == DOWN)
        other = Rig(first)
        await other.start()
        assert not other.memory.elsewhere
        await other.memory.close()

    play(first, story)


class Hung:
    """A disk that does not answer until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.going = threading.Event()
        whole = getattr(StateFolder, name)

        def hanging(*arguments: Any) -> Any:
            self.going.wait(60)
            return whole(*arguments)

        monkeypatch.setattr(StateFolder, name, hanging)


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Hung]]:
    made: list[Hung] = []

    def make(name: str) -> Hung:
        made.append(Hung(monkeypatch, name))
        return made[-1]

    yield make
    for each in made:
        each.going.set()


def test_a_disk_that_hangs_delays_an_answer_by_a_bounded_time_and_the_orders_are_saved_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hung: Callable[[str], Hung]
) -> None:
    async def story(rig: Rig) -> None:
        monkeypatch.setattr(memory_module, "SAVE_DEADLINE", 0.05)
        disk = hung("save_orders")
        warning = f"it would not survive a restart: {folder}: the disk does not answer"
        assert await rig.memory.save(WEIGHT) == warning
        assert await rig.memory.save(DRAIN) == warning
        await until(lambda: rig.heard(StateUnsaved))
        monkeypatch.setattr(memory_module, "SAVE_DEADLINE", 60.0)
        disk.going.set()
        await until(lambda: saved_orders(folder) == DRAIN)
        await until(lambda: rig.heard(StateSaved))
        assert len(rig.heard(StateUnsaved)) == 1

    play(folder, story)


def test_a_reload_leads_away_from_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    going, whole = threading.Event(), StateFolder.save_orders

    def hanging(folder: StateFolder, orders: Orders) -> None:
        if folder.path == first:
            going.wait(60)
        whole(folder, orders)

    async def story(rig: Rig) -> None:
        monkeypatch.setattr(memory_module, "SAVE_DEADLINE", 0.05)
        monkeypatch.setattr(StateFolder, "save_orders", hanging)
        rig.record(Warned("told before the move"))
        assert await rig.memory.save(DRAIN) == f"it would not survive a restart: {first}: the disk does not answer"
        await rig.memory.follow(replace(rig.settings, state_dir=str(second)))
        monkeypatch.setattr(memory_module, "SAVE_DEADLINE", 60.0)
        await until(lambda: rig.memory.status().failing == "" and saved_orders(second) == DRAIN)
        await until(lambda: saved_health(second) == UP)
        assert await rig.memory.save(WEIGHT) is None
        assert saved_orders(second) == WEIGHT

    try:
        rig = play(first, story)
    finally:
        going.set()
    assert [each.name for each in rig.heard(StateUnsaved, StateSaved)] == ["state_unsaved", "state_saved"]
    assert (second / "events.db").exists()


def test_a_disk_that_hangs_at_the_start_is_waited_for_a_bounded_time_and_what_it_had_is_set_aside(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hung: Callable[[str], Hung]
) -> None:
    async def before(rig: Rig) -> None:
        await rig.memory.save(WEIGHT)

    play(folder, before)
    monkeypatch.setattr(memory_module, "START_DEADLINE", 0.05)
    disk = hung("open")

    async def story(rig: Rig) -> None:
        assert rig.heard(StateUnsaved)
        disk.going.set()
        assert await rig.memory.save(DRAIN) is None

    rig = play(folder, story)
    assert saved_orders(folder) == DRAIN
    assert any("orders.json" in each.details["path"] for each in rig.heard(StateSetAside))


def test_a_stop_does_not_wait_for_a_disk_that_hangs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hung: Callable[[str], Hung]
) -> None:
    async def story(rig: Rig) -> None:
        await until((folder / "health.json").exists)
        monkeypatch.setattr(memory_module, "SAVE_DEADLINE", 0.05)
        hung("save_health")
        rig.pools.turn(DOWN)

    play(folder, story)
    assert saved_health(folder) == UP


def test_events_are_numbered_on_after_a_restart_and_those_of_the_start_are_among_them(folder: Path) -> None:
    async def first(rig: Rig) -> None:
        rig.record(Warned("one"))
        rig.record(Warned("two"))
        await rig.memory.save(DRAIN)

    play(folder, first)

    async def second(rig: Rig) -> None:
        rig.record(Warned("three"))
        events = await rig.memory.journal.read(EventQuery())
        assert [(each.id, each.name) for each in events] == [
            (1, "warned"),
            (2, "warned"),
            (3, "state_taken_up"),
            (4, "warned"),
        ]

    play(folder, second)


def test_a_read_only_directory_is_told_and_the_director_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    async def story(rig: Rig) -> None:
        await until((folder / "health.json").exists)
        with monkeypatch.context() as patch:
            patch.setattr(StateFolder, "save_orders", refused)
            assert await rig.memory.save(DRAIN) == f"it would not survive a restart: {folder}: Read-only file system"
            assert rig.memory.status().failing == "Read-only file system"
        assert await rig.memory.save(WEIGHT) is None
        assert rig.memory.status().failing == ""

    rig = play(folder, story)
    assert [each.name for each in rig.heard(StateUnsaved, StateSaved)] == ["state_unsaved", "state_saved"]


def test_a_fault_of_ours_while_saving_is_told_and_saving_goes_on(folder: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.pools.known = object()  # type: ignore[assignment]
        rig.pools.turns += 1
        await until(lambda: rig.heard(StateUnsaved))
        assert "internal fault, please report it" in rig.memory.status().failing
        rig.pools.turn(DOWN)
        await until(lambda: saved_health(folder) == DOWN)

    play(folder, story)
