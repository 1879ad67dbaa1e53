"""Half-open probes over loopback: what passes, what fails, what is ignored, and what never reaches the server."""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from checks import ProbeResult, Target, UnusableError, Way
from checks.engine import lane as lanes
from checks.engine import shared_sockets
from checks.engine.half_open import Flight, HalfOpen
from checks.engine.lane import Lane, answers_only, hold_ports
from checks.engine.raw import attach_filter
from checks.half_open import TcpHalfOpen
from checks.wire.segment import SYN
from tests.checks.servers import Run, closed_port, deaf

CHECK = TcpHalfOpen()


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[tuple[socket.socket, Target]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        server.setblocking(False)
        yield server, Target(address, server.getsockname()[1])


def carrier(bench: Any) -> HalfOpen:
    found = bench.engine.carrier("half-open")
    assert isinstance(found, HalfOpen)
    return found


def the_lane(bench: Any) -> Lane[Flight]:
    (lane,) = carrier(bench)._lanes.all()
    return lane


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.31.4.5"])
def test_a_listening_server_passes_and_never_sees_a_connection(run: Run, address: str) -> None:
    async def body(bench: Any) -> None:
        with listening(address) as (server, target):
            results = [await bench.probe(CHECK, target) for _ in range(20)]
            assert {(result.passed, result.reason) for result in results} == {(True, "SYN-ACK")}
            with pytest.raises(BlockingIOError):
                server.accept()
        evidence = results[0].evidence
        assert evidence.peer.endswith(str(target.port))
        assert TCP(evidence.sent[-24:]).flags == "S"
        assert TCP(evidence.received[20 if "." in address else 0 :]).flags == "SA"
        assert carrier(bench).in_flight == 0

    run(body)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_on_which_nobody_listens_fails_at_once(run: Run, address: str) -> None:
    async def body(bench: Any) -> None:
        with closed_port(address) as target:
            result = await bench.probe(CHECK, target)
        assert (result.passed, result.reason, result.sent) == (False, "connection refused", True)

    run(body)


@pytest.mark.usefixtures("never_late")
def test_a_server_that_says_nothing_is_asked_three_times_before_the_deadline(run: Run) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target:
            result = await bench.probe(CHECK, target, 2.0)
        assert (result.passed, result.sent) == (False, True)
        assert result.reason == "timed out after 2s: no answer to 3 SYNs"

    run(body)


def test_a_syn_that_was_lost_is_made_good_by_the_next(run: Run) -> None:
    async def body(bench: Any) -> None:
        with socket.socket() as listener, socket.socket() as filler:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            filler.connect(listener.getsockname())
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, Target(*listener.getsockname()), 8.0, ended.set_result)
            carrier(bench)._send_waiting()
            listener.accept()[0].close()  # now there is room again
            result = await ended
            assert (result.passed, result.reason) == (True, "SYN-ACK")

    run(body)


def forged(flight: Flight, **changed: object) -> bytes:
    """Return what the server of a flight would answer, with some of it changed."""
    target = flight.target
    fields = {"source": target.address, "flags": "RA", "ack": flight.sequence + 1 & 0xFFFFFFFF, "sport": target.port}
    fields |= {"dport": flight.own_port} | changed
    segment = TCP(sport=fields["sport"], dport=fields["dport"], seq=1, ack=fields["ack"], flags=fields["flags"])
    return bytes(IP(src=fields["source"], dst="127.0.0.1") / segment)


def test_only_an_answer_to_this_very_syn_counts(run: Run) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, target, 20.0, ended.set_result)
            flight = next(iter(the_lane(bench).flights.values()))
            carrier(bench)._send_waiting()
            wrong = [
                {"ack": flight.sequence},
                {"ack": flight.sequence + 2 & 0xFFFFFFFF, "flags": "SA"},
                {"flags": "R"},
                {"flags": "A"},
                {"source": "127.0.0.66", "flags": "SA"},
                {"sport": target.port ^ 1, "flags": "SA"},
                {"dport": the_lane(bench).next_port(), "flags": "SA"},
            ]
            for change in wrong:
                forger.sendto(forged(flight, **change), ("127.0.0.1", 0))
            # Packets of one sender stay in order: once this one has come, the others have.
            forger.sendto(forged(flight), ("127.0.0.1", 0))
            result = await ended
            assert result.reason == "connection refused"
            assert TCP(result.evidence.received[20:]).flags == "RA"
            assert TCP(result.evidence.received[20:]).ack == flight.sequence + 1 & 0xFFFFFFFF

    run(body)


class Fed:
    """A socket from which any packets come, and any errors."""

    family = socket.AF_INET

    def __init__(self, packets: list[bytes]) -> None:
        self.packets = packets

    def recv(self, _size: int) -> bytes:
        if not self.packets:
            raise BlockingIOError
        return self.packets.pop()

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int, int, int]]:
        return self.recv(size), ("::1", 0, 0, 0)

    def recvmsg(self, size: int, _ancillary: int, _flags: int) -> tuple[bytes, list[object], int, tuple[str, int]]:
        packet = self.recv(size)
        return packet[4:], [(0, 11, packet), (41, 25, packet)], 0, ("127.0.0.1", 0)


@given(st.lists(st.binary(max_size=80)), st.sampled_from([4, 6]))
def test_any_packets_are_read_without_an_exception(packets: list[bytes], version: int) -> None:
    lane: Lane[Flight] = Lane.__new__(Lane)
    lane._version = version
    lane.socket = Fed([*packets])  # type: ignore[assignment]
    count, answers = lane.receive()
    assert count == len(packets)
    assert len(answers) <= count
    lane.socket = Fed([*packets])  # type: ignore[assignment]
    assert len(lane.troubles()) <= 2 * len(packets)


@pytest.mark.parametrize("ports", [(4096,), (4096, 60000, 1)])
def test_the_filter_in_the_kernel_takes_answers_to_our_ports_alone(ports: tuple[int, ...]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP) as hearing,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger,
    ):
        attach_filter(hearing, answers_only(4, ports))
        for port in (*ports, 4095, 4097, 16):
            for flags in ("S", "A", "SA", "R", "RA", "PA", "FA", ""):
                packet = IP(src="127.0.0.1", dst="127.0.0.1") / TCP(sport=2, dport=port, flags=flags)
                forger.sendto(bytes(packet), ("127.0.0.1", 0))
        heard = []
        try:
            while True:
                heard.append(TCP(hearing.recv(99)[20:]))
        except BlockingIOError:
            pass
    ours = [segment for segment in heard if segment.sport == 2]
    assert {segment.dport for segment in ours} == set(ports)
    assert {str(segment.flags) for segment in ours} == {"SA", "R", "RA"}
    assert all(segment.flags.value & SYN or segment.flags.R for segment in ours)


def test_the_source_ports_are_nobody_elses(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target):
            await bench.probe(CHECK, target)
            ports = the_lane(bench)._ports
            assert len(set(ports)) == lanes.PORTS
            for port in ports:
                with socket.socket() as other, pytest.raises(OSError, match="in use"):
                    other.bind(("127.0.0.1", port))

    run(body)


def test_a_way_chooses_source_and_source_port(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target):
            with hold_ports(socket.AF_INET, Way()) as (free, *_):
                pass
            way = Way(source="127.0.0.77", source_port=free)
            result = await bench.probe(CHECK, Target(target.address, target.port, way))
            assert result.reason == "SYN-ACK"
            sent = IP(result.evidence.sent)
            assert (sent.src, sent[TCP].sport) == ("127.0.0.77", free)
            wrong = Way(source="192.0.2.77")
            result = await bench.probe(CHECK, Target(target.address, target.port, wrong))
            assert not result.sent
            assert "no address of this machine" in result.reason

    run(body)


def test_what_is_no_address_is_not_probed(run: Run) -> None:
    async def body(bench: Any) -> None:
        for name in ("web.example", "127.0.0.256", "::g"):
            result = await bench.probe(CHECK, Target(name, 80))
            assert not result.sent
            assert result.reason == f"not sent: '{name}' is not an address"

    run(body)


def test_a_socket_bound_to_an_interface_is_opened_anew_now_and_then_and_no_probe_is_lost(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target), deaf() as silent:
            way = Way(interface="lo")
            waiting: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, Target("127.0.0.1", silent.port, way), 60.0, waiting.set_result)
            old = the_lane(bench)
            bench.hold_the_loop(shared_sockets.USED_SECONDS)
            result = await bench.probe(CHECK, Target("127.0.0.1", target.port, way))
            assert result.passed
            assert old in carrier(bench)._lanes.all()
            bench.hold_the_loop(60.0)
            assert not (await waiting).passed
            await asyncio.sleep(0)
            assert old not in carrier(bench)._lanes.all()
            assert old.socket.fileno() == -1

    run(body)


def test_an_idle_socket_is_closed_when_another_way_is_used(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target):
            await bench.probe(CHECK, target)
            old = the_lane(bench)
            bench.hold_the_loop(shared_sockets.IDLE_SECONDS + 1)
            await bench.probe(CHECK, Target(target.address, target.port, Way(mark=1)))
            assert the_lane(bench) is not old
            assert old.socket.fileno() == -1

    run(body)


def test_a_director_that_was_held_up_voids_what_it_could_not_ask_again(run: Run) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target:
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, target, 8.0, ended.set_result)
            bench.hold_the_loop(9.0)
            result = await ended
            assert not result.sent
            assert result.reason == "void: the director was too busy to look in time"

    run(body)


def test_a_syn_that_left_late_in_the_probe_of_a_held_up_director_is_no_word_about_the_server(run: Run) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target:
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, target, 8.0, ended.set_result)
            bench.hold_the_loop(7.9)
            result = await ended
            assert (result.sent, result.reason) == (False, "void: the director was too busy to look in time")

    run(body)


def test_a_probe_whose_deadline_passed_before_its_syn_could_leave_is_no_word_about_the_server(run: Run) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target:
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, target, 0.01, ended.set_result)
            bench.hold_the_loop(0.02)
            carrier(bench)._on_alarm()
            result = await ended
            assert (result.sent, result.reason) == (False, "void: the director was too busy to look in time")

    run(body)


def test_a_director_that_was_held_up_still_hears_the_answer(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target):
            ended: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            bench.start(CHECK, target, 8.0, ended.set_result)
            carrier(bench)._send_waiting()
            bench.hold_the_loop(9.0)
            assert (await ended).passed

    run(body)


@pytest.mark.usefixtures("never_late")
def test_answers_for_which_there_was_no_room_fail_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        with deaf() as target:
            monkeypatch.setattr(shared_sockets, "count_drops", lambda _: 3)
            result = await bench.probe(CHECK, target, 2.0)
            assert (result.sent, result.reason) == (False, "void: the director was too busy to read every answer")
            result = await bench.probe(CHECK, target, 2.0)
            assert (result.sent, result.passed) == (True, False)

    run(body)


def test_a_thousand_probes_at_once_all_end(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target), closed_port() as closed:
            loop = asyncio.get_running_loop()
            ended = [loop.create_future() for _ in range(1000)]
            for number, future in enumerate(ended):
                address = f"127.0.0.{1 + number % 250}" if number % 2 else "127.0.0.1"
                port = target.port if number % 2 == 0 else closed.port
                bench.start(CHECK, Target(address, port), 20.0, future.set_result)
            results = await asyncio.gather(*ended)
            assert [result.passed for result in results] == [number % 2 == 0 for number in range(1000)]

    run(body)


def test_closing_the_engine_from_a_result_ends_all_quietly(run: Run) -> None:
    async def body(bench: Any) -> None:
        with listening() as (_, target):
            loop = asyncio.get_running_loop()
            told: list[ProbeResult] = []
            closed: asyncio.Future[None] = loop.create_future()

            def close(result: ProbeResult) -> None:
                told.append(result)
                bench.engine.close()
                closed.set_result(None)

            for _ in range(5):
                bench.start(CHECK, target, 20.0, close)
            await closed
            await asyncio.sleep(0)
            assert len(told) == 1
            assert not bench.faults

    run(body)


class Denied:
    """Stands for a lane where CAP_NET_RAW is missing."""

    def __init__(self, *_: object) -> None:
        raise PermissionError


def test_without_cap_net_raw_it_connects_and_warns_or_refuses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        monkeypatch.setattr("checks.engine.half_open.Lane", Denied)
        with listening() as (_, target), closed_port() as closed:
            for _ in range(2):
                result = await bench.probe(CHECK, target)
                assert (result.passed, result.reason) == (True, "connected")
                assert result.warning == "full connection, which the server accepts: CAP_NET_RAW is missing"
                result = await bench.probe(CHECK, closed)
                assert (result.passed, result.reason) == (False, "connection refused")
                result = await bench.probe(TcpHalfOpen(fallback="refuse"), target)
                assert not result.sent
                assert "half-open needs CAP_NET_RAW" in result.reason

    run(body)


def test_no_free_port_is_said_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crowded(socket.SocketType):
        def bind(self, _address: Any) -> None:
            raise OSError(errno.EADDRINUSE, "in use")

    async def body(bench: Any) -> None:
        open_socket = lanes.open_socket

        def opened(family: int, kind: int, way: Way, protocol: int = 0) -> socket.SocketType:
            return open_socket(family, kind, way, protocol) if protocol else Crowded(family, kind)

        monkeypatch.setattr(lanes, "open_socket", opened)
        result = await bench.probe(CHECK, Target("127.0.0.1", 80))
        assert not result.sent
        assert "no local port" in result.reason

    run(body)


def test_more_probes_than_may_be_under_way_are_refused_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(bench: Any) -> None:
        monkeypatch.setattr("checks.engine.half_open.MOST_IN_FLIGHT", 0)
        with pytest.raises(UnusableError, match="the most at once"):
            carrier(bench).start(CHECK, Target("127.0.0.1", 1), 1.0, print)

    run(body)


def test_the_syns_are_crafted_before_the_first_probe() -> None:
    assert CHECK.prepare() is None
    assert struct.unpack_from("!H", CHECK.syn(4), 2) == (len(CHECK.syn(4)),)
