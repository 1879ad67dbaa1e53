"""A process in a group of its own that never outlives us, whatever ends us."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

WATCHDOG = 'read -r _; kill -s KILL -- "-$1"'
"""Ends the process's group when we end, be it by SIGKILL: its input is a pipe that only we hold. User Mode Linux left
alone would leave its processes behind."""


class Watched:
    """One process and its watchdog; what both say goes to the file `output`. ``environment`` is added to ours."""

    def __init__(
        self,
        command: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start it; raise OSError where that cannot be done."""
        with output.open("wb") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, **environment},
                pass_fds=descriptors,
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            ["sh", "-c", WATCHDOG, "lab", str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Kill its group, and wait for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watchdog.kill()
        self._watchdog.communicate()
