"""Programs that are told of events, really run."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.daemon.programs import Programs
from healthlb.notify.command import Exit
from healthlb.notify.sending import UndeliveredError
from waiting import eventually, until

Write = Callable[[str], str]


@pytest.fixture
def shelf() -> Iterator[Path]:
    """Yield a folder that everybody may enter and only its owner may change."""
    with tempfile.TemporaryDirectory(prefix="healthlb-programs-") as path:
        Path(path).chmod(0o755)
        (Path(path) / "spool").mkdir()
        (Path(path) / "spool").chmod(0o1777)
        yield Path(path)


@pytest.fixture
def write(shelf: Path) -> Write:
    """Return a function that writes a shell script and returns its path."""

    def written(text: str) -> str:
        path = shelf / "script"
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return str(path)

    return written


def play(story: Callable[[Programs], Coroutine[Any, Any, Any]]) -> Any:
    async def whole() -> Any:
        programs = Programs("test programs")
        try:
            return await story(programs)
        finally:
            programs.close()

    return asyncio.run(whole())


def run(script: str, data: bytes = b"told", user: str | None = None) -> Exit:
    end = play(lambda programs: programs.run((script,), user, data))
    assert isinstance(end, Exit)
    return end


def test_a_program_is_given_its_input_and_a_clean_environment(write: Write, shelf: Path) -> None:
    out = shelf / "spool/out"
    assert run(write(f"{{ cat; env | sort; pwd; }} > {out}\n")) == Exit(0)
    said = out.read_text()
    assert said.startswith("told")
    assert said.endswith("\n/\n")
    names = {line.partition("=")[0] for line in said.removeprefix("told").splitlines() if "=" in line}
    assert names <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}


def test_a_program_of_a_director_that_is_root_is_not_root(write: Write, shelf: Path) -> None:
    run(write(f"id -u > {shelf}/spool/out\n"))
    uid = int((shelf / "spool/out").read_text())
    assert uid != 0 or os.geteuid() != 0
    assert uid == os.geteuid() or os.geteuid() == 0


def test_its_exit_status_its_signal_and_what_it_said_are_known(write: Write) -> None:
    assert run(write("echo nobody is on duty >&2; exit 75\n")) == Exit(75, 0, b"nobody is on duty\n")
    assert run(write("kill -TERM $$\n")) == Exit(0, 15)


def test_a_program_that_reads_nothing_is_not_waited_for(write: Write) -> None:
    assert run(write("exit 0\n"), b"x" * (4 << 20)) == Exit(0)


def test_a_program_that_floods_is_killed(write: Write) -> None:
    assert run(write("exec cat /dev/zero\n")).signal == 9


def test_what_is_left_running_in_its_group_is_killed_with_it(write: Write, shelf: Path) -> None:
    run(write(f"sleep 3600 & echo $! > {shelf}/spool/pid\n"))
    assert eventually(lambda: _gone(int((shelf / "spool/pid").read_text())), bool)


def test_a_program_that_does_not_end_is_killed_with_its_group_when_its_time_is_over(write: Write, shelf: Path) -> None:
    script = write(f"sleep 3600 & echo $! > {shelf}/spool/child; echo $$ > {shelf}/spool/pid; wait\n")

    async def story(programs: Programs) -> None:
        running = asyncio.create_task(programs.run((script,), None, b"told"))
        pid = shelf / "spool/pid"
        await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await programs.run(("/bin/true",), None, b"the next one") == Exit(0)

    play(story)
    for name in ("pid", "child"):
        process = int((shelf / "spool" / name).read_text())
        assert eventually(lambda process=process: _gone(process), bool)  # type: ignore[misc]


def test_a_start_that_nobody_waits_for_any_more_leaves_no_program(write: Write, shelf: Path) -> None:
    script = write(f"echo $$ >> {shelf}/spool/pids; sleep 3600\n")

    async def story(programs: Programs) -> None:
        running = asyncio.create_task(programs.run((script,), None, b"told"))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await programs.run(("/bin/true",), None, b"the next one") == Exit(0)

    play(story)
    pids = (shelf / "spool/pids").read_text().split() if (shelf / "spool/pids").exists() else []
    assert all(eventually(lambda pid=pid: _gone(int(pid)), bool) for pid in pids)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ("/none/such", "/none/such: no such file or directory"),
        ("/etc", "/etc is no regular file"),
        ("/etc/passwd", "/etc/passwd is not executable"),
    ],
)
def test_what_cannot_be_run_is_told(argv: str, reason: str) -> None:
    with pytest.raises(UndeliveredError) as caught:
        run(argv)
    assert str(caught.value) == reason


def test_a_user_that_is_not_there_is_told() -> None:
    with pytest.raises(UndeliveredError, match="there is no user nobody-of-that-name"):
        run("/bin/true", user="nobody-of-that-name")


def _gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
