"""Watches the configuration's files, and has them read again once they have changed and come to rest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from healthlb.daemon.fault import describe
from healthlb.daemon.worker import Worker
from healthlb.model.changes import Actor

EVERY = 1.0
"""Seconds between looks."""
REST = 2.0
"""Seconds for which files have to stay as they are after a change: a config manager writes more than one."""
WATCHER = Actor("a changed file")
LOG = logging.getLogger("healthlb")


class Files(Protocol):
    """The files of a configuration, as `config.Loader` knows them."""

    def fingerprint(self) -> object:
        """Return what they look like now."""
        ...

    @property
    def as_read(self) -> object:
        """What they looked like just before they were read last."""
        ...


class Settling:
    """Tells from looks at something whether it is another thing than before, and has come to rest as that."""

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._seen: object = None
        self._since = 0.0

    def ripe(self, seen: object, known: object, now: float) -> bool:
        """Take a look at `now`, in seconds; return whether what is seen is not `known`, and has been so long enough."""
        if seen != self._seen:
            self._seen, self._since = seen, now
        return seen != known and now - self._since >= self._rest


class Watcher:
    """Looks while it is switched on, in the thread that reads files, so that a stuck file system holds up nobody else.

    A file that is refused is tried again only when it is another one: it does not matter what became of a reload, nor
    who asked for it.
    """

    def __init__(self, files: Worker, loader: Files, reload: Callable[[Actor], Awaitable[Any]]) -> None:
        self._files = files
        self._loader = loader
        self._reload = reload
        self._on = asyncio.Event()

    def switch(self, on: bool) -> None:
        """Watch from now on, or watch no more."""
        if on:
            self._on.set()
        else:
            self._on.clear()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._on.wait()
            settling = Settling(REST)
            while self._on.is_set():
                try:
                    await self._look(settling, loop.time())
                except Exception as error:  # noqa: BLE001  a fault of ours must not end the watching for good
                    LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback
                await asyncio.sleep(EVERY)

    async def _look(self, settling: Settling, now: float) -> None:
        seen, known = await self._files.do(lambda: (self._loader.fingerprint(), self._loader.as_read))
        if settling.ripe(seen, known, now):
            await self._reload(WATCHER)
