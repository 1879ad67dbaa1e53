"""The one writer against a table in memory: verdicts in, rows out, whatever others do to the table meanwhile."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.memory import MemoryTable
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    DriftRepaired,
    ForeignServicesKept,
    OperationFailed,
    OperationRecovered,
    QuorumLost,
    QuorumRegained,
    RealServerDown,
    RealServerUp,
    TableChanged,
    TableLost,
    TableRegained,
    VirtualServerChanged,
)
from healthlb.model.health import Health
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    Operation,
)
from healthlb.model.table import Destination, Service, ServiceKey
from tests.daemon.rig import FAIL, NAT, OTHER, PASS, UNSENT, VIP, WEB1, WEB2, WEB3, Rig, run, shop, web


def test_servers_enter_once_their_checks_have_passed() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        assert rig.table.weights() == {}
        await rig.result(WEB1, PASS, times=1)
        assert rig.table.weights() == {}
        await rig.result(WEB1, PASS, times=1)
        assert rig.table.weights() == {WEB1: 1}

    rig = run(story)
    assert rig.told(RealServerUp) == [RealServerUp("shop", str(WEB1), "web", "200 OK", 2)]


def test_a_failed_server_is_quiesced_and_comes_back() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}
        await rig.result(WEB1, PASS)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}

    rig = run(story)
    assert rig.told(RealServerDown) == [RealServerDown("shop", str(WEB1), "web", "connection refused", 2)]
    assert [event.after for event in rig.told(VirtualServerChanged)] == ["degraded", "up", "degraded", "up"]  # type: ignore[union-attr]


def test_on_failure_remove_takes_the_row_out() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, on_failure="remove"), web(WEB2)))
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {}

    run(story)


def test_rows_that_are_right_at_start_are_adopted_without_a_touch() -> None:
    async def story(rig: Rig) -> None:
        rig.table.apply([AddService(Service(VIP, "rr")), AddDestination(VIP, Destination(WEB1, NAT, 1))])
        rig.table.apply([AddDestination(VIP, Destination(WEB2, NAT, 0))])
        rig.table.steps.clear()
        await rig.adopt(shop())
        assert rig.table.steps == []
        await rig.result(WEB1, PASS)
        assert rig.table.steps == []
        await rig.result(WEB2, PASS)
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}

    assert run(story).told(DriftRepaired) == []


def test_a_pool_that_is_found_serving_at_start_has_not_changed() -> None:
    async def story(rig: Rig) -> None:
        rig.table.apply([AddService(Service(VIP, "rr")), AddDestination(VIP, Destination(WEB1, NAT, 1))])
        await rig.adopt(shop())
        assert rig.events == []
        await rig.result(WEB1, FAIL)
        (lost,) = rig.told(QuorumLost)
        (down,) = rig.told(VirtualServerChanged)
        assert lost == QuorumLost("shop", 0)
        assert down == VirtualServerChanged("shop", "degraded", "down", 0)

    run(story)


def test_the_next_probe_comes_sooner_while_the_verdict_turns_and_later_while_down() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        assert await rig.result(WEB1, PASS) == 2.0
        assert await rig.result(WEB1, FAIL, times=1) == 0.5
        assert await rig.result(WEB1, FAIL, times=1) == 5.0

    run(story)


def test_a_probe_that_could_not_be_sent_changes_no_verdict() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, UNSENT, times=50)
        assert rig.table.weights() == {WEB1: 1}
        assert rig.records[WEB1].unsent_total == 50
        assert rig.records[WEB1].state.health is Health.UP

    assert len([event for event in run(story).events if type(event).__name__ == "ProbesUnsent"]) == 1


@pytest.mark.parametrize(
    "meddle",
    [
        [DeleteService(VIP)],
        [EditDestination(VIP, Destination(WEB1, NAT, 7))],
        [DeleteDestination(VIP, WEB1)],
        [AddDestination(VIP, Destination(WEB3, NAT, 1))],
        [AddService(Service(OTHER, "wlc"))],
    ],
)
def test_what_somebody_else_changes_is_repaired_and_told_and_the_foreign_is_left(meddle: list[Operation]) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        assert rig.table.apply(meddle) == []
        await rig.look()
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}

    rig = run(story)
    foreign = isinstance(meddle[0], AddService)
    assert bool(rig.told(DriftRepaired)) is not foreign
    assert rig.controller.drift_repaired_total == len(rig.told(DriftRepaired))
    assert rig.told(ForeignServicesKept) == ([ForeignServicesKept((str(OTHER),))] if foreign else [])
    assert (rig.table.weights(OTHER) is not None) is foreign


def test_foreign_services_go_where_the_file_says_so() -> None:
    async def story(rig: Rig) -> None:
        rig.table.apply([AddService(Service(OTHER, "wlc"))])
        await rig.adopt(shop(), foreign_services="remove")
        assert rig.table.weights(OTHER) is None

    run(story)


def test_a_change_to_a_table_that_was_emptied_behind_our_back_rebuilds_it_at_once() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        rig.table.apply([DeleteService(VIP)])
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {WEB1: 0, WEB2: 1}

    assert run(story).told(OperationFailed) == []


def test_a_refused_operation_is_told_retried_and_told_again_when_it_works_while_all_else_goes_on() -> None:
    async def story(rig: Rig) -> None:
        rig.table.refuse = lambda operation: isinstance(operation, AddService) and operation.service.key == OTHER
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        await rig.result(WEB1, PASS)
        await rig.result(WEB3, PASS)
        assert rig.table.weights() == {WEB1: 1}
        assert rig.table.weights(OTHER) is None
        assert not rig.controller.in_sync
        assert rig.controller.failing() == (f"add service {OTHER} scheduler rr: refused by the test",)
        rig.table.refuse = lambda _: False
        await rig.look()
        assert rig.table.weights(OTHER) == {WEB3: 1}
        assert rig.controller.in_sync

    rig = run(story)
    assert {type(event.operation) for event in rig.told(OperationFailed)} == {AddService}  # type: ignore[union-attr]
    assert len(rig.told(OperationRecovered)) == 1
    assert rig.controller.refused.total() == len(rig.told(OperationFailed))


def test_a_table_that_goes_away_and_comes_back_is_made_right_again() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        rig.table.gone = True
        await rig.look()
        assert not rig.controller.in_sync
        assert rig.controller.failing() == ("the kernel does not answer",)
        await rig.result(WEB2, PASS)
        rig.table.gone = False
        rig.table.apply([DeleteService(VIP)])
        await rig.look()
        assert rig.table.weights() == {WEB1: 1, WEB2: 1}
        assert rig.controller.in_sync

    rig = run(story)
    assert len(rig.told(TableLost)) == len(rig.told(TableRegained)) == 1


def test_an_unforeseen_fault_in_a_pass_is_told_and_outlived() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())

        def burst(_operation: Operation) -> bool:
            raise RuntimeError("unforeseen")

        rig.table.refuse = burst
        await rig.result(WEB1, PASS)
        assert "internal fault" in rig.controller.failing()[0]
        rig.table.refuse = lambda _: False
        await rig.look()
        assert rig.table.weights() == {WEB1: 1}

    run(story)


def test_quorum_is_lost_and_regained_with_events() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, FAIL)
        await rig.result(WEB1, PASS)

    rig = run(story)
    assert [type(event) for event in rig.events if isinstance(event, QuorumLost | QuorumRegained)] == [
        QuorumRegained,
        QuorumLost,
        QuorumRegained,
    ]


def test_a_probe_shared_by_twenty_pools_runs_once_and_turns_them_all() -> None:
    async def story(rig: Rig) -> None:
        keys = [ServiceKey.at("tcp", Endpoint("198.51.100.1", 8000 + number)) for number in range(20)]
        await rig.adopt(*[shop(web(WEB1), key=key, name=f"shop{key.port}") for key in keys])
        assert list(rig.records) == [WEB1]
        await rig.result(WEB1, PASS)
        assert [rig.table.weights(key) for key in keys] == [{WEB1: 1}] * 20

    run(story)


@pytest.mark.parametrize(
    ("on_stop", "left"), [("keep", {WEB1: 1, WEB2: 1}), ("drain", {WEB1: 0, WEB2: 0}), ("remove", None)]
)
def test_a_stop_leaves_the_table_as_the_file_says(on_stop: str, left: dict[Endpoint, int] | None) -> None:
    async def story(rig: Rig) -> None:
        rig.table.apply([AddService(Service(OTHER, "wlc"))])
        await rig.adopt(shop(), on_stop=on_stop)
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        await rig.controller.withdraw()
        assert rig.table.weights() == left
        assert rig.table.weights(OTHER) == {}

    run(story)


def test_readers_share_one_look_at_the_table_within_its_age() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        passes = asyncio.create_task(rig.controller.run())
        before = rig.table.reads
        await asyncio.gather(*[rig.controller.refresh(-1.0) for _ in range(20)])
        assert rig.table.reads == before + 1
        await rig.controller.refresh(60.0)
        assert rig.table.reads == before + 1
        passes.cancel()

    run(story)


def test_the_watchdog_is_fed_while_passes_come_back_and_not_while_one_is_stuck() -> None:
    async def story(rig: Rig) -> None:
        fed = 0

        def alive() -> None:
            nonlocal fed
            fed += 1

        rig.controller._alive = alive
        await rig.adopt(shop())
        passes = asyncio.create_task(rig.controller.run())
        await rig.controller.refresh(-1.0)
        assert fed > 0
        passes.cancel()

    run(story)


changes = st.lists(
    st.one_of(
        st.tuples(st.just("result"), st.sampled_from([WEB1, WEB2, WEB3]), st.booleans()),
        st.tuples(st.just("meddle"), st.sampled_from(["clear", "weight", "delete"]), st.booleans()),
        st.tuples(st.just("refuse"), st.integers(1, 5), st.booleans()),
        st.tuples(st.just("pass"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(changes, st.sampled_from(["quiesce", "remove"]))
def test_whatever_happens_a_quiet_moment_leaves_the_table_true(
    story: list[tuple[str, Any, Any]], on_failure: str
) -> None:
    async def play(rig: Rig) -> None:
        servers = [web(address, on_failure=on_failure) for address in (WEB1, WEB2, WEB3)]
        await rig.adopt(shop(*servers))
        for kind, what, how in story:
            if kind == "result":
                rig.controller.finished(rig.records[what], PASS if how else FAIL)
            elif kind == "meddle":
                meddling: dict[str, Operation] = {
                    "clear": DeleteService(VIP),
                    "weight": EditDestination(VIP, Destination(WEB1, NAT, 9)),
                    "delete": DeleteDestination(VIP, WEB2),
                }
                MemoryTable.apply(rig.table, [meddling[what]])
            elif kind == "refuse":
                chance = random.Random(what)
                rig.table.refuse = (lambda _, chance=chance: chance.random() < 0.5) if how else (lambda _: False)
            else:
                await rig.controller.make_pass()
        rig.table.refuse = lambda _: False
        unknown = {target for target, record in rig.records.items() if record.state.health is Health.UNKNOWN}
        await rig.look()
        weights = rig.table.weights()
        assert weights is not None
        for target, record in rig.records.items():
            if target not in unknown:
                absent = None if on_failure == "remove" else 0
                assert weights.get(target) == (1 if record.state.health is Health.UP else absent)
        assert rig.controller.in_sync
        seen = rig.table.read().table
        assert rig.controller.known == seen

    run(play)


def test_every_change_of_the_table_is_told() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, FAIL)
        assert [event.operation for event in rig.told(TableChanged)] == rig.table.steps  # type: ignore[union-attr]

    run(story)
