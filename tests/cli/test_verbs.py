"""Every verb as a process: exit statuses, one clear sentence, and streams that are closed, full, or cut off."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from healthlb.cli.main import VERBS, main
from healthlb.linux.memory import MemoryTable
from ports import free_port

PATIENCE = 60.0


def healthlb(
    *arguments: str | bytes, line: str = '"$@"', cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line; `line` may redirect it."""
    return subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-m", "healthlb", *arguments],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a good file; nobody listens where its servers are."""
    path = tmp_path_factory.mktemp("cli") / "healthlb.yaml"
    path.write_text(
        f"api: {{listen: '127.0.0.1:{free_port()}'}}\n"
        "virtual_servers:\n"
        "  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat, real_servers: ['127.0.0.1:9']}\n"
        "  idle: {address: 127.0.0.9:81, scheduler: rr, method: nat, real_servers: ['127.0.0.1:9']}\n"
    )
    return path


def test_the_version_is_one_line_and_status_0() -> None:
    ended = healthlb("--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("healthlb ")


@pytest.mark.parametrize(
    "arguments", [(), ("bogus",), ("--bogus",), ("run", "extra"), ("probe", "shop"), ("status", "-x")]
)
def test_wrong_use_is_status_2_and_a_sentence(arguments: tuple[str, ...]) -> None:
    ended = healthlb(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    [sentence] = ended.stderr.splitlines()
    assert re.fullmatch(r"healthlb: .*see `healthlb (\w+ )?--help`\)?", sentence)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_help(verb: str) -> None:
    ended = healthlb(verb, "--help")
    assert ended.returncode == 0
    assert " ".join(VERBS[verb].split()) in " ".join(ended.stdout.split())


@pytest.mark.parametrize("period", ["abc", "nan", "0", "-1", "inf"])
def test_a_period_that_is_none_is_refused_in_words(period: str) -> None:
    ended = healthlb("status", f"--watch={period}")
    assert ended.returncode == 2
    assert "give a number of seconds from 0.1 to 3600" in ended.stderr


def test_a_good_file_is_told_good(file: Path) -> None:
    ended = healthlb("validate", "-c", str(file))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{file}: good: 2 virtual servers, 2 real servers\n"


def test_what_a_good_file_hardly_means_is_a_warning_and_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "healthlb.yaml"
    path.write_text(
        "virtual_servers: {shop: {address: '127.0.0.9:80', slow_start: 1m, real_servers: ['127.0.0.1:9']}}\n"
    )
    ended = healthlb("validate", "-c", str(path))
    assert (ended.returncode, ended.stdout) == (0, f"{path}: good: 1 virtual server, 1 real server\n")
    [warning] = ended.stderr.splitlines()
    assert warning.startswith("healthlb: warning: virtual_servers.shop: slow_start has hardly a step to climb")


@pytest.mark.parametrize("verb", ["run", "validate", "plan", "status", "probe"])
@pytest.mark.parametrize(
    "kind", ["absent", "directory", "fifo", "empty", "no name", "not text", "device", "unreadable"]
)
def test_what_is_no_configuration_file_is_status_2_and_says_why(
    verb: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "healthlb.yaml"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "empty":
            path.write_text("")
        case "not text":
            path.write_bytes(b"\xff\xfe\x00virtual_servers")
        case "device":
            path = Path("/dev/null")
        case "unreadable":
            path = Path("/proc/self/mem")
    given = "" if kind == "no name" else str(path)
    status = main([verb, "-c", given, *(["shop", "web"] if verb == "probe" else [])])
    shown = capsys.readouterr()
    assert (status, shown.out) == (2, "")
    assert "internal fault" not in shown.err
    assert shown.err.startswith("healthlb: ")
    assert given in shown.err


def test_a_director_whose_file_is_a_pipe_does_not_wait_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ended = healthlb("run", "--dry-run", "-c", str(tmp_path / "pipe"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "not a regular file" in ended.stderr


def test_a_bad_file_lists_every_fault_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("virtual_servers:\n  shop: {adress: 192.0.2.1:80, scheduler: nonsense}\n")
    ended = healthlb("validate", "-c", str(path))
    assert ended.returncode == 2
    assert f"{path}:2:" in ended.stderr
    assert "address" in ended.stderr
    assert "scheduler" in ended.stderr


def test_a_plan_that_the_kernel_cannot_hold_is_status_2_as_a_reload_would_be_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("healthlb.linux.ipvs.KernelTable", lambda: MemoryTable(schedulers={"wlc"}))
    assert main(["plan", "-c", str(file)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1] == (
        "healthlb: a reload would be refused: "
        "virtual_servers.shop: the kernel has no scheduler 'rr' (module ip_vs_rr); "
        "virtual_servers.idle: the kernel has no scheduler 'rr' (module ip_vs_rr)"
    )


def test_the_schema_is_json() -> None:
    ended = healthlb("schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["$schema"]


@pytest.mark.parametrize("how", ["", "--url"])
def test_the_status_of_no_director_is_status_1_and_a_remedy(file: Path, how: str) -> None:
    ended = (
        healthlb("status", "--url", f"http://127.0.0.1:{free_port()}") if how else healthlb("status", "-c", str(file))
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "healthlb run" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_status_of_what_is_no_url_is_status_2() -> None:
    ended = healthlb("status", "--url", "nonsense")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


def test_a_probe_that_fails_is_status_1_with_its_reason(file: Path) -> None:
    ended = healthlb("probe", "-c", str(file), "shop", "127.0.0.1:9")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "FAILED: connection refused" in ended.stdout


def test_a_probe_that_passes_is_status_0_and_shows_what_it_saw(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        path = tmp_path / "healthlb.yaml"
        path.write_text(
            "virtual_servers:\n  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat,"
            " check: {type: http, path: /ok},"
            f" real_servers: ['127.0.0.1:{port}']}}\n"
        )

        def answer() -> None:
            taken = server.accept()[0]
            with taken:
                taken.recv(4096)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        ended = healthlb("probe", "-c", str(path), "shop", f"127.0.0.1:{port}")
        thread.join(PATIENCE)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "passed: 200 OK" in ended.stdout
    assert "GET /ok HTTP/1.1" in ended.stdout
    assert "HTTP/1.1 200 OK" in ended.stdout


@pytest.mark.parametrize(("pool", "server"), [("shop", "absent"), ("absent", "127.0.0.1:9")])
def test_a_probe_of_nobody_is_status_2_and_names_those_that_there_are(file: Path, pool: str, server: str) -> None:
    ended = healthlb("probe", "-c", str(file), pool, server)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "'absent'" in ended.stderr
    assert ("shop, idle" if pool == "absent" else "127.0.0.1:9") in ended.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(file: Path) -> None:
    for verb in (("schema",), ("validate", "-c", str(file)), ("--help",), ("run", "--help")):
        ended = healthlb(*verb, line='{ "$@"; echo "status $?" >&2; } | true')
        assert ended.stderr == "status 0\n", verb


def test_the_answer_of_a_verb_whose_reader_left_is_still_its_status(file: Path) -> None:
    ended = healthlb("probe", "-c", str(file), "shop", "127.0.0.1:9", line='{ "$@"; echo "status $?" >&2; } | true')
    assert ended.stderr == "status 1\n"


def test_output_that_cannot_be_written_is_one_sentence_and_status_1(file: Path) -> None:
    for verb in (("schema",), ("validate", "-c", str(file)), ("--version",)):
        ended = healthlb(*verb, line='"$@" > /dev/full')
        assert ended.returncode == 1, verb
        assert ended.stderr == "healthlb: the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_status(file: Path, closed: str) -> None:
    assert healthlb("validate", "-c", str(file), line=f'"$@" {closed}').returncode == 0
    assert healthlb("validate", "-c", "/absent", line=f'"$@" {closed}').returncode == 2
    assert healthlb("probe", "-c", str(file), "shop", "127.0.0.1:9", line=f'"$@" {closed}').returncode == 1
    assert healthlb("bogus", line=f'"$@" {closed}').returncode == 2


@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_a_file_name_that_the_locale_cannot_spell_is_told_all_the_same(
    file: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("größe.yaml".encode(), b"gr\xf6\xdfe.yaml"):
        path = os.fsencode(tmp_path) + b"/" + name
        absent = healthlb("validate", "-c", path, **environment)
        assert absent.returncode == 2
        assert "there is no such file" in absent.stderr
        with open(path, "wb") as copy:  # noqa: PTH123  a name of bytes
            copy.write(file.read_bytes())
        found = healthlb("validate", "-c", path, **environment)
        assert (found.returncode, found.stderr) == (0, "")
        assert "good: 2 virtual servers" in found.stdout


def test_what_is_piped_has_no_colour_whatever_the_environment_asks(file: Path) -> None:
    for environment in ({}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}):
        ended = healthlb("status", "-c", str(file), **environment)
        assert "\x1b" not in ended.stdout + ended.stderr


def test_a_verb_works_in_a_directory_that_cannot_be_written(file: Path) -> None:
    ended = healthlb("validate", "-c", str(file), cwd=Path("/proc"))
    assert ended.returncode == 0


def test_an_interrupt_is_status_130_and_no_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = tmp_path / "healthlb.yaml"
        path.write_text(
            "virtual_servers:\n  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat,"
            " check: {type: http, path: /, timeout: 60s, interval: 60s},"
            f" real_servers: ['127.0.0.1:{silent.getsockname()[1]}']}}\n"
        )
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "healthlb",
                "probe",
                "-c",
                str(path),
                "shop",
                f"127.0.0.1:{silent.getsockname()[1]}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(PATIENCE)
        taken, _ = silent.accept()
        with taken:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (130, "", "")


def test_a_director_holds_early_signals_before_it_imports_what_takes_long() -> None:
    story = (
        "import signal, sys\nfrom healthlb.cli.main import main\n"
        "heavy = {'asyncio', 'aiohttp', 'yaml', 'healthlb.config'}\n"
        "signal.pthread_sigmask = lambda *_: sys.exit(64 + len(heavy & sys.modules.keys()))\n"
        "sys.exit(main(['run', '--dry-run', '-c', 'absent.yaml']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", story], capture_output=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 64


def test_a_light_verb_imports_nothing_heavy() -> None:
    heavy = {"yaml", "aiohttp", "asyncio", "http.client", "ssl", "healthlb.config", "checks"}
    story = (
        "import sys\nfrom healthlb.cli.main import main\nstatus = main(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)\nsys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", story, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert heavy & set(ended.stderr.split()) == set()
    for verb in (
        "status",
        "drain shop web1 --wait",
        "weight shop web1 5",
        "reload --wait",
        "overrides",
        "explain shop web1",
    ):
        ended = subprocess.run(
            [sys.executable, "-c", story, *verb.split(), "--url", "unix:/nowhere/admin.sock"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        loaded = set(ended.stderr.split())
        assert {"yaml", "aiohttp", "asyncio", "scapy", "checks"} & loaded == set(), verb


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_director_serves_and_stops_with_closed_streams(tmp_path: Path, closed: str) -> None:
    path, port = tmp_path / "healthlb.yaml", free_port()
    path.write_text(
        f"api: {{listen: '127.0.0.1:{port}', admin: 'unix:{tmp_path}/admin.sock'}}\n"
        "virtual_servers:\n  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat, real_servers: ['127.0.0.1:9']}\n"
    )
    process = subprocess.Popen(
        [
            "sh",
            "-c",
            f'exec "$@" {closed}',
            "sh",
            sys.executable,
            "-m",
            "healthlb",
            "run",
            "--dry-run",
            "-c",
            str(path),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + PATIENCE
        shown = ""
        while not shown and time.monotonic() < end:
            shown = healthlb("status", "--json", "-c", str(path)).stdout
        assert json.loads(shown)["director"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
