"""Half-open probes on a real network: what is on the wire, what the server notices, and what routers say."""

import socket

import pytest

from checks import Target, Way
from checks.half_open import TcpHalfOpen
from routed import ROUTER, ROUTER6, SERVER, SERVER6, probe, routed
from topology import Machine, Topology
from traffic import Capture

CHECK = TcpHalfOpen()


def listening(machine: Machine, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with machine.inside():
        server = socket.create_server((address, 80), family=family, backlog=16)
    server.setblocking(False)
    return server


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_a_server_gets_a_syn_and_a_reset_and_has_nothing_to_accept(net: Topology, address: str) -> None:
    from scapy.layers.inet import TCP
    from scapy.layers.l2 import Ether

    lan = routed(net)
    count = 20
    with listening(lan.server, address) as server, Capture(lan.server, "eth0") as wire:
        results = probe(lan.director, CHECK, *[Target(address, 80)] * count)
        assert {(result.passed, result.reason) for result in results} == {(True, "SYN-ACK")}
        # A connection that is accepted later than the probes shows that the reset ones were never in the queue.
        with pytest.raises(BlockingIOError):
            server.accept()
        segments = [frame[TCP] for frame in map(Ether, wire.frames()) if TCP in frame]
        waiting = lan.server.run("ss", "--tcp", "--numeric", "--no-header", "state", "syn-recv")
    flags = [str(segment.flags) for segment in segments]
    # A slow machine may send a SYN again, which is answered and reset as well. Nobody ever acknowledges anything.
    assert {*flags} == {"S", "SA", "R"}
    assert flags.count("S") >= flags.count("SA") == flags.count("R") >= count
    asked = {(each.sport, each.seq + 1 & 0xFFFFFFFF) for each in segments if each.flags == "S"}
    assert len(asked) == count
    assert {(each.dport, each.ack) for each in segments if each.flags == "SA"} == asked
    assert {(each.sport, each.seq) for each in segments if each.flags == "R"} == asked
    assert waiting == ""


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_a_reset_from_the_server_is_a_refusal(net: Topology, address: str) -> None:
    lan = routed(net)
    (result,) = probe(lan.director, CHECK, Target(address, 81))
    assert (result.passed, result.sent, result.reason) == (False, True, "connection refused")


def test_what_routers_say_fails_a_probe_at_once(net: Topology) -> None:
    lan = routed(net)
    lan.router.ip(
        "route add unreachable 203.0.113.1",
        "route add prohibit 203.0.113.2",
        "route add 203.0.113.3 via 198.51.100.10",
        "route add unreachable 2001:db8:f::1",
        "route add prohibit 2001:db8:f::2",
        "route add 2001:db8:f::3 via 2001:db8:2::10",
    )
    addresses = [f"203.0.113.{host}" for host in (1, 2, 3)] + [f"2001:db8:f::{host}" for host in (1, 2, 3)]
    results = probe(lan.director, CHECK, *(Target(address, 80) for address in addresses), seconds=600)
    assert [result.reason for result in results[:2]] == [
        f"host unreachable (from {ROUTER})",
        f"administratively prohibited (from {ROUTER})",
    ]
    assert results[2].reason.startswith("time to live exceeded on the way (from ")
    assert [result.reason for result in results[3:5]] == [
        f"no route to the host (from {ROUTER6})",
        f"administratively prohibited (from {ROUTER6})",
    ]
    assert results[5].reason.startswith("time to live exceeded on the way (from ")
    assert not any(result.passed for result in results)
    assert all(result.sent for result in results)


@pytest.mark.parametrize(("address", "own"), [("192.0.2.99", "192.0.2.2"), ("2001:db8:1::99", "2001:db8:1::2")])
def test_a_neighbour_that_is_not_there_is_unreachable_before_the_deadline(
    net: Topology, address: str, own: str
) -> None:
    lan = routed(net)
    # So long the kernel waits for a neighbour's answer, three times.
    lan.director.sysctl({f"net.{family}.neigh.eth0.retrans_time_ms": "100" for family in ("ipv4", "ipv6")})
    (result,) = probe(lan.director, CHECK, Target(address, 80), seconds=600)
    assert (result.passed, result.sent, result.reason) == (False, True, f"host unreachable (from {own})")


def test_without_a_route_the_probe_fails_at_once(net: Topology) -> None:
    alone = net.machine("alone")
    results = probe(alone, CHECK, Target("192.0.2.1", 80), Target("2001:db8::1", 80), seconds=600)
    assert [(result.passed, result.sent, result.reason) for result in results] == [
        (False, True, "network unreachable")
    ] * 2


def test_a_way_leads_through_another_network_and_by_a_mark(net: Topology) -> None:
    lan = routed(net)
    elsewhere = net.machine("elsewhere")
    lan.director.ip("rule add fwmark 7 table 100", "route add unreachable default table 100")
    with listening(lan.server, SERVER):
        there = lan.director.namespace
        ways = [
            Way(namespace=there),
            Way(namespace=there, interface="eth0", source="192.0.2.2", source_port=2020),
            Way(namespace=there, mark=7),
            Way(),
        ]
        results = probe(elsewhere, CHECK, *(Target(SERVER, 80, way) for way in ways))
    assert [result.reason for result in results] == ["SYN-ACK", "SYN-ACK", "no route to host", "network unreachable"]


def test_an_address_that_the_director_lost_is_replaced_within_the_probe(net: Topology) -> None:
    import asyncio

    from checks import ProbeResult
    from checks.engine import Engine

    lan = routed(net)

    async def body() -> list[ProbeResult]:
        loop = asyncio.get_running_loop()
        engine = Engine()
        results = []
        for _ in range(2):
            ended: asyncio.Future[ProbeResult] = loop.create_future()
            engine.start(CHECK, Target(SERVER, 80), loop.time() + 20, ended.set_result)
            results.append(await ended)
            await asyncio.to_thread(renumber)
        engine.close()
        return results

    def renumber() -> None:
        lan.director.ip(
            "address flush dev eth0",
            "address add 192.0.2.3/24 dev eth0",
            f"route replace default via {ROUTER}",
        )

    with listening(lan.server, SERVER), lan.director.inside():
        results = asyncio.run(body())
    assert [result.reason for result in results] == ["SYN-ACK", "SYN-ACK"]
