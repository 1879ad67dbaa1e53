"""A new configuration under a controller that works: only the difference, and no moment without a server."""

from dataclasses import replace

from healthlb.model.check import Probe
from healthlb.model.operations import (
    AddDestination,
)
from healthlb.model.table import Timeouts
from tests.daemon.rig import CHECK, FAIL, OTHER, PASS, VIP, WEB1, WEB2, WEB3, Rig, config, run, shop, web


def test_a_reload_keeps_the_verdicts_and_streaks_of_unchanged_checks() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS, times=5)
        rig.table.steps.clear()
        await rig.adopt(shop(web(WEB1, weight=4), web(WEB2), web(WEB3)))
        assert rig.records[WEB1].state.streak == 5
        assert rig.table.weights() == {WEB1: 4}
        assert len(rig.table.steps) == 1

    run(story)


def test_a_reload_that_changes_nothing_touches_nothing() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        rig.table.steps.clear()
        records = dict(rig.records)
        await rig.adopt(shop())
        assert rig.table.steps == []
        assert rig.records == records

    run(story)


def test_a_reload_deletes_the_service_that_left_the_file() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB3), key=OTHER, name="other"))
        await rig.adopt(shop())
        assert rig.table.weights(OTHER) is None
        assert rig.table.weights(VIP) == {}
        assert set(rig.records) == {WEB1, WEB2}

    run(story)


def test_a_virtual_server_that_is_renamed_keeps_its_rows_through_the_reload() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        rig.table.steps.clear()
        await rig.adopt(shop(name="store"))
        assert rig.table.steps == []
        assert rig.table.weights() == {WEB1: 1}

    run(story)


def test_replacing_every_server_of_a_pool_leaves_no_moment_without_one() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        await rig.adopt(shop(web(WEB2)))
        assert rig.table.weights() == {WEB1: 1}
        await rig.result(WEB2, PASS)
        assert rig.table.weights() == {WEB2: 1}

    run(story)


def test_a_server_whose_successor_the_kernel_refuses_stays_until_it_is_taken() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        rig.table.refuse = lambda operation: isinstance(operation, AddDestination)
        await rig.adopt(shop(web(WEB2)))
        await rig.result(WEB2, PASS)
        assert rig.table.weights() == {WEB1: 1}
        assert not rig.controller.in_sync
        await rig.controller.make_pass()
        rig.controller._look = True
        await rig.controller.make_pass()
        assert rig.table.weights() == {WEB1: 1}
        await rig.look()
        assert rig.table.weights() == {WEB1: 1}
        rig.table.refuse = lambda _: False
        await rig.look()
        assert rig.table.weights() == {WEB2: 1}
        assert rig.controller.in_sync

    run(story)


def test_a_refusal_in_one_place_keeps_no_failed_server_in_a_pool_that_has_others() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, on_failure="remove"), web(WEB2)))
        await rig.result(WEB1, PASS)
        await rig.result(WEB2, PASS)
        rig.table.refuse = lambda operation: isinstance(operation, AddDestination)
        await rig.adopt(shop(web(WEB1, on_failure="remove"), web(WEB2), web(WEB3, initial="trust")))
        await rig.result(WEB1, FAIL)
        assert rig.table.weights() == {WEB2: 1}

    run(story)


def test_a_changed_check_leaves_the_row_alone_until_its_first_verdict() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        stricter = replace(CHECK, conversation="stricter")
        await rig.controller.adopt(config(shop(web(WEB1, probes=(Probe(stricter, WEB1),)))))
        await rig.controller.make_pass()
        assert rig.table.weights() == {WEB1: 1}

    run(story)


def test_connection_timeouts_are_set_where_the_file_gives_them() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), ipvs_timeouts=Timeouts(100, 20, 30))
        assert rig.table.read().table.timeouts == Timeouts(100, 20, 30)

    run(story)
