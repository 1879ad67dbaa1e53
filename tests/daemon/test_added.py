"""Real servers that are added at run time to what a real file says."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from healthlb.config.loader import Loader
from healthlb.daemon import watching
from healthlb.daemon.app import Director
from healthlb.daemon.service_manager import ServiceManager
from healthlb.model.changes import Actor, Add, ChangeOutcome, Remove, Target
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Addition, Orders
from tests.daemon.rig import Table
from waiting import until

ME = Actor("the test", "it says so")
FIRST, SECOND = Endpoint("127.0.0.2", 80), Endpoint("127.0.0.3", 80)
FILE = """
director:
  name: lb1
  watch: {watch}
api:
  listen: unix:{folder}/api.sock
  admin: unix:{folder}/admin.sock
checks:
  slow: {{type: tcp, interval: 1h, fall: 9}}
  echo: {{type: tcp, interval: 1h, fall: 9}}
virtual_servers:
  shop:
    address: 198.51.100.1:80
    scheduler: rr
    method: nat
    check: slow
    initial: trust
    weight: 4
    real_servers:
      - address: 127.0.0.2:80
"""


class Whole:
    """A director over a real file."""

    def __init__(self, folder: Path, *, watch: bool) -> None:
        self.path = folder / "healthlb.yaml"
        self.text = FILE.format(folder=folder, watch=str(watch).lower())
        self.path.write_text(self.text)
        self.loader = Loader(str(self.path))
        self.table = Table()
        self.director = Director(self.loader, self.table, ServiceManager({}), kernel=False)

    def weights(self) -> dict[str, int]:
        key = next(iter(self.director.controller.pools.ours))
        return {str(each): weight for each, weight in (self.table.weights(key) or {}).items()}

    def edit(self, before: str, after: str) -> None:
        assert before in self.text
        self.text = self.text.replace(before, after)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(self.text)
        fresh.rename(self.path)

    async def add(self, **settings: Any) -> ChangeOutcome:
        return await self.director.change(ME, Add("shop", json.dumps(settings)))


def play(folder: Path, story: Callable[[Whole], Coroutine[Any, Any, None]], *, watch: bool = False) -> None:
    async def run() -> None:
        whole = Whole(folder, watch=watch)
        director = whole.director
        await director.start(whole.loader.load())
        working = [asyncio.create_task(director.controller.run()), asyncio.create_task(director._watcher.run())]
        try:
            await story(whole)
        finally:
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await director._tasks.stop()
            await director.stop(withdraw=False)

    asyncio.run(run())


def test_an_added_server_inherits_what_the_files_own_inherit(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        outcome = await whole.add(address="127.0.0.3:80", name="web3")
        assert outcome.result == "done", outcome
        assert whole.weights() == {"127.0.0.2:80": 4, "127.0.0.3:80": 4}
        whole.edit("weight: 4", "weight: 6")
        assert (await whole.director.reload(ME)).accepted
        config = whole.director.controller.config
        assert config is not None
        servers = config.virtual_servers["shop"].real_servers
        assert [(each.name, each.weight, each.origin) for each in servers] == [
            ("127.0.0.2:80", 6, "file"),
            ("web3", 6, "runtime"),
        ]

    play(tmp_path, story)


def test_what_a_request_gets_wrong_is_refused_with_its_key(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        outcome = await whole.add(address="127.0.0.3:80", wieght=3)
        assert (outcome.result, outcome.wrong) == ("refused", True)
        assert outcome.message == "wieght: unknown key; did you mean 'weight'?"
        many = await whole.add(address="127.0.0.3:80", **{f"key{number}": 1 for number in range(30)})
        assert many.message.endswith("; and 10 more.")
        taken = await whole.add(address="127.0.0.2:80")
        assert (taken.result, taken.wrong) == ("refused", False)
        assert "127.0.0.2:80 is in this pool already" in taken.message
        assert (await whole.director.change(ME, Add("shop", "[1]"))).result == "refused"
        assert (await whole.director.change(ME, Add("shop", "\ud800"))).result == "refused"
        missing = await whole.add(address="127.0.0.3:80", check={"type": "http", "password_file": "/nowhere"})
        assert (missing.result, missing.wrong) == ("refused", True)

    play(tmp_path, story)


def test_a_check_whose_file_is_not_there_is_refused_before_it_is_in_force(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        check = {"type": "tcp", "tls": {"ca_file": str(tmp_path / "none.pem")}}
        outcome = await whole.add(address="127.0.0.3:443", check=check)
        assert outcome.result == "refused"
        assert "none.pem" in outcome.message
        assert whole.weights() == {"127.0.0.2:80": 4}

    play(tmp_path, story)


def test_an_addition_whose_check_the_file_names_no_more_waits_for_it(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        assert (await whole.add(address="127.0.0.3:80", check="echo")).result == "done"
        assert whole.weights() == {"127.0.0.2:80": 4, "127.0.0.3:80": 4}
        whole.edit("  echo:", "  other:")
        assert (await whole.director.reload(ME)).accepted
        assert whole.weights() == {"127.0.0.2:80": 4}
        snapshot = await whole.director.view.build()
        assert any("kept aside" in each for each in snapshot.director.warnings)
        whole.edit("  other:", "  echo:")
        assert (await whole.director.reload(ME)).accepted
        assert whole.weights() == {"127.0.0.2:80": 4, "127.0.0.3:80": 4}

    play(tmp_path, story)


def test_an_addition_that_is_nonsense_by_now_does_not_keep_a_file_from_being_in_force(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        additions = [("shop", FIRST, "{}"), ("shop", SECOND, "[]"), ("gone", FIRST, "")]
        whole.director.book.orders = Orders((), tuple(Addition(*each, who="bob") for each in additions))
        outcome = await whole.director.reload(ME)
        assert outcome.changes == (
            "shop: 127.0.0.2:80 is in the file now; the addition at run time by bob is dropped",
            "the addition of 127.0.0.2:80 is dropped: there is no virtual server gone",
        )
        assert whole.weights() == {"127.0.0.2:80": 4}
        assert [each.address for each in whole.director.book.orders.additions] == [SECOND]

    play(tmp_path, story)


def test_removing_the_only_server_and_adding_it_again_leaves_all_as_it_was(tmp_path: Path) -> None:
    async def story(whole: Whole) -> None:
        outcome = await whole.director.change(ME, Remove(Target("127.0.0.2", "shop")))
        assert outcome.warnings == ("No live server is left in shop.",)
        assert whole.weights() == {}
        assert (await whole.add(address="127.0.0.2:80")).result == "done"
        assert whole.weights() == {"127.0.0.2:80": 4}
        assert whole.director.book.orders == Orders()

    play(tmp_path, story)


def test_a_watched_file_takes_over_a_server_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.005)
    monkeypatch.setattr(watching, "REST", 0.02)

    async def story(whole: Whole) -> None:
        assert (await whole.add(address="127.0.0.3:80")).result == "done"
        whole.edit("      - address: 127.0.0.2:80\n", "      - address: 127.0.0.2:80\n      - address: 127.0.0.3:80\n")
        await until(lambda: whole.director.book.orders == Orders())
        assert whole.weights() == {"127.0.0.2:80": 4, "127.0.0.3:80": 4}

    play(tmp_path, story, watch=True)
