"""The director as a process whose state directory is on a disk that is full or can only be read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.store import orders as orders_words
from healthlb.store.file import Kept
from kills import request
from tests.daemon.test_process import Director, WebServer, wait_for

HOST = "/api/v1/hosts/127.0.0.1"


def ask(director: Director, method: str, path: str, body: Any = None) -> Any:
    return request(director.admin, method, path, body)


def weight(director: Director) -> int:
    found = ask(director, "GET", "/api/v1/overrides")["overrides"]
    return int(found[0]["weight"]) if found else 0


class Mounted(Director):
    """A director that sees a mount of its own; others see it through `/proc/PID/root`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.state = folder / "state"
        self.state.mkdir()
        self.mount = ""

    def start(self) -> None:
        """Start it in a mount namespace of its own (unshare(1)), with its state directory on what is mounted there."""
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        run = [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", *user, "--mount", "sh", "-c", f'{self.mount} exec "$@"', "sh", *run],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"STATE_DIRECTORY": str(self.state)},
            )

    def seen(self) -> Path:
        """Return the state directory as the director sees it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.state}")

    def order(self, number: int) -> Any:
        return ask(self, "PUT", f"{HOST}/weight", {"weight": number})["warnings"]

    def events(self) -> list[str]:
        return [each["name"] for each in json.loads(self.get("/api/v1/events?limit=1000")[1])["events"]]

    def saving(self) -> Any:
        found = json.loads(self.get("/api/v1/status")[1])["director"]
        return found["state"], found["journal"]


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Mounted]:
    web = WebServer()
    running = Mounted(tmp_path)
    running.write([web.port])
    yield running
    if running.process is not None and running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    web.stop()


def order_and_save(director: Mounted, number: int) -> None:
    """Give an order and wait until it is on the disk; one that is late on a busy machine is warned of, and saved."""
    director.order(number)
    wait_for(lambda: saved_weight(director.seen()) == number, f"the order of {number} on the disk")
    wait_for(lambda: [each["failing"] for each in director.saving()] == [None, None], "all saved")


def saved_weight(folder: Path) -> int | None:
    found = orders_words.file_in(folder).read()
    return orders_words.decode(found.body).overrides[0].weight if isinstance(found, Kept) else None


def test_a_full_disk_is_told_with_each_change_and_the_newest_orders_are_saved_once_there_is_room(
    director: Mounted,
) -> None:
    director.mount = f"mount -t tmpfs -o size=1m tmpfs {director.state} &&"
    director.start()
    wait_for(director.ready, "readiness")
    order_and_save(director, 1)
    filler = director.seen() / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2_000_000))
    for number in (2, 3):
        (warning,) = director.order(number)
        assert "would not survive a restart" in warning
        assert "No space left on device" in warning
    assert saved_weight(director.seen()) == 1
    assert weight(director) == 3
    state, _ = director.saving()
    assert state["failing"] == "No space left on device"
    filler.unlink()
    wait_for(lambda: saved_weight(director.seen()) == 3, "the newest orders on the disk")
    wait_for(lambda: [each["failing"] for each in director.saving()] == [None, None], "all saved")
    assert director.events().count("override_set") == 3
    order_and_save(director, 4)
    assert director.stop() == 0
    log = director.logged()
    assert log.count(f"a restart would not know it: {director.state}: No space") == 1
    assert "Traceback" not in log


def test_orders_on_a_disk_that_can_only_be_read_are_in_force_and_every_change_is_warned_of(director: Mounted) -> None:
    director.start()
    wait_for(director.ready, "readiness")
    order_and_save(director, 7)
    assert director.stop() == 0
    before = {path.name: path.read_bytes() for path in director.state.iterdir()}
    director.mount = f"mount --bind {director.state} {director.state} && mount -o remount,ro,bind {director.state} &&"
    director.start()
    wait_for(director.ready, "readiness")
    assert weight(director) == 7
    (warning,) = director.order(8)
    assert "Read-only file system" in warning
    assert director.events().count("override_set") == 2
    assert director.stop() == 0
    assert {path.name: path.read_bytes() for path in director.state.iterdir()} == before
    assert "Traceback" not in director.logged()
