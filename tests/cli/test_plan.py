"""`healthlb plan` beside a running director: what operators ordered counts, and a limit is a limit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli.client import UnreachableError, Way
from healthlb.cli.main import main
from healthlb.cli.running import endpoint, running
from healthlb.linux.memory import MemoryTable
from healthlb.model.config import Api, Config, Director, Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddDestination, AddService, EditDestination
from healthlb.model.overrides import Scope
from healthlb.model.table import Destination, Method, Service, ServiceKey
from tests.cli.stand_in import Asked, StandIn, standing_in

AT, NOW = "2026-11-22T10:00:00.000Z", "2026-11-22T10:30:00.000Z"
KEY = ServiceKey.at("tcp", Endpoint("127.0.0.9", 80))
BY = {"who": "uid 0 (root) pid 812", "why": "busy", "at": AT}
OVERRIDE = {
    "what": "drain",
    "scope": "127.0.0.1:1 in shop",
    "virtual_server": "shop",
    "address": "127.0.0.1",
    "port": 1,
    "admin": "drain",
    "weight": None,
    "remove": False,
    "deadline": None,
    "expires_at": None,
    **BY,
}


def server(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "name": f"web{number}",
        "address": f"127.0.0.1:{number}",
        "method": "nat",
        "tunnel": None,
        "health": "up",
        "admin": "enabled",
        "since": AT,
        "weight": {"configured": 1, "effective": 1, "kernel": 1, "chain": ["1"]},
        "checks": [],
    } | changed


class Running:
    """A director with web1 to web4 in shop; what it was ordered is the test's to say."""

    def __init__(self) -> None:
        self.director: dict[str, Any] = {}
        self.pool: dict[str, Any] = {}
        self.servers = [server(number) for number in range(1, 5)]
        self.overrides: tuple[int, Any] = 404, {"error": "There is nothing."}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/api/v1/overrides":
            return self.overrides
        pool = {
            "name": "shop",
            "address": "127.0.0.9:80",
            "protocol": "tcp",
            "family": "inet",
            "fwmark": None,
            "method": "nat",
            "scheduler": "rr",
            "quorum": {"met": True},
            "real_servers": self.servers,
        }
        return 200, {"taken_at": NOW, "director": self.director, "virtual_servers": [pool | self.pool]}


@pytest.fixture
def director() -> Running:
    return Running()


@pytest.fixture
def listening(director: Running) -> Iterator[StandIn]:
    with standing_in(director) as server:
        yield server


@pytest.fixture
def admin(director: Running, tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(director, tmp_path / "admin.sock") as server:
        yield server


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    """Return the kernel's table: web1 to web4 with weight 1 each, as the director keeps it."""
    table = MemoryTable()
    rows = [Destination(Endpoint("127.0.0.1", port), Method("nat"), 1) for port in range(1, 5)]
    assert table.apply([AddService(Service(KEY, "rr")), *(AddDestination(KEY, row) for row in rows)]) == []
    monkeypatch.setattr("healthlb.linux.ipvs.KernelTable", lambda: table)
    return table


@pytest.fixture
def file(tmp_path: Path, listening: StandIn, admin: StandIn, table: MemoryTable) -> Path:
    path = tmp_path / "healthlb.yaml"
    write(path, listening.url, admin.url)
    return path


def write(
    path: Path,
    listen: str,
    admin: str,
    servers: str = "1234",
    *,
    more: str = "",
    more_of_pool: str = "",
    one: str = "weight: 1",
) -> None:
    items = ", ".join(
        f"{{address: '127.0.0.1:{number}', name: web{number}, {one if number == '1' else 'weight: 1'}}}"
        for number in servers
    )
    path.write_text(
        f"api: {{listen: '{listen.removeprefix('http://')}', admin: '{admin}'}}\n{more}"
        "virtual_servers:\n"
        f"  shop: {{address: 127.0.0.9:80, scheduler: rr, method: nat, {more_of_pool}real_servers: [{items}]}}\n"
    )


def planned(file: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    status = main(["plan", "-c", str(file), *words])
    printed = capsys.readouterr()
    return status, printed.out.splitlines(), printed.err


def test_a_file_that_says_what_is_so_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(file, capsys) == (0, ["nothing to change"], "")


def test_a_server_that_was_added_at_run_time_stays_and_is_told(
    director: Running, file: Path, table: MemoryTable, capsys: pytest.CaptureFixture[str]
) -> None:
    address = Endpoint("127.0.0.1", 9)
    assert table.apply([AddDestination(KEY, Destination(address, Method("nat"), 7))]) == []
    weight = {"configured": 7, "effective": 7, "kernel": 7, "chain": ["7"]}
    director.servers.append(server(9, origin="runtime", weight=weight))
    addition = {"virtual_server": "shop", "address": "127.0.0.1:9", **BY}
    director.director["added"] = [addition]
    settings = '{"address": "127.0.0.1:9", "name": "web9", "weight": 7}'
    director.overrides = 200, {"overrides": [], "added": [addition | {"settings": settings}], "removed": []}
    keeps = "note: shop: keeps web9 (127.0.0.1:9), added at run time by uid 0 (root) pid 812"
    assert planned(file, capsys) == (0, ["nothing to change", keeps], "")
    director.overrides = 200, {"overrides": [], "added": [addition], "removed": []}
    status, lines, _ = planned(file, capsys)
    assert (status, lines[:2]) == (0, ["nothing to change", keeps])
    assert "planned with what the status shows of it" in lines[2]


def test_a_server_that_is_in_the_file_by_now_is_the_files_own(
    director: Running, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    director.director["added"] = [{"virtual_server": "shop", "address": "127.0.0.1:2", **BY}]
    status, lines, _ = planned(file, capsys)
    assert status == 0
    assert any("127.0.0.1:2 is in the file now" in line for line in lines)


def test_a_server_that_was_removed_at_run_time_stays_out_and_is_told(
    director: Running, file: Path, table: MemoryTable, capsys: pytest.CaptureFixture[str]
) -> None:
    director.servers.pop()
    director.pool["removed"] = [{"virtual_server": "shop", "address": "127.0.0.1:4", **BY}]
    status, lines, _ = planned(file, capsys)
    assert status == 2  # its row is still in the table that the test made
    assert "note: shop: web4 (127.0.0.1:4) stays out, removed at run time by uid 0 (root) pid 812" in lines
    assert not any("wait for the first verdict" in line for line in lines)


@pytest.mark.parametrize(("limit", "expected"), [("50%", 2), ("25", 2), ("24.9%", 1), ("0%", 1), ("100%", 2)])
def test_a_plan_that_takes_out_more_than_the_limit_is_the_answer_no(
    limit: str,
    expected: int,
    *,
    file: Path,
    listening: StandIn,
    admin: StandIn,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(file, listening.url, admin.url, servers="123")
    status, lines, errors = planned(file, capsys, "--limit", limit)
    assert status == expected
    assert any("127.0.0.1:4" in line for line in lines)
    assert ("a reload would take out 25 % of the live weight, more than" in errors) == (expected == 1)
    assert ("127.0.0.1:4 in shop" in errors) == (expected == 1)


@pytest.mark.parametrize("weight", [7, 14, 28, 55])
def test_a_share_that_is_just_the_limit_is_within_it(
    weight: int, file: Path, table: MemoryTable, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {1: weight, 2: 100 - weight, 3: 0, 4: 0}
    rows = [Destination(Endpoint("127.0.0.1", port), Method("nat"), each) for port, each in weights.items()]
    assert table.apply([EditDestination(KEY, row) for row in rows]) == []
    text = (
        file.read_text().replace("weight: 1}", "weight: 0}").replace("web2, weight: 0", f"web2, weight: {100 - weight}")
    )
    file.write_text(text)
    assert planned(file, capsys, "--limit", f"{weight}%")[0] == 2
    assert planned(file, capsys, "--limit", f"{weight - 1}%")[0] == 1


def test_the_files_own_limit_is_a_note(
    file: Path, listening: StandIn, admin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write(file, listening.url, admin.url, servers="123", more="director: {max_reload_change: 20%}\n")
    status, lines, _ = planned(file, capsys)
    told = "note: it takes out 25 % of the live weight; with max_reload_change 20 % it needs --force"
    assert (status, lines[-1]) == (2, told)
    status, lines, _ = planned(file, capsys, "--json")
    whole = json.loads("\n".join(lines))
    assert (whole["takes_out_percent"], whole["takes_out"]) == (25.0, ["127.0.0.1:4 in shop"])
    assert whole["notes"] == [told.removeprefix("note: ")]


def test_the_limit_that_is_in_force_counts_whatever_the_file_to_come_says(
    director: Running, file: Path, listening: StandIn, admin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.director["config"] = {"max_reload_change": 10.0}
    write(file, listening.url, admin.url, servers="123", more="director: {max_reload_change: 50%}\n")
    _, lines, _ = planned(file, capsys)
    assert lines[-1] == "note: it takes out 25 % of the live weight; with max_reload_change 10 % it needs --force"
    director.director["config"] = {"max_reload_change": 50.0}
    write(file, listening.url, admin.url, servers="123", more="director: {max_reload_change: 10%}\n")
    _, lines, _ = planned(file, capsys)
    assert not any("--force" in line for line in lines)


@pytest.mark.parametrize("limit", ["much", "-1%", "101%", "nan", "%"])
def test_a_limit_that_is_none_is_wrong_use(limit: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, errors = planned(file, capsys, f"--limit={limit}")
    assert status == 2
    assert "write 20%" in errors


def test_what_operators_ordered_is_part_of_the_plan(
    director: Running, file: Path, table: MemoryTable, capsys: pytest.CaptureFixture[str]
) -> None:
    drained = EditDestination(KEY, Destination(Endpoint("127.0.0.1", 1), Method("nat"), 0))
    assert table.apply([drained]) == []
    director.director["overrides"] = [OVERRIDE]
    assert planned(file, capsys) == (0, ["nothing to change"], "")
    director.director["overrides"] = []
    status, lines, _ = planned(file, capsys)
    assert (status, len(lines)) == (2, 1)


def test_a_server_that_climbs_goes_on_climbing(
    director: Running,
    file: Path,
    *,
    listening: StandIn,
    admin: StandIn,
    table: MemoryTable,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(file, listening.url, admin.url, one="weight: 100, slow_start: 60s")
    rising = EditDestination(KEY, Destination(Endpoint("127.0.0.1", 1), Method("nat"), 35))
    assert table.apply([rising]) == []
    director.servers[0]["ramp"] = 0.35
    assert planned(file, capsys) == (0, ["nothing to change"], "")


def test_rows_that_leave_stay_as_long_as_they_are_to(
    director: Running, file: Path, table: MemoryTable, capsys: pytest.CaptureFixture[str]
) -> None:
    address = Endpoint("127.0.0.1", 9)
    assert table.apply([AddDestination(KEY, Destination(address, Method("nat"), 0))]) == []
    assert planned(file, capsys)[0] == 2
    director.pool["leaving"] = [{"address": "127.0.0.1:9", "until": "2026-11-22T11:00:00.000Z"}]
    assert planned(file, capsys) == (0, ["nothing to change"], "")


def test_a_server_that_leaves_the_file_is_emptied_first_where_it_is_to_be(
    file: Path, listening: StandIn, admin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write(file, listening.url, admin.url, servers="123", more_of_pool="drain_timeout: 1m, ")
    _, [line], _ = planned(file, capsys)
    assert "127.0.0.1:4" in line
    assert "weight 0" in line


def test_what_is_known_is_what_the_director_tells(director: Running, listening: StandIn) -> None:
    director.director["overrides"] = [OVERRIDE]
    feedback = {"weight": 50, "percent": True, "admin": None}
    failed = {"feedback": feedback, "last": {"passed": False}}
    director.servers[1] |= {"health": "down", "held_until": NOW, "checks": [failed, {"last": None}]}
    found = running(Way(listening.url), None, Config(Director("lb1"), Api(Listener(), None), {}))
    one, two = (found.known["shop", endpoint(f"127.0.0.1:{number}")] for number in (1, 2))
    assert (one.health.value, one.failing, one.held_until) == ("up", False, None)
    assert (two.health.value, two.failing, two.feedback[0].percent) == ("down", True, True)
    assert two.held_until == found.now
    assert found.levels.keys() == {KEY}
    assert found.orders.overrides[0].scope == Scope("shop", "127.0.0.1", 1)


@pytest.mark.parametrize(
    "status", [{}, {"director": {}, "virtual_servers": [{}]}, {"director": [], "virtual_servers": []}]
)
def test_what_is_no_directors_status_leaves_the_kernels_rows(
    status: dict[str, Any], listening: StandIn, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listening.answering = lambda _: (200, status)
    with pytest.raises(UnreachableError):
        running(Way(listening.url), None, Config(Director("lb1"), Api(Listener(), None), {}))
    exit_status, lines, errors = planned(file, capsys)
    assert (exit_status, lines) == (0, ["nothing to change"])
    assert "planned from the kernel's rows alone" in errors
