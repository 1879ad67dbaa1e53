"""The demo as a newcomer starts it."""

import socket
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parent / "demo.py"


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
