"""Long work of the page in slices, so that the probes have the loop between them."""

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar, cast

from healthlb.api.rendering import SLICE

Value = TypeVar("Value")


async def in_turns(work: Generator[str, None, Value]) -> tuple[Value, float]:
    """Do the work, giving the loop its turn after every `SLICE` seconds and at the end.

    Return its value and the seconds of the loop that it took.
    """
    spent = 0.0
    since = time.perf_counter()
    while True:
        try:
            next(work)
        except StopIteration as ended:
            spent += time.perf_counter() - since
            await asyncio.sleep(0)
            return ended.value, spent
        if (slice_ := time.perf_counter() - since) >= SLICE:
            spent += slice_
            await asyncio.sleep(0)
            since = time.perf_counter()


def at_once(work: Generator[str, None, Value]) -> Value:
    """Do the work without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return cast("Value", ended.value)
