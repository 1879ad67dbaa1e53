"""Pings on a real network, over either kind of socket: what comes back, and what routers say."""

import pytest

from checks import Target, Way
from checks.ping import Ping
from routed import ROUTER, ROUTER6, SERVER, SERVER6, Routed, probe, routed
from topology import Topology
from traffic import Capture
from waiting import eventually

GROUPS = {"datagram socket": "0 0", "raw socket": "1 0"}


@pytest.fixture(params=GROUPS)
def lan(net: Topology, request: pytest.FixtureRequest) -> Routed:
    """Return two networks, with a director that may or may not have ICMP sockets without a capability."""
    lan = routed(net)
    lan.director.sysctl({"net.ipv4.ping_group_range": GROUPS[request.param]})
    return lan


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_echoes_come_back_from_afar_even_in_fragments(lan: Routed, address: str) -> None:
    for check in (Ping(), Ping(count=3, spacing=0.01, max_round_trip=10.0), Ping(size=20000)):
        (result,) = probe(lan.director, check, Target(address, 0))
        assert result.passed, result.reason


def test_what_routers_say_fails_a_probe_at_once(lan: Routed) -> None:
    lan.router.ip(
        "route add unreachable 203.0.113.1",
        "route add prohibit 203.0.113.2",
        "route add 203.0.113.3 via 198.51.100.10",
        "route add unreachable 2001:db8:f::1",
        "route add prohibit 2001:db8:f::2",
        "route add 2001:db8:f::3 via 2001:db8:2::10",
    )
    addresses = [f"203.0.113.{host}" for host in (1, 2, 3)] + [f"2001:db8:f::{host}" for host in (1, 2, 3)]
    # A router tells one host of such routes once a second or so (Linux net/ipv4/route.c, ip_error).
    check = Ping(count=3, spacing=1.5, max_loss=99)
    results = probe(lan.director, check, *(Target(address, 0) for address in addresses), seconds=600)
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


def test_a_path_that_is_too_narrow_is_said_with_its_width(lan: Routed) -> None:
    lan.router.ip("link set eth1 mtu 1280")
    (result,) = probe(lan.director, Ping(size=1400), Target(SERVER6, 0), seconds=600)
    assert result.reason == f"packet too big (the path takes 1280 bytes) (from {ROUTER6})"


@pytest.mark.parametrize(("address", "own"), [("192.0.2.99", "192.0.2.2"), ("2001:db8:1::99", "2001:db8:1::2")])
def test_a_neighbour_that_is_not_there_is_unreachable_before_the_deadline(lan: Routed, address: str, own: str) -> None:
    # So long the kernel waits for a neighbour's answer, three times.
    lan.director.sysctl({f"net.{family}.neigh.eth0.retrans_time_ms": "100" for family in ("ipv4", "ipv6")})
    (result,) = probe(lan.director, Ping(), Target(address, 0), seconds=600)
    assert (result.passed, result.sent, result.reason) == (False, True, f"host unreachable (from {own})")


def test_a_delay_on_the_way_is_measured(lan: Routed) -> None:
    lan.router.run("tc", "qdisc", "add", "dev", "eth1", "root", "netem", "delay", "300ms")
    slow, enough = Ping(max_round_trip=0.2), Ping(max_round_trip=60.0)
    (result,) = probe(lan.director, slow, Target(SERVER, 0))
    assert not result.passed
    assert result.reason.endswith(" ms, at most 200 ms allowed")
    (result,) = probe(lan.director, enough, Target(SERVER, 0))
    assert result.passed


def test_a_server_that_drops_all_is_lost(lan: Routed) -> None:
    lan.server.sysctl({"net.ipv4.icmp_echo_ignore_all": "1"})
    (result,) = probe(lan.director, Ping(count=2, spacing=0.1), Target(SERVER, 0), seconds=0.5)
    assert (result.passed, result.sent, result.reason) == (False, True, "no echo back within 500ms")


def test_one_socket_serves_a_link_local_address_too(lan: Routed) -> None:
    command = ("ip", "-6", "-oneline", "address", "show", "dev", "eth0", "scope", "link")
    words = eventually(lambda: lan.router.run(*command).split(), bool)
    address = words[words.index("inet6") + 1].partition("/")[0]
    (result,) = probe(lan.director, Ping(), Target(f"{address}%eth0", 0))
    assert result.passed, result.reason


def test_a_way_leads_through_another_network_and_by_a_mark(net: Topology, lan: Routed) -> None:
    elsewhere = net.machine("elsewhere")
    lan.director.ip("rule add fwmark 7 table 100", "route add unreachable default table 100")
    there = lan.director.namespace
    ways = [Way(namespace=there), Way(namespace=there, source="192.0.2.2"), Way(namespace=there, mark=7), Way()]
    results = probe(elsewhere, Ping(), *(Target(SERVER, 0, way) for way in ways))
    assert [result.passed for result in results] == [True, True, False, False]
    assert [result.reason for result in results[2:]] == ["no route to host", "network unreachable"]


def test_each_request_has_the_right_sum_and_an_identifier_of_its_own_socket(lan: Routed) -> None:
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.l2 import Ether

    with Capture(lan.server, "eth0") as wire:
        results = probe(lan.director, Ping(count=3, spacing=0.01, size=57), *[Target(SERVER, 0)] * 2)
        packets = [frame[IP] for frame in map(Ether, wire.frames()) if ICMP in frame]
    assert all(result.passed for result in results)
    requests = [packet for packet in packets if packet[ICMP].type == 8]
    assert len(requests) == 6
    assert len({request[ICMP].id for request in requests}) == 1
    assert len({request[ICMP].seq for request in requests}) == 6
    for request in requests:
        right = request.copy()
        del right[ICMP].chksum
        assert IP(bytes(right))[ICMP].chksum == request[ICMP].chksum
