"""A rig with operators at it: orders that are saved in a list, and servers made of a few words of JSON."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from checks.engine import Engine
from healthlb.config.faults import ConfigError, Fault
from healthlb.daemon.operators import Operators
from healthlb.daemon.orders import OrderBook
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.worker import Worker
from healthlb.model.changes import Actor, Change, ChangeOutcome
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Orders
from tests.daemon.rig import PASS, Rig, config, web

ALICE = Actor("alice", "new kernel")


def make(config: Config, virtual_server: str, settings: str) -> RealServer:
    """Make a server of `{"address": "192.0.2.1:80", ...}`, as `config.addition` does with all that it may say."""
    said = json.loads(settings)
    if "fault" in said:
        raise ConfigError([Fault("the request", 1, 2, "check", said["fault"])])
    address, _, port = said.pop("address").rpartition(":")
    server = web(Endpoint(address, int(port)), origin="runtime", probes=(), **said)
    if any(each.address == server.address for each in config.virtual_servers[virtual_server].real_servers):
        raise ConfigError([Fault("the request", 1, 2, "address", f"{server.address} is in this pool already")])
    return server


class Desk(Rig):
    """A rig whose operators' orders are saved in `saved`, unless `unsaved` says why they cannot be."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Orders] = []
        self.unsaved: str | None = None
        self.making: Callable[[Config, str, str], RealServer] = make
        self.tasks = Tasks()
        self.turn = asyncio.Lock()
        self.files, self.thoughts = Worker("files"), Worker("thoughts")
        self.engine = Engine(asyncio.get_running_loop())
        self.stopping = False
        self.changed = 0
        self.book = OrderBook(
            self.controller,
            self.engine,
            self.files,
            self.thoughts,
            self.turn,
            make=self._make,
            tell=self.events.append,
            tasks=self.tasks,
            clock=lambda: self.now,
            changed=self._changed,
            save=self._save,
        )
        self.operators = Operators(self.book, self.controller, self.tasks, lambda: self.now, lambda: self.stopping)

    async def begin(self, *servers: VirtualServer, orders: Orders | None = None) -> None:
        """Start with a file's virtual servers, all of whose servers pass their checks."""
        await self.book.begin(orders or Orders())
        await self.file(*servers)
        for target in list(self.records):
            await self.result(target, PASS)
        self.events.clear()

    async def file(self, *servers: VirtualServer) -> None:
        """Put a file in force."""
        whole = config(*servers)
        draft = await self.book.draft(whole, self.book.orders, await self.book.build(whole))
        await self.book.adopt(draft)
        await self.controller.make_pass()

    async def asked(self, change: Change) -> ChangeOutcome:
        return await self.operators.change(ALICE, change)

    async def done(self, change: Change) -> ChangeOutcome:
        outcome = await self.asked(change)
        assert outcome.result == "done", outcome
        return outcome

    def _make(self, config: Config, virtual_server: str, settings: str) -> RealServer:
        return self.making(config, virtual_server, settings)

    def _changed(self) -> None:
        self.changed += 1

    async def _save(self, orders: Orders) -> str | None:
        if self.unsaved is None:
            self.saved.append(orders)
        return self.unsaved


def play(story: Callable[[Desk], Coroutine[Any, Any, None]]) -> Desk:
    async def whole() -> Desk:
        desk = Desk()
        try:
            await story(desk)
        finally:
            desk.book.close()
            await desk.tasks.stop()
            desk.controller.close()
            desk.files.close()
            desk.thoughts.close()
            desk.engine.close()
        return desk

    return asyncio.run(whole())
