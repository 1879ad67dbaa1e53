"""`healthlb drain --wait` by hand: when a machine is safe to reboot, proved with real connections."""

import json
import subprocess
from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from nursery import start_director
from traffic import Connection, Load, names
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
MACHINE = "11.197.141.110"


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    running = Director(classic.director, tmp_path)
    running.start(f"""
director: {{resync: 500ms, state_dir: {tmp_path}/state}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: rr
    check: {{type: http, path: /, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}}
    real_servers: [{REMOTE}, {LOCAL}]
""")
    running.until_weights({REMOTE: 1, LOCAL: 1})
    return running


def to_the_machine(classic: ClassicNat) -> Connection:
    """Return an open connection of a client to the machine behind the director."""
    while True:
        connection = Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
        if connection.ask() == REMOTE_NAME:
            return connection
        connection.close()


def draining(director: Director, log: Path, *words: str) -> "subprocess.Popen[bytes]":
    return start_director(director.machine, "drain", "-c", director.file, *words, log=log)


def test_a_machine_is_safe_to_reboot_once_its_last_client_has_gone_and_no_other_client_notices(
    classic: ClassicNat, director: Director, tmp_path: Path
) -> None:
    log = tmp_path / "drain.log"
    with to_the_machine(classic) as open_one, Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        waiting = draining(director, log, "--host", MACHINE, "--wait", "--deadline", "120s", "--why", "new disks")
        director.until_weights({REMOTE: 0, LOCAL: 1})
        eventually(log.read_text, lambda text: "shop: 1 active connection" in text)
        assert open_one.ask() == REMOTE_NAME
        before = load.answers[REMOTE_NAME]
        load.wait_for(30)
        assert load.answers[REMOTE_NAME] == before
        assert waiting.poll() is None
        open_one.close()
        eventually(waiting.poll, lambda status: status is not None)
    assert waiting.returncode == 0
    assert log.read_text().splitlines()[-1] == (f"{MACHINE} is safe to reboot: no connections left in 1 virtual server")
    assert load.failures == []
    assert director.command("undrain", "--host", MACHINE).returncode == 0
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {REMOTE_NAME, LOCAL_NAME}


def test_a_machine_with_an_open_connection_is_not_safe_at_the_deadline(classic: ClassicNat, director: Director) -> None:
    with to_the_machine(classic):
        ended = director.command("drain", "shop", REMOTE, "--wait", "--deadline", "3s", "--json")
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert (told["safe"], told["open"]) == (False, [f"shop: {REMOTE}: 1 active connection"])
    assert director.weights() == {REMOTE: 0, LOCAL: 1}


def test_a_wait_outlives_a_director_that_is_killed_and_so_does_the_drain(
    classic: ClassicNat, director: Director, tmp_path: Path
) -> None:
    log = tmp_path / "drain.log"
    with to_the_machine(classic) as open_one:
        waiting = draining(director, log, "shop", REMOTE, "--wait", "--remove", "--deadline", "10m")
        eventually(log.read_text, lambda text: "1 active connection" in text)
        director.kill()
        eventually(log.read_text, lambda text: "No director answers" in text)
        assert open_one.ask() == REMOTE_NAME
        director.start()
        eventually(lambda: log.read_text().splitlines()[-1], lambda line: "1 active" in line)
        assert director.weights() == {REMOTE: 0, LOCAL: 1}
        assert open_one.ask() == REMOTE_NAME
    eventually(waiting.poll, lambda status: status is not None)
    assert log.read_text().splitlines()[-1] == f"{REMOTE} in shop is safe to take away: no connections left"
    assert waiting.returncode == 0
    assert director.weights() == {LOCAL: 1}
