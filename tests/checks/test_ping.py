"""Pings over loopback, and the verdicts on what comes back."""

import asyncio
import errno
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP

from checks import ProbeResult, Target, UnusableError, Way
from checks.engine import echo_line, shared_sockets
from checks.engine.echo import Echo, Pinging
from checks.engine.echo_line import Line, replies_only, round_trip
from checks.engine.raw import attach_filter
from checks.ping import MOST_BYTES, Percent, Ping, show_milliseconds
from tests.checks.servers import Run

HERE = Target("127.0.0.1", 0)
TRIPS = st.lists(st.floats(1e-6, 50), min_size=1, max_size=100)


def carrier(bench: Any) -> Echo:
    found = bench.engine.carrier("echo")
    assert isinstance(found, Echo)
    return found


def the_line(bench: Any) -> Line[Pinging]:
    (line,) = carrier(bench)._lines.all()
    return line


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.31.4.5"])
@pytest.mark.parametrize("check", [Ping(), Ping(size=8), Ping(size=1401), Ping(size=MOST_BYTES)], ids=str)
def test_an_address_that_answers_passes(run: Run, address: str, check: Ping) -> None:
    async def body(bench: Any) -> None:
        result = await bench.probe(check, Target(address, 80))
        assert result.passed, result.reason
        assert result.reason.startswith("echo back, round trip ")
        assert result.evidence.peer == address
        assert len(result.evidence.sent) == 8 + check.size
        assert result.evidence.received[8:] == result.evidence.sent[8:]
        assert carrier(bench).in_flight == 0
        assert not the_line(bench).busy

    run(body)


def test_several_requests_are_counted(run: Run) -> None:
    async def body(bench: Any) -> None:
        result = await bench.probe(Ping(count=5, spacing=0.01), HERE)
        assert result.passed
        assert result.reason.startswith("5 of 5 echoes back, round trip ")
        assert "(worst " in result.reason

    run(body)


def test_requests_that_do_not_fit_into_the_timeout_are_not_sent(run: Run) -> None:
    async def body(bench: Any) -> None:
        result = await bench.probe(Ping(count=5, spacing=0.5), HERE, 2.0)
        assert not result.sent
        assert result.reason == "not sent: 5 echoes 500ms apart do not fit into a timeout of 2s"

    run(body)


def silence(monkeypatch: pytest.MonkeyPatch, line: Line[Pinging]) -> None:
    """Have nothing come back: requests go, but nobody is there to read the replies."""
    monkeypatch.setattr(type(line), "replies", lambda _: (0, []))


def test_an_address_that_does_not_answer_fails_at_the_deadline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        silence(monkeypatch, the_line(bench))
        result = await bench.probe(Ping(), HERE, 1.0)
        assert (result.passed, result.sent, result.reason) == (False, True, "no echo back within 1s")
        result = await bench.probe(Ping(count=2, spacing=0.05, max_loss=50), HERE, 1.0)
        assert result.reason == "no echo back within 1s, at most 50% may be lost"
        assert not the_line(bench).busy

    run(body)


def test_only_the_reply_to_this_very_request_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        line = the_line(bench)
        taken: list[echo_line.Reply] = []
        read = Line.replies

        def hold(self: Line[Pinging]) -> tuple[int, list[echo_line.Reply]]:
            count, replies = read(self)
            taken.extend(replies)
            return count, []

        monkeypatch.setattr(Line, "replies", hold)
        ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        bench.start(Ping(), HERE, 20.0, ended.set_result)
        carrier(bench)._send_waiting()
        carrier(bench)._hear_replies(line)  # the kernel has answered on loopback already
        (reply,) = taken
        key, data = reply.key, reply.data
        forged = [
            echo_line.Reply(("127.0.0.2", key[1]), reply.message, data, None),
            echo_line.Reply((key[0], key[1] ^ 1), reply.message, data, None),
            echo_line.Reply(key, reply.message, bytes(8) + data[8:], None),
        ]
        monkeypatch.setattr(Line, "replies", lambda _: (3, forged))
        carrier(bench)._hear_replies(line)
        assert not ended.done()
        monkeypatch.setattr(Line, "replies", lambda _: (2, [reply, reply]))
        carrier(bench)._hear_replies(line)  # the second is a duplicate
        assert (await ended).passed

    run(body)


def test_an_echo_with_other_data_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        read = Line.replies

        def cut(self: Line[Pinging]) -> tuple[int, list[echo_line.Reply]]:
            count, replies = read(self)
            for reply in replies:
                reply.data = reply.data[:-1]
            return count, replies

        monkeypatch.setattr(Line, "replies", cut)
        result = await bench.probe(Ping(), HERE)
        assert (result.passed, result.sent, result.reason) == (False, True, "the echo's data is not what was sent")

    run(body)


class Fed:
    """A socket from which any packets come, and any errors."""

    family = socket.AF_INET

    def __init__(self, packets: list[bytes]) -> None:
        self.packets = packets

    def recvmsg(self, _size: int, _room: int, _flags: int = 0) -> tuple[bytes, list[Any], int, tuple[str, int]]:
        if not self.packets:
            raise BlockingIOError
        packet = self.packets.pop()
        return packet, [(1, 35, packet), (0, 11, packet), (41, 25, packet)], 0, ("127.0.0.1", 0)


@given(st.lists(st.binary(max_size=80)), st.sampled_from([4, 6]), st.booleans())
def test_any_packets_are_read_without_an_exception(packets: list[bytes], version: int, is_raw: bool) -> None:
    line: Line[Pinging] = Line.__new__(Line)
    line.version, line.is_raw, line.identifier, line.largest = version, is_raw, 7, 512
    line.socket = Fed([*packets])  # type: ignore[assignment]
    count, replies = line.replies()
    assert count == len(packets)
    assert len(replies) <= count
    line.socket = Fed([*packets])  # type: ignore[assignment]
    assert len(list(line.troubles())) <= 2 * len(packets)


def test_the_filter_in_the_kernel_takes_replies_with_our_identifier_alone() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP) as hearing,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender,
    ):
        attach_filter(hearing, replies_only(4, 4242))
        for identifier in (4241, 4242, 4243):
            for kind in (0, 3, 8, 11):
                packet = IP(src="127.0.0.1", dst="127.0.0.1") / ICMP(type=kind, id=identifier)
                sender.sendto(bytes(packet), ("127.0.0.1", 0))
        heard = []
        try:
            while True:
                heard.append(ICMP(hearing.recv(99)[20:]))
        except BlockingIOError:
            pass
    # The kernel itself answers the request.
    assert {(message.type, message.id) for message in heard} == {(0, 4242)}


def test_a_way_chooses_the_source(run: Run) -> None:
    async def body(bench: Any) -> None:
        result = await bench.probe(Ping(), Target("127.0.0.9", 0, Way(source="127.0.0.77", interface="lo")))
        assert result.passed
        result = await bench.probe(Ping(), Target("127.0.0.9", 0, Way(source="192.0.2.77")))
        assert not result.sent
        assert "no address of this machine" in result.reason

    run(body)


def test_what_is_no_address_is_not_probed(run: Run) -> None:
    async def body(bench: Any) -> None:
        for name in ("web.example", "127.0.0.256", "::g"):
            result = await bench.probe(Ping(), Target(name, 80))
            assert not result.sent
            assert result.reason == f"not sent: '{name}' is not an address"

    run(body)


def test_a_director_that_was_held_up_voids_what_it_could_not_ask(run: Run) -> None:
    async def body(bench: Any) -> None:
        ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        bench.start(Ping(count=3, spacing=1.0), HERE, 8.0, ended.set_result)
        carrier(bench)._send_waiting()
        bench.hold_the_loop(9.0)
        result = await ended
        assert (result.sent, result.reason) == (False, "void: the director was too busy to look in time")

    run(body)


@pytest.mark.parametrize("check", [Ping(), Ping(count=3, spacing=1.0)])
def test_requests_that_a_held_up_director_sent_late_or_never_are_no_word_about_the_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, check: Ping
) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        silence(monkeypatch, the_line(bench))
        ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        bench.start(check, HERE, 8.0, ended.set_result)
        bench.hold_the_loop(7.9)
        result = await ended
        assert (result.sent, result.reason) == (False, "void: the director was too busy to look in time")

    run(body)


def test_a_request_that_left_in_time_and_was_lost_fails_the_server_however_late_the_others_left(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        silence(monkeypatch, the_line(bench))
        ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        bench.start(Ping(count=3, spacing=1.0), HERE, 8.0, ended.set_result)
        carrier(bench)._send_waiting()
        bench.hold_the_loop(7.9)
        result = await ended
        assert (result.sent, result.reason) == (True, "no echo back within 8s")

    run(body)


def test_a_director_that_was_held_up_still_hears_the_echo_and_its_own_delay_is_not_in_the_round_trip(run: Run) -> None:
    async def body(bench: Any) -> None:
        ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        bench.start(Ping(max_round_trip=5.0), HERE, 8.0, ended.set_result)
        carrier(bench)._send_waiting()
        bench.hold_the_loop(9.0)
        assert (await ended).passed

    run(body)


def test_replies_for_which_there_was_no_room_fail_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        silence(monkeypatch, the_line(bench))
        monkeypatch.setattr(shared_sockets, "count_drops", lambda _: 3)
        result = await bench.probe(Ping(), HERE, 1.0)
        assert (result.sent, result.reason) == (False, "void: the director was too busy to read every reply")
        assert (await bench.probe(Ping(), HERE, 1.0)).sent

    run(body)


@pytest.mark.parametrize(
    ("number", "sent", "reason"),
    [
        (errno.EHOSTUNREACH, True, "no route to host"),
        (errno.EPERM, False, "not sent: the director's own firewall refused it"),
        (errno.ENOBUFS, False, "not sent: the kernel has no memory for another socket"),
    ],
)
def test_a_request_that_cannot_leave_is_told_for_what_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, sent: bool, reason: str
) -> None:
    class Unable:
        def __init__(self, real: socket.SocketType) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def sendto(self, *_: Any) -> int:
            raise OSError(number, "no")

    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        line = the_line(bench)
        monkeypatch.setattr(line, "socket", Unable(line.socket))
        result = await bench.probe(Ping(), HERE, 1.0)
        assert (result.passed, result.sent, result.reason) == (False, sent, reason)

    run(body)


def test_a_thousand_pings_at_once_all_end(run: Run) -> None:
    async def body(bench: Any) -> None:
        loop = asyncio.get_running_loop()
        ended = [loop.create_future() for _ in range(1000)]
        for number, future in enumerate(ended):
            bench.start(Ping(), Target(f"127.0.{number % 4}.{1 + number % 250}", 0), 20.0, future.set_result)
        assert all(result.passed for result in await asyncio.gather(*ended))

    run(body)


def test_closing_the_engine_from_a_result_ends_all_quietly(run: Run) -> None:
    async def body(bench: Any) -> None:
        told: list[ProbeResult] = []
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def close(result: ProbeResult) -> None:
            told.append(result)
            bench.engine.close()
            closed.set_result(None)

        for _ in range(5):
            bench.start(Ping(count=2), HERE, 20.0, close)
        await closed
        await asyncio.sleep(0)
        assert len(told) == 1
        assert not bench.faults

    run(body)


def test_more_than_may_be_under_way_is_refused_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        await bench.probe(Ping(), HERE)
        line = the_line(bench)
        monkeypatch.setattr(echo_line, "SEQUENCES", 2)
        line.waiting = {("127.0.0.1", 0): Any, ("127.0.0.1", 1): Any}  # type: ignore[dict-item]
        with pytest.raises(UnusableError, match="the most at once"):
            line.free_key(("127.0.0.1", 0))
        line.waiting = {}
        monkeypatch.setattr("checks.engine.echo.MOST_IN_FLIGHT", 0)
        with pytest.raises(UnusableError, match="the most at once"):
            carrier(bench).start(Ping(), HERE, bench.loop.time() + 1, print)

    run(body)


@given(TRIPS, st.integers(0, 100), st.integers(0, 99))
def test_loss_is_judged_in_percent_of_what_was_asked(trips: list[float], lost: int, max_loss: int) -> None:
    check = Ping(count=len(trips) + lost, max_loss=max_loss)
    verdict = check.judge(trips, 1.0)
    assert verdict.passed == (lost / check.count <= max_loss / 100)
    assert not check.judge([], 1.0).passed


@given(TRIPS, st.floats(1e-4, 60))
def test_the_round_trip_is_judged_by_the_average(trips: list[float], limit: float) -> None:
    verdict = Ping(count=len(trips), max_round_trip=limit).judge(trips, 1.0)
    assert verdict.passed == (sum(trips) / len(trips) <= limit)


def test_the_reasons_are_an_operators_sentences() -> None:
    three = Ping(count=3, max_loss=34, max_round_trip=0.01)
    assert (
        three.judge([0.0002, 0.0003, 0.00013], 1.0).reason == "3 of 3 echoes back, round trip 0.21 ms (worst 0.30 ms)"
    )
    assert three.judge([0.0002, 0.0003], 1.0).reason == "2 of 3 echoes back, round trip 0.25 ms (worst 0.30 ms)"
    assert three.judge([0.2], 1.0).reason == "1 of 3 echoes back within 1s, at most 34% may be lost"
    slow = three.judge([0.02, 0.04], 1.0).reason
    assert slow == "round trip 30.0 ms (worst 40.0 ms), at most 10.0 ms allowed"
    assert Ping().judge([0.1234], 1.0).reason == "echo back, round trip 123 ms"
    assert show_milliseconds(0) == "0.00 ms"


@given(st.integers(0, 2**62), st.none() | st.integers(0, 2**62), st.floats(0, 60))
def test_a_round_trip_is_never_negative_nor_longer_than_it_was_waited_for(
    sent: int, received: int | None, elapsed: float
) -> None:
    assert 0 <= round_trip(sent, received, elapsed) <= elapsed


def test_a_loss_limit_below_one_request_is_a_fault() -> None:
    assert not list(Ping().faults())
    assert not list(Ping(count=5, max_loss=20).faults())
    assert list(Ping(count=5, max_loss=19).faults()) == [
        ("max_loss", "one of 5 is 20%, so that this allows no loss at all")
    ]


@given(st.integers(0, 99))
def test_a_percentage_is_written_with_its_sign_or_without(value: int) -> None:
    assert Percent().parse(value) == Percent().parse(f"{value}%") == Percent().parse(f"{value} %") == value


@pytest.mark.parametrize("value", ["5", "x%", "-1%", "1.5%", None, True, [], 100, -1, "100%", "999%"])
def test_what_is_no_percentage_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|out of range"):
        Percent().parse(value)


def test_no_request_is_crafted_with_the_kernels_routes() -> None:
    """Scapy takes them one by one: with a full table of BGP's routes for longer than anybody waits for a director."""
    crafted = (
        "from checks.wire.icmp import craft_request; from checks.wire.segment import craft_syn; craft_request(6, 9)"
    )
    asked = f"{crafted}; craft_syn(4); from scapy.config import conf; print(conf.route.routes, conf.route6.routes)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[] []\n", done.stderr


def test_the_requests_are_crafted_before_the_first_probe() -> None:
    assert Ping().prepare() is None
    assert len(Ping(size=100).request(6)) == 108
