"""A director killed again and again while a weight changes, over a real table and under a client that keeps asking."""

import os
import signal
import subprocess
from pathlib import Path

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from kills import Kills
from traffic import Load
from waiting import eventually

ROUNDS = 8
REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
PATH = f"/api/v1/virtual_servers/shop/real_servers/{REMOTE}/weight"
SHOP = f"""
director: {{sysctl: set}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: wrr
    check: {{type: http, path: /, interval: 1s, timeout: 10s, rise: 1, fall: 3}}
    real_servers: [{REMOTE}, {LOCAL}]
"""


def test_kills_leave_the_table_at_the_old_weight_or_the_new_one_and_no_request_fails(
    classic: ClassicNat, tmp_path: Path
) -> None:
    director = Director(classic.director, tmp_path)
    director.write(SHOP)
    with (tmp_path / "director.log").open("w") as log, classic.director.inside():

        def start(*command: str) -> "subprocess.Popen[str]":
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )

        kills = Kills(tmp_path, start, within=0.5)
    process = kills.begin()
    director.until_weights({REMOTE: 1, LOCAL: 1})
    old: int | None = None
    expected: set[int | None] = {None}
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, pause=0.05) as load:
        for number in range(2, ROUNDS + 2):
            old = kills.weight()
            assert old in expected, (kills.seed, director.logged()[-4000:])
            wanted = {REMOTE: 1 if old is None else old, LOCAL: 1}
            eventually(director.weights, wanted.__eq__)
            answered = kills.change_and_kill(process, PATH, number)
            expected = {number} if answered else {old, number}
            process = kills.begin()
        load.wait_for(10)
    os.kill(process, signal.SIGTERM)
    kills.close()
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME}
    assert "set aside" not in director.logged()
