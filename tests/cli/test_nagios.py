"""The status for Nagios: one line that it understands, whatever the director says, and a true exit status."""

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.cli.main import main
from healthlb.cli.nagios import report
from healthlb.model.snapshot import Snapshot
from tests.cli.statuses import crowd, pool_of, told

DATUM = re.compile(r"'((?:[^'=]|'')+)'=(-?[0-9.]+)(c|s|B|%|)((?:;[0-9.:@~]*){0,4})(?: |$)")


@pytest.fixture
def status(snapshot: Snapshot) -> dict[str, Any]:
    return told(snapshot)


def data(text: str) -> dict[str, str]:
    """Return the performance data of a text; fail where Nagios would not understand it."""
    _, _, numbers = text.splitlines()[0].partition(" | ")
    assert DATUM.sub("", numbers) == ""
    return {match[1]: match[2] + match[3] + match[4] for match in DATUM.finditer(numbers)}


def test_the_first_line_tells_the_worst_and_names_it(status: dict[str, Any]) -> None:
    text = report(status, whole=True)
    assert text.startswith(
        "HEALTHLB CRITICAL - 1 virtual server DOWN (marked); 1 virtual server DEGRADED (shop); 1 virtual server up; "
        "2 of 4 real servers up | "
    )
    assert "\n  11.197.140.20:28089 down: web2: web connection refused, 4 in a row\n" in text


def test_the_numbers_have_their_ranges(status: dict[str, Any]) -> None:
    numbers = data(report(status, whole=True))
    assert numbers["virtual_servers_degraded"] == "1;0;;0;3"
    assert numbers["virtual_servers_down"] == "1;;0;0;3"
    assert numbers["real_servers_down"] == "2;;;0;4"
    assert numbers["connections"] == "15c;;;0;"
    assert numbers["shop live_weight"] == "2;1:;1:;0;"


def test_all_well_is_ok_and_nothing_more(status: dict[str, Any]) -> None:
    text = report(status | {"virtual_servers": [pool_of(status, "fine")]}, whole=True)
    assert text.startswith("HEALTHLB OK - 1 virtual server up; 1 of 1 real server up | ")
    assert text.count("\n") == 1


def test_a_fault_of_the_director_is_a_warning(status: dict[str, Any]) -> None:
    well = status | {"virtual_servers": [pool_of(status, "fine")]}
    well["director"]["config"]["refused"] = "line 3|unknown key"
    text = report(well, whole=True)
    assert text.startswith("HEALTHLB WARNING - 1 virtual server up; 1 of 1 real server up; 1 fault of the director | ")
    assert "refused: line 3/unknown key" in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=30))
def test_no_name_and_no_reason_breaks_the_form(status: dict[str, Any], text: str) -> None:
    shop = pool_of(status, "shop")
    check = shop["real_servers"][1]["checks"][0]
    named = shop | {"name": text}
    named["real_servers"][1]["checks"] = [check | {"last": check["last"] | {"reason": text}}]
    answer = report(status | {"virtual_servers": [named]}, whole=True)
    first, *others = answer.split("\n")
    assert first.count("|") == 1
    assert "|" not in "".join(others)
    assert len(data(answer)) == 13 + 3


def test_thousands_of_sick_servers_fit_into_what_nagios_keeps(status: dict[str, Any]) -> None:
    many = crowd(status, 2000, 10)
    for pool in many["virtual_servers"]:
        pool["state"] = "down"
        for server in pool["real_servers"]:
            server["health"] = "down"
    text = report(many, whole=True)
    assert len(text) < 8000
    assert "2000 virtual servers DOWN (pool0, pool1, pool2, pool3, pool4 and 1995 more)" in text
    assert re.search(r"and \d+ more lines; `healthlb status --problems` has them\n$", text)


@pytest.mark.parametrize(
    ("words", "expected", "begin"),
    [
        (["--vs", "fine"], 0, "HEALTHLB OK - "),
        (["--vs", "shop"], 1, "HEALTHLB WARNING - "),
        (["--vs", "marked"], 2, "HEALTHLB CRITICAL - "),
        ([], 2, "HEALTHLB CRITICAL - "),
        (["--vs", "none"], 3, "HEALTHLB UNKNOWN - there is no virtual server 'none'"),
    ],
)
def test_the_exit_status_is_nagioss(
    words: list[str], expected: int, begin: str, director: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--url", director.url, "--nagios", *words]) == expected
    assert capsys.readouterr().out.startswith(begin)


@pytest.mark.parametrize("words", [["--nagios", "--bogus"], ["--nag", "--watch=x"], ["--nagios", "--json"]])
def test_wrong_use_is_unknown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", *words]) == 3
    printed = capsys.readouterr()
    assert printed.out.startswith("HEALTHLB UNKNOWN - ")
    assert printed.err == ""


@pytest.mark.parametrize("of", ["URL", "--url=http://127.0.0.1:1", "--url=nonsense", "--bogus"])
def test_an_answer_that_cannot_be_written_is_unknown(of: str, director: Any) -> None:
    words = ["status", "--nagios", f"--url={director.url}" if of == "URL" else of]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = subprocess.run(
            [sys.executable, "-m", "healthlb", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 3
    assert ended.stderr.startswith("healthlb: ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "expected", "begin"),
    [
        ("http://127.0.0.1:1", 2, "HEALTHLB CRITICAL - No director answers at"),
        ("nonsense", 3, "HEALTHLB UNKNOWN - 'nonsense' is no URL"),
    ],
)
def test_a_director_that_does_not_answer_is_critical_and_a_wrong_url_is_not(
    url: str, expected: int, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--url", url, "--nagios"]) == expected
    printed = capsys.readouterr()
    assert printed.out.startswith(begin)
    assert printed.err == ""
