"""Connection sync: the daemons are kept as the file wants them, and the peer's packets are noticed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from healthlb.core.sync import StopSync
from healthlb.daemon import syncing
from healthlb.daemon.syncing import Syncing
from healthlb.linux.ipvs_sync import MemorySync, SyncError
from healthlb.model.vrrp import ConnectionSync, SyncDaemon, Vrrp
from healthlb.model.vrrp_events import SyncFailed, SyncPeerHeard, SyncStarted
from waiting import until

SETTINGS = ConnectionSync("eth1", 51, "VI_1")


class Ear:
    """A listener that hears what the test says."""

    def __init__(self, *_: Any) -> None:
        self.closed = False
        Ear.latest = self

    latest: "Ear"
    source = ""

    def heard(self) -> str:
        return Ear.source

    def close(self) -> None:
        self.closed = True


class Bench:
    """Daemons in memory, and what was told."""

    def __init__(self, table: Any = None, *, listen: Any = Ear) -> None:
        Ear.source = ""
        self.table = MemorySync() if table is None else table
        self.told: list[Any] = []
        self.masters: set[str] = set()
        self.index = 7
        self.syncing = Syncing(
            self.table,
            self.told.append,
            self.masters.__contains__,
            random.Random(1),
            listen=listen,
            index=lambda _: self.index,
            clock=lambda: 1000.0,
        )

    def running(self) -> list[str]:
        return sorted(daemon.role for daemon in self.table.read())


@asynccontextmanager
async def started(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.syncing.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])
        await bench.syncing.close()


def test_both_daemons_are_started_and_told() -> None:
    async def run() -> None:
        async with started(Bench()) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: len(bench.told) == 2)
            assert bench.running() == ["backup", "master"]
            assert bench.told == [SyncStarted("master", "eth1", 51), SyncStarted("backup", "eth1", 51)]
            assert [(each.role, each.running, each.problem) for each in bench.syncing.statuses()] == [
                ("master", True, ""),
                ("backup", True, ""),
            ]

    asyncio.run(run())


def test_a_daemon_that_somebody_stopped_is_started_again() -> None:
    async def run() -> None:
        async with started(Bench()) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: len(bench.told) == 2)
            bench.table.carry_out(StopSync("master"))
            bench.syncing.hurry()
            await until(lambda: len(bench.told) == 3)
            assert bench.running() == ["backup", "master"]

    asyncio.run(run())


def test_daemons_on_an_interface_that_was_made_again_are_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "LOOK", 0.01)

    async def run() -> None:
        async with started(Bench()) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: len(bench.told) == 2 and hasattr(Ear, "latest"))
            ear = Ear.latest
            bench.index = 0
            bench.index = 8
            await until(lambda: len(bench.told) == 4)
            assert bench.told[2:] == [SyncStarted("master", "eth1", 51), SyncStarted("backup", "eth1", 51)]
            assert bench.running() == ["backup", "master"]
            await until(lambda: Ear.latest is not ear)
            assert ear.closed

    asyncio.run(run())


def test_roles_by_state_follow_the_instance() -> None:
    async def run() -> None:
        async with started(Bench()) as bench:
            bench.syncing.adopt(Vrrp(sync=ConnectionSync("eth1", 51, "VI_1", by_role=True)))
            await until(lambda: bench.running() == ["backup"])
            bench.masters.add("VI_1")
            bench.syncing.hurry()
            await until(lambda: bench.running() == ["master"])

    asyncio.run(run())


def test_a_file_without_sync_any_more_stops_ours_and_nobody_elses() -> None:
    async def run() -> None:
        foreign = MemorySync()
        async with started(Bench(foreign)) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: bench.running() == ["backup", "master"])
            bench.syncing.adopt(None)
            await until(lambda: bench.running() == [])

    asyncio.run(run())


def test_daemons_of_somebody_else_are_left_alone() -> None:
    async def run() -> None:
        table = MemorySync()
        async with started(Bench(table)) as bench:
            from healthlb.core.sync import StartSync

            table.carry_out(StartSync(SyncDaemon("master", "eth9", 3)))
            bench.syncing.adopt(None)
            bench.syncing.hurry()
            await asyncio.sleep(0)
            assert bench.running() == ["master"]
            assert bench.syncing.statuses() == ()

    asyncio.run(run())


def test_a_refusal_is_told_once_and_tried_again() -> None:
    async def run() -> None:
        async with started(Bench(MemorySync(interfaces=()))) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: len(bench.told) == 2)
            bench.syncing.hurry()
            bench.table._interfaces = ("eth1",)
            bench.syncing.hurry()
            await until(lambda: bench.running() == ["backup", "master"])
            failed = [event for event in bench.told if isinstance(event, SyncFailed)]
            assert failed == [
                SyncFailed("master", "there is no interface eth1"),
                SyncFailed("backup", "there is no interface eth1"),
            ]

    asyncio.run(run())


class Unreadable(MemorySync):
    def read(self) -> Any:
        raise SyncError("the kernel's sync daemons cannot be read: no answer")


def test_daemons_that_cannot_be_read_are_a_problem_in_the_status() -> None:
    async def run() -> None:
        async with started(Bench(Unreadable())) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: bench.told)
            assert {each.problem for each in bench.syncing.statuses()} == {
                "the kernel's sync daemons cannot be read: no answer"
            }
            assert not any(each.running for each in bench.syncing.statuses())

    asyncio.run(run())


def test_the_peers_packets_are_noticed_and_told_the_first_time() -> None:
    async def run() -> None:
        async with started(Bench()) as bench:
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: len(bench.told) == 2)
            Ear.source = "192.0.2.3"
            for _ in range(2):
                bench.syncing.hurry()
                await until(lambda: SyncPeerHeard(51, "192.0.2.3") in bench.told)
            assert bench.told.count(SyncPeerHeard(51, "192.0.2.3")) == 1
            master, backup = bench.syncing.statuses()
            assert (master.last_packet_at, backup.last_packet_at) == (None, 1000.0)
        assert Ear.latest.closed

    asyncio.run(run())


def test_an_interface_that_is_not_there_yet_is_listened_to_later() -> None:
    missing = [OSError(19, "No such device")]

    def listen(*given: Any) -> Ear:
        if missing:
            raise missing.pop()
        return Ear(*given)

    async def run() -> None:
        async with started(Bench(listen=listen)) as bench:
            Ear.source = "192.0.2.3"
            bench.syncing.adopt(Vrrp(sync=SETTINGS))
            await until(lambda: not missing)
            bench.syncing.hurry()
            await until(lambda: SyncPeerHeard(51, "192.0.2.3") in bench.told)

    asyncio.run(run())


def test_a_dry_run_keeps_no_daemons() -> None:
    async def run() -> None:
        syncing = Syncing(None, [].append, lambda _: False, random.Random(1))
        syncing.adopt(Vrrp(sync=SETTINGS))
        await syncing.run()
        assert [each.running for each in syncing.statuses()] == [False, False]
        await syncing.close()

    asyncio.run(run())
