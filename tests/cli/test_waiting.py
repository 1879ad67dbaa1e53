"""`drain --wait`: when a machine is safe to reboot, and what is said when it is not."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli.changing import Target
from healthlb.cli.client import Way
from healthlb.cli.main import main
from healthlb.cli.waiting import LOST, Ended, Progress, wait
from tests.cli.stand_in import Asked, StandIn, standing_in
from waiting import eventually

MACHINE = Target("192.0.2.11")
SERVER = Target("web1", "shop")


def real_server(pool: str = "shop", **changed: Any) -> dict[str, Any]:
    """Return a real server that is drained: its row is there with weight 0, and nothing is open."""
    connections = dict.fromkeys(("active", "inactive", "persistent"), 0) | changed.pop("connections", {})
    whole = {
        "virtual_server": pool,
        "real_server": "web1",
        "address": "192.0.2.11:80",
        "health": "up",
        "admin": "drained",
        "drained": True,
        "weight": {"configured": 2, "effective": 0, "kernel": 0},
        "connections": connections,
    }
    return whole | changed


def draining(pool: str = "shop", **connections: int) -> dict[str, Any]:
    return real_server(pool, admin="draining", drained=False, connections=connections)


class Director:
    """Answers each look with the next of `looks`, the last again and again; a number is an HTTP status."""

    def __init__(self) -> None:
        self.looks: list[list[dict[str, Any]] | int] = [[real_server()]]
        self.others: dict[str, list[Any]] = {"sorry_servers": [], "leaving": []}
        self.asked = 0

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path.startswith("/api/v1/real_servers"):
            look = self.looks[min(self.asked, len(self.looks) - 1)]
            self.asked += 1
            if isinstance(look, int):
                return look, {"error": "As the test says."}
            return 200, {"real_servers": look, **self.others}
        servers = [{"virtual_server": "shop", "real_server": "web1"}]
        return 200, {"result": "done", "message": "Done.", "servers": servers, "warnings": ["mind the gap."]}


@pytest.fixture
def director() -> Director:
    return Director()


@pytest.fixture
def server(director: Director, tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(director, tmp_path / "admin.sock") as server:
        yield server


Waiting = Callable[..., Ended]


@pytest.fixture
def waiting(server: StandIn) -> Waiting:
    """Wait by a clock that only a pause moves on."""

    def waited(target: Target = MACHINE, deadline: float = 60.0, **more: Any) -> Ended:
        now = [0.0]

        def pause(seconds: float) -> None:
            now[0] += seconds or 0.001

        return wait(Way(server.url), target, deadline, clock=lambda: now[0], pause=pause, **more)

    return waited


def test_a_machine_is_safe_once_no_virtual_server_has_a_connection_to_it(director: Director, waiting: Waiting) -> None:
    director.looks = [
        [draining("shop", active=3), draining("mail")],
        [draining("shop", active=1), real_server("mail")],
        [real_server("shop"), real_server("mail")],
    ]
    shown: list[str] = []
    ended = waiting(show=shown.append)
    assert (ended.safe, ended.pools, ended.seconds) == (True, 2, 2.0)
    assert shown == [
        "waiting for 192.0.2.11: shop: 3 active connections; mail: no connections, to be looked at once more",
        "waiting for 192.0.2.11: shop: 1 active connection",
    ]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (draining(active=12), "shop: 12 active connections"),
        (draining(inactive=5), "shop: 5 connections that may still be used"),
        (draining(persistent=1), "shop: 1 client held to it by persistence"),
        (real_server(connections={"active": 2}), "shop: 2 active connections"),
        (
            real_server(weight={"configured": 2, "effective": 0, "kernel": 2}),
            "shop: still has weight 2 in the kernel",
        ),
    ],
)
def test_at_the_deadline_it_is_told_what_is_open(
    state: dict[str, Any], told: str, director: Director, waiting: Waiting
) -> None:
    director.looks = [[state]]
    ended = waiting(deadline=5.0)
    assert (ended.safe, ended.open, ended.seconds) == (False, [told], 5.0)


@pytest.mark.parametrize("health", ["up", "down", "unknown"])
@pytest.mark.parametrize("kernel", [0, None])
def test_connections_alone_decide_whatever_the_health(
    health: str, kernel: int | None, director: Director, waiting: Waiting
) -> None:
    weight = {"configured": 2, "effective": kernel, "kernel": kernel}
    director.looks = [[real_server(health=health, weight=weight)]]
    assert waiting().safe
    director.looks = [[draining(active=1) | {"health": health}]]
    assert not waiting(deadline=2.0).safe


def test_two_ports_of_one_machine_in_one_pool_are_told_apart(director: Director, waiting: Waiting) -> None:
    director.looks = [[draining(active=1), draining(active=2) | {"real_server": "web1b"}]]
    assert waiting(deadline=1.0).open == ["shop: web1: 1 active connection", "shop: web1b: 2 active connections"]


def test_a_director_that_restarts_is_asked_again_until_the_deadline(
    director: Director, server: StandIn, waiting: Waiting
) -> None:
    director.looks = [[draining(active=1)], 503, 500, [real_server()]]
    shown: list[str] = []
    assert waiting(show=shown.append).safe
    assert "the director answered 503" in shown[1]
    server.answering = lambda _: (200, "no JSON")
    ended = waiting(deadline=3.0)
    assert (ended.safe, ended.seconds) == (False, 3.0)
    assert "no healthlb director" in ended.open[0]


def test_a_director_that_is_gone_is_waited_for(waiting: Waiting, server: StandIn) -> None:
    Path(server.url.removeprefix("unix:")).unlink()
    ended = waiting(deadline=4.0)
    assert (ended.safe, ended.seconds) == (False, 4.0)
    assert "no such socket" in ended.open[0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_the_director_refuses_ends_the_wait(status: int, director: Director, waiting: Waiting) -> None:
    director.looks = [[draining(active=1)], status]
    ended = waiting()
    assert (ended.seconds, ended.open) == (1.0, [f"the director answered {status}: As the test says."])


def test_a_drain_that_somebody_took_back_ends_the_wait(director: Director, waiting: Waiting) -> None:
    director.looks = [[draining(active=1)], [real_server(admin="enabled", drained=False)]]
    ended = waiting()
    assert ended.open == ["shop: takes new connections, its drain was taken back or is over"]
    assert ended.seconds == LOST


def test_a_server_that_only_begins_to_drain_is_not_taken_for_one_that_was_taken_back(
    director: Director, waiting: Waiting
) -> None:
    enabled = [real_server(admin="enabled", drained=False)]
    director.looks = [*[enabled] * (LOST - 1), [draining(active=1)], *[enabled] * (LOST - 1), [real_server()]]
    assert waiting().safe


def test_rows_that_are_to_go_are_waited_for(director: Director, waiting: Waiting) -> None:
    gone = real_server(weight={"configured": 2, "effective": None, "kernel": None})
    director.looks = [[real_server()], [gone]]
    assert waiting(out=True).seconds == 1.0
    director.asked, director.looks = 0, [[real_server()]]
    assert waiting(out=True, deadline=1.0).open == ["shop: its row is still in the table"]


def row(address: str, active: int, kernel: int | None = None) -> dict[str, Any]:
    connections = {"active": active, "inactive": 0, "persistent": 0}
    row = {"virtual_server": "old", "address": address, "connections": connections}
    return row if kernel is None else row | {"weight": {"kernel": kernel}}


@pytest.mark.parametrize(
    ("leaving", "sorry", "told"),
    [
        ([row("192.0.2.11:81", 2)], [], ["old: 192.0.2.11:81: 2 active connections"]),
        ([], [row("192.0.2.11:82", 0, 1)], ["old: 192.0.2.11:82 takes connections as a sorry server"]),
        ([], [row("192.0.2.11:82", 1, 0)], ["old: 192.0.2.11:82: 1 active connection"]),
        ([row("192.0.2.11:81", 0)], [row("192.0.2.11:82", 0, 0)], []),
    ],
)
def test_a_machine_is_not_safe_while_a_row_that_was_left_behind_or_a_sorry_server_of_it_has_connections(
    leaving: list[Any], sorry: list[Any], told: list[str], director: Director, waiting: Waiting
) -> None:
    director.others = {"leaving": leaving, "sorry_servers": sorry}
    assert waiting(deadline=1.0).open == told


def test_a_server_that_leaves_its_pool_meanwhile_is_waited_for_by_its_address(
    director: Director, server: StandIn, waiting: Waiting
) -> None:
    director.looks = [[draining(active=1)], []]
    director.others["leaving"] = [row("192.0.2.11:80", 1)]
    assert waiting(SERVER, deadline=3.0).open == ["old: 192.0.2.11:80: 1 active connection"]
    names = [asked.query.partition("&real_server=")[2] for asked in server.asked]
    assert names == ["web1", *["192.0.2.11:80"] * 3]
    director.others["leaving"] = []
    assert waiting(SERVER).safe


@pytest.mark.parametrize("answer", [{}, {"real_servers": 3}, {"real_servers": [{}]}, {"real_servers": [None]}])
def test_an_answer_that_is_no_directors_ends_the_wait(answer: Any, server: StandIn, waiting: Waiting) -> None:
    server.answering = lambda _: (200, answer)
    assert "no healthlb director that this version understands" in waiting().open[0]


def drained(server: StandIn, *words: str) -> int:
    return main(["drain", *words, "--wait", "--url", server.url])


def test_safe_to_reboot_is_one_sentence_and_status_0(
    director: Director, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.looks = [[real_server("shop"), real_server("mail"), real_server("dns")]]
    assert drained(server, "--host", "192.0.2.11") == 0
    printed = capsys.readouterr()
    assert printed.out == "192.0.2.11 is safe to reboot: no connections left in 3 virtual servers\n"
    assert printed.err == "healthlb: warning: mind the gap.\n"


def test_one_port_or_one_pool_is_not_the_whole_machine(
    director: Director, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    for host in ("192.0.2.11:80", "[2001:db8::1]:80"):
        assert drained(server, "--host", host) == 0
        assert capsys.readouterr().out == f"{host} is safe to stop: no connections left in 1 virtual server\n"
    assert drained(server, "--host", "2001:db8::1") == 0
    assert "2001:db8::1 is safe to reboot" in capsys.readouterr().out
    assert drained(server, "shop", "web1") == 0
    assert capsys.readouterr().out == "web1 in shop is safe to take away: no connections left\n"


def test_not_safe_is_one_sentence_and_status_1(
    director: Director, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.looks = [[draining(active=12)]]
    assert drained(server, "--host", "192.0.2.11", "--deadline", "10ms") == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("not safe: shop: 12 active connections")
    assert printed.err.splitlines()[1:] == ["waiting for 192.0.2.11: shop: 12 active connections"]


def test_the_wait_for_programs_is_one_object(
    director: Director, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drained(server, "shop", "web1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["safe"], told["open"], told["real_servers"]) == (True, [], [real_server()])


def test_removing_with_wait_drains_first_and_removes_what_is_empty_only(
    director: Director, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["remove", "shop", "web1", "--wait", "--deadline", "10ms", "--url", server.url]
    director.looks = [[draining(active=1)]]
    assert main(words) == 1
    assert "not removed, the drain stays: shop: web1: 1 active connection" in capsys.readouterr().err
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["safe"] is False
    assert "DELETE" not in [asked.method for asked in server.asked]
    director.looks = [[real_server()]]
    assert main(words) == 0
    commands = [(asked.method, asked.plain.rpartition("/")[2]) for asked in server.asked if asked.method != "GET"]
    assert commands[-2:] == [("POST", "drain"), ("DELETE", "web1")]


def test_an_interrupted_wait_says_that_the_drain_stays(director: Director, server: StandIn) -> None:
    director.looks = [[draining(active=1)]]
    process = subprocess.Popen(
        [sys.executable, "-m", "healthlb", "drain", "--host", "192.0.2.11", "--wait", "--url", server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        eventually(lambda: director.asked, lambda asked: asked > 0)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == (
        "healthlb: interrupted; the drain stays, `healthlb undrain --host 192.0.2.11` takes it back"
    )


def test_progress_is_one_line_written_again_on_a_terminal() -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        progress = Progress(terminal)
        for text in ("one", "one", "two" * 200):
            progress.show(text)
        progress.end()
        terminal.flush()
        shown = ""
        while shown.count("\r\x1b[K") < 3:  # a terminal hands on what it was given in pieces
            shown += os.read(reader, 10_000).decode()
    os.close(reader)
    first, second, third = shown.removeprefix("\r\x1b[K").split("\r\x1b[K")
    assert first == "one"
    assert second.startswith("twotwo")
    assert third == ""
    assert "\n" not in shown


def test_progress_is_a_line_a_change_elsewhere() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for text in ("one", "one", "two"):
        progress.show(text)
    progress.end()
    assert stream.getvalue() == "one\ntwo\n"


def test_progress_that_nobody_reads_any_more_is_no_failure() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    progress = Progress(Gone())
    progress.show("one")
    progress.show("two")
    progress.end()
