"""An interactive shell on a terminal of its own, typed into as a person does."""

import contextlib
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from fcntl import ioctl

PATIENCE = 60.0
"""Seconds that something may take to appear; on a busy machine a shell takes a few to come to its prompt."""


class Keyboard:
    """What is typed into a program, and what is seen of it on a terminal of 200 columns."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._seen = ""

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._master, text.encode())

    def until(self, text: str) -> str:
        """Wait for a text; return what was seen before it, and forget both."""
        end = time.monotonic() + PATIENCE
        while text not in self._seen:
            assert time.monotonic() < end, f"no {text!r} in {self._seen!r}"
            assert self._read(), f"ended without {text!r}: {self._seen!r}"
        before, _, self._seen = self._seen.partition(text)
        return before

    def _read(self) -> bool:
        """Take what there is; False at the end."""
        if not select.select([self._master], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open
            return False
        self._seen += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def keyboard(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Keyboard]:
    """Run a program on a terminal for as long as the block lasts."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    try:
        process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
    finally:
        os.close(slave)
    try:
        yield Keyboard(master)
    finally:
        process.kill()
        process.wait()
        os.close(master)
