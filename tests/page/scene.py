"""The real API over a director that a test makes up: snapshots of any size, with names that no file could have."""

import asyncio
import dataclasses
import math
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from healthlb.api.application import read_only_application
from healthlb.api.server import serve
from healthlb.model.config import Listener, Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.occurrence import EventQuery, Level, Occurrence
from healthlb.model.snapshot import (
    CheckStatus,
    ConfigStatus,
    DirectorStatus,
    LastProbe,
    ProbingStatus,
    QuorumStatus,
    RealServerStatus,
    Snapshot,
    TableStatus,
    VirtualServerStatus,
    Weight,
)
from healthlb.model.table import Method, Service, ServiceKey

Value = TypeVar("Value")
PATIENCE = 60.0


def real_server(name: str, number: int, *, up: bool = True, reason: str = "200 OK") -> RealServerStatus:
    """Return a real server that has been up or down for a minute."""
    now = time.time()
    return RealServerStatus(
        name=name,
        address=Endpoint(f"192.0.2.{number % 256}", 1024 + number),
        method=Method("nat"),
        health=Health.UP if up else Health.DOWN,
        admin="enabled",
        since=now - 60,
        weight=Weight(1, int(up), int(up), ("1",) if up else ("1", "0 (down)")),
        usage=Usage(Traffic(5, 48, 47, 2951, 6938), Traffic(1, 2, 3, 4, 5), 2, 3, 0),
        checks=(
            CheckStatus(
                "web",
                "http",
                Health.UP if up else Health.DOWN,
                LastProbe(now, up, reason, 0.0012),
                7,
                recent="1" * 53 + ("1" if up else "0") * 7,
            ),
        ),
    )


def pool(name: str, servers: Iterable[RealServerStatus], number: int = 0) -> VirtualServerStatus:
    """Return a virtual server whose state is what its servers make of it."""
    servers = tuple(servers)
    live = sum(each.weight.effective or 0 for each in servers)
    return VirtualServerStatus(
        name=name,
        service=Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 1024 + number)), "rr"),
        method=Method("nat"),
        state="up" if live == len(servers) else "degraded" if live else "down",
        quorum=QuorumStatus(Quorum(), live, live > 0),
        sorry_server_active=False,
        usage=Usage(
            Traffic(10, 96, 94, 5902, 13876),
            Traffic(*(sum(rate) for rate in zip(*map(rates_of, servers), strict=True))),
            sum(each.usage.active for each in servers if each.usage),
            sum(each.usage.inactive for each in servers if each.usage),
            0,
        ),
        real_servers=servers,
        since=time.time() - 90,
    )


def rates_of(server: RealServerStatus) -> tuple[int, int, int, int, int]:
    """Return the rates of a server."""
    rates = server.usage.rates if server.usage else Traffic(0, 0, 0, 0, 0)
    return rates.connections, rates.in_packets, rates.out_packets, rates.in_bytes, rates.out_bytes


def snapshot(pools: Iterable[VirtualServerStatus], *, name: str = "lb1") -> Snapshot:
    """Return what a director of these pools would say."""
    now = time.time()
    director = DirectorStatus(
        name=name,
        version="0.1.0",
        started_at=now - 3600,
        config=ConfigStatus("/etc/healthlb/healthlb.yaml", "0f" * 32, now - 3600),
        table=TableStatus("ipvs", True, now - 2, 1, 12, 2),
        probing=ProbingStatus(2, 1, 0, 0),
    )
    return Snapshot(now, True, director, tuple(pools))


class History:
    """An hour in which new connections went up and down, and the live weight stayed."""

    step = 30.0

    @property
    def end(self) -> float | None:
        """Now."""
        return time.time()

    def series(self, virtual_server: str) -> Mapping[str, Sequence[int | None]] | None:
        """Return 120 samples, which differ from one virtual server to another."""
        seed = len(virtual_server)
        wave = [round(40 + 30 * math.sin(seed + each / 9) + each % 7) for each in range(120)]
        return {
            "live_weight": [2] * 120,
            "active": [3 * each for each in wave],
            "connections_per_second": wave,
            "in_bytes_per_second": [900 * each for each in wave],
            "out_bytes_per_second": [9000 * each for each in wave],
        }


@dataclass(frozen=True)
class Happened:
    """Something that has happened: its event's name, what the log says of it, when, and how bad it is."""

    name: str
    message: str
    at: float
    level: Level


class Journal:
    """A journal in which nothing happens any more."""

    def __init__(self, happened: Iterable[Happened]) -> None:
        self._events = [
            Occurrence(number, each.at, each.name, each.level, each.message, "shop", "web3")
            for number, each in enumerate(happened, 1)
        ]
        self.last_id = len(self._events)

    async def read(self, query: EventQuery) -> list[Occurrence]:
        """Return what has happened to a server, or all of it."""
        return [each for each in self._events if query.real_server in {None, each.real_server}]

    async def wait(self, after: int) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class Scene:
    """The API on a port of its own. Set `current` to show something else."""

    changes = 0

    def __init__(self, current: Snapshot, *happened: Happened) -> None:
        self.current = current
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._running = self._do(
            serve(
                read_only_application(self, events=Journal(happened), history=History()),
                Listener(Endpoint("127.0.0.1", 0)),
            )
        )
        self.url = f"http://{self._running.listener}"

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return the newest there is."""
        return self.current

    def turn(self, position: int, server: RealServerStatus) -> None:
        """Put another server in the place of the last of a pool."""
        pools = list(self.current.virtual_servers)
        old = pools[position]
        pools[position] = pool(old.name, [*old.real_servers[:-1], server], position)
        self.current = dataclasses.replace(self.current, taken_at=time.time(), virtual_servers=tuple(pools))

    def close(self) -> None:
        """Serve no more."""
        self._do(self._running.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)
