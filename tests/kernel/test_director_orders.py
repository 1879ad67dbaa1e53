"""Draining real servers through a real table: what is open finishes, nothing new comes, and the answer is right."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from healthlb.model.occurrence import EventQuery
from healthlb.store.events_file import NAME, read_file
from traffic import Connection, Load, ask, ask_udp, names
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
REMOTE_HOST = "11.197.141.110"
SECOND_CLIENT = "11.197.140.51"
HEAD = """
director: {{resync: 1s, sysctl: set, ipvs_timeouts: {{udp: 8s}}}}
checks:
  web: {{type: http, path: /, interval: 500ms, timeout: 5s, rise: 1, fall: 3, fast_interval: 200ms}}
virtual_servers:
  shop:
    address: {address}:{port}
    scheduler: rr
    check: web
    drain_timeout: {drain_timeout}
    real_servers: [{servers}]
"""
TWICE = """
  other:
    address: {address}:81
    scheduler: rr
    check: web
    real_servers: [{remote}, {local}]
"""


def shop(*servers: str, drain_timeout: str = "0s", more: str = "") -> str:
    given = {"address": VIRTUAL_ADDRESS, "port": VIRTUAL_PORT, "remote": REMOTE, "local": LOCAL}
    return (HEAD + more).format(servers=", ".join(servers or (REMOTE, LOCAL)), drain_timeout=drain_timeout, **given)


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    classic.client.ip(f"address add {SECOND_CLIENT}/24 dev eth0")
    running = Director(classic.director, tmp_path)
    running.start(shop(more=TWICE))
    running.ready()
    return running


def server(director: Director, pool: str = "shop", address: str = REMOTE) -> dict[str, Any]:
    (virtual,) = [each for each in director.status()["virtual_servers"] if each["name"] == pool]
    found: list[dict[str, Any]] = [each for each in virtual["real_servers"] if each["address"] == address]
    return found[0]


def connected_to(classic: ClassicNat, name: str) -> Connection:
    """Return a connection through the virtual server that has come out at a real server."""
    for _ in range(4):
        connection = Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
        if connection.ask() == name:
            return connection
        connection.close()
    raise AssertionError(f"no connection to {name} in four tries")


def test_one_command_says_whether_a_machine_may_be_rebooted(
    classic: ClassicNat, director: Director, tmp_path: Path
) -> None:
    with connected_to(classic, REMOTE_NAME) as connection:
        refused = director.command("drain", "--host", REMOTE_HOST, "--wait", "--deadline", "3s")
        assert refused.returncode == 1, refused
        assert "shop" in refused.stdout + refused.stderr
        assert "1 active" in refused.stdout + refused.stderr
        assert director.weights_of(VIRTUAL_PORT) == director.weights_of(81) == {REMOTE: 0, LOCAL: 1}
        assert connection.ask() == REMOTE_NAME
    allowed = director.command("drain", "--host", REMOTE_HOST, "--wait", "--remove", "--deadline", "60s")
    assert allowed.returncode == 0, allowed
    assert f"{REMOTE_HOST} is safe to reboot" in allowed.stdout
    eventually(lambda: director.weights_of(VIRTUAL_PORT), {LOCAL: 1}.__eq__)
    eventually(lambda: director.weights_of(81), {LOCAL: 1}.__eq__)
    director.kill()
    director.start()
    director.ready()
    assert director.weights_of(VIRTUAL_PORT) == director.weights_of(81) == {LOCAL: 1}, "an override outlives a crash"
    assert director.command("undrain", "--host", REMOTE_HOST).returncode == 0
    director.until_rows(81, {REMOTE: 1, LOCAL: 1})
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 2)) == {REMOTE_NAME, LOCAL_NAME}


def test_a_server_that_leaves_the_file_keeps_its_connections_for_the_drain_timeout(
    classic: ClassicNat, director: Director
) -> None:
    director.reload(shop(drain_timeout="60s"))
    with (
        connected_to(classic, REMOTE_NAME) as connection,
        Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, source=SECOND_CLIENT) as load,
    ):
        load.wait_for(4)
        director.reload(shop(LOCAL, drain_timeout="60s"))
        director.until_rows(VIRTUAL_PORT, {REMOTE: 0, LOCAL: 1})
        load.wait_for(10)
        assert connection.ask() == REMOTE_NAME
        assert director.weights_of(VIRTUAL_PORT) == {REMOTE: 0, LOCAL: 1}
        connection.close()
        director.until_rows(VIRTUAL_PORT, {LOCAL: 1})
        load.wait_for(4)
    assert load.failures == []


def test_a_weight_is_overridden_until_it_expires_or_is_reset(classic: ClassicNat, director: Director) -> None:
    assert director.command("weight", "shop", REMOTE, "5", "--why", "new machine").returncode == 0
    director.until_rows(VIRTUAL_PORT, {REMOTE: 5, LOCAL: 1})
    assert server(director)["weight"]["chain"][0] == "1"
    assert server(director)["overrides"][0]["why"] == "new machine"
    director.reload(shop(more=TWICE))
    assert director.weights_of(VIRTUAL_PORT) == {REMOTE: 5, LOCAL: 1}
    assert director.command("weight", "shop", REMOTE, "--reset").returncode == 0
    director.until_rows(VIRTUAL_PORT, {REMOTE: 1, LOCAL: 1})
    assert director.command("weight", "shop", REMOTE, "7", "--for", "3s").returncode == 0
    director.until_rows(VIRTUAL_PORT, {REMOTE: 1, LOCAL: 1})
    assert "has expired" in director.logged()


def test_a_server_added_at_run_time_serves_and_outlives_restart_and_reload(
    classic: ClassicNat, director: Director
) -> None:
    director.reload(shop(LOCAL))
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1})
    added = director.command("add", "shop", REMOTE, "--name", "spare", "--weight", "2", "--why", "sale")
    assert added.returncode == 0, added
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1, REMOTE: 2})
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 3)) == {REMOTE_NAME, LOCAL_NAME}
    assert server(director)["origin"] == "runtime"
    director.kill()
    director.start()
    director.ready()
    assert director.weights_of(VIRTUAL_PORT) == {LOCAL: 1, REMOTE: 2}
    planned = director.command("plan")
    assert "spare" in planned.stdout + planned.stderr, planned
    told = director.reload(shop(REMOTE, LOCAL))
    assert "in the file now" in told
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1, REMOTE: 1})
    assert director.command("remove", "shop", REMOTE).returncode == 0
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1})
    assert "stays out" in director.reload(shop(REMOTE, LOCAL, drain_timeout="1s"))
    assert director.weights_of(VIRTUAL_PORT) == {LOCAL: 1}
    assert director.command("add", "shop", REMOTE).returncode == 0
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1, REMOTE: 1})


def test_a_udp_server_is_drained_once_its_clients_have_gone_quiet(classic: ClassicNat, tmp_path: Path) -> None:
    director = Director(classic.director, tmp_path)
    text = shop().replace("    scheduler: rr\n", "    scheduler: rr\n    protocol: udp\n")
    director.start(text)
    director.ready()
    sources = range(40001, 40005)
    heard = {source: ask_udp(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, source_port=source) for source in sources}
    assert set(heard.values()) == {REMOTE_NAME, LOCAL_NAME}
    hasty = director.command("drain", "shop", REMOTE, "--wait", "--deadline", "1s")
    assert hasty.returncode == 1, hasty
    drained = director.command("drain", "shop", REMOTE, "--wait", "--deadline", "60s")
    assert drained.returncode == 0, drained
    rows = classic.director.run("ipvsadm", "-Lnc").splitlines()
    assert not [row for row in rows if REMOTE in row and "UDP" in row]


@pytest.mark.parametrize("expires", ["1", "0"])
def test_a_persistent_client_of_a_drained_server_counts_as_long_as_the_kernel_sends_it_there(
    classic: ClassicNat, tmp_path: Path, expires: str
) -> None:
    director = Director(classic.director, tmp_path)
    text = shop().replace("sysctl: set", "sysctl: ignore")
    text = text.replace("    scheduler: rr\n", "    scheduler: rr\n    persistence: {timeout: 300s}\n")
    classic.director.sysctl({"net.ipv4.vs.expire_quiescent_template": expires})
    director.start(text)
    director.ready()
    stays = ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
    address = {REMOTE_NAME: REMOTE, LOCAL_NAME: LOCAL}[stays]
    drained = director.command("drain", "shop", address, "--wait", "--deadline", "6s")
    again = ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
    if expires == "1":
        assert drained.returncode == 0, drained
        assert again != stays
    else:
        assert drained.returncode == 1, drained
        assert again == stays, "the template still leads there, so that it was right to say no"


def test_events_tell_who_did_what_and_are_kept_over_a_crash(classic: ClassicNat, director: Director) -> None:
    assert director.command("disable", "shop", REMOTE, "--why", "fan failure").returncode == 0
    director.until_rows(VIRTUAL_PORT, {LOCAL: 1})
    classic.local.status = 503
    eventually(lambda: server(director, address=LOCAL)["health"], "down".__eq__)
    assert "is DOWN" in director.command("events").stdout
    # What is told is in the file within a second or two.
    file = Path(os.environ["STATE_DIRECTORY"], NAME)
    eventually(lambda: {each.name for each in read_file(file, EventQuery())}, lambda kept: "real_server_down" in kept)
    director.kill()
    # Nobody answers: the file is read.
    lines = director.command("events", "--vs", "shop", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    down = next(each for each in events if each["name"] == "real_server_down")
    assert "503" in json.dumps(down["details"]["saw"])
    assert any(
        "fan failure" in each["message"]
        for each in map(json.loads, director.command("events", "--json").stdout.splitlines())
    )
