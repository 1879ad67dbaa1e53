"""Every carrier at once against moody servers, short of all kinds of things: no probe is lost, none is told twice."""

import asyncio
import errno
import random
import socket
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from checks import Check, ProbeResult, Target, Way
from checks.agent import Agent
from checks.engine import Engine
from checks.file import File
from checks.half_open import TcpHalfOpen
from checks.http import Http
from checks.ping import Ping
from checks.script import Script
from checks.tcp import Tcp
from checks.udp import Udp
from tests.checks.servers import Run, closing, dripping, flooding, polite, resetting, serving, silent

SHORTAGES = (errno.EMFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.ENOMEM)
RUNS = 12
PLANS = 120
WAYS = (Way(), Way(), Way(source="127.0.0.9"), Way(interface="lo"), Way(mark=3), Way(source="::1"))


class Storm:
    """Probes that begin again as soon as they have ended, until each has run often enough."""

    def __init__(self, engine: Engine, chance: random.Random) -> None:
        self.engine = engine
        self.chance = chance
        self.loop = asyncio.get_running_loop()
        self.under_way: Counter[int] = Counter()
        self.told = 0
        self.over = asyncio.Event()

    def add(self, number: int, check: Check, target: Target) -> None:
        left = RUNS

        def begin() -> None:
            now = self.loop.time()
            self.under_way[number] += 1
            plan(now + self.chance.choice((0.01, 0.05, 0.3)), now)

        def done(_result: ProbeResult) -> None:
            nonlocal left
            left -= 1
            self.told += 1
            self.under_way[number] -= 1
            assert not self.under_way[number]
            if left:
                self.loop.call_later(self.chance.choice((0, 0.01)), begin)
            elif self.told == PLANS * RUNS:
                self.over.set()

        plan = self.engine.plan(check, target, done, keep_evidence=self.chance.random() < 0.5)
        begin()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_each_probe_is_told_once_and_nothing_is_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)

    class Short(socket.SocketType):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            if chance.random() < 0.05:
                raise OSError(chance.choice(SHORTAGES), "short")
            super().__init__(*arguments, **named)

        def connect_ex(self, address: Any) -> int:
            return chance.choice(SHORTAGES) if chance.random() < 0.05 else super().connect_ex(address)

    (tmp_path / "weight").write_text("50%\n")
    kinds = [
        *(Tcp(), Http(), Agent(), Udp(send="x"), TcpHalfOpen(), Ping(), Ping(count=3, spacing=0.002)),
        *(File(str(tmp_path / "weight")), Script(("true",)), Script(("sleep", "5"))),
    ]
    for check in kinds:
        assert check.prepare() is None

    async def scenario(bench: Any) -> None:
        faults: list[str] = []
        before = descriptors()
        engine = Engine(on_fault=faults.append)
        storm = Storm(engine, chance)
        async with AsyncExitStack() as stack:
            handlers = (polite, silent, dripping, flooding, closing, resetting)
            targets = [await stack.enter_async_context(serving(handler)) for handler in handlers]
            with monkeypatch.context() as patch:
                patch.setattr(socket, "SocketType", Short)
                for number in range(PLANS):
                    server, check = chance.choice(targets), chance.choice(kinds)
                    context = (("real_server", str(number)),)
                    storm.add(number, check, Target(server.address, server.port, chance.choice(WAYS), context))
                while not storm.over.is_set():
                    await asyncio.sleep(0.05)
                    bench.hold_the_loop(chance.choice((0, 0, 0, 0.1)))
        assert (engine.in_flight, engine.counts.waiting, faults) == (0, 0, [])
        assert (storm.told, any(storm.under_way.values())) == (PLANS * RUNS, False)
        engine.close()
        async with asyncio.timeout(60):
            while descriptors() > before:  # noqa: ASYNC110  the last scripts are being reaped in a thread
                await asyncio.sleep(0.01)

    run(scenario)
