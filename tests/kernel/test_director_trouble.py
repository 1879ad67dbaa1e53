"""State on a bad disk, under a client that never stops asking: changes work, and are saved once they can be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import BOOT_PATIENCE, Director
from disk import Disk
from kills import request
from traffic import Load
from waiting import eventually

pytestmark = pytest.mark.private_kernel

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
WEIGHT = f"/api/v1/virtual_servers/shop/real_servers/{REMOTE}/weight"
SHOP = """
director: {{resync: 1s, sysctl: set, state_dir: '{state}'}}
virtual_servers:
  shop:
    address: {address}:{port}
    scheduler: wrr
    check: {{type: http, path: /, interval: 500ms, timeout: 5s, rise: 1, fall: 3, fast_interval: 200ms}}
    real_servers: ['{remote}', '{local}']
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    here = Disk(tmp_path / "disk")
    yield here
    here.close()


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path, disk: Disk) -> Iterator[Director]:
    """Yield a director with an override that is on the disk, under load; it must have cost no request."""
    running = Director(classic.director, tmp_path)
    given = {"address": VIRTUAL_ADDRESS, "port": VIRTUAL_PORT, "remote": REMOTE, "local": LOCAL}
    running.start(SHOP.format(state=state(disk), **given))
    running.ready()
    assert weigh(running, 2) == []
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        yield running
        load.wait_for(10)
    running.stop()
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME}
    assert "Traceback" not in running.logged()


def state(disk: Disk) -> Path:
    return disk.place / "state"


def weigh(director: Director, weight: int) -> list[str]:
    """Give the remote server a weight, wait until the table has it, and return the warnings of the answer."""
    answer = request(director.file.parent / "admin.sock", "PUT", WEIGHT, {"weight": weight})
    assert answer["result"] == "done", answer
    director.until_rows(VIRTUAL_PORT, {REMOTE: weight, LOCAL: 1})
    return list(answer["warnings"])


def failing(director: Director) -> dict[str, Any]:
    """Return why neither orders nor events can be saved, None for each that can."""
    shown = director.status()["director"]
    return {name: shown[name]["failing"] for name in ("state", "journal")}


def until_failing(director: Director, reason: str) -> None:
    """Wait until the status, which may be a moment old, says why orders cannot be saved."""
    eventually(lambda: failing(director)["state"], reason.__eq__, deadline=BOOT_PATIENCE)


def until_saved(director: Director) -> None:
    eventually(lambda: failing(director), {"state": None, "journal": None}.__eq__, deadline=BOOT_PATIENCE)


def drain_with_warning(director: Director, reason: str) -> None:
    """Drain the remote server by hand on a disk that cannot be written, with the words of those who do."""
    drained = director.command("drain", "shop", REMOTE, "--wait", "--deadline", "30s", "--why", "new kernel")
    assert drained.returncode == 0, drained
    assert "would not survive a restart" in drained.stdout + drained.stderr
    assert reason in drained.stdout + drained.stderr
    assert director.weights_of(VIRTUAL_PORT) == {REMOTE: 0, LOCAL: 1}
    assert director.command("undrain", "shop", REMOTE).returncode == 0


def restart_after_kill(director: Director) -> None:
    director.kill()
    director.start()
    director.ready()


def test_changes_work_while_the_disk_is_full_and_the_latest_is_saved_once_there_is_room(
    director: Director, disk: Disk
) -> None:

    def on_a_full_disk() -> list[str]:
        disk.fill()
        return weigh(director, 10)

    # A file that is just being replaced makes a little room again.
    (warning,) = eventually(on_a_full_disk, bool)
    assert warning == f"The change is made, but it would not survive a restart: {state(disk)}: No space left on device."
    drain_with_warning(director, "No space left on device")
    full = {"state": "No space left on device", "journal": "database or disk is full"}
    eventually(lambda: failing(director), full.__eq__, deadline=BOOT_PATIENCE)
    assert "No space left on device" in director.command("status").stdout
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    disk.make_room()
    until_saved(director)
    restart_after_kill(director)
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    assert weigh(director, 11) == []
    log = director.logged()
    assert log.count(f"a restart would not know it: {state(disk)}: No space left on device") == 1
    assert f"state is saved again: {state(disk)}" in log
    assert "set aside" not in log


def test_changes_work_on_a_disk_that_fails_and_are_saved_on_the_one_that_takes_its_place(
    director: Director, disk: Disk
) -> None:
    disk.fail()
    (warning,) = weigh(director, 10)
    assert f"{state(disk)}: Read-only file system" in warning
    until_failing(director, "Read-only file system")
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    disk.vanish()
    spare = Disk(disk.place)
    until_saved(director)
    restart_after_kill(director)
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    spare.close()


def test_changes_work_while_the_disk_is_gone_and_are_saved_once_it_is_back(director: Director, disk: Disk) -> None:
    disk.vanish()
    (warning,) = weigh(director, 10)
    assert f"{state(disk)}: No such file or directory" in warning
    until_failing(director, "No such file or directory")
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    disk.mount()
    until_saved(director)
    restart_after_kill(director)
    director.until_rows(VIRTUAL_PORT, {REMOTE: 10, LOCAL: 1})
    disk.vanish()
    restart_after_kill(director)
    assert weigh(director, 12), "a start without the disk knows of no order, and takes new ones"
    until_failing(director, "No such file or directory")
    disk.mount()
    until_saved(director)
    restart_after_kill(director)
    director.until_rows(VIRTUAL_PORT, {REMOTE: 12, LOCAL: 1})
    assert "set aside" in director.logged(), "what lay there was not written over"
