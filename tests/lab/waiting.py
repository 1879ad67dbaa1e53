"""Waiting for what the kernel or a daemon does in its own time, always with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class NeverError(AssertionError):
    """What was waited for did not come; the text says what was seen instead."""


def eventually(
    read: Callable[[], Value], holds: Callable[[Value], bool], *, deadline: float = 60.0, pause: float = 0.02
) -> Value:
    """Call ``read`` until ``holds`` says yes to what it returned, and return that; raise NeverError at the deadline."""
    limit = time.monotonic() + deadline
    while not holds(value := read()):
        if time.monotonic() > limit:
            raise NeverError(f"not within {deadline:g} s; last seen: {value!r}")
        time.sleep(pause)
    return value
