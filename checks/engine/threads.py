"""A few threads for what may block, which nobody ever waits for: a file system that hangs must not hold up a stop."""

import contextlib
import errno
import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Threads:
    """Up to `most` threads, started as they are needed. Jobs beyond wait in line; a job must not raise.

    `begin` runs first in each thread.
    """

    def __init__(self, name: str, most: int, begin: Job | None = None) -> None:
        self._name = name
        self._most = most
        self._begin = begin
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def run(self, job: Job) -> None:
        """Have a thread do this. Raise OSError where there is no thread and none can be made."""
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._start()
        self._jobs.put(job)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError as error:
            if not self._started:
                raise OSError(errno.EAGAIN, "no thread can be started") from error
        else:
            self._started += 1

    def close(self) -> None:
        """Let each thread end after what it is at; do not wait for that."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        if self._begin is not None:
            self._begin()
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or the last one would be kept until there is another
            self._idle.release()


def post(call_soon_threadsafe: Callable[..., object], *call: object) -> None:
    """Hand a result over to a loop from a thread; one that has closed meanwhile wants none."""
    with contextlib.suppress(RuntimeError):
        call_soon_threadsafe(*call)
