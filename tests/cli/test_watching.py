"""`healthlb status --watch` on a terminal: what is on the screen after each thing that may happen."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from waiting import eventually

_STEP = re.compile(r"\x1b\[\?[0-9;]*[hl]|\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", re.DOTALL)
_BEGUN = re.compile(r"\x1b(?:\[[?0-9;]*)?\Z")
"""What goes on in the next piece."""


class Screen:
    """A terminal of so many columns and rows with a program on it. It knows what healthlb uses and nothing more."""

    def __init__(self, columns: int, rows: int, *words: str) -> None:
        self.lines: list[str] = [""]
        self.modes: dict[str, bool] = {}
        self.raw = ""
        self._row = self._column = 0
        self._waiting = ""
        self.outer, self.inner = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.inner)
        environment = {
            name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}
        }
        # The terminal is to be the program's own, so that its keys and its size reach it as signals (setsid(1)).
        self.process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "healthlb", "status", "--watch", "0.1", *words],
            stdin=self.inner, stdout=self.inner, stderr=self.inner, env=environment | {"TERM": "xterm"},
        )  # fmt: skip
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def resize(self, columns: int, rows: int) -> None:
        self._rows = rows
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.outer, keys)

    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, holds: Callable[[str], bool]) -> str:
        """Wait until the screen shows something, and return it."""
        return eventually(self.text, holds, deadline=60.0)

    def until_mode(self, mode: str, on: bool) -> None:
        eventually(lambda: self.modes.get(mode), on.__eq__, deadline=60.0)

    def end(self) -> int:
        """Return the exit status, once everything that was written has been seen."""
        status = self.process.wait(60)
        self._ended.set()
        self._thread.join(60)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.end()
        os.close(self.outer)
        os.close(self.inner)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self.outer], [], [], 0.05)
            if ready:
                self._take(os.read(self.outer, 65536).decode(errors="replace"))
            elif self._ended.is_set():
                return

    def _take(self, text: str) -> None:
        self.raw += text
        text, self._waiting = self._waiting + text, ""
        if begun := _BEGUN.search(text):
            text, self._waiting = text[: begun.start()], begun[0]
        lines = self.lines[: self._rows]
        self._row = min(self._row, len(lines) - 1)
        for step in _STEP.findall(text):
            self._do(step, lines)
        self.lines = lines

    def _do(self, step: str, lines: list[str]) -> None:
        if step.startswith("\x1b[?"):
            self.modes[step[3:-1]] = step.endswith("h")
        elif step == "\x1b[H":
            self._row, self._column = 0, 0
        elif step == "\x1b[K":
            lines[self._row] = lines[self._row][: self._column]
        elif step == "\x1b[J":
            del lines[self._row + 1 :]
            lines[self._row] = lines[self._row][: self._column]
        elif step == "\r":
            self._column = 0
        elif step == "\n":
            self._row = min(self._row + 1, self._rows - 1)
            lines += [""] * (self._row + 1 - len(lines))
        elif not step.startswith("\x1b"):
            line = lines[self._row].ljust(self._column)
            lines[self._row] = line[: self._column] + step + line[self._column + 1 :]
            self._column += 1


@pytest.fixture
def screen(director: Any) -> Iterator[Screen]:
    made = Screen(100, 30, "--url", director.url)
    yield made
    made.close()


one_director = pytest.mark.parametrize("director", ["unix"], indirect=True)


@one_director
def test_what_changes_is_drawn_over_what_was_there(director: Any, screen: Screen) -> None:
    screen.until(lambda text: "3 virtual servers" in text and "marked:" in text)
    director.current = replace(director.current, virtual_servers=director.current.virtual_servers[:1])
    text = screen.until(lambda text: "1 virtual server: 1 up" in text)
    assert "marked" not in screen.until(lambda text: "marked" not in text)
    assert text.startswith("shown anew")
    assert "\x1b[2J" not in screen.raw, "a screen that is cleared flickers"


@one_director
@pytest.mark.parametrize("key", [b"q", b"Q", b"\x03"])
def test_it_ends_by_a_key_and_leaves_the_terminal_as_it_was(key: bytes, screen: Screen) -> None:
    screen.until(lambda text: "3 virtual servers" in text)
    assert screen.modes["1049"]
    assert not screen.modes["25"]
    screen.type(key)
    assert screen.end() == 0
    assert screen.modes == {"1049": False, "25": True, "7": True}
    assert termios.tcgetattr(screen.inner) == screen.before


@one_director
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(screen: Screen) -> None:
    screen.until(lambda text: "3 virtual servers" in text)
    screen.process.send_signal(signal.SIGTERM)
    assert screen.end() == 128 + signal.SIGTERM
    assert screen.modes == {"1049": False, "25": True, "7": True}
    assert termios.tcgetattr(screen.inner) == screen.before


@one_director
def test_a_smaller_window_is_filled_and_not_left(screen: Screen) -> None:
    screen.until(lambda text: "OutBPS" in text)
    screen.resize(80, 10)
    text = screen.until(lambda text: text.count("\n") == 9)
    assert re.search(r"… and \d+ more lines; --problems", text)
    assert max(map(len, text.splitlines())) <= 80


@one_director
def test_a_terminal_that_does_not_know_its_size_is_taken_for_80_by_24(director: Any) -> None:
    screen = Screen(0, 0, "--url", director.url)
    screen._rows = 24
    try:
        text = screen.until(lambda text: "more lines; --problems" in text)
        assert text.startswith("shown anew")
        assert text.count("\n") == 23
    finally:
        screen.close()


@one_director
def test_when_the_director_is_gone_the_last_that_it_said_stays_with_its_age(director: Any, screen: Screen) -> None:
    screen.until(lambda text: "3 virtual servers" in text)
    director.stop()
    try:
        text = screen.until(
            lambda text: re.search(r"NOBODY ANSWERS, what follows is [1-9]\d*s old: No", text) is not None
        )
        assert "3 virtual servers" in text
    finally:
        director.stop = lambda: None


@one_director
def test_it_can_be_stopped_and_continued(screen: Screen) -> None:
    screen.until(lambda text: "3 virtual servers" in text)
    screen.process.send_signal(signal.SIGTSTP)
    screen.until_mode("1049", False)
    eventually(lambda: _state(screen.process.pid), "T".__eq__, deadline=60.0)
    assert termios.tcgetattr(screen.inner) == screen.before
    screen.process.send_signal(signal.SIGCONT)
    screen.until_mode("1049", True)
    screen.type(b"q")
    assert screen.end() == 0


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0]


@one_director
def test_the_layout_of_ipvsadm_can_be_watched_too(director: Any) -> None:
    screen = Screen(100, 30, "--ipvsadm", "--stats", "--url", director.url)
    try:
        assert "IP Virtual Server version" in screen.until(lambda text: "OutBytes" in text)
    finally:
        screen.close()
