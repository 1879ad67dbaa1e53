"""The one writer when things go wrong at once: nothing is forgotten, nothing spins, nothing is told that isn't so."""

import asyncio
import threading
import time
from typing import Any

import pytest

from healthlb.core import policy
from healthlb.core.policy import Decision, Level, Looked
from healthlb.daemon import failing, reconcile
from healthlb.model.events import DriftRepaired, OperationFailed, TableLost, Warned
from healthlb.model.operations import AddDestination, AddService, DeleteService, Operation
from healthlb.model.pool_state import PoolState
from healthlb.model.table import Service, Timeouts
from tests.daemon.rig import FAIL, OTHER, PASS, VIP, WEB1, WEB2, WEB3, Rig, config, run, shop, web
from waiting import until


@pytest.fixture
def no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be tried again by itself while the test lasts, however long that is."""
    for name in ("FIRST", "LONGEST"):
        monkeypatch.setattr(failing, name, 3600.0)


@pytest.mark.usefixtures("no_retry")
def test_a_lost_table_with_a_refused_operation_makes_no_spin() -> None:
    async def story(rig: Rig) -> None:
        turns = 0

        def alive() -> None:
            nonlocal turns
            turns += 1

        await rig.adopt(shop())
        rig.table.refuse = lambda operation: isinstance(operation, AddDestination)
        await rig.result(WEB1, PASS)
        rig.table.gone = True
        await rig.look()
        assert rig.told(TableLost)
        rig.controller._alive = alive
        passes = asyncio.create_task(rig.controller.run())
        for _ in range(300):
            await asyncio.sleep(0)
        passes.cancel()
        assert turns < 5

    run(story)


def test_a_verdict_that_came_while_the_table_was_lost_is_carried_out_by_the_pass_that_finds_it_again() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        rig.table.gone = True
        await rig.result(WEB1, FAIL)
        rig.table.gone = False
        await rig.controller.make_pass()
        assert rig.controller.lost is None
        assert rig.table.weights() == {WEB1: 0}
        assert rig.controller.in_sync

    run(story)


def test_a_pass_that_is_cancelled_forgets_no_verdict() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        begun, going = threading.Event(), threading.Event()

        def wait(_: Operation) -> bool:
            begun.set()
            going.wait(60)
            return True

        rig.table.refuse = wait
        for _ in range(2):
            rig.controller.finished(rig.records[WEB1], PASS)
        passing = asyncio.create_task(rig.controller.make_pass())
        await until(begun.is_set)
        assert not rig.controller.in_sync
        passing.cancel()
        await asyncio.wait([passing])
        assert rig.controller.pools.dirty == {"shop"}
        rig.table.refuse = lambda _: False
        going.set()
        await asyncio.wait([rig.controller._running])  # type: ignore[type-var,list-item]
        await rig.controller.make_pass()
        assert rig.table.weights() == {WEB1: 1}

    run(story)


def test_the_table_is_not_called_in_sync_while_a_verdict_is_being_carried_out() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        seen = []
        rig.table.refuse = lambda _: bool(seen.append(rig.controller.in_sync))
        await rig.result(WEB1, PASS)
        assert seen == [False]
        assert rig.controller.in_sync

    run(story)


@pytest.mark.parametrize("mode", ["drain", "remove"])
def test_a_stop_in_the_middle_of_a_pass_still_leaves_the_table_as_the_file_says(mode: str) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), on_stop=mode)
        await rig.result(WEB1, PASS)
        begun, going = threading.Event(), threading.Event()

        def wait(_: Operation) -> bool:
            begun.set()
            return not going.wait(60)

        rig.table.refuse = wait
        for _ in range(2):
            rig.controller.finished(rig.records[WEB2], PASS)
        passing = asyncio.create_task(rig.controller.make_pass())
        await until(begun.is_set)
        passing.cancel()
        await asyncio.wait([passing])
        asyncio.get_running_loop().call_later(0.02, going.set)
        await rig.controller.withdraw()
        assert rig.table.weights() == ({WEB1: 0, WEB2: 0} if mode == "drain" else None)

    assert run(story).told(TableLost) == []


def test_a_stop_outlives_a_fault_while_it_withdraws_and_tells_it() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), on_stop="remove")

        def burst(_: Operation) -> bool:
            raise RuntimeError("unforeseen")

        rig.table.refuse = burst
        await rig.controller.withdraw()
        assert "unforeseen" in rig.controller.failing()[0]

    run(story)


def test_what_one_pool_finds_gone_is_repaired_for_every_pool_and_told_as_drift() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        await rig.result(WEB1, PASS)
        await rig.result(WEB3, PASS)
        rig.table.apply([DeleteService(VIP), DeleteService(OTHER)])
        for _ in range(2):
            rig.controller.finished(rig.records[WEB1], FAIL)
        passes = asyncio.create_task(rig.controller.run())
        await until(lambda: rig.table.weights(OTHER) == {WEB3: 1})
        assert rig.table.weights() == {WEB1: 0}
        await rig.controller.make_pass()
        passes.cancel()

    rig = run(story)
    repaired = {str(event.operation) for event in rig.told(DriftRepaired)}  # type: ignore[union-attr]
    assert f"add service {OTHER} scheduler rr" in repaired
    assert rig.told(OperationFailed) == []


def test_a_reload_of_the_directors_own_settings_is_carried_out_at_once() -> None:
    async def story(rig: Rig) -> None:
        rig.table.apply([AddService(Service(OTHER, "wlc"))])
        await rig.adopt(shop())
        await rig.adopt(shop(), ipvs_timeouts=Timeouts(100, 20, 30), foreign_services="remove")
        assert rig.table.read().table.timeouts == Timeouts(100, 20, 30)
        assert rig.table.weights(OTHER) is None

    run(story)


def test_a_reload_that_leaves_the_directors_settings_looks_at_nothing() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        reads = rig.table.reads
        await rig.adopt(shop(web(WEB1)))
        assert rig.table.reads == reads

    run(story)


def test_a_reader_is_not_content_with_a_pass_that_looked_at_nothing() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        for _ in range(2):
            rig.controller.finished(rig.records[WEB1], PASS)
        reads = rig.table.reads
        passing = asyncio.create_task(rig.controller.make_pass())
        await asyncio.sleep(0)
        passes = asyncio.create_task(rig.controller.run())
        await rig.controller.refresh(-1.0)
        assert rig.table.reads == reads + 1
        await passing
        passes.cancel()

    run(story)


def test_counters_are_fresh_by_a_clock_that_nobody_sets_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now - 3600)
        reads = rig.table.reads
        passes = asyncio.create_task(rig.controller.run())
        await asyncio.sleep(0.01)
        await rig.controller.refresh(0.005)
        assert rig.table.reads == reads + 1
        passes.cancel()

    run(story)


@pytest.mark.usefixtures("no_retry")
def test_a_service_that_could_not_be_deleted_is_not_called_in_sync_and_makes_no_spin() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        rig.table.refuse = lambda operation: isinstance(operation, DeleteService)
        await rig.controller.adopt(config(shop()))
        assert not rig.controller.in_sync
        await rig.controller.make_pass()
        assert not rig.controller.in_sync
        reads = rig.table.reads
        passes = asyncio.create_task(rig.controller.run())
        for _ in range(300):
            await asyncio.sleep(0)
        assert rig.table.reads <= reads + 1
        rig.table.refuse = lambda _: False
        await rig.look()
        assert rig.table.weights(OTHER) is None
        assert rig.controller.in_sync
        passes.cancel()

    run(story)


def test_a_service_that_moves_between_virtual_servers_in_one_reload_keeps_its_rows() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)), shop(web(WEB3), key=OTHER, name="other"))
        await rig.result(WEB1, PASS)
        await rig.result(WEB3, PASS)
        rig.table.steps.clear()
        await rig.adopt(shop(web(WEB3), key=OTHER), shop(web(WEB1), key=VIP, name="other"))
        assert rig.table.steps == []
        assert (rig.table.weights(VIP), rig.table.weights(OTHER)) == ({WEB1: 1}, {WEB3: 1})

    run(story)


def test_a_pool_is_valued_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    valued = reconcile.pool_state

    def watched(*arguments: Any, **named: Any) -> PoolState:
        threads.add(threading.get_ident())
        return valued(*arguments, **named)

    monkeypatch.setattr(reconcile, "pool_state", watched)

    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        assert rig.controller.pools.by_name["shop"].state == "degraded"

    run(story)
    assert threads
    assert threading.get_ident() not in threads


def test_a_fault_in_the_decision_on_one_pool_leaves_its_rows_alone_and_no_other_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faulty = True

    def decide(level: Level, looked: Looked, now: float) -> Decision:
        if level.server.name == "shop" and faulty:
            raise ZeroDivisionError("float division by zero")
        return policy.decide(level, looked, now)

    async def story(rig: Rig) -> None:
        nonlocal faulty
        faulty = False
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        await rig.result(WEB1, PASS)
        faulty = True
        monkeypatch.setattr(reconcile, "decide", decide)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB3, PASS)
        await rig.look()
        assert (rig.table.weights(), rig.table.weights(OTHER)) == ({WEB1: 1}, {WEB3: 1})
        assert rig.controller.lost is None
        assert not rig.controller.in_sync
        [fault] = rig.controller.failing()
        assert fault.startswith("shop: internal fault")
        assert not rig.controller._due()
        assert len(rig.told(Warned)) == 1
        faulty = False
        await rig.look()
        assert rig.table.weights() == {WEB1: 0}
        assert rig.controller.in_sync

    run(story)
