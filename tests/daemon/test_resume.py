"""A reader of a real director's stream of events, over its restart and over a journal that was pruned."""

import contextlib
import http.client
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_process import Director, WebServer
from waiting import eventually

PATIENCE = 60.0


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    web = WebServer()
    made = Director(tmp_path)
    made.write([web.port], extra=f"director: {{state_dir: {tmp_path}/state}}\n")
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
        web.stop()


def started(director: Director) -> None:
    director.start()

    def ready() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return director.ready()
        return False

    eventually(ready, bool, deadline=PATIENCE)


def listed(director: Director) -> list[int]:
    return [each["id"] for each in json.loads(director.get("/api/v1/events?after=0&limit=1000")[1])["events"]]


def resumed(director: Director, after: int, number: int) -> list[tuple[str, Any]]:
    """Return the first events of a stream that is resumed: names and data."""
    connection = http.client.HTTPConnection("127.0.0.1", director.port, timeout=PATIENCE)
    connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": str(after)})
    answer = connection.getresponse()
    found: list[tuple[str, Any]] = []
    name = ""
    while len(found) < number:
        word, _, value = answer.readline().decode().rstrip("\n").partition(": ")
        if word == "event":
            name = value
        elif word == "data":
            found.append((name, json.loads(value)))
    answer.close()
    connection.close()
    return found


def test_a_stream_goes_on_over_a_restart_and_tells_what_a_pruned_journal_has_lost(
    director: Director, tmp_path: Path
) -> None:
    started(director)
    before = eventually(lambda: listed(director), lambda ids: len(ids) >= 2, deadline=PATIENCE)
    assert director.stop() == 0
    started(director)

    after = eventually(lambda: listed(director), lambda ids: ids[-1] > before[-1], deadline=PATIENCE)
    assert after[: len(before)] == before
    told = resumed(director, before[0], len(after) - 1)
    assert [each["id"] for _, each in told] == after[1:]
    assert "gap" not in [name for name, _ in told]
    assert director.stop() == 0

    (journal,) = (tmp_path / "state").glob("events.db")
    with contextlib.closing(sqlite3.connect(os.fspath(journal))) as database, database:
        database.execute("DELETE FROM events WHERE id <= ?", [before[1]])
    started(director)
    kept = listed(director)
    assert kept[0] > before[1]
    gap, first = resumed(director, before[0], 2)
    assert gap == ("gap", {"after": before[0], "oldest": kept[0]})
    assert first[1]["id"] == kept[0]
