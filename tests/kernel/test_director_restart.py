"""Restarts of the director, and of the kernel's module under it."""

from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from topology import Machine
from traffic import Connection, Load, names
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SHOPS = f"""
director: {{resync: 500ms}}
checks:
  web: {{type: http, path: /, interval: 300ms, timeout: 5s, rise: 2, fall: 2, fast_interval: 100ms}}
virtual_servers:
  quiescing:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: rr
    check: web
    real_servers: [{REMOTE}, {LOCAL}]
  removing:
    address: {VIRTUAL_ADDRESS}:81
    scheduler: rr
    check: web
    on_failure: remove
    real_servers: [{REMOTE}, {LOCAL}]
"""
SECOND_CLIENT = "11.197.140.51"
SERVICES = [f"-A -t {VIRTUAL_ADDRESS}:{VIRTUAL_PORT} -s rr", f"-A -t {VIRTUAL_ADDRESS}:81 -s rr"]
REMOTE_ROWS = [f"-a -t {VIRTUAL_ADDRESS}:{port} -r {REMOTE} -m -w 1" for port in (VIRTUAL_PORT, 81)]
LOCAL_ROWS = [f"-a -t {VIRTUAL_ADDRESS}:{port} -r {LOCAL} -m -w 1" for port in (VIRTUAL_PORT, 81)]
QUIESCED = f"-a -t {VIRTUAL_ADDRESS}:{VIRTUAL_PORT} -r {REMOTE} -m -w 0"


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    running = Director(classic.director, tmp_path)
    running.start(SHOPS.replace("resync: 500ms", f"resync: 500ms, state_dir: '{tmp_path}/state'"))
    running.until(*SERVICES, *REMOTE_ROWS, *LOCAL_ROWS)
    return running


def test_a_director_killed_while_a_server_is_down_has_a_successor_that_never_puts_it_up(
    classic: ClassicNat, director: Director, tmp_path: Path
) -> None:
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as one,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as two,
    ):
        by_name = {one.ask(): one, two.ask(): two}
        # Sick, not gone: were it put up for a moment, the load would see its answers.
        classic.remote.status = 503
        classic.client.ip(f"address add {SECOND_CLIENT}/24 dev eth0")
        director.until(*SERVICES, QUIESCED, *LOCAL_ROWS)
        # Verdicts are saved every 2 s: a kill before that leaves the one before.
        eventually(lambda: '"down"' in (tmp_path / "state" / "health.json").read_text(), bool)
        with (
            Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load,
            Load(classic.client, VIRTUAL_ADDRESS, 81, source=SECOND_CLIENT) as other,
        ):
            director.kill()
            load.wait_for(10)
            director.start()
            director.ready()
            load.wait_for(10)
            other.wait_for(10)
            assert {name: connection.ask() for name, connection in by_name.items()} == {
                REMOTE_NAME: REMOTE_NAME,
                LOCAL_NAME: LOCAL_NAME,
            }
    assert load.failures == other.failures == []
    assert set(load.answers) == set(other.answers) == {LOCAL_NAME}
    director.until(*SERVICES, QUIESCED, *LOCAL_ROWS)
    assert "table:" not in director.logged().split("serving ")[-1]
    classic.remote.status = 200
    director.until(*SERVICES, *REMOTE_ROWS, *LOCAL_ROWS)
    assert set(names(classic.client, VIRTUAL_ADDRESS, 81, 2)) == {REMOTE_NAME, LOCAL_NAME}


def unload(machine: Machine) -> bool:
    """Try once to take IPVS out of the kernel, schedulers first; the director may be putting rows back meanwhile."""
    machine.run("ipvsadm", "-C")
    loaded = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]
    users = [name for name in loaded if name.startswith("ip_vs_")]
    machine.attempt("rmmod", *users, "ip_vs")
    return not any(line.startswith("ip_vs ") for line in Path("/proc/modules").read_text().splitlines())


@pytest.mark.private_kernel
def test_a_director_survives_the_module_being_unloaded_and_loaded_again(
    classic: ClassicNat, director: Director
) -> None:
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 2)) == {REMOTE_NAME, LOCAL_NAME}
    eventually(lambda: unload(classic.director), bool)
    # Asking for the family makes the kernel load the module (genl_ctrl_resolve's way, net/netlink/genetlink.c).
    director.until(*SERVICES, *REMOTE_ROWS, *LOCAL_ROWS)
    director.ready()
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 2)) == {REMOTE_NAME, LOCAL_NAME}
    classic.remote.kill()
    director.until(*SERVICES, QUIESCED, *LOCAL_ROWS)
