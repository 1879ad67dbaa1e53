"""A thread for work that blocks, which never keeps the process from ending.

The interpreter joins the threads of a `ThreadPoolExecutor` when it ends, so that one request that the kernel never
answers, or a file on a server that is gone, would hold a stop until somebody kills the process.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Worker:
    """Does one piece of work after the other. Started, used and closed from the thread of one event loop."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._closed = False

    def do(self, work: Callable[[], Answer]) -> asyncio.Future[Answer]:
        """Return the future of a piece of work that waits for its turn; cancelling it before then leaves it undone."""
        if self._thread.ident is None:
            self._thread.start()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put((future, work))
        return future

    def close(self) -> None:
        """Begin no more work; a piece that is under way is left behind."""
        self._closed = True
        self._queue.put(None)

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None and not self._closed:
            _carry_out(*item)
            del item


def _carry_out(future: asyncio.Future[Answer], work: Callable[[], Answer]) -> None:
    if future.cancelled():
        return
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001  it is the caller's, whatever it is
        _settle(future, future.set_exception, error)
    else:
        _settle(future, future.set_result, answer)


def _settle(future: asyncio.Future[Answer], settle: Callable[[Any], None], value: object) -> None:
    def unless_cancelled() -> None:
        if not future.done():
            settle(value)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the answer any more
        future.get_loop().call_soon_threadsafe(unless_cancelled)
