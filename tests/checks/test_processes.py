"""Real programs, run and put down: none twice at once for one real server, none left, no descriptor left."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import checks.engine.launching
import checks.wire.programs
from checks import Check, ProbeResult, Target, UnusableError, Verdict, Way
from checks.engine.launching import Child, launch
from checks.engine.processes import Processes
from checks.engine.threads import Threads
from checks.script import Script
from checks.wire.programs import Ended, Program
from tests.checks.servers import Run
from waiting import PATIENCE, eventually

TARGET = Target("192.0.2.1", 8080, context=(("real_server", "web1"),))
Write = Callable[[str], str]


@pytest.fixture
def shelf() -> Iterator[Path]:
    """Yield a folder that everybody may enter and only root may change."""
    path = Path(tempfile.mkdtemp(prefix="healthlb-scripts-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def write(shelf: Path) -> Write:
    """Return a function that writes a shell script and returns its path."""

    def written(text: str, first: str = "#!/bin/sh\n") -> str:
        path = shelf / f"script{len(list(shelf.iterdir()))}"
        path.write_text(first + text)
        path.chmod(0o755)
        return str(path)

    return written


@pytest.fixture
def spool(shelf: Path) -> Path:
    """Return a folder that scripts may write to."""
    path = shelf / "spool"
    path.mkdir()
    path.chmod(0o1777)
    return path


def parent(process: str) -> int:
    """Return a process's parent, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def children() -> list[str]:
    """Return the processes that are ours and not yet reaped."""
    names = [path.name for path in Path("/proc").iterdir()]
    return [name for name in names if name.isdigit() and parent(name) == os.getpid()]


def descriptors() -> int:
    """Return how many we hold."""
    return len(list(Path("/proc/self/fd").iterdir()))


def gone(process: int) -> bool:
    """Say whether a process has ended, whoever has to reap it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def number(path: Path) -> int:
    """Wait until a script has written a process id to a file, and return it."""
    text = eventually(lambda: path.read_text() if path.exists() else "", lambda text: text.endswith("\n"))
    return int(text)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Fail a test that leaves a process, a zombie or a descriptor behind."""
    before, others = descriptors(), {*children()}
    yield
    assert eventually(lambda: {*children()} - others, lambda left: not left) == set()
    assert eventually(descriptors, lambda now: now <= before) <= before


async def begun(bench: Any, *files: Path) -> list[int]:
    """Wait until scripts have written their process ids to these files, and the engine knows that they run."""
    processes = bench.engine._carriers["process"]
    numbers = [await asyncio.to_thread(number, file) for file in files]
    await asyncio.to_thread(eventually, lambda: all(run.began for run in list(processes._running)), bool)
    return numbers


def carrier(bench: Any, places: int = 32) -> Processes:
    """Give the engine a carrier with so many places."""
    made = Processes(bench.engine.loop, bench.engine.teller, places)
    bench.engine._carriers["process"] = made
    return made


def test_a_script_runs_unprivileged_and_with_nothing_that_is_the_directors(run: Run, write: Write) -> None:
    script = write("umask; pwd; id -u; id -g; id -G; cat; echo $(ls /proc/self/fd); ps -o pid=,pgid=,sid= $$; env")
    marker = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(marker, True)

    async def scenario(bench: Any) -> None:
        check = Script((script,), environment=(("COLOUR", "blue"),), umask="027")
        result = await bench.probe(Judging(check), TARGET)
        lines = result.reason.splitlines()
        assert lines[:5] == ["0027", "/", "65534", "65534", "65534"]
        assert len(set(lines[6].split())) == 1
        assert lines[5].split()[:3] == ["0", "1", "2"]
        assert len(lines[5].split()) == 4  # the folder that ls itself reads is the fourth
        variables = dict(line.split("=", 1) for line in lines[7:])
        assert {name for name in variables if name not in ("PWD", "OLDPWD", "SHLVL", "_")} == {
            "PATH",
            "LANG",
            "COLOUR",
            "HEALTHLB_ADDRESS",
            "HEALTHLB_PORT",
            "HEALTHLB_REAL_SERVER",
        }

    try:
        run(scenario)
    finally:
        os.close(marker)


class Judging(Check):
    """Runs what a script check would, and has all of the output for its reason."""

    type = "judging"
    carrier = "process"

    def __init__(self, check: Script) -> None:
        self.check = check

    def program(self, target: Target) -> Program:
        return self.check.program(target)

    def ended(self, end: Ended) -> Verdict:
        return Verdict(end.status == 0, (end.output + end.errors).decode())


@pytest.mark.parametrize(("user", "group", "ids"), [("daemon", None, "1 1 1"), ("daemon", "games", "1 60 60")])
def test_a_script_runs_as_who_is_named(run: Run, write: Write, user: str, group: str | None, ids: str) -> None:
    script = write('echo "$(id -u) $(id -g) $(id -G)"')

    async def scenario(bench: Any) -> None:
        assert (await bench.probe(Script((script,), user=user, group=group), TARGET)).reason == ids

    run(scenario)


def test_a_script_runs_as_root_where_that_is_said(run: Run, write: Write) -> None:
    script = write("id -u")

    async def scenario(bench: Any) -> None:
        assert (await bench.probe(Script((script,), user="root"), TARGET)).reason == "0"

    run(scenario)


def test_the_director_s_capabilities_are_not_inherited() -> None:
    """A director that is no root has its capabilities in the ambient set, as its unit file gives them."""
    program = """
import asyncio
from checks import Target
from checks.engine import Engine
from checks.script import Script
async def main():
    engine = Engine()
    done = asyncio.get_running_loop().create_future()
    engine.start(Script(("grep", "-h", "Cap[IPEA]", "/proc/self/status")), Target("192.0.2.1", 1),
                 engine.loop.time() + 20, done.set_result, keep_evidence=True)
    print((await done).evidence.received.decode())
    engine.close()
    print(open("/proc/self/status").read().split("CapEff:")[1].split()[0])
asyncio.run(main())
"""
    rights = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]
    told = subprocess.run(
        ["setpriv", *rights, sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        check=False,
    )
    *lines, own = told.stdout.decode().split("\n")[:-1] or [told.stderr.decode()]
    assert int(own, 16) == 1 << 13
    kinds = {line.split()[0]: int(line.split()[1], 16) for line in lines if line}
    assert kinds == {"CapInh:": 0, "CapPrm:": 0, "CapEff:": 0, "CapAmb:": 0}


def test_a_script_runs_in_the_network_namespace_of_its_target(run: Run) -> None:
    def network(process: str) -> str:
        return str(Path(f"/proc/{process}/ns/net").readlink())

    check = Script(("readlink", "/proc/self/ns/net"))
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as inner:
        name = str(inner.pid)
        other = eventually(lambda: network(name), lambda found: found != network("self"))

        async def scenario(bench: Any) -> None:
            there = Target("192.0.2.1", 80, Way(namespace=f"/proc/{name}/ns/net"))
            assert (await bench.probe(check, there)).reason == other
            assert (await bench.probe(check, TARGET)).reason == network("self")
            nowhere = await bench.probe(check, Target("192.0.2.1", 80, Way(namespace="no-such-namespace")))
            assert not nowhere.sent
            assert nowhere.reason.startswith("not sent: namespace no-such-namespace: ")

        run(scenario)


def test_verdict_warning_weight_and_evidence_come_from_the_script(run: Run, write: Write) -> None:
    script = write('echo "$1 of $HEALTHLB_REAL_SERVER | x=1"; echo careful >&2; exit $2')

    async def scenario(bench: Any) -> None:
        warned = await bench.probe(Script((script, "{port}", "1"), exit_codes="nagios"), TARGET)
        assert (warned.passed, warned.warning) == (True, "8080 of web1")
        assert warned.evidence.sent == f"{script} 8080 1".encode()
        assert warned.evidence.received == b"8080 of web1 | x=1\ncareful\n"
        assert warned.evidence.peer == "192.0.2.1:8080"
        weighed = await bench.probe(Script((script, "x", "12"), exit_codes="keepalived"), TARGET)
        assert weighed.feedback.weight == 10
        failed = await bench.probe(Script((script, "x", "2"), exit_codes="nagios"), TARGET)
        assert (failed.passed, failed.sent, failed.reason) == (False, True, "exit status 2: x of web1")

    run(scenario)


def test_a_script_that_kills_itself_has_failed_by_that_signal(run: Run, write: Write) -> None:
    script = write("kill -SEGV $$")

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.passed, result.sent) == (False, True)
        assert result.reason == "killed by signal 11 (segmentation fault)"

    run(scenario)


def test_the_deadline_kills_the_whole_process_group(run: Run, write: Write, spool: Path) -> None:
    script = write(f"sleep 300 & echo $! >{spool}/grandchild; echo half; trap '' TERM INT HUP; wait; sleep 300")

    async def scenario(bench: Any) -> None:
        result: asyncio.Future[ProbeResult] = bench.loop.create_future()
        bench.start(Script((script,)), TARGET, 60, result.set_result)
        (grandchild,) = await begun(bench, spool / "grandchild")
        assert not gone(grandchild)
        bench.hold_the_loop(60)
        outcome = await result
        assert (outcome.passed, outcome.sent) == (False, True)
        assert outcome.reason == "timed out after 1m; the script was killed"
        await asyncio.to_thread(eventually, lambda: gone(grandchild), bool)
        assert bench.faults == []

    run(scenario)


def test_what_a_script_leaves_running_ends_with_it(run: Run, write: Write, spool: Path) -> None:
    script = write(f"sleep 300 & echo $! >{spool}/left; echo well")

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.passed, result.reason) == (True, "well")
        await asyncio.to_thread(eventually, lambda: gone(number(spool / "left")), bool)

    run(scenario)


def test_a_script_that_writes_100_mb_fills_no_memory_and_is_not_held_up(run: Run, write: Write) -> None:
    script = write("echo first; head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2")

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET, 120)
        assert (result.passed, result.reason) == (True, "first")
        assert len(result.evidence.received) == 256

    run(scenario)


def test_a_child_that_left_the_group_and_holds_the_output_is_not_waited_for(run: Run, write: Write) -> None:
    script = write("setsid sleep 5 & echo well")

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.passed, result.reason) == (True, "well")

    run(scenario)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("#!/no/such/interpreter\n", "it, or the interpreter that its first line names, is not there"),
        ("no program\n", "not a program, nor a script whose first line begins with #!"),
    ],
)
def test_a_script_that_cannot_be_run_is_no_word_about_the_server(run: Run, write: Write, first: str, why: str) -> None:
    script = write("", first)  # type: ignore[call-arg]

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.passed, result.sent, result.reason) == (False, False, f"not sent: {script}: {why}")
        os.unlink(script)  # noqa: PTH108  nothing here waits for a disk
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.sent, result.reason) == (False, f"not sent: {script}: no such file or directory")
        assert bench.engine.in_flight == 0

    run(scenario)


def test_a_script_that_its_user_may_not_reach_is_no_word_about_the_server(run: Run, write: Write, shelf: Path) -> None:
    script = write("exit 0")
    shelf.chmod(0o700)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.sent, result.reason) == (False, f"not sent: {script}: nobody may not run it")

    run(scenario)


def test_a_script_that_others_can_change_is_never_run(run: Run, write: Write, shelf: Path, spool: Path) -> None:
    script = write(f"touch {spool}/ran")
    shelf.chmod(0o777)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert not result.sent
        assert result.reason.endswith(
            f"could be changed by others than root and nobody: {shelf} is writable by everybody"
        )

    run(scenario)
    assert list(spool.iterdir()) == []


def test_a_script_never_runs_twice_at_once_for_one_real_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, write: Write, spool: Path
) -> None:
    script = write(f"echo $$ >{spool}/$1; while test -e {spool}/hold-$1; do sleep 0.05; done")
    (spool / "hold-web1").touch()

    async def scenario(bench: Any) -> None:
        check = Script((script, "{real_server}"))
        first: asyncio.Future[ProbeResult] = bench.loop.create_future()
        bench.start(check, TARGET, 60, first.set_result)
        await begun(bench, spool / "web1")
        assert (await bench.probe(check, TARGET)).reason == "not sent: the script of the last probe still runs"
        with monkeypatch.context() as patch:
            patch.setattr(Child, "kill", lambda _: None)  # as where it waits for a disk, and no signal reaches it
            bench.hold_the_loop(60)
            assert (await first).reason == "timed out after 1m; the script was killed"
        result = await bench.probe(check, TARGET)
        assert (result.sent, result.reason) == (False, "not sent: the script of the last probe still runs")

        other = Target("192.0.2.1", 8080, context=(("real_server", "web2"),))
        assert (await bench.probe(check, other)).passed
        (spool / "hold-web1").unlink()
        await asyncio.to_thread(eventually, lambda: bench.engine._carriers["process"]._runs, lambda runs: not runs)
        assert (await bench.probe(check, TARGET)).passed

    run(scenario)


def test_scripts_beyond_the_places_wait_in_line_and_are_not_sent_where_their_time_passes_there(
    run: Run, write: Write, spool: Path
) -> None:
    script = write(f"echo $$ >{spool}/$1; while test -e {spool}/hold; do sleep 0.05; done")
    (spool / "hold").touch()

    async def scenario(bench: Any) -> None:
        carrier(bench, places=2)
        check = Script((script, "{port}"))
        running = [asyncio.ensure_future(bench.probe(check, Target("192.0.2.1", port), 900)) for port in (1, 2)]
        await begun(bench, spool / "1", spool / "2")
        patient = asyncio.ensure_future(bench.probe(check, Target("192.0.2.1", 3), 900))
        hasty = asyncio.ensure_future(bench.probe(check, Target("192.0.2.1", 4), 50))
        await asyncio.sleep(0)
        assert bench.engine.in_flight == 4
        bench.hold_the_loop(50)
        result = await hasty
        assert (result.sent, result.reason) == (False, "not sent: too many scripts: 2 run already")
        assert not (spool / "3").exists()
        (spool / "hold").unlink()
        assert [each.passed for each in await asyncio.gather(*running, patient)] == [True, True, True]
        assert not (spool / "4").exists()

    run(scenario)


def test_a_script_that_was_held_up_in_line_is_not_blamed_on_the_server(run: Run, write: Write, spool: Path) -> None:
    script = write(f"echo $$ >{spool}/$1; while test -e {spool}/hold$1; do sleep 0.05; done")
    for name in ("hold1", "hold2"):
        (spool / name).touch()

    async def scenario(bench: Any) -> None:
        carrier(bench, places=1)
        check = Script((script, "{port}"))
        first = asyncio.ensure_future(bench.probe(check, Target("192.0.2.1", 1), 900))
        await begun(bench, spool / "1")
        second = asyncio.ensure_future(bench.probe(check, Target("192.0.2.1", 2), 100))
        await asyncio.sleep(0)
        bench.hold_the_loop(50)
        (spool / "hold1").unlink()
        assert (await first).passed
        await begun(bench, spool / "2")
        bench.hold_the_loop(50)
        result = await second
        assert not result.sent
        assert result.reason.startswith("void: the script was started 5")
        assert result.reason.endswith(" late, for others ran")

    run(scenario)


def test_closing_the_engine_kills_what_runs_and_starts_nothing_more(run: Run, write: Write, spool: Path) -> None:
    script = write(f"sleep 300 & echo $! >{spool}/$1; wait")

    async def scenario(bench: Any) -> None:
        carrier(bench, places=1)
        for port in (1, 2):
            bench.start(Script((script, "{port}")), Target("192.0.2.1", port), 300, pytest.fail)
        grandchild = await asyncio.to_thread(number, spool / "1")
        bench.engine.close()
        assert bench.engine.in_flight == 0
        await asyncio.to_thread(eventually, lambda: gone(grandchild), bool)
        assert not (spool / "2").exists()

    run(scenario)


def test_closing_the_engine_while_a_script_is_being_started_leaves_none(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write("sleep 300")
    launched: list[int] = []

    async def scenario(bench: Any) -> None:
        loop = bench.loop

        def closing_meanwhile(program: Program) -> Child:
            child = launch(program)
            launched.append(child._process.pid)
            asyncio.run_coroutine_threadsafe(close(), loop).result()
            return child

        async def close() -> None:
            bench.engine.close()

        monkeypatch.setattr("checks.engine.processes.launch", closing_meanwhile)
        bench.start(Script((script,)), TARGET, 300, pytest.fail)
        await asyncio.to_thread(eventually, lambda: launched and gone(launched[0]), bool)

    run(scenario)


def test_a_start_that_hangs_ends_its_probe_and_what_it_starts_later_is_killed(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, spool: Path
) -> None:
    script = write(f"sleep 300 & echo $! >{spool}/late; wait")
    gate = spool / "go"
    begun = threading.Event()

    def hanging(program: Program) -> Child:
        begun.set()
        eventually(gate.exists, bool, deadline=120.0)
        return launch(program)

    monkeypatch.setattr("checks.engine.processes.launch", hanging)

    async def scenario(bench: Any) -> None:
        check = Script((script,))
        result: asyncio.Future[ProbeResult] = bench.loop.create_future()
        bench.start(check, TARGET, 60, result.set_result)
        await asyncio.to_thread(begun.wait, PATIENCE)
        bench.hold_the_loop(60)
        outcome = await result
        assert (outcome.sent, outcome.reason) == (False, "not sent: the script could not be started within 1m")
        assert (await bench.probe(check, TARGET)).reason == "not sent: the script of the last probe still runs"
        gate.touch()
        await asyncio.to_thread(eventually, lambda: bench.engine._carriers["process"]._runs, lambda runs: not runs)

    run(scenario)


@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), UnusableError("no"), LookupError("odd")])
def test_a_start_that_fails_frees_its_place(run: Run, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def failing(program: Program) -> Child:
        raise fault

    monkeypatch.setattr("checks.engine.processes.launch", failing)

    async def scenario(bench: Any) -> None:
        carrier(bench, places=1)
        for _ in range(3):
            result = await bench.probe(Script(("true",)), TARGET)
            assert not result.passed
            assert result.sent == isinstance(fault, LookupError)
        assert len(bench.faults) == (3 if isinstance(fault, LookupError) else 0)

    run(scenario)


def test_without_a_pidfd_nothing_is_left_running(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    script = write("sleep 300")

    def refuse(_: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(checks.engine.launching.os, "pidfd_open", refuse)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.sent, result.reason[:34]) == (False, "not sent: no file descriptors left")

    run(scenario)


def test_an_exit_status_that_somebody_else_took_is_no_verdict(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write("exit 0")
    has_ended = Child.kill

    def stolen(child: Child) -> None:
        has_ended(child)
        os.waitpid(child._process.pid, 0)

    monkeypatch.setattr(Child, "kill", stolen)

    async def scenario(bench: Any) -> None:
        result = await bench.probe(Script((script,)), TARGET)
        assert (result.sent, result.reason) == (False, "not sent: the script's exit status went to somebody else")

    run(scenario)


def test_a_check_that_raises_is_reported_and_frees_its_place(run: Run) -> None:
    class Odd(Judging):
        def ended(self, end: Ended) -> Verdict:
            raise LookupError("odd")

    class Useless(Judging):
        def ended(self, end: Ended) -> Verdict:
            raise UnusableError("no use")

    async def scenario(bench: Any) -> None:
        carrier(bench, places=1)
        odd = await bench.probe(Odd(Script(("true",))), TARGET)
        assert (odd.passed, odd.sent, len(bench.faults)) == (False, True, 1)
        useless = await bench.probe(Useless(Script(("true",))), TARGET)
        assert (useless.sent, useless.reason) == (False, "not sent: no use")
        assert (await bench.probe(Script(("true",)), TARGET)).passed

    run(scenario)


def test_many_scripts_leave_nothing_behind(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        others = {*children()}
        checks = [Script(("true",) if port % 2 else ("false",), exit_codes="plain") for port in range(200)]
        probes = [bench.probe(check, Target("192.0.2.1", port), 300) for port, check in enumerate(checks)]
        results = await asyncio.gather(*probes)
        assert [result.passed for result in results] == [bool(port % 2) for port in range(200)]
        assert {*children()} <= others

    run(scenario)


def test_threads_are_made_as_they_are_needed_and_no_more() -> None:
    begun: list[int] = []
    done: list[int] = []
    threads = Threads("test", 2, lambda: begun.append(1))
    for job in range(20):
        threads.run(lambda job=job: done.append(job))  # type: ignore[misc]
    eventually(lambda: len(done), lambda count: count == 20)
    threads.close()
    assert 1 <= len(begun) <= 2
    assert sorted(done) == list(range(20))


def test_where_no_thread_can_be_started_the_director_says_so(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario(bench: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", refuse)
            result = await bench.probe(Script(("true",)), TARGET)
        assert (result.sent, result.reason) == (False, "not sent: no thread can be started")
        assert (await bench.probe(Script(("true",)), TARGET)).passed

    run(scenario)


def test_a_program_finds_its_input_whole_whenever_it_reads_it_and_however_long_it_is(write: Write, spool: Path) -> None:
    data = bytes(range(256)) * 8_192
    script = write(f"sleep 0.1; cat > {spool}/copy; cat < /dev/stdin | wc -c\n")
    child = launch(Program((script,), (("PATH", "/usr/bin:/bin"),), input=data))
    end = eventually(lambda: child.reap() if child.has_ended() else None, bool)
    assert end is not None
    assert (end.status, end.errors) == (0, b"")
    assert (spool / "copy").read_bytes() == data


def test_a_program_without_input_finds_an_end_there(write: Write) -> None:
    child = launch(Program((write("wc -c\n"),), (("PATH", "/usr/bin:/bin"),)))
    end = eventually(lambda: child.reap() if child.has_ended() else None, bool)
    assert end is not None
    assert end.output.split() == [b"0"]
