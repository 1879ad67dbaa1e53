"""`healthlb status` against a director over real sockets."""

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from healthlb.api import document
from healthlb.api.rendering import in_slices
from healthlb.cli import client, status
from healthlb.cli.client import Way
from healthlb.cli.status_view import view
from healthlb.cli.table import seen_width
from healthlb.model.health import Feedback
from healthlb.model.snapshot import Snapshot, Weight


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    status.add_arguments(parser)
    return parser.parse_args(words)


def shown(snapshot: Snapshot, width: int = 80, *, colour: bool = False) -> str:
    text = b"".join(asyncio.run(in_slices(document.status(snapshot))).plain())
    return view(json.loads(text), width=width, colour=colour)


def squeezed(text: str) -> str:
    return re.sub(r" +", " ", text)


def test_the_status_names_every_server_its_verdict_and_why(director: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.run(parsed("--url", director.url)) == 1
    text = squeezed(capsys.readouterr().out)
    assert "lb1: healthlb 0.1.0, up 3d, ipvs table in sync" in text
    assert "TCP 11.197.140.20:18089 rr 2 2 3 DEGRADED 10m" in text
    assert "-> 11.197.141.110:18089 nat 2 2 3 up 90s" in text.replace("1m", "90s")
    assert "-> 11.197.140.20:28089 nat 0/2 2 3 DOWN" in text
    assert "web2: web connection refused, 4 in a row" in text
    assert "Conns InPkts OutPkts InBytes OutBytes" in text
    assert "CPS InPPS OutPPS InBPS OutBPS" in text
    assert "3.0M" in text


def test_json_is_the_directors_own_document(director: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.run(parsed("--url", director.url, "--json")) == 1
    printed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in printed["virtual_servers"]] == ["fine", "shop", "marked"]


def test_trouble_comes_first_and_in_capitals(snapshot: Snapshot) -> None:
    text = shown(snapshot, 200)
    assert text.index("marked:") < text.index("shop:") < text.index("fine:")
    assert "3 virtual servers: 1 DOWN, 1 DEGRADED, 1 up; 4 real servers: 2 DOWN, 2 up" in text


def test_a_mark_service_shows_its_flags_persistence_and_missing_row(snapshot: Snapshot) -> None:
    text = squeezed(shown(snapshot, 200))
    assert "fwmark 25 inet6 sh " in text
    assert "nat -/2 0 0 DOWN" in text
    assert "marked: quorum 2 LOST, flag-1, persistent 300, ops" in text


def test_a_server_that_weighs_itself_and_warns_shows_how_its_weight_came_to_be_and_of_what_it_warns(
    snapshot: Snapshot,
) -> None:
    fine = snapshot.virtual_servers[0]
    [server] = fine.real_servers
    chain = ("2", "50 % (agent)", "drain (agent)")
    quiet = replace(server.checks[0], name="agent", feedback=Feedback(50, percent=True, admin="drain"))
    loud = replace(server.checks[0], name="cert", warning="the certificate ends in 9 days")
    drained = replace(server, admin="draining", weight=Weight(2, 0, 0, chain), checks=(quiet, loud))
    text = squeezed(shown(replace(snapshot, virtual_servers=(replace(fine, real_servers=(drained,)),)), 200))
    assert "draining: weight 2 -> 50 % (agent) -> drain (agent): cert 200 OK 1.2ms, warning: the certificate" in text


def test_a_warning_that_is_the_result_itself_is_told_once(snapshot: Snapshot) -> None:
    assert "ends in 9 days 1.2ms, warning\n" in last_column(snapshot, reason="ends in 9 days", warning="ends in 9 days")


@pytest.mark.parametrize("probed", [True, False])
def test_a_check_that_cannot_be_probed_says_so_instead_of_what_it_saw_last(snapshot: Snapshot, probed: bool) -> None:
    text = last_column(snapshot, unsent="interface eth7: there is no such interface", probed=probed)
    assert "web CANNOT BE PROBED: interface eth7: there is no such interface" in text
    assert "200 OK" not in text


def last_column(
    snapshot: Snapshot, reason: str = "200 OK", warning: str = "", unsent: str = "", *, probed: bool = True
) -> str:
    fine = snapshot.virtual_servers[0]
    [server] = fine.real_servers
    [check, *_] = server.checks
    assert check.last is not None
    last = replace(check.last, passed=True, reason=reason) if probed else None
    server = replace(server, checks=(replace(check, name="web", last=last, warning=warning, unsent_reason=unsent),))
    return shown(replace(snapshot, virtual_servers=(replace(fine, real_servers=(server,)),)), 200)


def test_what_the_director_complains_of_is_above_the_table(snapshot: Snapshot) -> None:
    director = snapshot.director
    troubled = replace(
        director,
        config=replace(director.config, refused="healthlb.yaml:3:1: unknown key"),
        table=replace(director.table, in_sync=False, failing=("add 127.0.0.2:80 to tcp 127.0.0.1:80: refused",)),
        warnings=("net.ipv4.ip_forward is 0",),
    )
    above = shown(replace(snapshot, director=troubled)).partition("\n\n")[0]
    assert "NOT IN SYNC" in above
    assert "PROBLEM operation fails: add 127.0.0.2:80 to tcp 127.0.0.1:80: refused" in above
    assert "PROBLEM the newest configuration was refused: healthlb.yaml:3:1: unknown key" in above
    assert "warning net.ipv4.ip_forward is 0" in above


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_every_line_of_an_ipv4_table_fits_the_terminal(snapshot: Snapshot, width: int) -> None:
    lines = shown(snapshot, width).splitlines()
    assert max(map(seen_width, lines)) <= width


def test_a_wide_terminal_has_all_the_columns_in_one_row(snapshot: Snapshot) -> None:
    heading = [line for line in shown(snapshot, 200).splitlines() if "Health" in line]
    assert len(heading) == 1
    assert "OutBPS" in heading[0]
    assert "Last result" in heading[0]


def test_colour_changes_nothing_but_the_colour(snapshot: Snapshot) -> None:
    plain, coloured = shown(snapshot), shown(snapshot, colour=True)
    assert "\x1b[" not in plain
    assert coloured != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_a_reason_that_a_server_sent_can_not_drive_the_terminal(snapshot: Snapshot) -> None:
    pool = snapshot.virtual_servers[1]
    server = pool.real_servers[1]
    check = server.checks[0]
    assert check.last is not None
    nasty = replace(check, last=replace(check.last, reason="\x1b]0;owned\x07\r\nTCP \u202e fake"))
    pool = replace(pool, real_servers=(replace(server, checks=(nasty,)),))
    text = shown(replace(snapshot, virtual_servers=(pool,)))
    assert not set(text) & set("\x1b\x07\r\u202e")
    assert "owned" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_a_terminal_and_no_color_is_obeyed(
    stream: io.StringIO, environment: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert status.wants_colour(stream) == wanted


def until_served(url: str, text: str) -> None:
    """Wait until readers are given what has changed: they share a rendering for a moment."""
    end = time.monotonic() + 60
    while text not in client.fetch(url, status.PATH):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_watch_shows_it_again_and_outlives_a_restart_of_the_director(
    director: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            director.current = replace(director.current, virtual_servers=())
            until_served(director.url, '"virtual_servers":[]')
        if len(pauses) == 2:
            director.stop()
        if len(pauses) == 3:
            raise KeyboardInterrupt

    way, arguments = Way(director.url), parsed("--watch")
    try:
        with pytest.raises(KeyboardInterrupt):
            status._repeat(status._fetched(way, arguments), way, arguments, sys.stdout, pause)
    finally:
        director.stop = lambda: None
    out = capsys.readouterr().out
    assert pauses == [2.0] * 3
    assert "3 virtual servers" in out
    assert "0 virtual servers: none" in out
    assert "No director answers" in out


@pytest.mark.parametrize("words", [["--watch", "0"], ["--watch", "nan"], ["--watch", "soon"], ["--colour"]])
def test_wrong_use_ends_with_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2


def test_neither_the_reader_that_leaves_nor_its_pipe_is_an_error(director: Any) -> None:
    command = (
        "import sys, argparse; from healthlb.cli import status; p = argparse.ArgumentParser(); status.add_arguments(p);"
        "sys.exit(status.run(p.parse_args(sys.argv[1:])))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, "--url", director.url, "--watch", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_the_verb_imports_nothing_heavy() -> None:
    command = "import sys, healthlb.cli.status; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert not set(loaded.stdout.split()) & {"aiohttp", "asyncio", "yaml", "pyroute2", "scapy", "checks", "dataclasses"}
