"""The director as a process that is killed while operators change things: no order that was answered is forgotten."""

import contextlib
import http.client
import json
import random
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from tests.daemon.test_process import Director, WebServer, wait_for

ROUNDS = 6


class Socket(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def ask(director: Director, method: str, path: str, body: Any = None) -> Any:
    connection = Socket(director.admin)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read())
    finally:
        connection.close()


class Operator:
    """Gives one weight after the other to a machine, until the director is gone."""

    def __init__(self, director: Director, weight: int) -> None:
        self.director = director
        self.answered = self.asked = weight
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while self.asked < 65_535:
                self.asked += 1
                outcome = ask(self.director, "PUT", "/api/v1/hosts/127.0.0.1/weight", {"weight": self.asked})
                assert outcome["warnings"] == []
                self.answered = self.asked

    def join(self) -> None:
        self._thread.join()


def weight(director: Director) -> int:
    found = ask(director, "GET", "/api/v1/overrides")["overrides"]
    return int(found[0]["weight"]) if found else 0


def test_a_director_that_is_killed_while_weights_change_has_the_last_one_that_it_answered_or_the_one_after(
    tmp_path: Path,
) -> None:
    chance = random.Random(11)
    web = WebServer()
    director = Director(tmp_path)
    director.write([web.port])
    known: set[int] = {0}
    try:
        for _ in range(ROUNDS):
            director.start()
            found = wait_for(lambda: (weight(director),), "an answer")[0]
            assert found in known
            operator = Operator(director, found)
            threading.Event().wait(chance.random() * 0.3)  # the moment is the test's input, nothing is waited for
            director.stop(signal.SIGKILL)
            operator.join()
            known = {operator.answered, operator.asked}
        director.start()
        assert wait_for(lambda: (weight(director),), "an answer")[0] in known
        assert director.stop() == 0
    finally:
        if director.process is not None and director.process.poll() is None:
            director.stop(signal.SIGKILL)
        web.stop()
    assert max(known) > ROUNDS
    assert "set aside" not in director.logged()
    assert "Traceback" not in director.logged()
