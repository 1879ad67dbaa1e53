"""A controller over a table in memory that refuses and goes away at a test's word, with its events and its probes."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from checks import ProbeResult
from checks.engine.engine import Counts
from healthlb.daemon.controller import Controller
from healthlb.daemon.histogram import LATENESS, Histogram
from healthlb.daemon.pools import Pools
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.view import Reload, View
from healthlb.linux.memory import MemoryTable
from healthlb.linux.table import TableUnavailableError
from healthlb.model.check import Check, Probe
from healthlb.model.config import Api, Config, Director, Listener, RealServer, VirtualServer
from healthlb.model.counters import TableReading, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    Event,
)
from healthlb.model.health import Schedule
from healthlb.model.operations import (
    Operation,
    OperationFailure,
)
from healthlb.model.snapshot import Snapshot
from healthlb.model.table import IpvsTable, Method, Service, ServiceKey
from waiting import until

NAT = Method("nat")
VIP = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))
OTHER = ServiceKey.at("tcp", Endpoint("198.51.100.2", 80))
WEB1, WEB2, WEB3 = (Endpoint(f"192.0.2.{number}", 80) for number in (1, 2, 3))
CHECK = Check("web", "http", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0), "settings")
PASS, FAIL = ProbeResult(True, "200 OK", 0.001), ProbeResult(False, "connection refused", 0.001)
UNSENT = ProbeResult(False, "no file descriptors left", 0.0, sent=False)


class Table(MemoryTable):
    """A table that can refuse and go away at the test's word, and that counts how often it is read."""

    def __init__(self, **kernel: Any) -> None:
        super().__init__(**kernel)
        self.refuse: Callable[[Operation], bool] = lambda _: False
        self.gone = False
        self.reads = 0
        self.steps: list[Operation] = []
        self.usages: dict[Endpoint, Usage] = {}

    def read(self) -> TableReading:
        if self.gone:
            raise TableUnavailableError("the kernel does not answer")
        self.reads += 1
        reading = super().read()
        usages = {
            key: {address: self.usages.get(address, usage) for address, usage in rows.items()}
            for key, rows in reading.destinations.items()
        }
        return replace(reading, destinations=usages)

    def apply(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        if self.gone:
            raise TableUnavailableError("the kernel does not answer")
        failures = []
        for operation in operations:
            if self.refuse(operation):
                failures.append(OperationFailure(operation, 22, "refused by the test"))
            else:
                self.steps.append(operation)
                failures += super().apply([operation])
        return failures

    def weights(self, key: ServiceKey = VIP) -> dict[Endpoint, int] | None:
        row = super().read().table.services.get(key)
        return None if row is None else {each.address: each.weight for each in row.destinations.values()}


class Rig:
    """A controller with its table, its events, and the probes that it asked for.

    `now` is its steady clock, where it has no `ticking` one; the wall clock was set by `set_by` seconds since.
    """

    def __init__(self, table: Table | None = None) -> None:
        self.table = table or Table()
        self.events: list[Event] = []
        self.records: dict[Endpoint, ProbeRecord] = {}
        self.now, self.set_by = 1000.0, 0.0
        self.ticking: Callable[[], float] | None = None
        pools = Pools(
            self.events.append,
            lambda: self.now + self.set_by,
            self._added,
            self._removed,
            steady=lambda: self.now if self.ticking is None else self.ticking(),
        )
        self.controller = Controller(self.table, pools, self.events.append, random.Random(7))

    def _added(self, record: ProbeRecord) -> None:
        self.records[record.probe.target] = record

    def _removed(self, record: ProbeRecord) -> None:
        if self.records.get(record.probe.target) is record:
            del self.records[record.probe.target]

    async def adopt(self, *servers: VirtualServer, **director: Any) -> None:
        await self.controller.adopt(config(*servers, **director))
        await self.controller.make_pass()

    async def result(self, target: Endpoint, result: ProbeResult, times: int = 2) -> float:
        interval = 0.0
        for _ in range(times):
            interval = self.controller.finished(self.records[target], result)
        await self.controller.make_pass()
        return interval

    async def look(self) -> None:
        """Make the pass that the resync timer or a retry would make, without waiting for it."""
        self.controller._look = True
        self.controller._failing._failing = {
            operation: replace(each, retry_at=-1.0) for operation, each in self.controller._failing._failing.items()
        }
        await self.controller.make_pass()

    async def later(self, seconds: float) -> None:
        """Let time pass, and make the pass that it asks for, if any."""
        self.now += seconds
        self.controller._look_took, self.controller._timed_at = 0.0, float("-inf")
        if self.controller._due():
            await self.controller.make_pass()

    async def known(self, weights: dict[Endpoint, int]) -> None:
        """Return once a controller that runs by itself knows its first service to have these weights."""
        await until(lambda: self._known() == weights)

    def _known(self) -> dict[Endpoint, int]:
        rows = (self.controller.known or IpvsTable()).services[VIP].destinations
        return {address: row.weight for address, row in rows.items()}

    def busy(self, server: Endpoint, connections: int) -> None:
        """Let the kernel have counted so many active connections to a server of the one service."""
        reading = self.controller.reading
        usages = {VIP: {server: Usage(active=connections)}}
        self.controller.reading = replace(reading, destinations=usages)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


NO_SOCKETS = Counts(0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


class NoProber:
    """What a view asks of a prober that has nothing to do."""

    in_flight = late_total = waiting = 0

    def __len__(self) -> int:
        return 0

    def due_in(self, record: ProbeRecord) -> float | None:
        return 1.5 if record.probe.target == WEB1 else None


def view_of(rig: Rig, warnings: Callable[[], tuple[str, ...]] = tuple) -> View:
    prober: Any = NoProber()
    lags = Histogram(LATENESS)
    return View(rig.controller, prober, "memory", Reload(), warnings, lags=lags, counts=lambda: NO_SOCKETS)


async def shown(rig: Rig) -> Snapshot:
    return await view_of(rig).build()


def web(address: Endpoint, **changes: Any) -> RealServer:
    return replace(RealServer(str(address), address, NAT, (Probe(CHECK, address),)), **changes)


def shop(*servers: RealServer, key: ServiceKey = VIP, name: str = "shop", **changes: Any) -> VirtualServer:
    return replace(VirtualServer(name, Service(key, "rr"), NAT, servers or (web(WEB1), web(WEB2))), **changes)


def config(*servers: VirtualServer, **director: Any) -> Config:
    listener = Listener(Endpoint("127.0.0.1", 9480))
    director.setdefault("state_dir", "")  # nothing outlives a test that does not ask for it
    return Config(Director("lb1", **director), Api(listener, None), {each.name: each for each in servers})


def run(story: Callable[[Rig], Coroutine[Any, Any, None]]) -> Rig:
    async def play() -> Rig:
        rig = Rig()
        try:
            await story(rig)
        finally:
            rig.controller.close()
        return rig

    return asyncio.run(play())
