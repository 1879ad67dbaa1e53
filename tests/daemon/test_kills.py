"""A director killed again and again while it is told to change things keeps what it was told, or what was before."""

import os
import signal
import subprocess
from pathlib import Path

from healthlb.daemon.app import KEPT
from kills import Kills

ROUNDS = 200
SERVER = "127.0.0.1:9"
PATH = f"/api/v1/virtual_servers/shop/real_servers/{SERVER}/weight"


def test_two_hundred_kills_while_a_weight_changes_leave_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "healthlb.yaml").write_text(
        f"director: {{state_dir: {tmp_path}/state}}\n"
        f"api: {{listen: 'unix:{tmp_path}/api.sock', admin: 'unix:{tmp_path}/admin.sock'}}\n"
        f"virtual_servers: {{shop: {{address: '127.0.0.1:99', real_servers: ['{SERVER}']}}}}\n"
    )
    with (tmp_path / "log").open("w") as log:

        def start(*command: str) -> "subprocess.Popen[str]":
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )

        kills = Kills(tmp_path, start, "--dry-run")
        expected: set[int | None] = {None}
        seen_new = 0
        told: set[str] = set()
        for number in range(1, ROUNDS + 1):
            process = kills.begin()
            weight = kills.weight()
            assert weight in expected, (kills.seed, (tmp_path / "log").read_text()[-4000:])
            seen_new += weight == number - 1
            answered = kills.change_and_kill(process, PATH, number)
            told |= {f"weight {number}"} if answered and kills.took < KEPT else set()
            expected = {number} if answered else {weight, number}
        process = kills.begin()
        events = kills.ask("GET", "/api/v1/events?name=override_set&limit=1000")["events"]
        os.kill(process, signal.SIGTERM)
        kills.close()
    assert told, "some kills came after the answer"
    assert told <= {each["details"]["what"] for each in events}, "what was answered is in the journal, too"
    assert not list((tmp_path / "state").glob("*.damaged*"))
    assert 0 < seen_new < ROUNDS, "some kills came before the change, and some after it"
