"""A director's HTTP in a thread of its own, over a snapshot that the test chooses."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from healthlb.api.application import read_only_application
from healthlb.api.server import serve
from healthlb.cli.client import url_of
from healthlb.model.config import Listener, Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
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
from healthlb.model.table import Method, Persistence, Service, ServiceKey

MOMENT = 1_792_000_000.0
USAGE = Usage(Traffic(5, 48, 47, 2_951_000, 6938), Traffic(1, 2, 3, 4, 5), 2, 3, 0)


def real_server(name: str, address: Endpoint, health: Health, reason: str) -> RealServerStatus:
    up = health is Health.UP
    last = LastProbe(MOMENT - 1, up, reason, 0.0012)
    return RealServerStatus(
        name, address, Method("nat"), health, "enabled", MOMENT - 90, Weight(2, 2 * up, 2 * up), USAGE,
        (CheckStatus("web", "http", health, last, 4),),
    )  # fmt: skip


def virtual_server(name: str, port: int, state: str, *servers: RealServerStatus) -> VirtualServerStatus:
    whole = VirtualServerStatus(
        name, Service(ServiceKey.at("tcp", Endpoint("11.197.140.20", port)), "rr"), Method("nat"), "up",
        QuorumStatus(Quorum(), 2, True), False, USAGE, servers, since=MOMENT - 600,
    )  # fmt: skip
    assert state in {"up", "degraded", "panic", "down"}
    return replace(whole, state=state)


@pytest.fixture
def snapshot() -> Snapshot:
    one = real_server("11.197.141.110:18089", Endpoint("11.197.141.110", 18089), Health.UP, "200 OK")
    two = real_server("web2", Endpoint("11.197.140.20", 28089), Health.DOWN, "connection refused")
    fine = virtual_server("fine", 80, "up", one)
    marked = replace(
        virtual_server("marked", 81, "down", replace(two, weight=Weight(2, 0, None), usage=None)),
        service=Service(ServiceKey.marked(25, "inet6"), "sh", frozenset({"flag-1"}), Persistence(300, 32), True),
        quorum=QuorumStatus(Quorum(2), 0, False),
    )
    director = DirectorStatus(
        "lb1",
        "0.1.0",
        MOMENT - 3 * 86400,
        ConfigStatus("/etc/healthlb/healthlb.yaml", "0f" * 32, MOMENT - 7200),
        TableStatus("ipvs", True, MOMENT - 2, 0, 0, 0, version="1.2.1", slots=4096),
        ProbingStatus(2, 0, 0, 0),
    )
    return Snapshot(MOMENT, True, director, (fine, virtual_server("shop", 18089, "degraded", one, two), marked))


class Director:
    """A director that serves `current`; `url` is where."""

    changes = 0

    def __init__(self, current: Snapshot, listener: Listener) -> None:
        self.current = current
        self.url = ""
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._down = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    async def snapshot(self, max_age: float) -> Snapshot:
        assert max_age > 0
        return self.current

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        async def whole() -> None:
            running = await serve(read_only_application(self), self._listener)
            self.url = url_of(running.listener)
            self._up.set()
            await self._down.wait()
            await running.close()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(whole())


@pytest.fixture(params=["tcp", "unix"])
def director(
    request: pytest.FixtureRequest, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Director]:
    path = tmp_path_factory.mktemp("s") / "api.sock"
    listener = Listener(Endpoint("127.0.0.1", 0)) if request.param == "tcp" else Listener(path=str(path))
    director = Director(snapshot, listener)
    director.start()
    yield director
    director.stop()
