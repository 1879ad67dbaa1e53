"""Without CAP_NET_RAW: what still works, and what is said of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PASSED = [True, True, "echo back", ""]
WARNING = "full connection, which the server accepts: CAP_NET_RAW is missing"
NEITHER = "not sent: ping needs CAP_NET_RAW, or a group of the director within the sysctl net.ipv4.ping_group_range"


def ends(*drop: str, ping_sockets: bool) -> dict[str, Any]:
    """Probe in a network of our own, which has ICMP sockets for its root or for nobody, without these capabilities."""
    allow = "echo 0 0 >/proc/sys/net/ipv4/ping_group_range && " if ping_sockets else ""
    script = f'ip link set lo up && {allow}exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script, "sh"]
    command += [*drop, sys.executable, str(HERE / "dropped_privileges.py")]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


DROP = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")


def test_with_the_capability_packets_are_crafted() -> None:
    assert ends(ping_sockets=False) == {
        "half-open": [True, True, "SYN-ACK", ""],
        "half-open refused": [False, True, "connection refused", ""],
        "half-open or nothing": [True, True, "SYN-ACK", ""],
        "ping": PASSED,
        "ping 6": PASSED,
    }


def test_without_it_half_open_connects_with_a_warning_and_ping_uses_the_socket_that_its_group_may_have() -> None:
    assert ends(*DROP, ping_sockets=True) == {
        "half-open": [True, True, "connected", WARNING],
        "half-open refused": [False, True, "connection refused", ""],
        "half-open or nothing": [
            False,
            False,
            "not sent: half-open needs CAP_NET_RAW: grant it to the director, or set fallback: connect",
            "",
        ],
        "ping": PASSED,
        "ping 6": PASSED,
    }


def test_with_neither_ping_says_both_ways_out() -> None:
    found = ends(*DROP, ping_sockets=False)
    assert found["ping"] == found["ping 6"] == [False, False, NEITHER, ""]
