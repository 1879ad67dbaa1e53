"""What a file says of a real server's weight; and the kernel telling at once when it says something else."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import checks.engine.files
import checks.engine.inotify
from checks import Check, Feedback, ProbeResult, Target, UnusableError, Verdict
from checks.engine import Engine
from checks.engine.looking import look
from checks.file import File
from tests.checks.servers import Run
from waiting import eventually

TARGET = Target("192.0.2.1", 8080, context=(("real_server", "web1"), ("virtual_server", "shop")))
AS_CONFIGURED = Feedback(100, percent=True, admin="ready")


@pytest.mark.parametrize(
    ("content", "feedback"),
    [
        (b"7\n", Feedback(7, admin="ready")),
        (b"0", Feedback(0, admin="ready")),
        (b"65535\n", Feedback(65535, admin="ready")),
        (b"75%\n", Feedback(75, percent=True, admin="ready")),
        (b"up\nand more\n", AS_CONFIGURED),
        (b"ready # patched\n", AS_CONFIGURED),
        (b"DRAIN\n", Feedback(100, percent=True, admin="drain")),
        (b"drain 7\n", Feedback(7, admin="drain")),
        (b"maint\r\n", Feedback(100, percent=True, admin="maint")),
    ],
)
def test_a_file_says_a_weight_or_a_word_and_the_rest_is_as_configured(content: bytes, feedback: Feedback) -> None:
    verdict = File("/w").judge(content)
    assert (verdict.passed, verdict.feedback) == (True, feedback)


def test_down_is_a_failure_with_the_description_for_its_reason() -> None:
    verdict = File("/w").judge(b"down # disk swap, back at 9\n")
    assert (verdict.passed, verdict.reason) == (False, "the file says down (disk swap, back at 9)")


def test_down_in_place_of_drain_does_not_end_the_drain_until_it_counts() -> None:
    assert File("/w").judge(b"down\n").feedback is None
    assert File("/w").judge(b"down 0\n").feedback == Feedback(0, admin="ready")
    assert File("/w").judge(b"up\n").feedback == AS_CONFIGURED


def test_a_missing_file_is_what_the_configuration_says() -> None:
    assert File("/w").judge(None) == Verdict(False, "the file is missing")
    verdict = File("/w", missing="pass").judge(None)
    assert verdict == Verdict(True, "the file is missing: all is as configured", feedback=AS_CONFIGURED)


def test_for_maintenance_the_file_s_presence_is_enough() -> None:
    check = File("/w", meaning="maintenance")
    assert check.judge(None) == Verdict(True, "there is no maintenance file", feedback=Feedback(admin="ready"))
    there = Verdict(True, "in maintenance, for there is the file", feedback=Feedback(admin="maint"))
    assert check.judge(b"") == there
    assert check.judge(b"new disk\x07\n").reason == "in maintenance, for there is the file: new disk\\x07"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file's first line is empty"),
        (b"\n5\n", "the file's first line is empty"),
        (b"-1\n", "the file's word '-1' is no weight of 0 to 65535, no percentage and no known word"),
        (b"65536\n", "the file's word '65536' is no weight"),
        (b"5 apples\n", "the file's word 'apples' is no weight"),
        (b"maxconn:3\n", "the file's word 'maxconn:3' is no weight"),
        (b"# nothing\n", "the file's first line says nothing: '# nothing'"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(content: bytes, why: str) -> None:
    with pytest.raises(UnusableError) as raised:
        File("/w").judge(content)
    assert str(raised.value).startswith(why)


@given(st.none() | st.binary(max_size=100), st.sampled_from(["weight", "maintenance"]))
def test_whatever_a_file_holds_there_is_a_verdict_or_it_says_nothing(content: bytes | None, meaning: Any) -> None:
    try:
        verdict = File("/w", meaning=meaning).judge(content)
        told, feedback = verdict.reason, verdict.feedback
    except UnusableError as error:
        told, feedback = str(error), None
    assert told.isprintable()
    assert feedback is None or feedback.weight is None or 0 <= feedback.weight <= 65535
    assert feedback is None or feedback.admin is not None


@given(st.integers(0, 65535), st.sampled_from(["\n", "", "\r\n", " # why\n", " ,\t\nmore"]))
def test_every_weight_that_ipvs_has_can_be_said(weight: int, end: str) -> None:
    assert File("/w").judge(f"{weight}{end}".encode()).feedback == Feedback(weight, admin="ready")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("run/weight", "'run/weight' must be an absolute path"),
        ("/run/", "'/run/' is a folder's name"),
        ("/run/{server}", "{server} stands for nothing; there are {address}, {port}, {real_server}"),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused_with_the_file(path: str, fault: str) -> None:
    ((option, sentence),) = File(path).faults()
    assert option == "path"
    assert sentence.startswith(fault)


def test_a_path_names_the_target() -> None:
    assert File("/run/{virtual_server}/{address}:{port}").file(TARGET) == "/run/shop/192.0.2.1:8080"
    assert list(File("/run/{virtual_server}/{address}:{port}").faults()) == []
    with pytest.raises(UnusableError, match=r"^\{fwmark\} stands for nothing here$"):
        File("/run/{fwmark}").file(TARGET)


# With a kernel


class Watching:
    """An engine, and the hints that it gave."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hints: list[tuple[Check, Target]] = []
        self.faults: list[str] = []
        self.hinted = asyncio.Event()
        self.looks = 0
        self.engine = Engine(on_fault=self.faults.append, on_hint=self._take)

    def _take(self, check: Check, target: Target) -> None:
        self.hints.append((check, target))
        self.hinted.set()

    async def probe(self, check: Check, target: Target = TARGET, seconds: float = 60.0) -> ProbeResult:
        result: asyncio.Future[ProbeResult] = self.loop.create_future()
        self.engine.start(check, target, self.loop.time() + seconds, result.set_result, keep_evidence=True)
        return await result

    async def told(self, check: Check, change: Callable[[], object]) -> ProbeResult:
        """Change something, wait for the hint, and return what a probe then says; wait again while it is halfway."""
        await asyncio.sleep(0)
        self.hinted.clear()
        await asyncio.to_thread(change)
        async with asyncio.timeout(60):
            await self.hinted.wait()
        return await self.probe(check)

    async def until(self, check: Check, change: Callable[[], object], reason: str) -> None:
        """Change something; each hint is followed by a probe, until one gives this reason."""
        self.hinted.clear()
        await asyncio.to_thread(change)
        async with asyncio.timeout(60):
            while True:
                await self.hinted.wait()
                self.hinted.clear()
                if (await self.probe(check)).reason == reason:
                    return


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Watching], Any]], None]]:
    """Return a function that runs a scenario with an engine and counts looks; no descriptor may be left."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    def scenario(body: Callable[[Watching], Any]) -> None:
        async def main() -> None:
            watching = Watching()

            def counted(*arguments: Any) -> Any:
                watching.looks += 1
                return look(*arguments)

            monkeypatch.setattr(checks.engine.files, "look", counted)
            try:
                await body(watching)
            finally:
                watching.engine.close()

        asyncio.run(main())

    yield scenario
    after = eventually(lambda: len(list(Path("/proc/self/fd").iterdir())), lambda now: now <= before)
    assert after <= before


Watch = Callable[[Callable[[Watching], Any]], None]


def replace(path: Path, text: str) -> None:
    """Put another file in its place, as careful programs do."""
    other = path.with_name(f".{path.name}.new")
    other.write_text(text)
    other.rename(path)


def test_probes_between_changes_do_not_touch_the_disk(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    check = File(f"{tmp_path}/{{real_server}}")

    async def scenario(watching: Watching) -> None:
        results = [await watching.probe(check) for _ in range(10)]
        assert {result.reason for result in results} == {"the file says weight 5"}
        assert results[0].evidence is not None
        assert (results[0].evidence.received, results[0].evidence.peer) == (b"5\n", str(path))
        assert watching.looks == 1
        assert watching.hints == []

    watch(scenario)


def test_each_kind_of_change_asks_for_a_probe_which_sees_it(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    check = File(str(path), missing="pass")

    async def scenario(watching: Watching) -> None:
        await watching.probe(check)
        await watching.until(check, lambda: replace(path, "6\n"), "the file says weight 6")
        await watching.until(check, lambda: path.write_text("drain # now\n"), "the file says drain (now)")
        await watching.until(check, path.unlink, "the file is missing: all is as configured")
        await watching.until(check, lambda: path.write_text("7\n"), "the file says weight 7")
        await watching.until(check, lambda: path.rename(tmp_path / "x"), "the file is missing: all is as configured")
        await watching.until(check, lambda: (tmp_path / "x").rename(path), "the file says weight 7")
        assert set(watching.hints) == {(check, TARGET)}
        assert watching.faults == []

    watch(scenario)


def test_a_writer_that_keeps_the_file_open_is_seen_too(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    check = File(str(path))

    async def scenario(watching: Watching) -> None:
        await watching.probe(check)
        with path.open("r+b", buffering=0) as file:
            await watching.until(check, lambda: os.pwrite(file.fileno(), b"8\n", 0), "the file says weight 8")

    watch(scenario)


def test_a_folder_that_appears_goes_or_is_replaced_is_followed(watch: Watch, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "weights"
    check = File(str(folder / "web1"), missing="pass")
    missing = "the file is missing: all is as configured"

    def fill(weight: int, where: Path) -> None:
        where.mkdir(parents=True)
        (where / "web1").write_text(f"{weight}\n")

    def exchange() -> None:
        fill(3, tmp_path / "other")
        folder.rename(tmp_path / "former")
        (tmp_path / "other").rename(folder)

    def remove() -> None:
        (folder / "web1").unlink()
        folder.rmdir()

    async def scenario(watching: Watching) -> None:
        assert (await watching.probe(check)).reason == missing
        await watching.until(check, lambda: fill(1, folder), "the file says weight 1")
        await watching.until(check, lambda: replace(folder / "web1", "2\n"), "the file says weight 2")
        await watching.until(check, exchange, "the file says weight 3")
        await watching.until(check, lambda: replace(folder / "web1", "4\n"), "the file says weight 4")
        await watching.until(check, remove, missing)
        await watching.until(check, lambda: fill(5, folder), "the file says weight 5")
        files = watching.engine._carriers["file"]
        assert isinstance(files, checks.engine.files.Files)
        assert len(files._by_watch) == 1

    watch(scenario)


def test_a_file_that_is_written_without_end_is_hinted_at_now_and_then(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    check = File(str(path))

    async def scenario(watching: Watching) -> None:
        await watching.probe(check)
        begun = watching.loop.time()

        def write() -> None:
            for _ in range(2000):
                replace(path, "6\n")

        await asyncio.to_thread(write)
        taken = watching.loop.time() - begun
        assert 1 <= len(watching.hints) <= 2 + taken / checks.engine.files.HINT_SECONDS
        assert (await watching.probe(check)).reason == "the file says weight 6"

    watch(scenario)


def test_a_change_while_the_file_is_being_read_is_not_lost(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    check = File(str(path))

    async def scenario(watching: Watching) -> None:
        counted = checks.engine.files.look

        def changed_meanwhile(*arguments: Any) -> Any:
            found = counted(*arguments)  # type: ignore[arg-type]
            if watching.looks == 1:
                replace(path, "6\n")
            return found

        monkeypatch.setattr(checks.engine.files, "look", changed_meanwhile)
        first = await watching.probe(check)
        if first.reason != "the file says weight 6":
            async with asyncio.timeout(60):
                await watching.hinted.wait()
        assert (await watching.probe(check)).reason == "the file says weight 6"

    watch(scenario)


def test_a_link_is_read_at_each_probe(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "web1").write_text("5\n")
    (tmp_path / "web1").symlink_to(tmp_path / "a" / "web1")
    (tmp_path / "nowhere").symlink_to(tmp_path / "b")

    async def scenario(watching: Watching) -> None:
        check = File(str(tmp_path / "web1"))
        assert (await watching.probe(check)).reason == "the file says weight 5"
        (tmp_path / "a" / "web1").write_text("6\n")
        assert (await watching.probe(check)).reason == "the file says weight 6"
        assert (await watching.probe(File(str(tmp_path / "nowhere")))).reason == "the file is missing"

    watch(scenario)


def test_a_folder_that_is_a_link_may_be_swapped_for_another_as_releases_are(watch: Watch, tmp_path: Path) -> None:
    for release, weight in (("a", "5"), ("b", "6")):
        (tmp_path / release / "weights").mkdir(parents=True)
        (tmp_path / release / "weights" / "web1").write_text(f"{weight}\n")
    (tmp_path / "current").symlink_to("a")

    async def scenario(watching: Watching) -> None:
        check = File(str(tmp_path / "current" / "weights" / "web1"))
        assert (await watching.probe(check)).reason == "the file says weight 5"
        (tmp_path / "next").symlink_to("b")
        (tmp_path / "next").rename(tmp_path / "current")
        assert (await watching.probe(check)).reason == "the file says weight 6"

    watch(scenario)


def test_all_who_go_by_one_file_are_told_by_one_look(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "weight"
    path.write_text("5\n")

    async def scenario(watching: Watching) -> None:
        targets = [Target("192.0.2.1", port) for port in range(1, 41)]
        checks_ = [File(str(path)), File(str(path), meaning="maintenance")]
        results = await asyncio.gather(*(watching.probe(check, each) for each in targets for check in checks_))
        assert len({result.reason for result in results}) == 2
        assert watching.looks == 1
        watching.hinted.clear()
        await asyncio.to_thread(replace, path, "6\n")
        await watching.hinted.wait()
        assert set(watching.hints) == {(check, each) for each in targets for check in checks_}

    watch(scenario)


@pytest.mark.parametrize("kind", ["fifo", "folder", "unreadable", "device"])
def test_what_cannot_be_read_is_no_word_about_the_server(watch: Watch, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "web1"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
        case _:
            path = tmp_path / ("x" * 300)

    async def scenario(watching: Watching) -> None:
        result = await watching.probe(File(str(path)))
        assert (result.passed, result.sent) == (False, False)
        why = f"{path}: file name too long" if kind == "unreadable" else f"{path} is no regular file"
        assert result.reason == f"not sent: {why}"

    watch(scenario)


def test_no_more_than_the_first_bytes_of_a_great_file_are_read(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_bytes(b"5 # ")
    os.truncate(path, 100_000_000)
    assert look(str(path), None).seen == b"5 # " + bytes(4092)

    async def scenario(watching: Watching) -> None:
        assert (await watching.probe(File(str(path)))).feedback == Feedback(5, admin="ready")

    watch(scenario)


def test_a_file_system_that_hangs_holds_up_nothing_but_its_own_probes(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "web1", tmp_path / "web2"
    path.write_text("5\n")
    other.write_text("6\n")
    gate = threading.Event()

    async def scenario(watching: Watching) -> None:
        counted = checks.engine.files.look

        def hanging(name: str, *arguments: Any) -> Any:
            if name == str(path):
                assert gate.wait(60)
            return counted(name, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(checks.engine.files, "look", hanging)
        for _ in range(2):
            result = await watching.probe(File(str(path)), seconds=0.1)
            assert not result.sent
            assert result.reason.startswith(f"not sent: {path} could not be read within ")
        assert (await watching.probe(File(str(other)))).reason == "the file says weight 6"
        assert watching.engine.in_flight == 0
        gate.set()
        assert (await watching.probe(File(str(path)))).reason == "the file says weight 5"

    watch(scenario)


def limited(number: int) -> Callable[..., int]:
    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(("function", "number"), [("watch", 28), ("__init__", 24)])
def test_where_nothing_can_be_watched_files_are_read_at_each_probe_and_that_is_said_once(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int
) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    monkeypatch.setattr(checks.engine.inotify.Inotify, function, limited(number))

    async def scenario(watching: Watching) -> None:
        check = File(str(path))
        assert (await watching.probe(check)).reason == "the file says weight 5"
        path.write_text("6\n")
        assert (await watching.probe(check)).reason == "the file says weight 6"
        (sentence,) = watching.faults
        name = {28: "max_user_watches", 24: "max_user_instances"}[number]
        assert sentence.endswith(f"(sysctl fs.inotify.{name}): they are read at each probe instead")

    watch(scenario)


def test_after_an_overflow_every_file_is_read_again(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    inotify = checks.engine.inotify

    async def scenario(watching: Watching) -> None:
        check = File(str(path))
        await watching.probe(check)
        events = inotify.Inotify.events

        def overflowed(each: Any) -> list[Any]:
            events(each)
            return [inotify.Event(-1, inotify.IN_Q_OVERFLOW, "")]

        with monkeypatch.context() as patch:
            patch.setattr(inotify.Inotify, "events", overflowed)
            replace(path, "6\n")
            async with asyncio.timeout(60):
                await watching.hinted.wait()
        assert watching.faults[0].startswith("inotify's queue overflowed (sysctl fs.inotify.max_queued_events)")
        assert (await watching.probe(check)).reason == "the file says weight 6"

    watch(scenario)


def test_what_is_long_known_is_looked_at_again(watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")
    monkeypatch.setattr(checks.engine.files, "LOOK_AGAIN_SECONDS", 0.0)

    async def scenario(watching: Watching) -> None:
        for _ in range(3):
            await watching.probe(File(str(path)))
        assert watching.looks == 3

    watch(scenario)


def kernels_watches(file: int) -> int:
    """Return how many watches the kernel has for an inotify descriptor (proc(5), fdinfo)."""
    return Path(f"/proc/self/fdinfo/{file}").read_text().count("inotify wd:")


def test_a_file_that_nobody_asks_for_any_more_is_let_go_of(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web1").write_text("5\n")
    monkeypatch.setattr(checks.engine.files, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(checks.engine.files, "FORGET_SECONDS", -1.0)

    async def scenario(watching: Watching) -> None:
        await watching.probe(File(str(tmp_path / "a" / "web1")))
        await watching.probe(File(str(tmp_path / "b" / "web1")))
        files = watching.engine._carriers["file"]
        assert isinstance(files, checks.engine.files.Files)
        assert list(files._files) == [str(tmp_path / "b" / "web1")]
        assert len(files._by_watch) == 1
        assert files._inotify is not None
        assert kernels_watches(files._inotify.file) == 1

    watch(scenario)


def test_a_receiver_of_hints_and_a_check_that_raise_are_reported(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")

    class Odd(Check):
        type = "odd"
        carrier = "file"

        def file(self, target: Target) -> str:
            return str(path)

        def judge(self, content: bytes | None) -> Verdict:
            raise LookupError("odd")

    async def scenario(watching: Watching) -> None:
        result = await watching.probe(Odd())
        assert (result.passed, result.sent) == (False, True)
        assert result.reason == "fault in the check itself: LookupError: odd"
        good = File(str(path))
        await watching.probe(good)
        heard = watching.engine._carriers["file"]
        assert isinstance(heard, checks.engine.files.Files)
        take = heard._on_hint

        def raising(check: Check, target: Target) -> None:
            take(check, target)
            raise LookupError("not now")

        heard._on_hint = raising
        await watching.told(good, lambda: replace(path, "6\n"))
        assert len(watching.hints) == 2
        assert sum("not now" in fault for fault in watching.faults) == 2

    watch(scenario)


def test_closing_the_engine_drops_what_waits(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "web1"
    path.write_text("5\n")

    async def scenario(watching: Watching) -> None:
        watching.engine.start(File(str(path)), TARGET, watching.loop.time() + 60, pytest.fail)
        assert watching.engine.in_flight == 1
        watching.engine.close()
        assert watching.engine.in_flight == 0
        await asyncio.sleep(0)

    watch(scenario)


def test_a_look_that_goes_wrong_is_a_fault_and_not_the_end_of_its_thread(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(watching: Watching) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(checks.engine.inotify.Inotify, "watch", lambda *_, **__: 1 / 0)
            result = await watching.probe(File(str(tmp_path / "web1")))
            assert result.reason == "fault in the check itself: ZeroDivisionError: division by zero"
        assert (await watching.probe(File(str(tmp_path / "web1")))).reason == "the file is missing"

    watch(scenario)


def test_without_a_thread_the_director_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario(bench: Any) -> None:
        monkeypatch.setattr("threading.Thread.start", refuse)
        result = await bench.probe(File(str(tmp_path / "web1")), TARGET)
        assert (result.sent, result.reason) == (False, "not sent: no thread can be started")
        assert bench.engine.in_flight == 0

    run(scenario)
