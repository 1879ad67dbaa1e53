"""Waiting for what the kernel or a daemon does in its own time, always with a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
PATIENCE = 60.0
"""Seconds: far more than anything takes on a machine that is busy with other things."""
RESTS = 2.0
"""Times as long as a call took we rest after it."""


class NeverError(AssertionError):
    """What was waited for did not come; the text says what was seen instead."""


def eventually(
    read: Callable[[], Value], holds: Callable[[Value], bool], *, deadline: float = PATIENCE, pause: float = 0.02
) -> Value:
    """Call ``read`` until ``holds`` says yes to what it returned, and return that; raise NeverError at the deadline.

    Between two calls we rest at least so many seconds, and longer than a call takes: in a guest, whose only processor
    is that of those we wait for, asking is what they would wait for.
    """
    limit = time.monotonic() + deadline
    while True:
        begun = time.monotonic()
        value = read()
        if holds(value):
            return value
        now = time.monotonic()
        if now > limit:
            raise NeverError(f"not within {deadline:g} s; last seen: {value!r}")
        time.sleep(max(pause, RESTS * (now - begun)))


async def until(true: Callable[[], object]) -> None:
    """Return once something is true, as others of the loop make it; raise NeverError after PATIENCE seconds."""
    limit = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > limit:
            raise NeverError(f"not within {PATIENCE:g} s")
        await asyncio.sleep(0.005)
