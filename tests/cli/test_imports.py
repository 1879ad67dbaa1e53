"""What each command imports: the time in which it starts, told by something that does not depend on the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from healthlb.cli.main import VERBS

ROOT = Path(__file__).parents[2]
HEAVY = {
    "aiohttp",
    "asyncio",
    "checks",
    "cryptography",
    "h2",
    "healthlb.config",
    "healthlb.model",
    "scapy",
    "ssl",
    "yaml",
}
"""What takes tens of milliseconds or more to import."""
HELP = 30
"""Modules that a verb's help may import beyond those of the interpreter and argparse."""
ASKING = 100
"""Modules that asking a director may import: http.client brings 60 of them."""
READING = 150
"""Modules that reading a configuration file may import."""
TELLING = 70
"""Modules that telling the schema or the check types may import."""
PLANNING = 225
"""Modules that a command may import which reads a file and asks a director."""
UNREAD = {
    "aiohttp",
    "asyncio",
    "cryptography",
    "h2",
    "healthlb.config.addition",
    "healthlb.config.json_schema",
    "healthlb.model.events",
    "healthlb.model.snapshot",
    "scapy",
}
"""What reading a file has no use for, whatever the file says."""
NOWHERE = "unix:/nowhere/admin.sock"
ASKS = {
    "reload": ("--wait",),
    "status": (),
    "events": (),
    "drain": ("shop", "web1", "--wait"),
    "undrain": ("shop", "web1"),
    "disable": ("shop", "web1"),
    "weight": ("shop", "web1", "5"),
    "add": ("shop", "192.0.2.1:80"),
    "remove": ("shop", "web1"),
    "failover": ("VI_1",),
    "overrides": (),
}
FILE = """
checks: {web: {type: http}}
virtual_servers: {shop: {address: '127.0.0.9:80', method: nat, check: web, real_servers: ['127.0.0.1:9']}}
"""
STORY = """
import sys, argparse
before = set(sys.modules)
from healthlb.cli.main import main
status = main(sys.argv[1:])
print(*(sys.modules.keys() - before))
sys.exit(status)
"""


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command imported, those apart that every Python program has."""
    ended = subprocess.run(
        [sys.executable, "-S", "-c", STORY, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])},
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    loaded = imported(*arguments)
    assert HEAVY & loaded <= {"ssl"}
    assert len(loaded) < (ASKING if "http.client" in loaded else HELP), sorted(loaded)


@pytest.mark.parametrize("verb", ASKS)
def test_what_asks_a_director_imports_neither_the_file_nor_the_daemon(verb: str) -> None:
    loaded = imported(verb, *ASKS[verb], "--url", NOWHERE)
    # http.client imports ssl by itself; the journal, which `events` falls back on here, is the model's.
    spared = {"ssl"} | ({"healthlb.model"} if verb == "events" else set())
    assert HEAVY & loaded <= spared
    assert len(loaded) < ASKING or verb == "events", sorted(loaded)


@pytest.mark.parametrize("line", ["", "dr", "drain\n", "drain\nshop\n", "events\n--vs\n"])
def test_completing_imports_no_more_than_asking(line: str) -> None:
    loaded = imported("__complete", *line.split("\n")[:1], "--url", NOWHERE, *line.split("\n")[1:])
    assert HEAVY & loaded <= {"ssl"}


def test_reading_a_file_imports_the_check_types_that_it_names_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "healthlb.yaml"
    path.write_text(FILE)
    loaded = imported("status", "-c", str(path))
    assert {name for name in loaded if name.count(".") == 1 and name.startswith("checks.")} >= {"checks.http"}
    assert not {"checks.grpc", "checks.mysql", "checks.script"} & loaded
    assert not (UNREAD | {"importlib.metadata"}) & loaded
    assert len(loaded) < PLANNING, len(loaded)
    assert not (UNREAD | {"importlib.metadata", "shutil"}) & imported("validate", "-c", str(path))


@pytest.mark.parametrize("name", ["minimal", "full"])
def test_validating_a_file_imports_nothing_that_only_other_verbs_need(name: str) -> None:
    loaded = imported("validate", "-c", str(ROOT / "configs" / f"{name}.yaml"))
    assert not UNREAD & loaded
    assert len(loaded) < READING or name == "full", len(loaded)


@pytest.mark.parametrize("line", [["schema"], ["checks"], ["checks", "http"]])
def test_telling_what_a_file_may_say_imports_no_check_type_and_no_yaml(line: list[str]) -> None:
    loaded = imported(*line)
    assert not (UNREAD | {"checks.http", "checks.tcp", "healthlb.model", "importlib.metadata", "yaml"}) & loaded
    assert len(loaded) < TELLING, len(loaded)


def test_planning_carries_no_probe_and_takes_no_snapshot() -> None:
    loaded = imported("plan", "-c", str(ROOT / "configs" / "minimal.yaml"), "--url", NOWHERE)
    assert not (UNREAD | {"checks.engine", "importlib.metadata"}) & loaded
    assert len(loaded) < PLANNING, len(loaded)
