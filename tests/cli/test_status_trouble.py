"""What is wrong comes first, can be had alone, and decides the exit status."""

import argparse
import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from healthlb.cli import status as verb
from healthlb.cli.main import main
from healthlb.cli.status_verdict import is_ordinary, is_wrong, verdict
from healthlb.cli.status_view import view
from healthlb.cli.table import seen_width
from healthlb.model.snapshot import Snapshot
from tests.cli.statuses import crowd, pool_of, told


@pytest.fixture
def status(snapshot: Snapshot) -> dict[str, Any]:
    return told(snapshot)


@pytest.fixture
def well(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status in which nothing is wrong."""
    return status | {"virtual_servers": [pool_of(status, "fine")]}


def addresses(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("  -> ")]


def test_the_servers_in_trouble_are_the_first_of_their_pool(status: dict[str, Any]) -> None:
    text = view(status | {"virtual_servers": [pool_of(status, "shop")]}, width=200, colour=False)
    assert addresses(text) == ["11.197.140.20:28089", "11.197.141.110:18089"]


def test_of_the_pools_that_are_up_those_with_a_server_in_trouble_come_first(status: dict[str, Any]) -> None:
    fine = pool_of(status, "fine")
    warned = copy.deepcopy(fine) | {"name": "warned"}
    warned["real_servers"][0]["checks"][0]["warning"] = "the certificate ends in 9 days"
    text = view(status | {"virtual_servers": [fine, warned]}, width=200, colour=False)
    assert text.index("warned:") < text.index("fine:")


def test_problems_alone_leave_out_what_is_well(status: dict[str, Any]) -> None:
    text = view(status, width=200, colour=False, only_wrong=True)
    assert "fine:" not in text
    assert addresses(text) == ["11.197.140.20:28089", "11.197.140.20:28089"]
    assert "3 virtual servers: 1 DOWN, 1 DEGRADED, 1 up" in text


def test_where_there_is_no_problem_that_is_said(well: dict[str, Any]) -> None:
    assert view(well, width=80, colour=False, only_wrong=True).splitlines()[-1] == "nothing is wrong"


def test_a_director_in_trouble_is_a_problem_though_its_pools_are_well(well: dict[str, Any]) -> None:
    well["director"]["config"]["refused"] = "healthlb.yaml:3:1: unknown key"
    text = view(well, width=80, colour=False, only_wrong=True)
    assert "PROBLEM the newest configuration was refused" in text
    assert "nothing is wrong" not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"health": "down"},
        {"health": "unknown"},
        {"pooled_but_down": True},
        {"held_until": "2026-11-22T14:00:00.000Z"},
        {"weight": {"configured": 2, "effective": 2, "kernel": None, "chain": []}},
    ],
)
def test_a_server_is_wrong_that_does_not_serve_as_it_is_meant_to(fields: dict[str, Any], well: dict[str, Any]) -> None:
    (server,) = well["virtual_servers"][0]["real_servers"]
    assert is_ordinary(server)
    assert is_wrong(server | fields)
    assert not is_ordinary(server | fields)


@pytest.mark.parametrize("fields", [{"unsent_reason": "no such interface"}, {"warning": "the certificate ends"}])
def test_a_server_is_wrong_whose_check_says_so(fields: dict[str, Any], well: dict[str, Any]) -> None:
    (server,) = well["virtual_servers"][0]["real_servers"]
    assert is_wrong(server | {"checks": [server["checks"][0] | fields]})


@pytest.mark.parametrize("admin", ["draining", "drained", "disabled"])
def test_a_server_that_is_meant_to_be_out_is_no_problem_and_told_all_the_same(admin: str, well: dict[str, Any]) -> None:
    (server,) = well["virtual_servers"][0]["real_servers"]
    out = server | {"admin": admin, "health": "down"}
    assert not is_wrong(out)
    assert not is_ordinary(out)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "fine"),
        (["up"], "fine"),
        (["up", "degraded"], "degraded"),
        (["degraded", "panic"], "down"),
        (["up", "down"], "down"),
    ],
)
def test_the_worst_virtual_server_is_the_verdict(states: list[str], expected: str, well: dict[str, Any]) -> None:
    pools = [pool_of(well, "fine") | {"state": state} for state in states]
    assert verdict(well | {"virtual_servers": pools}, whole=True) == expected


def test_a_director_in_trouble_is_degraded_unless_only_some_pools_were_asked_for(well: dict[str, Any]) -> None:
    well["director"]["table"]["failing"] = ["add 127.0.0.2:80 to tcp 127.0.0.1:80: refused"]
    assert verdict(well, whole=True) == "degraded"
    assert verdict(well, whole=False) == "fine"


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("names", "expected"), [([], 1), (["fine"], 0), (["shop"], 1), (["marked"], 1), (["fine", "shop"], 1)]
)
def test_the_exit_status_is_that_of_the_virtual_servers_that_are_named(
    names: list[str], expected: int, director: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for name in names for word in ("--vs", name)]
    assert verb.run(parsed("--url", director.url, *words)) == expected
    shown = capsys.readouterr().out
    assert [name for name in ("fine", "shop", "marked") if f" {name}: quorum" in shown] == sorted(
        names or ["fine", "shop", "marked"], key=["fine", "shop", "marked"].index
    )


def test_json_has_what_was_chosen(director: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.run(parsed("--url", director.url, "--json", "--vs", "shop", "--problems")) == 1
    (pool,) = json.loads(capsys.readouterr().out)["virtual_servers"]
    assert (pool["name"], [server["name"] for server in pool["real_servers"]]) == ("shop", ["web2"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--vs", "shp"], "there is no virtual server 'shp'; did you mean 'shop'?"),
        (["--vs", "zzz"], "there is no virtual server 'zzz'; `healthlb status` lists all"),
        (["--stats"], "--stats and --rate go with --ipvsadm"),
        (["--nagios", "--watch"], "leave out --watch"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: list[str], sentence: str, director: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = 3 if "--nagios" in words else 2
    assert main(["status", "--url", director.url, *words]) == expected
    printed = capsys.readouterr()
    assert sentence in printed.out + printed.err


def test_ipvsadms_listing_ends_as_ipvsadm_does(director: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.run(parsed("--url", director.url, "--ipvsadm", "--vs", "shop")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "IP Virtual Server version 1.2.1 (size=4096)",
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  11.197.140.20:18089 rr",
        "  -> 11.197.140.20:28089          Masq    0      2          3         ",
        "  -> 11.197.141.110:18089         Masq    2      2          3         ",
    ]


def test_what_no_terminal_reads_has_one_line_a_row_however_long(
    director: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    fine = director.current.virtual_servers[0]
    (server,) = fine.real_servers
    (check,) = server.checks
    long = replace(check, last=replace(check.last, reason="status 200 " * 60))
    pool = replace(fine, real_servers=(replace(server, checks=(long,)),))
    director.current = replace(director.current, virtual_servers=(pool,))
    assert verb.run(parsed("--url", director.url)) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  -> ")]
    assert "web status 200 status 200" in line


def test_the_many_that_are_healthy_have_one_row_and_the_sick_have_theirs(status: dict[str, Any]) -> None:
    many = crowd(status, 2, 500)
    many["virtual_servers"][1]["real_servers"][250] |= {"health": "down"}
    many["virtual_servers"][1]["state"] = "degraded"
    text = view(many, width=200, colour=False, brief=True)
    assert addresses(text) == ["192.0.2.250:80", "499", "500"]
    (row,) = [line for line in text.splitlines() if "499 more, healthy" in line]
    assert row.split()[4:8] == ["998", "998", "1497", "up"]
    assert len(view(many, width=200, colour=False).splitlines()) > 1000


def test_thousands_of_healthy_virtual_servers_have_one_line(status: dict[str, Any]) -> None:
    many = crowd(status, 3000, 2)
    sick = pool_of(status, "shop")
    text = view(many | {"virtual_servers": [*many["virtual_servers"], sick]}, width=120, colour=False, brief=True)
    assert "3000 more virtual servers, all up with all of 6000 real servers; --all shows each" in text
    assert len(text.splitlines()) < 20


def test_a_few_are_never_told_together(status: dict[str, Any]) -> None:
    assert "more, healthy" not in view(status, width=120, colour=False, brief=True)
    assert view(status, width=120, colour=False, brief=True) == view(status, width=120, colour=False)


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_long_addresses_and_long_sentences_fit_the_terminal(width: int, status: dict[str, Any]) -> None:
    address = "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
    for pool in status["virtual_servers"]:
        pool["address"] = address
        for server in pool["real_servers"]:
            server["address"] = address
            server["checks"][0]["last"]["reason"] = "word " * 60
    status["director"]["table"]["failing"] = ["refused " * 40]
    text = view(status, width=width, colour=False)
    assert max(map(seen_width, text.splitlines())) <= width
    assert text.count(address) >= 7
    assert text.replace("\n", " ").count("word") == 60 * 4
