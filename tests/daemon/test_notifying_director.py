"""A whole director whose notifiers are told of what really happens to it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.tcp import Tcp
from healthlb.model.changes import Actor
from healthlb.model.check import Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.notifiers import Notifier, Webhook
from healthlb.notify import outbox
from tests.daemon.rig import CHECK, shop, web
from tests.daemon.test_app import House, play
from tests.daemon.test_notifying import Receiver, notifier, receiving
from waiting import until

ME = Actor("the test")
QUICK = replace(CHECK.schedule, interval=0.05, fast_interval=0.05, down_interval=0.05, rise=1, fall=1)
REAL = replace(CHECK, type="tcp", conversation=Tcp(), schedule=QUICK)


def real(port: int) -> Any:
    """Return a real server on loopback with a TCP check."""
    here = Endpoint("127.0.0.1", port)
    return web(here, probes=(Probe(REAL, here),))


def put(house: House, server: Any, *notifiers: Notifier) -> None:
    """Put a server and notifiers into the file."""
    house.put(shop(server))
    house.loader.config = replace(house.loader.config, notifiers={each.name: each for each in notifiers})


def seen(receiver: Receiver) -> list[str]:
    """Return the names of the events that came, in order."""
    return [event["name"] for body in receiver.bodies for event in body["events"]]


def test_a_director_tells_of_a_server_that_goes_and_comes_with_its_addresses(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async with receiving() as receiver, receiving() as server:
            put(house, real(server.port), notifier("oncall", receiver.hook(), group=0.02))
            await house.begin()
            await until(lambda: "real_server_up" in seen(receiver))
            put(house, real(1), notifier("oncall", receiver.hook(), group=0.02))
            assert (await house.director.reload(ME)).accepted
            await until(lambda: "real_server_down" in seen(receiver))
            told = [each for body in receiver.bodies for each in body["events"] if each["name"] == "real_server_down"]
            assert told[0]["address"] == "127.0.0.1:1"
            assert told[0]["service"] == "tcp 198.51.100.1:80"
            assert "refused" in told[0]["message"]
            snapshot = await house.director.view.build()
            [status] = snapshot.director.notifiers
            assert (status.name, status.failed_total, status.dropped_total) == ("oncall", 0, 0)
            assert status.sent_total >= 2

    play(tmp_path, story)


def test_what_waits_when_a_director_is_stopped_is_told_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox.Outbox.stop, "__defaults__", (60.0,))

    async def story(house: House) -> None:
        async with receiving() as receiver:
            down = frozenset({"real_server_down"})
            put(house, real(1), notifier("oncall", receiver.hook(), group=3600.0, events=down))
            await house.begin()
            await until(lambda: house.director.notifying.statuses()[0].waiting)
            house.director._stop.set()
            assert house.serving is not None
            await asyncio.wait([house.serving])
            assert "real_server_down" in seen(receiver)

    play(tmp_path, story)


def test_a_deaf_receiver_holds_up_neither_a_reload_nor_for_long_a_stop(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async with receiving() as deaf:
            deaf.deaf = True
            first = notifier("deaf", deaf.hook(), timeout=3600.0)
            put(house, real(1), first)
            await house.begin()
            await until(lambda: deaf.connections)
            put(house, real(2), notifier("other", Webhook(url="http://127.0.0.1:9/")))
            async with asyncio.timeout(60):
                assert (await house.director.reload(ME)).accepted
                assert [each.name for each in house.director.notifying.statuses()] == ["other"]
                house.director._stop.set()
                assert house.serving is not None
                await asyncio.wait([house.serving])

    play(tmp_path, story)


def test_a_dry_run_that_cannot_have_the_saved_state_notifies_nobody_and_says_so(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async with receiving() as receiver, receiving() as server:
            put(house, real(server.port), notifier("oncall", receiver.hook(), group=0.0))
            broken = replace(house.loader.config.director, state_dir=str(tmp_path / "no" / "state"))
            house.loader.config = replace(house.loader.config, director=broken)
            warned: list[str] = []
            house.director.chronicle.listeners.append(lambda each: warned.append(each.sentence))
            await house.begin()
            await until(lambda: any("is UP" in each for each in warned))
            [status] = (await house.director.view.build()).director.notifiers
            assert status.failing.startswith("a dry run without saved state: ")
            assert "another director may use the saved state: this dry run notifies nobody" in warned
            assert seen(receiver) == []

    play(tmp_path, story)
