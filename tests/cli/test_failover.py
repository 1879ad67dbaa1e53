"""`healthlb failover` against something that answers in a director's place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli.main import main
from healthlb.cli.names import fitting, names, understood
from tests.cli.stand_in import StandIn, standing_in

DONE = {"result": "done", "message": "VI_1 is handed over to lb2", "differences": [], "notes": ["shop is on lb2 only"]}
REFUSED = {
    "result": "refused",
    "message": "Clients would fare worse.",
    "differences": ["shop is down on lb2 and up on lb1", "a \x1b[2J rude one"],
    "notes": [],
    "error": "Clients would fare worse.",
}


@pytest.fixture
def director(tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(lambda _: (200, DONE), tmp_path / "admin.sock") as server:
        yield server


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("VI_1", {}),
        ("VI_1 --back", {"back": True}),
        ("--force VI_1 --why disks", {"force": True, "why": "disks"}),
    ],
)
def test_the_order_is_what_the_words_say(
    director: StandIn, monkeypatch: pytest.MonkeyPatch, line: str, body: dict[str, Any]
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert main(["failover", *line.split(), "--url", director.url]) == 0
    (asked,) = director.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/api/v1/vrrp/VI_1/failover", body)


def test_what_came_of_it_is_told_with_what_there_is_to_know(
    director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["failover", "VI_1", "--url", director.url]) == 0
    assert capsys.readouterr().out == "VI_1 is handed over to lb2\n  note: shop is on lb2 only\n"
    assert main(["failover", "VI_1", "--json", "--url", director.url]) == 0
    assert json.loads(capsys.readouterr().out) == DONE


def test_a_refusal_is_the_answer_no_with_every_difference(
    director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.answering = lambda _: (409, REFUSED)
    assert main(["failover", "VI_1", "--url", director.url]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "  worse: shop is down on lb2 and up on lb1"
    assert told.err == "healthlb: Clients would fare worse.\n"
    assert "\x1b" not in told.out


def test_an_instance_that_there_is_not_is_wrong_use(director: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    director.answering = lambda _: (404, {"result": "unknown", "error": "There is no VRRP instance 'VI_9'."})
    assert main(["failover", "VI_9", "--url", director.url]) == 2
    assert capsys.readouterr().err == "healthlb: There is no VRRP instance 'VI_9'.\n"


@pytest.mark.parametrize("value", [{}, {"differences": 5, "notes": {"a": 1}}])
def test_an_answer_that_says_little_is_taken_as_it_is(director: StandIn, value: Any) -> None:
    director.answering = lambda _: (200, value)
    assert main(["failover", "VI_1", "--url", director.url]) == 0


def test_without_a_name_or_a_director_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["failover", "", "--url", f"unix:{tmp_path}/no.sock"]) == 2
    assert capsys.readouterr().err == "healthlb: say which VRRP instance; `healthlb status` lists them\n"
    assert main(["failover", "VI_1", "--url", f"unix:{tmp_path}/no.sock"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["failover", "VI_1", "--url", "ftp://lb1"]) == 2


def test_a_shell_completes_the_instances_that_there_are(director: StandIn) -> None:
    director.answering = lambda _: (200, {"vrrp": [{"name": "VI_1", "state": "MASTER"}]})
    typed = understood(["failover", "--url", director.url, "VI"])
    assert typed is not None
    assert fitting(names(typed), typed.current) == [("VI_1", "MASTER")]
