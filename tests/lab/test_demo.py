"""The demo as a newcomer meets it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from itertools import pairwise
from pathlib import Path

from ports import free_port

DEMO = Path(__file__).parent / "demo.py"
PATIENCE = 150.0
"""Seconds after which a demo that still runs is killed, and its output judged as it is."""


def test_the_demo_shows_failure_and_recovery_and_ends_by_ctrl_c_without_a_trace(tmp_path: Path) -> None:
    port = free_port()
    told = ""
    status = {}
    with subprocess.Popen(
        [sys.executable, DEMO, "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    ) as demo:
        assert demo.stdout is not None
        too_late = threading.Timer(PATIENCE, demo.kill)
        too_late.start()
        try:
            for line in demo.stdout:
                told += line
                if "until Ctrl-C" in line:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/status", timeout=PATIENCE) as reply:
                        status = json.load(reply)
                    demo.send_signal(signal.SIGINT)
            demo.wait(PATIENCE)
        except BaseException:
            demo.kill()
            raise
        finally:
            too_late.cancel()

    assert demo.returncode == 0, told
    answers = [line.split("hears: ")[1].split() for line in told.splitlines() if "hears: " in line]
    before, during, after = answers
    for both in (before, after):
        assert set(both) == {"web1", "web2"}
        assert all(one != other for one, other in pairwise(both))
    assert set(during) == {"web2"}
    rows = [line.split() for line in told.splitlines() if "11.197.141.110:18089" in line and "Masq" in line]
    assert [row[3] for row in rows] == ["1", "0", "1"]
    assert told.count("* ipvsadm -Ln --stats") == 3
    servers = status["virtual_servers"][0]["real_servers"]
    assert [(server["name"], server["health"]) for server in servers] == [("web1", "up"), ("web2", "up")]
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_sentence_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, DEMO, "--port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {port} of 127.0.0.1 cannot be used (Address already in use): "
        "choose another, as in HEALTHLB_DEMO_PORT=9481 make demo.\n"
    )
