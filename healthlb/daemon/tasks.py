"""Tasks that are begun and not waited for: a fault of one is told, and a stop ends them all."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from healthlb.daemon.fault import describe
from healthlb.daemon.worker import Answer

LOG = logging.getLogger("healthlb")


class Tasks:
    """Holds on to tasks until they end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Begin a piece of work; if it raises, that is one line in the log."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """End them all, those too that are begun meanwhile, and return when they have."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            LOG.error("%s", describe(error))
