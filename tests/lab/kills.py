"""Kills a director at random moments while operators change things, and asks its successor what is left."""

import http.client
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waiting import eventually

PATIENCE = 60.0
"""Seconds for a director to come up."""


class Socket(http.client.HTTPConnection):
    """HTTP over the admin socket; a UNIX socket is the same in every network namespace."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def request(path: Path, method: str, where: str, body: Any = None) -> dict[str, Any]:
    """Ask over a UNIX socket, and return the JSON that is answered."""
    connection = Socket(path)
    try:
        connection.request(method, where, body=None if body is None else json.dumps(body))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


class Kills:
    """Rounds of start, change and kill. `start` begins the process that forks directors (lab/forking.py).

    A kill comes within so many seconds after the change was asked for: at first, and then so that about every second
    answer is heard, however busy the machine is.
    """

    def __init__(
        self, folder: Path, start: Callable[..., "subprocess.Popen[str]"], *options: str, within: float = 0.06
    ) -> None:
        self.socket = folder / "admin.sock"
        self.within = within
        self.seed = secrets.randbits(32)
        self.chance = random.Random(self.seed)
        self.answered = 0
        self.took = 0.0
        self._nursery = start(
            sys.executable, str(Path(__file__).with_name("forking.py")), "-c", str(folder / "healthlb.yaml"), *options
        )

    def close(self) -> None:
        """End the process that forks directors."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(PATIENCE)
        self._nursery.stdout.close()

    def begin(self) -> int:
        """Start a director, wait until it answers, and return its process id."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        process = int(self._nursery.stdout.readline())
        eventually(self._answers, bool, deadline=PATIENCE, pause=0.005)
        return process

    def weight(self) -> int | None:
        """Return the weight that the one override gives, None where there is none."""
        overrides = self.ask("GET", "/api/v1/overrides")["overrides"]
        weights = [each["what"] for each in overrides if each["what"].startswith("weight ")]
        assert len(weights) <= 1, overrides
        return int(weights[0].split()[1]) if weights else None

    def change_and_kill(self, process: int, path: str, weight: int) -> bool:
        """Ask for a weight, kill the director a moment later, and return whether it had answered that it was saved.

        `took` is how many seconds the answer took.
        """
        done = threading.Event()
        begun = time.monotonic()

        def change() -> None:
            try:
                answer = self.ask("PUT", path, {"weight": weight})
            except (OSError, http.client.HTTPException, ValueError):
                return
            self.took = time.monotonic() - begun
            if answer["result"] == "done" and "survive a restart" not in "".join(answer["warnings"]):
                done.set()

        asking = threading.Thread(target=change)
        asking.start()
        time.sleep(self.chance.uniform(0.0, self.within))
        answered = done.is_set()
        os.kill(process, signal.SIGKILL)
        asking.join(PATIENCE)
        self.answered += answered
        self.within *= 0.9 if answered else 1.1
        return answered

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON that the director answers."""
        return request(self.socket, method, path, body)

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/healthz")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True
