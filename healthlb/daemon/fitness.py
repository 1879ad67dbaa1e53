"""Whether a configuration can be put in force on this machine, and what surrounds it there."""

import asyncio
from collections.abc import Mapping

from checks.engine import Engine
from healthlb.config import plugins
from healthlb.config.advice import advice
from healthlb.daemon.controller import Controller
from healthlb.daemon.pools import Sink
from healthlb.daemon.preflight import surroundings, unsupported, unusable
from healthlb.daemon.worker import Worker
from healthlb.linux.table import Table
from healthlb.model.config import Config, VirtualServer
from healthlb.model.events import Warned


class Fitness:
    """Asks the engine, the table and the machine. `kernel`: the table is the kernel's, so that its settings matter."""

    def __init__(
        self, engine: Engine, table: Table, controller: Controller, files: Worker, tell: Sink, *, kernel: bool
    ) -> None:
        self._engine = engine
        self._table = table
        self._controller = controller
        self._files = files
        self._tell = tell
        self._kernel = kernel
        self._surroundings: tuple[str, ...] = ()
        self._plugins: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong now with what surrounds the configuration in force."""
        return self._surroundings + self._plugins

    async def unfit(self, config: Config, before: Mapping[str, VirtualServer]) -> str | None:
        """Return one sentence if the engine or the table cannot do what a configuration asks for.

        The services of `before` are not asked for again. Raises TableUnavailableError or TimeoutError.
        """
        refused = await self._files.do(lambda: unusable(self._engine, config))
        return refused or await self._controller.with_table(lambda: unsupported(self._table, config, before))

    async def look_around(self, config: Config) -> None:
        """Tell what to think about in a configuration, and what is wrong with the machine's settings for it.

        The settings are mended first where that is asked for.
        """
        await self._warn(self._files.do(lambda: advice(config)))
        if self._kernel:
            self._surroundings = await self._warn(self._files.do(lambda: surroundings(config)))

    async def look_at_plugins(self) -> None:
        """Look at the check types of other packages, and tell of those that are in each other's way."""
        self._plugins = await self._warn(self._files.do(plugins.conflicts))

    async def _warn(self, looking: "asyncio.Future[tuple[str, ...]]") -> tuple[str, ...]:
        found = await looking
        for sentence in found:
            self._tell(Warned(sentence))
        return found
