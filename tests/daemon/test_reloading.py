"""Reloads beside operators' orders: their plan, their limit, who asked, and what they never hold up."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthlb.config.faults import ConfigError
from healthlb.daemon import fitness, rehearsing
from healthlb.model.changes import Actor, Add, ChangeOutcome, Drain, Remove, SetWeight, Target
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import ConfigRefused, ConfigReloaded, Event
from tests.daemon.rig import OTHER, VIP, WEB1, WEB2, shop, web
from tests.daemon.test_app import ME, SERVER, House, play
from waiting import until

ALICE = Actor("uid 0 (root) pid 812", "new rack")
POOL = shop(*(web(each, probes=(), weight=2) for each in (WEB1, WEB2)))


def told(house: House) -> list[Event]:
    """Return the list that all events go to from now on."""
    events: list[Event] = []
    house.director._reloading._sink = events.append
    return events


def story_of(folder: Path, story: Callable[[House], Coroutine[Any, Any, None]], **director: Any) -> None:
    async def whole(house: House) -> None:
        house.put(POOL, **director)
        await house.begin()
        await story(house)

    play(folder, whole)


async def changed(house: House, change: Any) -> ChangeOutcome:
    return await house.director.change(ALICE, change)


def planned(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records]
    return [each.removeprefix("reload plan: ") for each in said if each.startswith("reload plan: ")]


def test_a_reload_tells_its_plan_before_it_is_carried_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "healthlb")

    async def story(house: House) -> None:
        await changed(house, Remove(Target("192.0.2.1", "shop")))
        caplog.clear()
        house.put(replace(POOL, real_servers=(*POOL.real_servers[:1], SERVER)))
        assert (await house.director.reload(ME)).accepted

    story_of(tmp_path, story)
    assert planned(caplog) == [
        "no operation, 1 first verdict to wait for; takes out 0 % of the live weight",
        "shop: 192.0.2.1:80 stays out, removed at run time by uid 0 (root) pid 812",
        "wait for the first verdict on shop: 127.0.0.1:9",
    ]


def test_a_plan_that_is_long_is_cut_short(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "healthlb")

    async def story(house: House) -> None:
        many = (web(Endpoint(f"192.0.2.{number}", 80), probes=()) for number in range(1, 101))
        house.put(shop(*many))
        caplog.clear()
        assert (await house.director.reload(ME)).accepted

    story_of(tmp_path, story)
    first, *lines, last = planned(caplog)
    assert first == "100 operations, no first verdict to wait for; takes out 50 % of the live weight"
    assert len(lines) == rehearsing.MOST_LINES
    assert last == "and 50 more"


def test_a_plan_counts_what_operators_ordered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "healthlb")

    async def story(house: House) -> None:
        await changed(house, Drain(Target("192.0.2.1")))
        await changed(house, SetWeight(Target("192.0.2.2", "shop"), 9))
        caplog.clear()
        assert (await house.director.reload(ME)).accepted
        assert house.table.weights() == {WEB1: 0, WEB2: 9}

    story_of(tmp_path, story)
    assert planned(caplog) == ["no operation, no first verdict to wait for; takes out 0 % of the live weight"]


def test_a_reload_that_takes_out_more_than_it_may_is_refused_unless_forced(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        events = told(house)
        house.put(replace(POOL, real_servers=POOL.real_servers[:1]))  # with it goes the limit itself
        assert (await house.director.view.snapshot(1.0)).director.config.refused is None
        outcome = await house.director.reload(ALICE)
        assert not outcome.accepted
        sentence = (
            "it takes out 50 % of the live weight, max_reload_change allows 20 %: 192.0.2.2:80 in shop; "
            "if it is meant, force it with `healthlb reload --force`"
        )
        assert outcome.message == sentence
        assert events == [ConfigRefused(sentence, "uid 0 (root) pid 812 (new rack)")]
        assert house.table.weights() == {WEB1: 2, WEB2: 2}
        assert (await house.director.view.snapshot(1.0)).director.config.refused == sentence
        assert (await house.director.reload(ALICE, force=True)).accepted
        assert house.table.weights() == {WEB1: 2}
        assert (await house.director.reload(ME)).accepted

    story_of(tmp_path, story, max_reload_change=20.0)


def test_what_comes_and_what_rises_is_no_matter_of_the_limit(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        many = (web(Endpoint(f"192.0.2.{number}", 80), probes=(), weight=9) for number in range(1, 10))
        house.put(shop(*many), shop(SERVER, key=OTHER, name="mail"), max_reload_change=0.0)
        assert (await house.director.reload(ME)).accepted

    story_of(tmp_path, story, max_reload_change=0.0)


def test_all_who_ask_for_one_reload_are_told_with_it_and_force_is_nobody_elses(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        events = told(house)
        house.put(POOL, shop(web(WEB1, probes=()), key=OTHER, name="mail"), max_reload_change=10.0)
        assert (await house.director.reload(ME)).accepted
        house.put(POOL)
        house.loader.going.clear()
        first = asyncio.create_task(house.director.reload(ME))
        await until(lambda: house.loader.loads == 2)
        waiting = [
            asyncio.create_task(house.director.reload(Actor(who), force=force))
            for who, force in (("bob", False), ("carol", False), ("dave", True), ("bob", False))
        ]
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "SIGHUP" in house.director._reloading._askers[False])
        house.loader.going.set()
        assert not (await first).accepted
        assert [(await each).accepted for each in waiting] == [False, False, True, False]
        assert [type(each) for each in events] == [ConfigReloaded, ConfigRefused, ConfigRefused, ConfigReloaded]
        assert [each.who for each in events] == ["the test", "the test", "bob, carol, SIGHUP", "dave"]  # type: ignore[union-attr]
        assert house.table.weights(OTHER) is None

    story_of(tmp_path, story)


def test_a_file_that_hangs_holds_up_a_reload_and_no_drain(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.loader.going.clear()
        reloading = asyncio.create_task(house.director.reload(ME))
        await until(lambda: house.loader.loads == 1)
        outcome = await changed(house, Drain(Target("192.0.2.1", "shop")))
        assert outcome.result == "done"
        assert house.table.weights() == {WEB1: 0, WEB2: 2}
        house.loader.going.set()
        assert (await reloading).accepted
        assert house.table.weights() == {WEB1: 0, WEB2: 2}

    story_of(tmp_path, story)


def test_a_file_that_hangs_while_a_reload_looks_around_holds_up_no_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, going = threading.Event(), threading.Event()

    def hang(_: object) -> tuple[str, ...]:
        looking.set()
        going.wait(60)
        return ()

    async def story(house: House) -> None:
        monkeypatch.setattr(fitness, "advice", hang)
        reloading = asyncio.create_task(house.director.reload(ME))
        await until(looking.is_set)
        outcome = await changed(house, Drain(Target("192.0.2.1", "shop")))
        assert outcome.result == "done"
        going.set()
        assert (await reloading).accepted
        assert house.table.weights() == {WEB1: 0, WEB2: 2}

    story_of(tmp_path, story)


def test_a_server_that_was_removed_while_the_file_was_read_stays_out(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.loader.going.clear()
        reloading = asyncio.create_task(house.director.reload(ME))
        await until(lambda: house.loader.loads == 1)
        assert (await changed(house, Remove(Target("192.0.2.1", "shop")))).result == "done"
        house.loader.going.set()
        assert (await reloading).accepted
        assert house.table.weights() == {WEB2: 2}

    story_of(tmp_path, story)


def test_a_removal_that_the_file_caught_up_with_is_told_as_part_of_the_reload(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await changed(house, Remove(Target("192.0.2.1", "shop")))
        house.put(replace(POOL, real_servers=POOL.real_servers[1:]))
        outcome = await house.director.reload(ME)
        assert outcome.changes == ("shop: 192.0.2.1:80 is no longer in the file; its removal is forgotten",)
        assert not house.director.book.orders.removals

    story_of(tmp_path, story)


def test_a_refused_file_leaves_the_orders_as_they_are(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await changed(house, Drain(Target("192.0.2.1", "shop")))
        before = house.director.book.orders
        house.loader.fault = ConfigError([])
        assert not (await house.director.reload(ME)).accepted
        assert house.director.book.orders is before
        assert house.table.weights() == {WEB1: 0, WEB2: 2}

    story_of(tmp_path, story)


def test_a_change_that_waits_for_the_start_is_carried_out_after_it(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.put(POOL)
        await house.director._turn.acquire()
        house.serving = asyncio.create_task(house.director.run(house.loader.config))
        asking = asyncio.create_task(changed(house, Drain(Target("192.0.2.1", "shop"))))
        await asyncio.sleep(0.02)
        house.director._turn.release()
        assert (await asking).result == "done"
        assert house.table.weights(VIP) == {WEB1: 0, WEB2: 2}

    play(tmp_path, story)


def test_a_stop_while_a_change_waits_is_one_stop(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        saving = asyncio.Event()

        async def save(_: object) -> None:
            saving.set()
            await asyncio.Event().wait()

        house.director.book.save = save
        first = asyncio.create_task(changed(house, Drain(Target("192.0.2.1", "shop"), expires=0.01)))
        second = asyncio.create_task(changed(house, Add("shop", "{}")))
        await saving.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert house.serving is not None
        assert await house.serving == 0
        ends = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(ends[0], asyncio.CancelledError)

    story_of(tmp_path, story)


def test_an_override_that_ends_while_the_director_stops_holds_up_nothing(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await changed(house, Drain(Target("192.0.2.1", "shop"), expires=0.001))
        house.director._stop.set()
        assert house.serving is not None
        assert await house.serving == 0
        assert not [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]

    story_of(tmp_path, story)
