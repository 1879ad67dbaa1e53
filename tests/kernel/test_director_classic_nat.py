"""The main job on a real kernel: the classic NAT set-up, kept true by a director."""

from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection, Load, names

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SHOP = """
director: {resync: 500ms}
checks:
  web: {type: http, path: /, interval: 300ms, timeout: 5s, rise: 2, fall: 2, fast_interval: 100ms}
virtual_servers:
  shop:
    address: 11.197.140.20:18089
    scheduler: rr
    method: nat
    check: web
    on_failure: quiesce
    real_servers:
      - 11.197.141.110:18089
      - address: 11.197.140.20:28089
        name: web2
"""


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    running = Director(classic.director, tmp_path)
    running.start(SHOP)
    running.ready()
    return running


def test_the_clients_answers_alternate_and_follow_a_real_servers_death_and_return(
    classic: ClassicNat, director: Director
) -> None:
    director.until(
        "-A -t 11.197.140.20:18089 -s rr",
        "-a -t 11.197.140.20:18089 -r 11.197.141.110:18089 -m -w 1",
        "-a -t 11.197.140.20:18089 -r 11.197.140.20:28089 -m -w 1",
    )
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {REMOTE_NAME, LOCAL_NAME}
    classic.remote.kill()
    director.until_weights({REMOTE: 0, LOCAL: 1})
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {LOCAL_NAME}
    classic.remote.start()
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {REMOTE_NAME, LOCAL_NAME}


def test_a_sick_server_keeps_its_open_connections_when_it_is_quiesced(classic: ClassicNat, director: Director) -> None:
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as one,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as other,
    ):
        by_name = {one.ask(): one, other.ask(): other}
        classic.remote.status = 503
        director.until_weights({REMOTE: 0, LOCAL: 1})
        assert by_name[REMOTE_NAME].ask() == REMOTE_NAME
    (pool,) = director.status()["virtual_servers"]
    assert "503" in pool["real_servers"][0]["checks"][0]["last"]["reason"]


def test_what_somebody_else_does_to_the_table_is_repaired_under_load(classic: ClassicNat, director: Director) -> None:
    vandalism = [
        ["-C"],
        ["-D", "-t", "11.197.140.20:18089"],
        ["-d", "-t", "11.197.140.20:18089", "-r", REMOTE],
        ["-e", "-t", "11.197.140.20:18089", "-r", REMOTE, "-m", "-w", "0"],
        ["-E", "-t", "11.197.140.20:18089", "-s", "wlc"],
    ]
    wanted = director.table()
    for words in vandalism:
        director.machine.run("ipvsadm", *words)
        director.until(*wanted)
    assert director.status()["director"]["table"]["drift_repaired_total"] >= len(vandalism)
    assert director.logged().count("drift repaired") >= len(vandalism)


def test_a_killed_director_leaves_traffic_alone_and_its_successor_touches_nothing(
    classic: ClassicNat, director: Director
) -> None:
    wanted = director.table()
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as lasting,
        Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load,
    ):
        name = lasting.ask()
        load.wait_for(20)
        director.kill()
        load.wait_for(20)
        director.start()
        director.ready()
        load.wait_for(20)
        assert lasting.ask() == name
    assert load.failures == []
    assert director.table() == wanted
    after = director.logged().split("serving ")[-1]
    assert "table:" not in after
    assert "DOWN" not in after
