"""Long work of the page in slices, so that the probes have the loop between them."""

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

from healthlb.api.rendering import SLICE

Value = TypeVar("Value")


async def in_turns(work: Generator[str, None, Value]) -> Value:
    """Do the work and return its value, giving the loop its turn after every `SLICE` seconds and at the end."""
    since = time.perf_counter()
    while True:
        try:
            next(work)
        except StopIteration as ended:
            await asyncio.sleep(0)
            value: Value = ended.value
            return value
        if time.perf_counter() - since >= SLICE:
            await asyncio.sleep(0)
            since = time.perf_counter()
