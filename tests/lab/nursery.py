"""Starts directors and commands: in the usual way, or, while a nursery is open, by forking one that has begun already.

In a guest the imports take seconds, the tests mostly less. What a director or a command does is the same either way;
that it starts from nothing as well is for those tests that ask for a cold start.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from topology import Machine, end

PATIENCE = 60.0
"""Seconds for a command, and for the nursery's own end."""


def start_director(
    machine: Machine, *arguments: str | Path, log: Path, binds: Mapping[Path, Path] | None = None, cold: bool = False
) -> "subprocess.Popen[bytes]":
    """Start `healthlb` with arguments in a machine; the topology ends it at the latest.

    `binds` are folders that it alone sees in the place of others.
    """
    if Nursery.open is not None and not cold:
        return Nursery.open.begin(machine, *map(str, arguments), log=log, binds=binds)
    program = (sys.executable, "-m", "healthlb", *arguments)
    if not binds:
        return machine.start(*program, log=log)
    mounts = (f"mount --bind {source} {target}" for source, target in binds.items())
    script = " && ".join([*mounts, 'exec "$@"'])
    return machine.start("unshare", "--mount", "sh", "-c", script, "sh", *program, log=log)


def carry_out(
    machine: Machine, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Carry out a command of `healthlb` in a machine, and return its exit status and what it said.

    `environment` is added to ours.
    """
    added = environment or {}
    if Nursery.open is None:
        variables = (f"{name}={value}" for name, value in added.items())
        return machine.attempt("env", *variables, sys.executable, "-m", "healthlb", *arguments)
    with tempfile.TemporaryDirectory() as folder:
        said, errors = Path(folder, "said"), Path(folder, "errors")
        words = map(str, arguments)
        process = Nursery.open.begin(machine, *words, log=said, errors=errors, environment=added)
        status = process.wait(PATIENCE)
        return subprocess.CompletedProcess(process.args, status, said.read_text(), errors.read_text())


class Nursery:
    """The process behind forking.py, begun with the first director and ended with the context."""

    open: ClassVar["Nursery | None"] = None
    """The one that `start_director` uses."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()

    def begin(
        self,
        machine: Machine,
        *arguments: str,
        log: Path,
        errors: Path | None = None,
        binds: Mapping[Path, Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "Forked":
        """Fork a director or a command; `errors` go where the rest goes unless they have a file of their own.

        `environment` is added to ours.
        """
        asked = {
            "arguments": arguments,
            "namespace": f"/run/netns/{machine.namespace}",
            "log": str(log),
            "errors": str(errors or log),
            "binds": [[str(source), str(target)] for source, target in (binds or {}).items()],
            "environment": {**os.environ, **(environment or {})},
            "directory": os.getcwd(),  # noqa: PTH109  as a child inherits it
        }
        for file in {log, errors or log}:
            file.touch()  # as if we had opened it for a child
        forked = Forked(self, self.ask(asked), arguments)
        machine.net.at_end(lambda: end(forked))
        return forked

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Return what forking.py answers."""
        with self._asking:
            return self._ask(question)

    def _ask(self, question: Mapping[str, Any]) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("forking.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                # The tree that is tested, which another worktree's environment does not name.
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        Nursery.open = self
        return self

    def __exit__(self, *_exception: object) -> None:
        Nursery.open = None
        if self._process is not None:
            with self._process:
                assert self._process.stdin is not None
                self._process.stdin.close()
                self._process.wait(PATIENCE)


class Forked(subprocess.Popen[bytes]):
    """A process that the nursery has forked, as if we had started it."""

    _child_created = False

    def __init__(self, nursery: Nursery, pid: int, arguments: tuple[str, ...]) -> None:
        self._nursery = nursery
        self.pid, self.args = pid, arguments
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise TimeoutExpired after so many seconds."""
        limit = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > limit:
                raise subprocess.TimeoutExpired(self.args, timeout or PATIENCE)
            time.sleep(0.02)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)
