"""A text on the whole terminal, drawn again and again in place, until somebody has seen enough.

The director is asked in a thread, so that a key or another size of the window never waits for an answer. What was on
the terminal before is there again afterwards, also after a signal (xterm's alternate screen, ECMA-48, termios(3)).
"""

import os
import re
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from healthlb.cli.client import UnreachableError
from healthlb.cli.table import paint, seen_width, wrapped
from healthlb.cli.times import shown
from healthlb.cli.words import UsageError, terminal_size, write

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, without a cursor and without lines that go on in the next one."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TICK = 1.0
"""Seconds after which it is drawn again at the latest: ages go on."""
_REST = 2.0
"""How long the director is left alone, at least, in multiples of the time that it and we took for the last answer."""

Found = tuple[str, dict[str, Any]]


class _Asking:
    """Asks the director in a thread. `found` is what it said last, at `found_at` in monotonic seconds.

    `trouble` is why it says nothing now, since `trouble_at`; empty while it answers.
    """

    def __init__(self, first: Found, ask: Callable[[], Found], period: float, wake: Callable[[], None]) -> None:
        self.found = first
        self.found_at = time.monotonic()
        self.trouble = ""
        self._ask = ask
        self._period = period
        self._wake = wake
        self._ended = threading.Event()
        self._waking = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Ask no more; an answer that is under way is nobody's, and wakes nobody."""
        with self._waking:
            self._ended.set()

    def _run(self) -> None:
        rest = self._period
        while not self._ended.wait(rest):
            began = time.monotonic()
            try:
                self.found = self._ask()
            except (UnreachableError, UsageError) as error:
                self.trouble = str(error)
            else:
                self.found_at, self.trouble = time.monotonic(), ""
            rest = max(self._period, _REST * (time.monotonic() - began))
            with self._waking:
                if not self._ended.is_set():
                    self._wake()


def watch(
    first: Found, ask: Callable[[], Found], render: Callable[[Found, int], str], *, period: float, colour: bool
) -> None:
    """Draw what `render` makes of the latest answer and a width, until q, Ctrl-C or a signal.

    `ask` is called every `period` seconds, or less often where answers take long.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb", buffering=0), open(writing, "wb", buffering=0) as bell:  # noqa: PTH123
        asking = _Asking(first, ask, period, lambda: _ring(bell.fileno()))
        with _screen(bell.fileno()):
            asking.start()
            try:
                _draw_until_ended(asking, render, reading, colour)
            finally:
                asking.end()


def _draw_until_ended(asking: _Asking, render: Callable[[Found, int], str], bell: int, colour: bool) -> None:
    keyboard = sys.stdin.fileno()
    latest: tuple[Found, int] | None = None
    text = ""
    while True:
        width, height = terminal_size(sys.stdout)
        found = asking.found
        if latest is None or latest[0] is not found or latest[1] != width:
            text, latest = render(found, width), (found, width)
        write(_drawing([*_banner(asking, width, colour), *text.splitlines()], width, height), flush=True)
        ready, _, _ = select.select([keyboard, bell], [], [], _TICK)
        if bell in ready:
            os.read(bell, 4096)
        if keyboard in ready and (os.read(keyboard, 64) or b"q")[:1] in b"qQ\x03\x04":
            return


def _banner(asking: _Asking, width: int, colour: bool) -> list[str]:
    age = shown(time.monotonic() - asking.found_at)
    if not asking.trouble:
        return [f"shown anew all the time, {age} old; q ends"[:width]]
    said = f"NOBODY ANSWERS, what follows is {age} old: {asking.trouble}"
    return [paint(line, "red", colour) for line in wrapped(said, width)]


def _drawing(lines: list[str], width: int, height: int) -> str:
    """Return what draws lines over what is there, line for line, so that nothing flickers."""
    if len(lines) > height:
        hidden = len(lines) - height + 1
        lines = [*lines[: height - 1], f"… and {hidden} more lines; --problems shows only what is wrong"[:width]]
    # The cursor rests on the last column of a full line, which there is nothing to erase behind.
    ends = [_END_OF_LINE if seen_width(_COLOURS.sub("", line)) < width else "" for line in lines]
    drawn = "\r\n".join(line + end for line, end in zip(lines, ends, strict=True))
    return _HOME + drawn + (f"\r\n{_END_OF_SCREEN}" if len(lines) < height else "")


def _ring(bell: int) -> None:
    try:
        os.write(bell, b"!")
    except OSError:
        return  # full, so it is heard all the same, or the watch is over


@contextmanager
def _screen(bell: int) -> Iterator[None]:
    """Take the terminal, and give it back as it was; being stopped (Ctrl-Z) and continued included."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def enter() -> None:
        tty.setcbreak(keyboard)
        write(_ENTER, flush=True)

    def leave() -> None:
        write(_LEAVE, flush=True)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)

    def stop(*_: object) -> None:
        leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        enter()
        _ring(bell)

    handlers = {
        signal.SIGTSTP: stop,
        signal.SIGWINCH: lambda *_: _ring(bell),
        signal.SIGTERM: _end,
        signal.SIGHUP: _end,
    }
    kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        enter()
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        leave()


def _end(number: int, *_: object) -> None:
    raise SystemExit(128 + number)
