"""A second process on this machine for a part of the tests, beside the one that was started by hand.

To its owner it is as a guest (boot.py): it is started, polled and closed, and shares one temporary directory. Where we
are root it has a network of its own, so that no port that one side finds free is taken by the other.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from boot import CONSOLE_TAIL_LINES, WATCHDOG, GuestError

OWN_NETWORK = ("unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "neighbour")


class Neighbour:
    """One command beside us. ``command`` is an argument list; ``directory`` is where it starts."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> None:
        self.shared = Path(tempfile.mkdtemp(prefix="healthlb-lab-"))
        self.stdout = self.shared / "stdout"
        self._command = [*(OWN_NETWORK if os.geteuid() == 0 else ()), *command]
        self._environment = {**os.environ, "LAB_SHARED": str(self.shared), **environment}
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command and return at once; raise GuestError if that cannot be done."""
        with self.stdout.open("wb") as stream:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise GuestError(f"The second process of tests cannot be started: {error}.") from error
        self._watchdog = subprocess.Popen(
            ["sh", "-c", WATCHDOG, "lab", str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    def poll(self) -> int | None:
        """Return the command's exit status, or None while it runs; raise GuestError if it was never started."""
        if self._process is None:
            raise GuestError("The second process of tests has not been started.")
        return self._process.poll()

    def booted(self) -> bool:
        """Return True: there is nothing to boot."""
        return True

    def console_tail(self) -> str:
        """Return the last lines that the command wrote, with a heading."""
        lines = self.stdout.read_text(errors="replace").splitlines() if self.stdout.exists() else []
        return "\n".join(["--- the second process, last lines ---", *lines[-CONSOLE_TAIL_LINES:]])

    def close(self) -> None:
        """Kill the command if it still runs and remove the shared directory."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
        shutil.rmtree(self.shared, ignore_errors=True)
