"""`healthlb events`: nothing is left out, nothing is told twice, whatever happens to the director meanwhile."""

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from healthlb.cli import events
from healthlb.cli.client import Way
from healthlb.cli.events import PAGE
from healthlb.cli.main import main
from healthlb.model.occurrence import Occurrence
from healthlb.store.events_file import EventsFile
from tests.cli.stand_in import Asked, StandIn, standing_in


def event(number: int, name: str = "real_server_down", pool: str = "shop") -> dict[str, Any]:
    return {
        "id": number,
        "at": "2026-11-22T10:00:00.000Z",
        "name": name,
        "level": "warning",
        "message": f"{pool}: web{number} is DOWN",
        "virtual_server": pool,
        "real_server": "web1",
        "details": {},
    }


class Journal:
    """Answers as the API does; a stream ends when all has been told."""

    def __init__(self, *kept: dict[str, Any]) -> None:
        self.events = list(kept)
        self.streams = 0
        self.down = False

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        query = {key: values[-1] for key, values in parse_qs(asked.query).items()}
        names = parse_qs(asked.query).get("name", [])
        after, before = query.get("after"), query.get("before")
        stream = asked.headers.get("accept") == "text/event-stream"
        if stream:
            self.streams += 1
            after = asked.headers["last-event-id"]
        if self.down:
            return 503, {"error": "Not now."}
        found = [
            each
            for each in self.events
            if (after is None or each["id"] > int(after))
            and (before is None or each["id"] < int(before))
            and query.get("virtual_server", each["virtual_server"]) == each["virtual_server"]
            and (not names or each["name"] in names)
        ]
        if stream:
            told = (f"id: {each['id']}\nevent: {each['name']}\ndata: {json.dumps(each)}\n\n" for each in found)
            return 200, iter([": healthlb\n\n", *told])
        limit = int(query["limit"])
        found = found[:limit] if after is not None else found[-limit:]
        return 200, {"events": found, "last_id": self.events[-1]["id"] if self.events else 0}


@pytest.fixture
def journal() -> Journal:
    return Journal(*(event(number) for number in range(1, 2501)))


@pytest.fixture
def server(journal: Journal, tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(journal, tmp_path / "api.sock") as server:
        yield server


def printed(server: StandIn, capsys: pytest.CaptureFixture[str], *words: str) -> list[int]:
    assert main(["events", *words, "--json", "--url", server.url]) == 0
    return [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], 2401),
        (["--limit", "3"], 2498),
        (["--limit", "2300"], 201),
        (["--limit", "9999"], 1),
        (["--since", "1h"], 1),
        (["--since", "2026-11-22T10:00:00Z", "--limit", "5"], 2496),
    ],
)
def test_the_newest_are_shown_the_oldest_of_them_first(
    words: list[str], first: int, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(server, capsys, *words) == list(range(first, 2501))
    assert max(int(parse_qs(asked.query)["limit"][0]) for asked in server.asked) <= PAGE


def test_what_is_asked_for_is_left_to_the_director(server: StandIn) -> None:
    words = ["--vs", "shop & co", "--rs", "web1", "--name", "quorum_lost", "--name", "panic_began"]
    assert main(["events", *words, "--since", "2026-11-22T10:00:00+01:00", "--url", server.url]) == 0
    query = parse_qs(server.asked[-1].query.replace("shop & co", "shop"))
    assert query["name"] == ["quorum_lost", "panic_began"]
    assert query["real_server"] == ["web1"]
    assert query["since"] == ["2026-11-22T09:00:00 00:00"]  # parse_qs takes the plus for a space


def test_an_event_is_one_line_that_cannot_drive_the_terminal(
    journal: Journal, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.events = [event(1) | {"message": "\x1b[31m\r\nfake"}]
    assert main(["events", "--url", server.url]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith(" warning \ufffd[31m\ufffd\ufffdfake")


def test_an_empty_journal_is_no_failure(journal: Journal, server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    journal.events = []
    assert printed(server, capsys) == []
    assert printed(server, capsys, "--since", "1h") == []


def test_where_nothing_fits_that_is_said_beside_the_output(
    journal: Journal, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.events = []
    for words, told in (
        (["--vs", "shpo"], "healthlb: there are no events that fit\n"),
        (["--vs", "shpo", "--json"], ""),
        (["--limit", "0"], ""),
    ):
        assert main(["events", *words, "--url", server.url]) == 0
        assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(
    "words", [["--since", "soon"], ["--since", "-1h"], ["--limit", "-1"], ["--limit", "x"], ["more"]]
)
def test_wrong_use_is_status_2(words: list[str], server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", *words, "--url", server.url]) == 2
    assert capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ((404, {"error": "This director keeps no events."}), 1, "keeps no events"),
        ((400, {"error": "name: there is no 'x'."}), 2, "there is no 'x'"),
        ((200, {}), 1, "no healthlb director that this version understands"),
        ((200, {"events": [{}], "last_id": 1}), 1, "no healthlb director that this version understands"),
    ],
)
def test_what_the_director_does_not_answer_is_one_sentence(
    answer: tuple[int, Any], status: int, told: str, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answering = lambda _: answer
    assert main(["events", "--url", server.url]) == status
    assert told in capsys.readouterr().err


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return a file whose director has gone and left five events."""
    state = tmp_path / "state"
    state.mkdir()
    kept = EventsFile(state / "events.db")
    told = [Occurrence(each, 1.0e9 + each, "quorum_lost", "error", f"event {each}", "shop") for each in range(1, 6)]
    kept.add(told, 1000)
    kept.close()
    file = tmp_path / "healthlb.yaml"
    file.write_text(
        f"director: {{state_dir: '{state}'}}\napi: {{listen: 'unix:{tmp_path}/none.sock'}}\n"
        "virtual_servers:\n  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat, real_servers: ['127.0.0.1:9']}\n"
    )
    return file


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["--limit", "2"], [4, 5]),
        (["--since", "2001-09-09T01:46:43Z"], [3, 4, 5]),
        (["--vs", "idle"], []),
        (["--vs", "shop", "--name", "quorum_lost", "--limit", "1"], [5]),
    ],
)
def test_what_a_director_left_is_read_where_none_answers(
    words: list[str], ids: list[int], left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", "-c", str(left), "--json", *words]) == 0
    printed = capsys.readouterr()
    told = [json.loads(line) for line in printed.out.splitlines()]
    assert [each["id"] for each in told] == ids
    assert all(each["message"] == f"event {each['id']}" and each["level"] == "error" for each in told)
    assert "no such socket" in printed.err
    assert f"Reading what it left in {left.parent}/state/events.db." in printed.err


def test_where_neither_a_director_nor_a_journal_is_the_answer_is_no(
    left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (left.parent / "state" / "events.db").unlink()
    assert main(["events", "-c", str(left)]) == 1
    told = f"healthlb: no events: {left.parent}/state/events.db: No such file or directory"
    assert capsys.readouterr().err.splitlines()[-1] == told


class EnoughError(Exception):
    """The test has seen enough."""


def followed(server: StandIn, last: int, spells: list[Callable[[], None]]) -> list[int]:
    """Follow, and let each pause between two streams change something; return what was shown."""
    shown: list[int] = []

    def pause(_seconds: float) -> None:
        if not spells:
            raise EnoughError
        spells.pop(0)()

    parser = argparse.ArgumentParser()
    events.add_arguments(parser)
    with pytest.raises(EnoughError):
        events._follow(Way(server.url), parser.parse_args([]), last, lambda each: shown.append(each["id"]), pause)
    return shown


def test_following_goes_on_after_the_last_that_was_shown_and_tells_nothing_twice(
    journal: Journal, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.events = [event(1), event(2)]

    def more() -> None:
        journal.events += [event(len(journal.events) + 1)]

    def down() -> None:
        journal.down = True

    def up() -> None:
        journal.down = False
        more()

    assert followed(server, 1, [more, down, up, lambda: None]) == [2, 3, 4]
    told = capsys.readouterr().err
    assert "Trying again until it answers." in told
    assert "the director answers again" in told


def test_a_journal_that_was_begun_anew_is_followed_from_its_first_event(journal: Journal, server: StandIn) -> None:
    def anew() -> None:
        journal.events = [event(1)]

    assert followed(server, 2500, [anew, lambda: None]) == [1]


def test_a_stream_that_the_director_refuses_is_not_tried_again(
    server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(asked: Asked) -> tuple[int, Any]:
        stream = "accept" in asked.headers and "event-stream" in asked.headers["accept"]
        return (404, {"error": "No streams."}) if stream else (200, {"events": [], "last_id": 0})

    server.answering = refuse
    assert main(["events", "--follow", "--url", server.url]) == 1
    assert "No streams." in capsys.readouterr().err


class Holding:
    """A stream that goes on for ever: an event, then comments."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("accept") != "text/event-stream":
            return 200, {"events": [event(1)], "last_id": 1}

        def parts() -> Iterator[str]:
            yield f"id: 2\nevent: x\ndata: {json.dumps(event(2))}\n\n"
            while not self.ended.wait(0.02):
                yield ": alive\n\n"

        return 200, parts()


@pytest.mark.parametrize("how", ["interrupt", "closed pipe"])
def test_following_ends_quietly(how: str, tmp_path: Path) -> None:
    holding = Holding()
    with standing_in(holding, tmp_path / "api.sock") as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthlb", "events", "--follow", "--json", "--url", server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            ids = [json.loads(process.stdout.readline())["id"] for _ in range(2)]
            if how == "interrupt":
                process.send_signal(2)
            else:
                process.stdout.close()
            assert process.wait(60) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
            holding.ended.set()
    assert ids == [1, 2]
