"""Notifiers in a director: real receivers on loopback, some of which are deaf."""

import asyncio
import json
import logging
import os
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthlb.daemon.chronicle import Chronicle
from healthlb.daemon.notifying import Notifying
from healthlb.model.config import Config
from healthlb.model.events import Event, NotifierFailed, QuorumLost, RealServerDown, Warned
from healthlb.model.evidence import Evidence
from healthlb.model.notifiers import Command, Fifo, Mail, Notifier, Webhook
from healthlb.model.occurrence import Occurrence, name_of
from healthlb.notify import outbox
from tests.daemon.rig import WEB1, config, shop, web
from tests.notify.happenings import happened
from waiting import until

ALL = frozenset(name_of(kind) for kind in Event.__args__)  # type: ignore[attr-defined]
PLAIN = config(shop(web(WEB1)))


class Receiver:
    """An HTTP receiver that takes everything, or is deaf: it takes connections and says nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.deaf = False
        self.bodies: list[dict[str, Any]] = []
        self.connections = 0

    def hook(self, **settings: Any) -> Webhook:
        return Webhook(url=f"http://127.0.0.1:{self.port}/", **settings)

    @property
    def messages(self) -> list[str]:
        """The sentences of all events that came, in order."""
        return [event["message"] for body in self.bodies for event in body["events"]]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            if self.deaf:
                await reader.read()
                return
            self.bodies.append(json.loads(body))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    listener = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = listener.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        listener.close()
        await listener.wait_closed()


class House:
    """A chronicle and its notifiers."""

    def __init__(self, *, dry_run: bool = False) -> None:
        self.now = 1_792_000_000.0
        self.chronicle = Chronicle(lambda: self.now)
        self.notifying = Notifying(self.chronicle.record, random.Random(1), dry_run=dry_run)
        self.chronicle.listeners.append(self.notifying.hear)
        self.events: list[Occurrence] = []
        self.chronicle.listeners.append(self.events.append)

    def adopt(self, *notifiers: Notifier, plain: Config = PLAIN) -> None:
        self.notifying.adopt(replace(plain, notifiers={each.name: each for each in notifiers}))

    def status(self, name: str) -> Any:
        return next(each for each in self.notifying.statuses() if each.name == name)


def notifier(name: str, settings: Webhook | Command | Fifo | Mail, **more: Any) -> Notifier:
    given: dict[str, Any] = {"events": ALL, "group": 0.0, "timeout": 60.0, **more}
    return Notifier(name, settings, **given)


def play(story: Callable[[House, Receiver], Coroutine[Any, Any, None]], **house: Any) -> None:
    async def whole() -> None:
        async with receiving() as receiver:
            here = House(**house)
            try:
                await story(here, receiver)
            finally:
                await here.notifying.close()

    asyncio.run(whole())


def test_what_happens_is_told_with_everything_but_what_a_probe_saw() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        house.adopt(notifier("oncall", receiver.hook()))
        house.chronicle.record(RealServerDown("shop", "web1", "web", "refused", 3, "", Evidence(b"GET", b"secret")))
        await until(lambda: receiver.bodies)
        [body] = receiver.bodies
        assert body["director"] == PLAIN.director.name
        assert body["dry_run"] is True
        assert body["message"] == "shop: web1 is DOWN: web: refused (3 results in a row)"
        assert body["events"][0]["details"] == {
            "virtual_server": "shop", "real_server": "web1", "check": "web", "reason": "refused", "streak": 3,
            "evidence": "",
        }  # fmt: skip
        assert house.events[0].details["saw"]["received"] == "secret"

    play(story, dry_run=True)


def test_every_way_out_is_told(tmp_path: Path) -> None:
    told, fifo = tmp_path / "told", tmp_path / "fifo"
    os.mkfifo(fifo)
    file = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    async def story(house: House, receiver: Receiver) -> None:
        mails: list[bytes] = []

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 relay\r\n")
            while line := await reader.readline():
                writer.write(b"354 go\r\n" if line == b"DATA\r\n" else b"250 well\r\n")
                if line == b"DATA\r\n":
                    mails.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 queued\r\n")
                if line == b"QUIT\r\n":
                    break
            writer.close()

        listener = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        script = ("/bin/sh", "-c", 'cat > "$0"', str(told))
        house.adopt(
            notifier("hook", receiver.hook()),
            notifier("program", Command(script, user="root" if os.geteuid() == 0 else None)),
            notifier("lines", Fifo(str(fifo))),
            notifier("mail", Mail(to=("oncall@example.com",), sender="me@example.com", port=port)),
        )
        house.notifying.hear(happened())
        await until(lambda: all(each.sent_total == 1 for each in house.notifying.statuses()))
        assert [each.type for each in house.notifying.statuses()] == ["webhook", "command", "fifo", "mail"]
        assert receiver.messages == ["shop: web1 real_server_down"]
        assert json.loads(told.read_text())["events"][0]["message"] == "shop: web1 real_server_down"
        assert os.read(file, 4096) == b"RS [192.0.2.1]:tcp:8080 [198.51.100.1]:tcp:80 DOWN\n"
        assert b"real_server_down" in mails[0]
        listener.close()
        await listener.wait_closed()

    try:
        play(story)
    finally:
        os.close(file)


def test_a_program_that_fails_is_told_with_what_it_said_and_tried_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = ("/bin/sh", "-c", 'test -e "$0" || { echo "the gate is shut" >&2; exit 75; }', str(gate))

    async def story(house: House, _: Receiver) -> None:
        house.adopt(notifier("program", Command(script, user="root" if os.geteuid() == 0 else None)))
        house.notifying.hear(happened())
        await until(lambda: house.status("program").failing)
        assert house.status("program").failing == "/bin/sh: exit status 75: the gate is shut"
        gate.touch()
        await until(lambda: house.status("program").sent_total == 1)
        assert [each.name for each in house.events] == ["notifier_failed", "notifier_recovered"]

    play(story)


def test_keepalived_lines_are_a_programs_input_and_without_any_it_is_not_started(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = ("/bin/sh", "-c", 'cat >> "$0"', str(told))

    async def story(house: House, _: Receiver) -> None:
        user = "root" if os.geteuid() == 0 else None
        house.adopt(notifier("program", Command(script, user=user, format="keepalived")))
        house.notifying.hear(happened("warned", None, None))
        house.notifying.hear(happened("quorum_lost", server=None))
        await until(lambda: house.status("program").sent_total == 2)
        assert told.read_text() == "VS [198.51.100.1]:tcp:80 DOWN\n"

    play(story)


def test_a_thousand_events_in_a_second_and_a_deaf_receiver_delay_nobody() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        receiver.deaf = True
        async with receiving() as other:
            house.adopt(
                notifier("deaf", receiver.hook(), queue=50, timeout=60.0),
                notifier("other", other.hook(), group=0.02),
            )
            house.notifying.hear(happened())  # what is imported or made once
            await until(lambda: receiver.connections and other.bodies)
            tracemalloc.start()
            try:
                for number in range(1000):
                    house.notifying.hear(happened(server=f"web{number}", saw={"received": f"{number} " * 2000}))
                    if number % 50 == 0:
                        await asyncio.sleep(0.01)
                await until(lambda: len(other.messages) == 1001)
                other.bodies.clear()
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            status = house.status("deaf")
            assert (status.waiting, status.dropped_total) == (51, 950)
            assert (status.sent_total, status.failed_total) == (0, 0)
            assert house.status("other").dropped_total == 0
            assert held < 300_000, "51 messages, without the 8 kB that each probe saw"
            assert receiver.connections == 1

    play(story)


def test_a_quorum_is_told_to_whom_its_pool_names() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        pools = {name: replace(each, on_quorum_lost=("oncall",)) for name, each in PLAIN.virtual_servers.items()}
        house.adopt(
            notifier("oncall", receiver.hook(), events=frozenset()), plain=replace(PLAIN, virtual_servers=pools)
        )
        house.chronicle.record(QuorumLost("mail", 0))
        house.chronicle.record(QuorumLost("shop", 0))
        await until(lambda: receiver.bodies)
        assert receiver.messages == ["shop lost its quorum: live weight 0"]

    play(story)


def test_a_notifier_that_fails_has_no_news_of_itself() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        async with receiving() as gone:
            nobody = gone.hook()
        house.adopt(notifier("gone", nobody), notifier("here", receiver.hook()))
        house.chronicle.record(Warned("first"))
        await until(lambda: [each for each in house.events if each.name == "notifier_failed"])
        house.chronicle.record(Warned("second"))
        await until(lambda: len(receiver.bodies) == 2)
        assert receiver.messages == ["first", "second"]
        assert house.events[1].sentence.startswith("notifier gone cannot deliver: 127.0.0.1:")

    play(story)


def test_a_reload_keeps_what_waits_and_the_counters_even_for_another_address() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        async with receiving() as gone:
            nobody = gone.hook()
        house.adopt(notifier("oncall", nobody))
        house.chronicle.record(Warned("first"))
        await until(lambda: house.status("oncall").failing)
        house.adopt(notifier("oncall", nobody), notifier("other", receiver.hook(), events=frozenset({"table_lost"})))
        assert house.status("oncall").waiting == 1
        house.adopt(notifier("oncall", receiver.hook()))
        await until(lambda: receiver.bodies)
        assert receiver.messages == ["first"]
        assert house.status("oncall").sent_total == 1

    play(story)


def test_a_notifier_that_is_taken_away_finishes_or_is_dropped_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox.Outbox.stop, "__defaults__", (60.0,))

    async def story(house: House, receiver: Receiver) -> None:
        async with receiving() as deaf:
            deaf.deaf = True
            never = notifier("deaf", deaf.hook())
            house.adopt(never, notifier("here", receiver.hook(), group=60.0))
            house.chronicle.record(Warned("first"))
            await until(lambda: deaf.connections)
            with caplog.at_level(logging.WARNING):
                house.adopt(never)
                await until(lambda: receiver.bodies)
                monkeypatch.setattr(outbox.Outbox.stop, "__defaults__", (0.05,))
                house.adopt()
                assert house.notifying.statuses() == ()
                house.chronicle.record(Warned("second"))
                await until(lambda: caplog.records and not house.notifying._leaving)
        assert receiver.messages == ["first"]
        assert "notifier deaf ends: 1 message was not delivered" in [each.getMessage() for each in caplog.records]

    play(story)


def test_a_director_that_is_to_be_silent_tells_nobody_and_says_so() -> None:
    async def story(house: House, receiver: Receiver) -> None:
        house.adopt(notifier("oncall", receiver.hook()))
        house.notifying.silent = "another director holds the state"
        house.chronicle.record(Warned("first"))
        assert house.status("oncall").waiting == 0
        assert house.status("oncall").failing == "another director holds the state"
        house.notifying.silent = ""
        house.chronicle.record(Warned("second"))
        await until(lambda: receiver.bodies)
        assert receiver.messages == ["second"]

    play(story)


def test_no_secret_of_a_receiver_is_in_a_status_or_an_event(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("s3cret")

    async def story(house: House, _: Receiver) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 x\r\nContent-Type: text/plain\r\n\r\n" + request.partition(b"\r\n")[0])
            writer.close()

        listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/services/s3cret?token=s3cret"
        house.adopt(notifier("oncall", Webhook(url=url, header_files=(("X-Token", str(password)),))))
        house.chronicle.record(Warned("first"))
        await until(lambda: house.status("oncall").failing)
        assert "s3cret" not in repr((house.notifying.statuses(), house.events))
        assert [each.name for each in house.events] == ["warned", name_of(NotifierFailed)]
        listener.close()
        await listener.wait_closed()

    play(story)
