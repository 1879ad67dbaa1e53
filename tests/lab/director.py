"""`healthlb run` inside a machine, and what a test reads of it: its API, its log, the table as ipvsadm prints it."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from nursery import carry_out, start_director
from topology import Machine, end
from traffic import Connection, NoAnswerError
from waiting import eventually

BOOT_PATIENCE = 60.0
"""Seconds for a start: Python itself takes a few in a guest."""
API_PORT = 9480


class DirectorEndedError(AssertionError):
    """The director ended instead of starting; the text is its log."""


class Director:
    """A director in a machine. `folder` holds its file and its log; it is ended with the topology at the latest."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.file = folder / "healthlb.yaml"
        self.log = folder / "director.log"
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, text: str) -> None:
        """Write the configuration file; the `api` section is added."""
        api = f"api: {{listen: '127.0.0.1:{API_PORT}', admin: 'unix:{self.file.parent}/admin.sock'}}\n"
        self.file.write_text(api + text)

    def start(self, text: str | None = None, *options: str) -> None:
        """Start with a file, or with the one that is there, and wait for the API to answer."""
        if text is not None:
            self.write(text)
        before = self.logged()
        self._process = start_director(self.machine, "run", "-c", self.file, *options, log=self.log)
        eventually(lambda: self._came_up(before), bool, deadline=BOOT_PATIENCE)

    def ready(self) -> None:
        """Wait until every server has its first verdict and the table is in sync."""
        eventually(self._readiness, (200).__eq__, deadline=BOOT_PATIENCE)

    def _readiness(self) -> int:
        """Return the status of /readyz, 0 where no answer came in time."""
        try:
            return self.get("/readyz")[0]
        except NoAnswerError:
            return 0

    def _came_up(self, before: str) -> bool:
        assert self._process is not None
        log = self.logged().removeprefix(before)
        if self._process.poll() is not None:
            raise DirectorEndedError(log)
        return "serving " in log

    def tell(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def reload(self, text: str) -> str:
        """Write a file, reload, wait until the reload is over, and return what was logged meanwhile."""
        before = self.logged()
        self.write(text)
        self.tell(signal.SIGHUP)
        return eventually(
            lambda: self.logged().removeprefix(before), lambda log: "in force" in log, deadline=BOOT_PATIENCE
        )

    def command(self, verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Carry out another verb of the command line in the machine, with the director's file."""
        return carry_out(self.machine, verb, "-c", self.file, *words)

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def stop(self) -> int:
        """End it as the service manager does, and return its exit status."""
        assert self._process is not None
        return end(self._process, grace=20.0)

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the body of an answer of the API."""
        with Connection(self.machine, "127.0.0.1", API_PORT) as connection:
            return connection.exchange(path)

    def status(self) -> Any:
        """Return /api/v1/status."""
        return json.loads(self.get("/api/v1/status")[1])

    def logged(self) -> str:
        """Return the log so far."""
        return self.log.read_text() if self.log.exists() else ""

    def table(self) -> list[str]:
        """Return `ipvsadm -Sn`, line by line."""
        return self.machine.run("ipvsadm", "-Sn").splitlines()

    def until(self, *lines: str) -> None:
        """Wait until the table is, line for line and in any order, what `ipvsadm -Sn` would print."""
        eventually(lambda: sorted(self.table()), sorted(lines).__eq__)

    def weights_of(self, port: int) -> dict[str, int]:
        """Return the weights of the destinations of the services at a port."""
        words = [line.split() for line in self.table() if line.startswith("-a")]
        mine = [line for line in words if line[2].endswith(f":{port}")]
        return {line[line.index("-r") + 1]: int(line[line.index("-w") + 1]) for line in mine}

    def until_rows(self, port: int, weights: dict[str, int]) -> None:
        """Wait until the services at a port have just these destinations with these weights."""
        eventually(lambda: self.weights_of(port), weights.__eq__, deadline=BOOT_PATIENCE)

    def weights(self) -> dict[str, int]:
        """Return every destination's weight, by its address and port."""
        words = [line.split() for line in self.table() if line.startswith("-a")]
        return {line[line.index("-r") + 1]: int(line[line.index("-w") + 1]) for line in words}

    def until_weights(self, weights: dict[str, int]) -> None:
        """Wait until the table's destinations have these weights, and there are no others."""
        eventually(self.weights, weights.__eq__)
