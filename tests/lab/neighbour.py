"""A second process on this machine for a part of the tests, beside the one that was started by hand.

To its owner it is as a guest (boot.py): it is started, polled and closed, and shares one temporary directory. Where we
are root it has a network of its own, so that no port that one side finds free is taken by the other.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from boot import CONSOLE_TAIL_LINES, GuestError
from watched import Watched

OWN_NETWORK = ("unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "neighbour")


class Neighbour:
    """One command beside us. ``command`` is an argument list; ``directory`` is where it starts."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> None:
        self.shared = Path(tempfile.mkdtemp(prefix="healthlb-lab-"))
        self.stdout = self.shared / "stdout"
        self._command = [*(OWN_NETWORK if os.geteuid() == 0 else ()), *command]
        self._environment = {"LAB_SHARED": str(self.shared), **environment}
        self._directory = directory
        self._process: Watched | None = None

    def start(self) -> None:
        """Start the command and return at once; raise GuestError if that cannot be done."""
        try:
            self._process = Watched(self._command, self.stdout, self._environment, directory=self._directory)
        except OSError as error:
            raise GuestError(f"The second process of tests cannot be started: {error}.") from error

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
            self._process.end()
        shutil.rmtree(self.shared, ignore_errors=True)
