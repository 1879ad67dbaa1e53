"""Real servers for the checks' tests: Debian's programs, started on loopback and ended by their ids."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from waiting import eventually

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STOP_SECONDS = 10


class RealServer:
    """A program in the foreground, with its whole process group; its output goes to `log`."""

    def __init__(self, argv: Sequence[object], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(each) for each in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": PATH, "LANG": "C.UTF-8", **(env or {})},
                start_new_session=True,
            )

    def wait_for(self, port: int, address: str = "127.0.0.1") -> Self:
        """Wait until somebody accepts connections there; raise with the log if the program ends instead."""

        def answers() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} ended: {self.log.read_text(errors='replace')[-4000:]}")
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
                return True
            return False

        eventually(answers, bool, deadline=60)
        return self

    def stop(self) -> None:
        """End the program and what it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
