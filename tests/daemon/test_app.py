"""The whole director in this process, with a table in memory and a file that the test holds."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from checks import Check, Tls
from checks.options import Record, option
from checks.tcp import Tcp
from healthlb.config.faults import ConfigError
from healthlb.daemon.app import Director, StartError
from healthlb.daemon.service_manager import ServiceManager
from healthlb.daemon.signals import hold_signals
from healthlb.model.changes import Actor
from healthlb.model.check import Probe
from healthlb.model.config import Api, Config, Listener
from healthlb.model.endpoint import Endpoint
from tests.daemon.rig import CHECK, OTHER, VIP, Table, config, shop, web
from waiting import until

HERE = Endpoint("127.0.0.1", 9)
"""The only place that is probed; nobody has to answer there."""
REAL = replace(CHECK, type="tcp", conversation=Tcp())
SERVER = web(HERE, probes=(Probe(REAL, HERE),))

ME = Actor("the test")


class Loader:
    """Holds the configuration that it gives, counts how often it is asked, and can be made to wait or to refuse."""

    def __init__(self) -> None:
        self.config = config(shop(SERVER))
        self.loads = 0
        self.print: object = 0
        self.as_read: object = 0
        self.fault: ConfigError | None = None
        self.going = threading.Event()
        self.going.set()

    def fingerprint(self) -> object:
        return self.print

    def load(self) -> Config:
        self.loads += 1
        self.as_read = self.print
        found = self.config
        self.going.wait(60)
        if self.fault is not None:
            raise self.fault
        return found


class House:
    """A director that serves in a task."""

    def __init__(self, api: Api, table: Table) -> None:
        self.loader = Loader()
        self.table = table
        self.api = api
        self.director = Director(self.loader, self.table, ServiceManager({}), kernel=False)  # type: ignore[arg-type]
        self.serving: asyncio.Task[int] | None = None

    def put(self, *servers: Any, **director: Any) -> None:
        plain = config(*servers, **director)
        self.loader.config = Config(plain.director, self.api, plain.virtual_servers)

    async def begin(self) -> None:
        self.serving = asyncio.create_task(self.director.run(self.loader.config))
        await until(self._begun)

    def _begun(self) -> bool:
        serving = self.serving is not None and not self.serving.done()
        return serving and self.director.controller.known is not None and not self.director._turn.locked()


def play(folder: Path, story: Callable[[House], Coroutine[Any, Any, None]], **kernel: Any) -> House:
    async def whole() -> House:
        api = Api(Listener(path=str(folder / "api.sock")), Listener(path=str(folder / "admin.sock")))
        house = House(api, Table(**kernel))
        house.put(shop(SERVER))
        try:
            await story(house)
        finally:
            house.loader.going.set()
            house.director._stop.set()
            if house.serving is not None:
                await asyncio.wait([house.serving])
        return house

    return asyncio.run(whole())


def test_a_storm_of_hangups_costs_two_reloads_and_the_last_file_wins(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.begin()
        house.loader.going.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: house.loader.loads == 1)
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
        house.put(shop(SERVER, key=OTHER))
        house.loader.going.set()
        reloading = house.director._reloading
        await until(lambda: house.loader.loads >= 2 and not reloading.reading.locked() and not reloading._next)
        assert house.loader.loads == 2
        assert house.table.weights(OTHER) is not None
        assert house.table.weights(VIP) is None

    play(tmp_path, story)


def test_one_who_asks_for_a_reload_and_goes_away_does_not_leave_it_half_done(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.begin()
        house.loader.going.clear()
        asking = asyncio.create_task(house.director.reload(ME))
        await until(lambda: house.loader.loads == 1)
        asking.cancel()
        house.put(shop(SERVER, key=OTHER))
        second = asyncio.create_task(house.director.reload(ME))
        house.loader.going.set()
        assert (await second).accepted
        assert house.table.weights(OTHER) is not None
        assert house.director.controller.in_sync

    play(tmp_path, story)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_before_the_director_listens_is_heard_once_it_does(tmp_path: Path, number: signal.Signals) -> None:
    async def story(house: House) -> None:
        hold_signals()
        signal.raise_signal(number)  # to this thread: another one, of an earlier test, would not hold it back
        await house.begin()
        if number == signal.SIGHUP:
            await until(lambda: house.loader.loads == 1)

    play(tmp_path, story)


def test_a_stop_during_the_start_ends_it_and_closes_every_door(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        going = threading.Event()
        house.table.refuse = lambda _: not going.wait(60)
        house.serving = asyncio.create_task(house.director.run(house.loader.config))
        await until((tmp_path / "admin.sock").exists)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await house.serving == 0
        going.set()

    play(tmp_path, story)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_twice_and_in_a_reload_is_one_stop(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.put(shop(SERVER), on_stop="remove")
        await house.begin()
        house.loader.going.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: house.loader.loads == 1)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert house.serving is not None
        assert await house.serving == 0
        assert house.table.weights(VIP) is None

    play(tmp_path, story)


def test_a_start_that_fails_leaves_no_door_open_and_the_table_untouched(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        taken = tmp_path / "admin.sock"
        taken.write_text("no socket")
        house.put(shop(SERVER), on_stop="remove")
        with pytest.raises(StartError, match=r"admin\.sock"):
            await house.director.run(house.loader.config)
        assert house.table.steps == []
        assert not (tmp_path / "api.sock").exists()

    play(tmp_path, story)


def test_a_scheduler_that_the_kernel_lacks_ends_the_start_with_its_module_and_an_untouched_table(
    tmp_path: Path,
) -> None:
    async def story(house: House) -> None:
        with pytest.raises(
            StartError, match=r"^virtual_servers\.shop: the kernel has no scheduler 'rr' \(module ip_vs_rr\)$"
        ):
            await house.director.run(house.loader.config)
        assert house.table.steps == []
        assert not (tmp_path / "api.sock").exists()

    play(tmp_path, story, schedulers={"wlc"})


def test_a_scheduler_that_the_kernel_lacks_refuses_the_reload_and_what_was_in_force_stays(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.begin()
        before, steps = house.director.controller.config, list(house.table.steps)
        pool = shop(SERVER)
        house.put(replace(pool, service=replace(pool.service, scheduler="mh")))
        outcome = await house.director.reload(ME)
        assert not outcome.accepted
        assert outcome.message == "virtual_servers.shop: the kernel has no scheduler 'mh' (module ip_vs_mh)"
        assert house.director.controller.config is before
        assert house.table.steps == steps

    play(tmp_path, story, schedulers={"rr"})


def test_a_callback_that_raises_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(house: House) -> None:
        await house.begin()
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await until(lambda: "ZeroDivisionError" in caplog.text)

    play(tmp_path, story)
    (told,) = [record for record in caplog.records if "ZeroDivisionError" in record.getMessage()]
    assert told.exc_info is None
    assert "\n" not in told.getMessage()


def test_the_admin_door_reloads_a_file_that_moves_the_admin_door(tmp_path: Path) -> None:
    async def ask(path: Path) -> str:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def story(house: House) -> None:
        await house.begin()
        house.api = Api(house.api.listen, Listener(path=str(tmp_path / "moved.sock")))
        house.put(shop(SERVER))
        assert '"accepted": true' in await ask(tmp_path / "admin.sock")
        await until(lambda: not (tmp_path / "admin.sock").exists())
        assert '"accepted": true' in await ask(tmp_path / "moved.sock")

    play(tmp_path, story)


def test_the_director_keeps_serving_while_a_file_cannot_be_read(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.begin()
        house.loader.going.clear()
        reloading = asyncio.create_task(house.director.reload(ME))
        await until(lambda: house.loader.loads == 1)
        assert (await house.director.view.snapshot(1.0)).virtual_servers
        house.loader.fault = ConfigError([])
        house.loader.going.set()
        assert not (await reloading).accepted

    play(tmp_path, story)


@dataclass(frozen=True, slots=True)
class Needy(Check):
    """A check that cannot be carried out on this machine, or that has a fault in it."""

    type: ClassVar[str] = "needy"
    lacks: str = ""
    starttls: Tls | None = option(Record(Tls), "How TLS is spoken.", None)

    def prepare(self) -> str | None:
        assert threading.current_thread().name == "files", "the loop must not wait for files"
        if self.lacks == "sense":
            raise ValueError("no sense in it")
        return self.lacks or None


def needing(**lacks: Any) -> Any:
    check = replace(CHECK, name="login", type="needy", conversation=Needy(**lacks))
    return web(HERE, probes=(Probe(check, HERE),))


@pytest.mark.parametrize(
    ("lacks", "sentence"),
    [
        ({"lacks": "password_file /nowhere is not there"}, "check login: password_file /nowhere is not there"),
        ({"lacks": "sense"}, "check login: internal fault, please report it: ValueError: no sense in it"),
        ({"starttls": Tls(ca_file="/nowhere")}, "check login: ca_file /nowhere: no such file or directory"),
    ],
)
def test_a_check_that_cannot_be_carried_out_here_is_refused_at_start_and_at_a_reload(
    tmp_path: Path, lacks: Any, sentence: str
) -> None:
    async def story(house: House) -> None:
        good = house.loader.config
        house.put(shop(needing(**lacks)))
        with pytest.raises(StartError, match=sentence):
            await house.director.run(house.loader.config)
        assert house.table.weights() is None
        house.loader.config = good
        house.director = Director(house.loader, house.table, ServiceManager({}), kernel=False)  # type: ignore[arg-type]
        await house.begin()
        house.put(shop(needing(**lacks)))
        outcome = await house.director.reload(ME)
        assert not outcome.accepted
        assert outcome.message.startswith(sentence)

    play(tmp_path, story)


def test_a_check_that_can_be_carried_out_is_prepared_once_however_many_servers_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Check] = []

    def prepare(check: Check) -> None:
        prepared.append(check)

    monkeypatch.setattr(Needy, "prepare", prepare)

    async def story(house: House) -> None:
        other = replace(CHECK, name="again", type="needy", conversation=Needy())
        house.put(shop(needing()), shop(web(HERE, probes=(Probe(other, HERE),)), key=OTHER, name="other"))
        await house.begin()
        assert prepared == [Needy()]
        assert (await house.director.reload(ME)).accepted
        assert prepared == [Needy(), Needy()]

    play(tmp_path, story)
