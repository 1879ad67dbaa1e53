"""Fifty random edits of the file, each followed by a reload that ends with the table that ipvsadm would write.

What is expected is worked out here from the edited data alone, by the plainest rules; nothing of healthlb takes part.
"""

import json
import random
from pathlib import Path

import pytest

from director import Director
from editor import ALIVE, ALIVE6, PORTS, Data, Editor, name_of
from topology import Topology
from traffic import WebServer

EDITS = 50
DEAD_PORT = 9
"""Nothing listens there: a server whose check asks it is down."""


def written(pools: Data) -> str:
    """Return the file: JSON is YAML."""
    schedule = {"type": "tcp", "interval": "300ms", "fast_interval": "100ms", "timeout": "5s", "rise": 1, "fall": 1}
    checks = {"alive": {**schedule, "port": PORTS[0]}, "dead": {**schedule, "port": DEAD_PORT}}
    return "".join(
        f"{key}: {json.dumps(value)}\n"
        for key, value in (("director", {"resync": "500ms"}), ("checks", checks), ("virtual_servers", pools))
    )


def expected(pools: Data) -> list[str]:
    """Return what `ipvsadm -Sn` prints once every verdict is in, sorted."""
    lines = []
    for pool in pools.values():
        line = f"-A {name_of(pool)} -s {pool['scheduler']}"
        if "persistence" in pool:
            line += f" -p {pool['persistence']['timeout'][:-1]}"
            line += {"255.255.255.0": " -M 255.255.255.0", "/64": " -M 64"}.get(pool["persistence"]["netmask"], "")
        if pool.get("one_packet"):
            line += " -o"
        if pool.get("scheduler_flags"):
            line += f" -b {','.join(sorted(pool['scheduler_flags']))}"
        lines.append(line)
        port = pool["address"].split(":")[-1] if "address" in pool else "0"
        method = {"nat": "-m", "dr": "-g", "tunnel": "-i"}[pool["method"]]
        tunnel = {
            None: "",
            "ipip": " --tun-type ipip",
            "gre": " --tun-type gre --tun-csum",
            "gue": " --tun-type gue --tun-port 6080 --tun-remcsum",
        }[pool.get("tunnel", {}).get("type")]
        for server in pool["real_servers"]:
            dead = server["check"] == "dead"
            if dead and pool.get("on_failure") == "remove":
                continue
            weight = 0 if dead else server["weight"]
            lines.append(f"-a {name_of(pool)} -r {server['address']}:{port} {method} -w {weight}{tunnel}")
    return sorted(lines)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_edit_ends_with_the_table_that_the_file_says(net: Topology, tmp_path: Path, seed: int) -> None:
    machine = net.machine("director")
    machine.ip(*(f"address add {address} dev lo" for address in [*ALIVE, *ALIVE6]))
    WebServer(machine, "::", PORTS[0], "alive")
    editor = Editor(random.Random(seed))
    editor.edit()
    director = Director(machine, tmp_path)
    director.start(written(editor.pools))
    done = []
    for _ in range(EDITS):
        done.append(editor.edit())
        log = director.reload(written(editor.pools))
        assert "reload refused" not in log, (done, editor.pools)
        director.until(*expected(editor.pools))
    assert director.command("plan").returncode == 0
    assert "ERROR" not in director.logged()
    assert "drift" not in director.logged()
    assert set(done) == {kind.__name__ for kind in editor.kinds}
