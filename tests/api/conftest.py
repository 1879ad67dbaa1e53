"""A snapshot with one of everything, and a source that hands out what it is told to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from healthlb.api import callers
from healthlb.api.source import ReloadOutcome
from healthlb.model.changes import Actor, Change, ChangeOutcome, FailoverOutcome
from healthlb.model.config import Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.occurrence import EventQuery, Occurrence
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

MOMENT = 1_792_000_000.25


def real_server(name: str, address: str, health: Health, reason: str, port: int = 18089) -> RealServerStatus:
    up = health is Health.UP
    return RealServerStatus(
        name=name,
        address=Endpoint(address, port),
        method=Method("nat"),
        health=health,
        admin="enabled",
        since=MOMENT - 60,
        weight=Weight(1, int(up), int(up), ("1",) if up else ("1", "0 (down)")),
        usage=Usage(Traffic(5, 48, 47, 2951, 6938), Traffic(1, 2, 3, 4, 5), 2, 3, 0),
        checks=(CheckStatus("web", "http", health, LastProbe(MOMENT - 1, up, reason, 0.0012), 7, passed_total=40),),
    )


def snapshot_of(*virtual_servers: VirtualServerStatus, ready: bool = True, in_sync: bool = True) -> Snapshot:
    return Snapshot(
        taken_at=MOMENT,
        ready=ready,
        director=DirectorStatus(
            name="lb1",
            version="0.1.0",
            started_at=MOMENT - 3600,
            config=ConfigStatus("/etc/healthlb/healthlb.yaml", "0f" * 32, MOMENT - 3600),
            table=TableStatus("ipvs", in_sync, MOMENT - 2, 1, 12, 2, () if in_sync else ("add 127.0.0.2:80: no",)),
            probing=ProbingStatus(2, 1, 0, 0),
        ),
        virtual_servers=virtual_servers,
    )


def shop(*real_servers: RealServerStatus) -> VirtualServerStatus:
    return VirtualServerStatus(
        name="shop",
        service=Service(ServiceKey.at("tcp", Endpoint("11.197.140.20", 18089)), "rr"),
        method=Method("nat"),
        state="degraded",
        quorum=QuorumStatus(Quorum(), 1, True),
        sorry_server_active=False,
        usage=Usage(Traffic(10, 96, 94, 5902, 13876), Traffic(2, 4, 6, 8, 10), 4, 6, 0),
        real_servers=real_servers,
        since=MOMENT - 75,
    )


def degraded() -> Snapshot:
    return snapshot_of(
        shop(
            real_server("11.197.141.110:18089", "11.197.141.110", Health.UP, "200 OK"),
            real_server("web2", "11.197.140.20", Health.DOWN, "connection refused", 28089),
        )
    )


@dataclass
class Source:
    """A source and an admin whose answers the test chooses; it counts what it was asked."""

    changes = 0

    current: Snapshot
    fault: Exception | None = None
    outcome: ReloadOutcome = field(default_factory=lambda: ReloadOutcome(True, "reloaded", ("edit x",)))
    asked: list[float] = field(default_factory=list)
    reloads: int = 0
    forced: list[bool] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    came_of_it: ChangeOutcome = field(default_factory=lambda: ChangeOutcome("done", "web1 is drained"))
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None
    broken: Exception | None = None
    refusals: list[tuple[str, str, str, int]] = field(default_factory=list)
    handed_over: list[tuple[str, bool, bool]] = field(default_factory=list)
    failed_over: FailoverOutcome = field(default_factory=lambda: FailoverOutcome("done", "VI_1 is handed over"))

    async def snapshot(self, max_age: float) -> Snapshot:
        self.asked.append(max_age)
        if self.fault is not None:
            raise self.fault
        return self.current

    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        self.actors.append(actor)
        self.changed.append(change)
        self.called.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise self.broken
        return self.came_of_it

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        self.actors.append(actor)
        self.handed_over.append((instance, back, force))
        return self.failed_over

    def refused(self, command: str, who: str, reason: str, more: int = 0) -> None:
        self.refusals.append((command, who, reason, more))

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        self.reloads += 1
        self.actors.append(actor)
        self.forced.append(force)
        self.called.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise self.broken
        return self.outcome


class Journal:
    """A journal in memory that is told what happens by the test."""

    def __init__(self, *events: Occurrence) -> None:
        self.events = list(events)
        self.fault: OSError | None = None
        self.waiting = 0
        self.reads = 0
        self._grown = asyncio.Condition()

    @property
    def last_id(self) -> int:
        return max((each.id for each in self.events), default=0)

    async def add(self, *events: Occurrence) -> None:
        async with self._grown:
            self.events += events
            self._grown.notify_all()

    async def read(self, query: EventQuery) -> list[Occurrence]:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        found = [each for each in self.events if _asked_for(query, each)]
        return found[: query.limit] if query.after is not None else found[-query.limit :]

    async def wait(self, after: int) -> None:
        self.waiting += 1
        try:
            async with self._grown:
                await self._grown.wait_for(lambda: any(each.id > after for each in self.events))
        finally:
            self.waiting -= 1


def _asked_for(query: EventQuery, event: Occurrence) -> bool:
    return (
        (query.after is None or event.id > query.after)
        and (query.before is None or event.id < query.before)
        and (query.since is None or event.at >= query.since)
        and query.virtual_server in {None, event.virtual_server}
        and query.real_server in {None, event.real_server}
        and (not query.names or event.name in query.names)
    )


def occurrence(number: int, name: str = "real_server_down", pool: str = "shop", server: str = "web1") -> Occurrence:
    return Occurrence(
        number,
        MOMENT + number,
        name,
        "error",
        f"{pool}: {server} is down ({number})",
        pool,
        server,
        details={"streak": 3, "reason": "line 1\nline 2"},
    )


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a user's name be found however late a busy machine is; a test of one that is not found sets its own bound."""
    monkeypatch.setattr(callers, "PATIENCE", 60.0)


@pytest.fixture
def source() -> Source:
    return Source(degraded())


@pytest.fixture
def journal() -> Callable[..., Journal]:
    """Make a journal with the events of these numbers."""

    def make(*numbers: int) -> Journal:
        return Journal(*(occurrence(number) for number in numbers))

    return make


@pytest.fixture
def happened() -> Callable[..., Occurrence]:
    """Make an event."""
    return occurrence


@pytest.fixture
def large() -> Callable[[int, int], Snapshot]:
    """Make a snapshot of so many virtual servers with so many real servers each."""

    def make(pools: int, servers: int) -> Snapshot:
        pool = [
            real_server(f"server-{number}", f"127.0.{number // 250}.{number % 250}", Health.UP, "200 OK")
            for number in range(servers)
        ]
        return snapshot_of(*(shop(*pool) for _ in range(pools)))

    return make
