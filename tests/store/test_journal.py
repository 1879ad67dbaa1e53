"""The event journal: nothing is lost, nobody waits, and a disk that fails costs no more than it must."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.model.endpoint import Endpoint
from healthlb.model.events import Event, StateSaved, StateSetAside, StateUnsaved, Warned
from healthlb.model.occurrence import EventQuery, Occurrence
from healthlb.model.table import ServiceKey
from healthlb.store import journal as journal_module
from healthlb.store import writer as writer_module
from healthlb.store.events_file import EventsFile
from healthlb.store.journal import RING, Journal, Place, read_file
from healthlb.store.rows import event_of, limited, row_of, wanted
from waiting import until

KEY = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))


def event(number: int, **changes: Any) -> Occurrence:
    plain = Occurrence(number, 1000.0 + number, "real_server_down", "warning", f"event {number}", "shop", "web1")
    return replace(plain, **changes)


class Rig:
    """A journal with what it told; its readers have a thread that the test can hold."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.begun: list[int] = []
        self.going = threading.Event()
        self.going.set()
        self.journal = Journal(self.told.append, self.off_loop, self.begun.append)

    def off_loop(self, work: Callable[[], list[Occurrence]]) -> "asyncio.Future[list[Occurrence]]":
        def whole() -> list[Occurrence]:
            self.going.wait(60)
            return work()

        return asyncio.get_running_loop().run_in_executor(None, whole)

    def take(self, first: int, last: int, **changes: Any) -> None:
        for number in range(first, last + 1):
            self.journal.take(event(number, **changes))

    async def ids(self, **query: Any) -> list[int]:
        return [each.id for each in await self.journal.read(EventQuery(**{"limit": 100_000, **query}))]

    def heard(self, kind: type[Event]) -> list[Event]:
        return [each for each in self.told if isinstance(each, kind)]


def play(story: Callable[[Rig], Coroutine[Any, Any, None]], path: Path | None = None, keep: int = 100_000) -> Rig:
    async def whole() -> Rig:
        rig = Rig()
        if path is not None:
            rig.journal.keep_in(Place(path, keep))
            await rig.journal.number(60)
        try:
            await story(rig)
        finally:
            rig.going.set()
            await rig.journal.close(60)
        return rig

    return asyncio.run(whole())


def stored(path: Path) -> list[int]:
    return [each.id for each in read_file(path, EventQuery(limit=1_000_000))]


def holds(path: Path, last: int) -> bool:
    """Return whether the file has every event up to one; while it is being made, nobody may be able to tell."""
    with contextlib.suppress(OSError):
        return stored(path) == list(range(1, last + 1))
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what the writer waits for, and let a reader wait for a late disk; no test asserts on either."""
    monkeypatch.setattr(writer_module, "PAUSE", 0.01)
    monkeypatch.setattr(writer_module, "FIRST_RETRY", 0.01)
    monkeypatch.setattr(writer_module, "LAST_RETRY", 0.05)
    monkeypatch.setattr(journal_module, "READ_DEADLINE", 60.0)


endpoints = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)).flatmap(
    lambda address: st.builds(Endpoint, st.just(address), st.integers(0, 65535))
)
keys = st.one_of(
    st.builds(ServiceKey.at, st.sampled_from(["tcp", "udp", "sctp"]), endpoints),
    st.builds(ServiceKey.marked, st.integers(1, 2**32 - 1), st.sampled_from(["inet", "inet6"])),
)
plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)
occurrences = st.builds(
    Occurrence,
    st.integers(1, 2**62),
    st.floats(0, 4e9),
    st.sampled_from(["real_server_down", "real_server_up", "warned"]),
    st.sampled_from(["info", "warning", "error"]),
    plain_text,
    st.none() | plain_text,
    st.none() | plain_text,
    st.none() | keys,
    st.none() | endpoints,
    st.dictionaries(st.text(max_size=10), json_values, max_size=4),
)


@given(occurrences)
def test_an_event_is_read_from_its_row_as_it_happened(given_event: Occurrence) -> None:
    assert event_of(row_of(given_event)) == given_event


def test_an_event_of_any_size_and_any_text_is_kept_within_bounds() -> None:
    huge = event(1, sentence="x" * 100_000, details={"changes": ["y" * 5_000] * 5_000, "saw": {"sent": "\udcff" * 9}})
    kept = event_of(row_of(huge))
    assert len(str(kept)) < 25_000
    assert kept.sentence == "x" * 4_096
    long_list = event_of(row_of(event(1, details={"changes": ["a change of some length"] * 5_000}))).details["changes"]
    assert long_list[99:] == ["a change of some length", "and 4900 more"]
    assert event_of(row_of(event(1, sentence="\udcff"))).sentence == "\\udcff"


queries = st.builds(
    EventQuery,
    st.none() | st.integers(0, 60),
    st.none() | st.integers(0, 60),
    st.none() | st.floats(1000, 1060),
    st.sampled_from([None, "shop", "mail"]),
    st.sampled_from([None, "web1", "web2"]),
    st.sets(st.sampled_from(["up", "down", "warned"])).map(frozenset),
    st.integers(0, 20),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(queries, min_size=1, max_size=20), st.integers(0, 50), st.randoms(use_true_random=False))
def test_memory_the_file_and_both_together_answer_a_query_alike(
    tmp_path_factory: pytest.TempPathFactory, asked: list[EventQuery], ring: int, chance: Any
) -> None:
    path = tmp_path_factory.mktemp("state") / "events.db"
    events = [
        event(
            number,
            name=chance.choice(["up", "down", "warned"]),
            virtual_server=chance.choice([None, "shop", "mail"]),
            real_server=chance.choice([None, "web1", "web2"]),
        )
        for number in range(1, 51)
        if chance.random() < 0.9
    ]

    async def story(rig: Rig) -> None:
        for each in events:
            rig.journal.take(each)
        await until(lambda: rig.journal._writer is None or rig.journal._writer.oldest() is None)
        rig.journal._forget()
        for query in asked:
            expected = limited(query, [each for each in events if wanted(query, each)])
            assert await rig.journal.read(query) == expected
            assert read_file(path, query) == expected

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "RING", ring)
        play(story, path)


def test_a_thousand_events_at_once_are_all_there_at_once_and_after_a_restart(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 5_000)
        assert await rig.ids() == list(range(1, 5_001))
        assert await rig.ids(after=4_990, limit=5) == [4_991, 4_992, 4_993, 4_994, 4_995]
        assert await rig.ids(after=10, limit=2) == [11, 12]

    assert play(story, path).told == []
    assert stored(path) == list(range(1, 5_001))


def test_who_must_know_has_an_event_on_the_disk_before_the_pause_for_more_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PAUSE", 3600.0)

    async def story(rig: Rig) -> None:
        await until(lambda: rig.journal.status().path)
        rig.take(1, 3)
        await rig.journal.kept(60.0)
        assert stored(path) == [1, 2, 3]
        await rig.journal.kept(60.0)

    play(story, path)


def test_nobody_waits_for_a_journal_that_has_no_file() -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 3)
        await rig.journal.kept(3600.0)

    play(story)


def test_ids_go_on_after_a_restart_and_older_events_are_still_read(path: Path) -> None:
    async def first(rig: Rig) -> None:
        rig.take(1, 3)

    async def second(rig: Rig) -> None:
        assert rig.journal.last_id == 3
        rig.take(4, 5)
        assert await rig.ids() == [1, 2, 3, 4, 5]
        assert await rig.ids(limit=1) == [5]
        assert await rig.ids(after=3) == [4, 5]

    assert play(first, path).begun == [0]
    assert play(second, path).begun == [3]


def test_single_probes_are_not_kept(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 1, name="probe_passed")
        rig.take(2, 2, name="probe_failed")
        rig.take(3, 3)
        assert await rig.ids() == [3]

    play(story, path)
    assert stored(path) == [3]


def test_who_waits_is_told_of_the_next_event_and_one_who_goes_away_leaves_nothing_behind(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 2)
        await rig.journal.wait(1)
        waiting = [asyncio.create_task(rig.journal.wait(2)) for _ in range(3)]
        beyond = asyncio.create_task(rig.journal.wait(3))
        await asyncio.sleep(0)
        waiting[0].cancel()
        rig.take(3, 3)
        await asyncio.wait(waiting)
        assert [task.cancelled() for task in waiting] == [True, False, False]
        assert not beyond.done()
        beyond.cancel()
        await asyncio.wait([beyond])
        assert not rig.journal._waiting

    play(story, path)


def test_without_a_place_the_newest_events_are_in_memory() -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, RING + 500)
        assert await rig.ids() == list(range(501, RING + 501))
        assert rig.journal.status().path == ""

    assert play(story).told == []


def test_the_file_holds_no_more_than_it_is_told_and_gives_room_back(path: Path) -> None:
    async def story(rig: Rig) -> None:
        for first in range(1, 20_001, 1_000):
            rig.take(first, first + 999)
            await until(lambda: len(rig.journal._writer._unwritten) < 1_000)  # type: ignore[union-attr]

    play(story, path, keep=2_000)
    many = stored(path)
    assert many[-1] == 20_000
    assert 2_000 <= len(many) <= 2_500
    assert many == list(range(many[0], 20_001))
    assert path.stat().st_size < 4_000_000

    async def fewer(rig: Rig) -> None:
        rig.take(20_001, 20_001)

    play(fewer, path, keep=10)
    assert stored(path) == list(range(19_991, 20_002))
    with closing(sqlite3.connect(path)) as database:
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
    assert free <= 256


def test_another_process_reads_while_the_director_writes_and_leaves_no_file_behind(
    open_folder: Path,
) -> None:
    path = open_folder / "events.db"

    async def story(rig: Rig) -> None:
        rig.take(1, 10)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        assert len(await asyncio.to_thread(read_by_nobody, path)) == 10
        rig.take(11, 11)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        assert len(await asyncio.to_thread(read_by_nobody, path)) == 11

    play(story, path)
    assert len(read_by_nobody(path)) == 11
    assert [each.name for each in path.parent.iterdir()] == ["events.db"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that everybody may look into: those of pytest are the user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def read_by_nobody(path: Path) -> list[str]:
    """Read the file as somebody who may not write anywhere near it."""
    files = [path.parent, *path.parent.iterdir()]
    for each in files:
        each.chmod(each.stat().st_mode & ~0o222 | 0o444)
    story = (
        "import sys\nfrom healthlb.model.occurrence import EventQuery\nfrom healthlb.store.journal import read_file\n"
        "for each in read_file(sys.argv[1], EventQuery()):\n    print(each.sentence)\n"
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-c", story, str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            user=65534 if os.geteuid() == 0 else None,
            cwd=Path(__file__).parents[2],
        )
    finally:
        for each in files:
            each.chmod(each.stat().st_mode | 0o200)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_reading_a_file_that_is_not_there_or_is_none_is_a_sentence_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "events.db", EventQuery())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "events.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(OSError, match=r"events\.db: file is not a database"):
        read_file(tmp_path / "events.db", EventQuery())
    assert [each.name for each in tmp_path.iterdir()] == ["events.db"]


@settings(max_examples=30, deadline=None)
@given(junk=st.binary(min_size=1, max_size=300))
def test_any_other_file_in_its_place_is_set_aside_and_a_new_one_begun(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("state") / "events.db"
    path.write_bytes(junk)

    async def story(rig: Rig) -> None:
        # Readers that know the ids of the file before are not told the same ones again.
        assert rig.begun[0] > 1_700_000_000
        rig.take(rig.begun[0] + 1, rig.begun[0] + 2)

    rig = play(story, path)
    assert [Path(each.kept_as).read_bytes() for each in rig.told if isinstance(each, StateSetAside)] == [junk]
    assert stored(path) == [rig.begun[0] + 1, rig.begun[0] + 2]


def test_a_file_that_is_damaged_while_it_is_used_is_set_aside_and_what_is_in_memory_is_kept(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 800)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        spoil(path)
        rig.take(801, 900)
        await until(lambda: rig.heard(StateSetAside))
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        assert await rig.ids() == list(range(1, 901))

    play(story, path)
    assert stored(path) == list(range(1, 901))


def spoil(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


@pytest.mark.parametrize("how", ["a newer version", "another program's database", "a folder"])
def test_a_file_that_is_somebody_elses_is_set_aside(path: Path, how: str) -> None:
    if how == "a folder":
        path.mkdir()
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 7" if how == "a newer version" else "CREATE TABLE mine (x)")

    async def story(rig: Rig) -> None:
        assert [type(each) for each in rig.told] == [StateSetAside]
        rig.take(rig.begun[0] + 1, rig.begun[0] + 1)

    rig = play(story, path)
    assert stored(path) == [rig.begun[0] + 1]


def test_a_folder_that_vanishes_is_made_again_with_what_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.db"

    async def story(rig: Rig) -> None:
        rig.take(1, 50)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        path.parent.rename(tmp_path / "gone")  # at one stroke: nothing can be made in it meanwhile
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        rig.take(51, 60)
        await until(lambda: holds(path, 60))

    assert play(story, path).told == []
    assert stored(path) == list(range(1, 61))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_place_that_cannot_be_used_is_told_once_and_nothing_is_lost_once_it_can(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "state" / "events.db"

    async def story(rig: Rig) -> None:
        await until(lambda: rig.heard(StateUnsaved))
        assert rig.journal.status().failing == "No such file or directory"
        first = rig.begun[0] + 1
        rig.take(first, first + 1_999)
        assert await rig.ids() == list(range(first, first + 2_000))
        path.parents[1].mkdir()
        await until(lambda: rig.heard(StateSaved))
        assert rig.journal.status().failing == ""

    rig = play(story, path)
    assert [type(each) for each in rig.told] == [StateUnsaved, StateSaved]
    assert len(stored(path)) == 2_000


def test_what_is_too_much_to_wait_is_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "QUEUE", 100)
    path = tmp_path / "gone" / "state" / "events.db"

    async def story(rig: Rig) -> None:
        await until(lambda: rig.heard(StateUnsaved))
        rig.take(1, 130)
        assert rig.journal.status().dropped_total == 30
        path.parents[1].mkdir()
        await until(lambda: rig.heard(Warned))

    rig = play(story, path)
    assert rig.heard(Warned) == [Warned("30 events are not in the journal: more came than could be written")]
    assert set(stored(path)) >= set(range(1, 101))


def test_a_full_disk_costs_nothing_that_fits_once_there_is_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.Event()
    add = EventsFile.add

    def unless_full(file: EventsFile, *arguments: Any) -> int:
        file._database.execute("PRAGMA max_page_count = " + ("1" if full.is_set() else "1000000")).fetchall()
        return add(file, *arguments)

    monkeypatch.setattr(EventsFile, "add", unless_full)

    async def story(rig: Rig) -> None:
        rig.take(1, 10)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        full.set()
        rig.take(11, 900)
        await until(lambda: rig.heard(StateUnsaved))
        assert rig.journal.status().failing == "database or disk is full"
        assert await rig.ids() == list(range(1, 901))
        full.clear()
        await until(lambda: rig.heard(StateSaved))

    play(story, path)
    assert stored(path) == list(range(1, 901))


def test_a_disk_that_never_answers_a_reader_leaves_memory_to_answer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "READ_DEADLINE", 0.05)

    async def story(rig: Rig) -> None:
        rig.take(1, RING + 10)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        rig.take(RING + 11, RING + 11)
        rig.going.clear()
        in_memory = list(range(12, RING + 12))
        assert await rig.ids() == in_memory
        assert await rig.ids() == in_memory
        assert await rig.ids(after=RING) == list(range(RING + 1, RING + 12))
        rig.going.set()

    play(story, path)


def test_readers_who_come_at_once_all_have_what_only_the_file_has(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 3 * RING)
        await until(lambda: holds(path, 3 * RING) and rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        rig.take(3 * RING + 1, 3 * RING + 1)
        assert len(rig.journal._recent) <= RING
        found = await asyncio.gather(*(rig.ids(after=first, limit=100) for first in range(20)))
        assert found == [list(range(first + 1, first + 101)) for first in range(20)]

    play(story, path)


def test_a_journal_that_moves_takes_what_is_in_memory_along(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 5)
        rig.journal.keep_in(Place(tmp_path / "first.db"))
        await rig.journal.number(60)
        rig.take(6, 7)
        await until(lambda: rig.journal._writer.oldest() is None)  # type: ignore[union-attr]
        rig.journal.keep_in(Place(tmp_path / "second.db"))
        rig.take(8, 9)
        await until(lambda: holds(second, 9))

    second = tmp_path / "second.db"
    play(story)
    assert stored(tmp_path / "first.db") == list(range(1, 8))


def test_a_journal_that_moves_to_where_events_have_its_next_numbers_sets_those_aside(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"

    async def another(rig: Rig) -> None:
        rig.take(1, 50)

    play(another, second)

    async def story(rig: Rig) -> None:
        rig.take(1, 5)
        await until(lambda: holds(first, 5))
        rig.journal.keep_in(Place(second))
        rig.take(6, 7)
        await until(lambda: rig.heard(StateSetAside) and holds(second, 7))
        rig.take(8, 8)

    rig = play(story, first)
    assert stored(second) == list(range(1, 9))
    (aside,) = rig.heard(StateSetAside)
    assert isinstance(aside, StateSetAside)
    assert stored(Path(aside.kept_as)) == list(range(1, 51))


def test_a_journal_that_is_kept_in_memory_from_now_on_leaves_its_file_alone_until_it_has_one_again(
    tmp_path: Path,
) -> None:
    first, second, third = (tmp_path / f"{name}.db" for name in ("first", "second", "third"))

    async def another(rig: Rig) -> None:
        rig.take(1, 50)

    play(another, third)

    async def story(rig: Rig) -> None:
        rig.take(1, 5)
        rig.journal.keep_in_memory()
        assert rig.journal.status().path == ""
        rig.take(6, 7)
        await until(lambda: holds(first, 5))
        assert await rig.ids() == list(range(1, 8))
        rig.journal.keep_in(Place(second))
        await until(lambda: holds(second, 7))
        rig.journal.keep_in_memory()
        rig.journal.keep_in(Place(third))
        rig.take(8, 8)
        await until(lambda: rig.heard(StateSetAside) and holds(third, 8))

    rig = play(story, first)
    assert stored(first) == list(range(1, 6))
    assert len(rig.heard(StateSetAside)) == 1
    assert rig.heard(StateUnsaved) == []


def test_an_event_that_no_row_can_be_made_of_is_counted_and_the_others_are_kept(path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.take(1, 1)
        rig.take(2, 2, details={"what": object()})
        rig.take(3, 3)
        await until(lambda: rig.heard(Warned))
        assert rig.journal.status().dropped_total == 1

    play(story, path)
    assert stored(path) == [1, 3]
