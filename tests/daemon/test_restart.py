"""A director that ends and one that follows it, with the same state directory and a table that goes on."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from healthlb.daemon.app import Director
from healthlb.daemon.service_manager import ServiceManager
from healthlb.model.changes import Drain, Target
from healthlb.model.config import Api, Listener
from healthlb.model.health import Health
from healthlb.model.occurrence import EventQuery
from healthlb.store.journal import read_file
from tests.daemon.rig import Table, shop
from tests.daemon.test_app import HERE, ME, SERVER, House
from waiting import until

Story = Callable[[House], Coroutine[Any, Any, None]]


def lives(folder: Path, *stories: Story) -> None:
    """Play one story after the other, each with a director of its own and all with one table and one directory."""

    async def whole() -> None:
        api = Api(Listener(path=str(folder / "api.sock")), Listener(path=str(folder / "admin.sock")))
        house = House(api, Table())
        for story in stories:
            house.put(shop(SERVER), state_dir=str(folder / "state"))
            house.director = Director(house.loader, house.table, ServiceManager({}), kernel=False)  # type: ignore[arg-type]
            try:
                await house.begin()
                await story(house)
            finally:
                house.director._stop.set()
                if house.serving is not None:
                    await asyncio.wait([house.serving])

    asyncio.run(whole())


def names(folder: Path) -> list[str]:
    return [event.name for event in read_file(folder / "state" / "events.db", EventQuery(limit=1000))]


def health(house: House) -> Health:
    return house.director.controller.pools.by_name["shop"].members[0].standing.health


def test_a_verdict_outlives_a_restart_and_is_not_told_again(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        await until(lambda: health(house) is Health.DOWN)

    async def second(house: House) -> None:
        assert health(house) is Health.DOWN

    lives(tmp_path, first, second)
    told = names(tmp_path)
    assert told.count("real_server_down") == 1
    assert told.index("state_taken_up") > told.index("real_server_down")


def test_what_operators_ordered_outlives_a_restart(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        outcome = await house.director.change(ME, Drain(Target(HERE.address)))
        assert outcome.result == "done"
        assert "restart" not in "".join(outcome.warnings)

    async def second(house: House) -> None:
        (override,) = house.director.book.orders.overrides
        assert (override.admin, override.who) == ("drain", "the test")
        assert house.director.controller.pools.by_name["shop"].members[0].standing.applied.admin == "drain"

    lives(tmp_path, first, second)


def test_a_second_director_with_the_same_directory_notifies_nobody_and_changes_nothing_of_it(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        await house.director.change(ME, Drain(Target(HERE.address)))
        other = Director(house.loader, Table(), ServiceManager({}), kernel=False)  # type: ignore[arg-type]
        api = Api(Listener(path=str(tmp_path / "other.sock")), None)
        config = house.loader.config
        await other.start(type(config)(config.director, api, config.virtual_servers))
        assert other.notifying.silent.startswith("another director uses")
        assert other.book.orders.overrides == ()
        await other.stop(withdraw=False)

    lives(tmp_path, first)
    assert "warned" not in names(tmp_path)


def test_readers_are_shown_how_saving_and_the_journal_do(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.director.change(ME, Drain(Target(HERE.address)))
        director = (await house.director.view.build()).director
        assert (director.state.path, director.state.failing) == (str(tmp_path / "state"), "")
        assert director.state.saved_at is not None
        assert director.journal.path == str(tmp_path / "state" / "events.db")
        assert director.journal.events_total > 0

    lives(tmp_path, story)


def test_events_of_the_director_before_this_one_are_read_over_http(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        await until(lambda: health(house) is Health.DOWN)

    async def second(house: House) -> None:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "api.sock")
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert b'"real_server_down"' in answer

    lives(tmp_path, first, second)
