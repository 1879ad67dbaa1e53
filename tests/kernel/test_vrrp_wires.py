"""What a pair of directors does to a real network: adverts, announcements, addresses, and how they go away again."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import pytest

from healthlb.core.vrrp.packet import Advert, Drop, with_priority
from healthlb.core.vrrp.receive import Datagram
from healthlb.core.vrrp.receive import check as heeded
from healthlb.core.vrrp.settings import settings_of
from healthlb.linux.addresses import NoInterfaceError, macvlan_name, place, settings
from healthlb.linux.announcer import Announcer
from healthlb.linux.claims import read_claims, withdraw_claims, write_claims
from healthlb.linux.conflicts import Conflicts
from healthlb.linux.crafting import craft_adverts, craft_announcements, virtual_mac
from healthlb.linux.links import Links
from healthlb.linux.rtnetlink import Rtnetlink
from healthlb.linux.sysctl import check, put
from healthlb.linux.vrrp_sockets import Ends, VrrpSocket
from healthlb.model.vrrp import Peer, VirtualAddress, VirtualRoute, VirtualRule, VrrpInstance
from topology import Machine, Topology
from traffic import Capture, WebServer, ask
from vrrp_bytes import folded, ipv4_packet, message, pseudo_header
from waiting import eventually

ONE, OTHER = "198.51.100.10", "198.51.100.11"
VIRTUAL = VirtualAddress("198.51.100.1", 24)
INSTANCE = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL, VirtualAddress("198.51.100.2", 32)), priority=150)
INSTANCE6 = VrrpInstance(
    "VI_6", "eth0", 51, 6, (VirtualAddress("fe80::51", 64), VirtualAddress("2001:db8::100", 128)), priority=150
)
VERSION_2 = VrrpInstance("VI_2", "eth0", 51, 4, (VIRTUAL,), version=2, priority=150)


@pytest.fixture
def pair(net: Topology) -> tuple[Machine, Machine]:
    """Return two directors on one cable, eth0 on both ends, with IPv6 ready for use."""
    one, other = net.machine("one"), net.machine("other")
    net.cable(one, f"{ONE}/24 2001:db8::a/64", other, f"{OTHER}/24 2001:db8::b/64")
    for machine in (one, other):
        link_local(machine)
    return one, other


def link_local(machine: Machine) -> str:
    """Return the link-local address that the kernel has given eth0, once it has."""
    with listening(machine) as links:
        return eventually(lambda: (links.read(), links.known["eth0"].source(6))[1], bool)


def own_address(machine: Machine, instance: VrrpInstance) -> str:
    """Return the address that a machine's adverts come from."""
    if instance.family == 6:
        return link_local(machine)
    return ONE if machine.name == "one" else OTHER


def ends(machine: Machine, instance: VrrpInstance, source: str) -> Ends:
    with machine.inside():
        index = socket.if_nametoindex(instance.interface)
    peers = tuple(peer.address for peer in instance.peers)
    count = len(instance.addresses)
    facts = (instance.family, instance.version, instance.router_id)
    return Ends(instance.interface, index, *facts, source, count, peers, frames=instance.mac)


@contextlib.contextmanager
def speaking(machine: Machine, instance: VrrpInstance, source: str) -> Iterator[VrrpSocket]:
    with machine.inside():
        sockets = VrrpSocket(ends(machine, instance, source))
    with contextlib.closing(sockets):
        yield sockets


@contextlib.contextmanager
def listening(machine: Machine) -> Iterator[Links]:
    with machine.inside():
        links = Links()
        with contextlib.closing(links):
            yield links


def packed(address: str) -> bytes:
    return ip_address(address).packed


def heard(sockets: VrrpSocket, count: int = 1) -> list[Datagram]:
    """Wait for so many adverts and return them."""
    found: list[Datagram] = []
    eventually(lambda: found.extend(sockets.receive()) or len(found), lambda total: total >= count)
    return found


def addresses(machine: Machine, device: str = "eth0") -> set[str]:
    """Return an interface's addresses as ip shows them."""
    shown = json.loads(machine.run("ip", "-json", "address", "show", "dev", device))
    return {f"{each['local']}/{each['prefixlen']}" for link in shown for each in link.get("addr_info", ())}


UNICAST = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), peers=(Peer(OTHER),))
UNICAST6 = VrrpInstance("VI_6", "eth0", 51, 6, (VirtualAddress("fe80::51", 64),), peers=(Peer("2001:db8::b"),))
ON_THE_WIRE = {
    "IPv4": INSTANCE,
    "IPv6": INSTANCE6,
    "version 2": VERSION_2,
    "to a peer": UNICAST,
    "to a peer over IPv6": UNICAST6,
    "virtual MAC": VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), mac=True),
    "virtual MAC over IPv6": VrrpInstance("VI_6", "eth0", 51, 6, (VirtualAddress("fe80::51", 64),), mac=True),
}


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_an_advert_arrives_as_it_was_crafted_and_does_not_come_back(pair: tuple[Machine, Machine], kind: str) -> None:
    one, other = pair
    instance = ON_THE_WIRE[kind]
    source = "2001:db8::a" if kind == "to a peer over IPv6" else own_address(one, instance)
    (outgoing,) = craft_adverts(instance, source)
    destination = outgoing.destination
    theirs = replace(instance, peers=(Peer(source),) if instance.peers else ())
    with (
        Capture(other, "eth0") as capture,
        speaking(one, instance, source) as sender,
        speaking(other, theirs, own_address(other, theirs)) as receiver,
    ):
        sender.send(outgoing, outgoing.message)
        (datagram,) = heard(receiver)
        assert datagram == (outgoing.message, packed(source), packed(destination), 255)
        advert = heeded(datagram, settings_of(theirs, own_address(other, theirs)))
        assert isinstance(advert, Advert)
        assert advert.priority == instance.priority
        sender.send(outgoing, with_priority(outgoing.message, 0))
        advert = heeded(heard(receiver)[0], settings_of(theirs, own_address(other, theirs)))
        assert isinstance(advert, Advert)
        assert advert.priority == 0
        assert list(sender.receive()) == list(sender.receive_suspects()) == list(receiver.receive_suspects()) == []
        (frame,) = (frame for frame in capture.frames() if frame.endswith(outgoing.message))
    own_mac = virtual_mac(instance) if instance.mac else one.hardware_address("eth0")
    assert frame[6:12].hex(":") == own_mac
    if instance.family == 4:
        assert (frame[15], frame[22], frame[23]) == (0xC0, 255, 112)
        assert folded(frame[14:34]) == 0xFFFF
    else:
        assert (frame[14], frame[15] & 0xF0, frame[20], frame[21]) == (0x6C, 0x00, 112, 255)
    if instance.version == 3:
        around = pseudo_header(packed(source), packed(destination), len(outgoing.message))
        assert folded(around + outgoing.message) == 0xFFFF


@pytest.mark.parametrize("mac", [False, True])
def test_an_advert_that_is_longer_than_a_frame_arrives_all_the_same(pair: tuple[Machine, Machine], mac: bool) -> None:
    one, other = pair
    listed = tuple(VirtualAddress(f"fe80::51:{number:x}", 64) for number in range(255))
    instance = replace(INSTANCE6, addresses=listed, mac=mac)
    source = own_address(one, instance)
    (outgoing,) = craft_adverts(instance, source)
    with speaking(one, instance, source) as sender, speaking(other, instance, own_address(other, instance)) as receiver:
        sender.send(outgoing, outgoing.message)
        assert heard(receiver) == [(outgoing.message, packed(source), packed("ff02::12"), 255)]


def test_a_flood_of_garbage_displaces_no_advert(pair: tuple[Machine, Machine]) -> None:
    one, other = pair
    ours = packed("198.51.100.1") + packed("198.51.100.2")
    group = (packed(ONE), packed("224.0.0.18"))
    good = message(3, ours, 2, ends=group)
    wrong_sum = good[:6] + bytes([good[6] ^ 0x55]) + good[7:]
    garbage = [wrong_sum, message(3, ours, 2, router_id=52, ends=group), bytes(200), message(2, ours, 2), b"\x31\x33"]
    with speaking(other, INSTANCE, OTHER) as receiver:
        with one.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as flood:
            flood.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, packed(ONE))
            packets = [ipv4_packet(each, *group) for each in garbage]
            for number in range(20_000):
                flood.sendto(packets[number % len(packets)], ("224.0.0.18", 0))
                if number % 2_000 == 0:
                    flood.sendto(ipv4_packet(good, *group), ("224.0.0.18", 0))
        assert [datagram.message for datagram in heard(receiver, 10)] == [good] * 10
        told = receiver.receive_suspects(1000)
        suspects = {datagram.message for datagram in told}
        reasons = {heeded(datagram, settings_of(INSTANCE, OTHER)) for datagram in told}
        assert reasons == {Drop("checksum"), Drop("version"), Drop("length")}
        assert suspects == {wrong_sum, garbage[3], garbage[4]}


def test_adverts_go_on_after_the_interface_was_down_for_a_while(pair: tuple[Machine, Machine]) -> None:
    one, other = pair
    (outgoing,) = craft_adverts(INSTANCE, ONE)
    with speaking(one, INSTANCE, ONE) as sender, speaking(other, INSTANCE, OTHER) as receiver:
        one.ip("link set eth0 down")
        with pytest.raises(OSError, match=r"Network is down|unreachable"):
            sender.send(outgoing, outgoing.message)
        one.ip("link set eth0 up")
        sender.send(outgoing, outgoing.message)
        assert heard(receiver)[0].message == outgoing.message


def test_an_interface_that_is_not_there_is_an_error_and_leaves_no_socket_open(pair: tuple[Machine, Machine]) -> None:
    with pair[0].inside(), pytest.raises(OSError, match="No such device"):
        VrrpSocket(Ends("eth7", 77, 4, 3, 51, ONE, 1))


KEEPALIVED: dict[str, tuple[VrrpInstance, str]] = {
    "version 3": (replace(INSTANCE, interval=0.1), ""),
    "IPv6": (replace(INSTANCE6, interval=0.1), ""),
    "version 2": (VERSION_2, ""),
    "version 2 with a password": (
        VrrpInstance("VI_2", "eth0", 51, 4, (VIRTUAL,), version=2, priority=150, password="s3cret"),  # noqa: S106  it is no secret
        "authentication {\n auth_type PASS\n auth_pass s3cret\n}",
    ),
    "unicast": (
        VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), priority=150, peers=(Peer(ONE),), interval=0.1),
        f"unicast_src_ip {OTHER}\nunicast_peer {{\n {ONE}\n}}",
    ),
}


@pytest.mark.parametrize("kind", KEEPALIVED)
def test_keepalived_sends_byte_for_byte_what_is_crafted_here(
    pair: tuple[Machine, Machine], tmp_path: Path, kind: str
) -> None:
    one, other = pair
    instance, more = KEEPALIVED[kind]
    listed = "\n".join(f"{each.address}/{each.prefix}" for each in instance.addresses)
    (tmp_path / "keepalived.conf").write_text(
        f"global_defs {{\nvrrp_version {instance.version}\n}}\n"
        f"vrrp_instance VI {{\nstate MASTER\ninterface eth0\nvirtual_router_id 51\npriority 150\n"
        f"advert_int {instance.interval:g}\n{more}\nvirtual_ipaddress {{\n{listed}\n}}\n}}\n"
    )
    source = own_address(other, instance)
    (expected,) = craft_adverts(instance, source)
    peers = (Peer(OTHER),) if instance.peers else ()
    ours = VrrpInstance(*("VI", "eth0", 51, instance.family, instance.addresses), version=instance.version, peers=peers)
    with speaking(one, ours, own_address(one, instance)) as receiver:
        process = other.start(
            *("keepalived", "--dont-fork", "--vrrp", "--log-console", "-f", tmp_path / "keepalived.conf"),
            *("-p", tmp_path / "main.pid", "-r", tmp_path / "vrrp.pid"),
            log=tmp_path / "log",
        )
        datagram = heard(receiver)[0]
        assert datagram == (expected.message, packed(source), packed(expected.destination), 255), process.args
        assert list(receiver.receive_suspects()) == []


def test_neighbours_learn_at_once_where_an_address_went(pair: tuple[Machine, Machine]) -> None:
    one, other = pair
    other.ip(
        "neigh add 198.51.100.1 lladdr 02:00:00:00:00:99 nud stale dev eth0",
        "neigh add 2001:db8::100 lladdr 02:00:00:00:00:99 nud stale dev eth0",
    )
    with listening(one) as links, one.inside():
        announcer = Announcer()
        with contextlib.closing(announcer):
            for instance in (INSTANCE, INSTANCE6):
                assert announcer.announce(craft_announcements(instance, links.known)) == ()
        mac = one.hardware_address("eth0")

    def learned() -> dict[str, str]:
        shown = json.loads(other.run("ip", "-json", "neigh", "show", "dev", "eth0"))
        return {each["dst"]: each.get("lladdr", "") for each in shown}

    eventually(learned, lambda seen: seen["198.51.100.1"] == seen["2001:db8::100"] == mac)


@pytest.mark.parametrize("instance", [INSTANCE, INSTANCE6], ids=["IPv4", "IPv6"])
def test_an_address_that_somebody_else_has_as_well_is_noticed(
    pair: tuple[Machine, Machine], instance: VrrpInstance
) -> None:
    one, other = pair
    listed = [each.address for each in instance.addresses]
    with one.inside():
        conflicts = Conflicts("eth0", instance.family, listed, [one.hardware_address("eth0")])
    with contextlib.closing(conflicts):
        for fewer in (listed, listed[1:]):
            conflicts.listen_for(fewer, [one.hardware_address("eth0")])
            for machine in pair:
                with listening(machine) as links, machine.inside(), contextlib.closing(Announcer()) as announcer:
                    assert announcer.announce(craft_announcements(instance, links.known)) == ()
            expected = {(address, other.hardware_address("eth0")) for address in fewer}
            seen: set[tuple[str, str]] = set()
            eventually(lambda seen=seen: seen.update(conflicts.read()) or seen, expected.issubset)
            assert seen == expected


def test_announcements_of_an_interface_that_went_are_told_and_those_of_others_sent(
    pair: tuple[Machine, Machine],
) -> None:
    one, _ = pair
    one.ip("link add gone type dummy", "link set gone up")
    excluded = (VirtualAddress("203.0.113.1", 32, "gone"),)
    instance = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), excluded=excluded)
    with listening(one) as links, one.inside(), Capture(one, "eth0") as capture:
        announcer = Announcer()
        with contextlib.closing(announcer):
            frames = craft_announcements(instance, links.known)
            assert announcer.announce(frames) == ()
            capture.frames()
            one.ip("link delete gone")
            problems = announcer.announce(frames)
            assert len(problems) == 2
            assert problems[0].startswith("the gratuitous ARP of 203.0.113.1 on gone cannot be sent: No such device")
            assert frames[0].data in capture.frames()


def test_an_interface_that_comes_and_goes_ten_times_costs_an_announcer_one_socket(
    pair: tuple[Machine, Machine],
) -> None:
    one, _ = pair
    passing = VrrpInstance("VI_1", "passing", 51, 4, (VIRTUAL,))
    counts = set()
    with one.inside(), contextlib.closing(Announcer()) as announcer:
        for _ in range(10):
            one.ip("link add passing type dummy", "link set passing up")
            with listening(one) as links:
                assert announcer.announce(craft_announcements(passing, links.known)) == ()
            counts.add(len(list(Path("/proc/self/fd").iterdir())))
            one.ip("link delete passing")
    assert len(counts) == 1


def test_an_interface_that_is_down_costs_an_announcer_no_socket(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    with listening(one) as links, one.inside(), contextlib.closing(Announcer()) as announcer:
        frames = craft_announcements(INSTANCE, links.known)
        assert announcer.announce(frames) == ()
        before = sorted(Path("/proc/self/fd").iterdir())
        one.ip("link set eth0 down")
        assert {problem.rpartition(": ")[2] for problem in announcer.announce(frames)} == {"Network is down"}
        assert sorted(Path("/proc/self/fd").iterdir()) == before
        one.ip("link set eth0 up")
        assert announcer.announce(frames) == ()


ROUTED = VrrpInstance(
    *("VI_1", "eth0", 51, 4, (VIRTUAL, VirtualAddress("198.51.100.2", 32, label="eth0:shop"))),
    excluded=(VirtualAddress("203.0.113.1", 24, "eth1"), VirtualAddress("2001:db8:1::1", 64, "eth1")),
    routes=(
        VirtualRoute("192.0.2.0/24", via="198.51.100.77", source="198.51.100.1", metric=7),
        VirtualRoute("default", via="198.51.100.78", device="eth0", table=1000),
        VirtualRoute("192.0.2.128/25", device="eth1"),
        VirtualRoute("2001:db8:2::/64", via="2001:db8:1::7"),
    ),
    rules=(
        VirtualRule(1000, 500, source="198.51.100.2/32"),
        VirtualRule(1000, 501, destination="2001:db8:3::/48", family=6),
    ),
)


def everything(machine: Machine) -> dict[str, str]:
    """Return what ip shows of a machine's addresses, routes and rules."""
    views = ("address show", "route show table all", "-6 route show table all", "rule show", "-6 rule show")
    return {view: machine.run("ip", "-details", *view.split()) for view in views}


def test_a_master_has_its_addresses_routes_and_rules_and_afterwards_nothing_of_them(
    pair: tuple[Machine, Machine],
) -> None:
    one, _ = pair
    one.ip("link add eth1 type dummy", "link set eth1 up")
    before = everything(one)
    with listening(one) as links, one.inside():
        placement = place(ROUTED, links.known)
        rtnetlink = Rtnetlink()
        with contextlib.closing(rtnetlink):
            assert placement.links == ()
            assert rtnetlink.put(placement.taken) == ()
            # Put once more, nothing happens.
            assert rtnetlink.put(placement.taken) == ()
            assert {"198.51.100.1/24", "198.51.100.2/32"} < addresses(one)
            assert {"203.0.113.1/24", "2001:db8:1::1/64"} < addresses(one, "eth1")
            shown = everything(one)
            assert "eth0:shop" in shown["address show"]
            assert "tentative" not in shown["address show"]
            main = "table main proto static scope"
            for route in (
                f"192.0.2.0/24 via 198.51.100.77 dev eth0 {main} global src 198.51.100.1 metric 7",
                "default via 198.51.100.78 dev eth0 table 1000 proto static",
                f"192.0.2.128/25 dev eth1 {main} link",
            ):
                assert route in shown["route show table all"]
            assert (
                "2001:db8:2::/64 via 2001:db8:1::7 dev eth1 table main proto static" in shown["-6 route show table all"]
            )
            assert "500:\tfrom 198.51.100.2 lookup 1000" in shown["rule show"]
            assert "501:\tfrom all to 2001:db8:3::/48 lookup 1000" in shown["-6 rule show"]
            assert rtnetlink.withdraw(placement.taken) == ()
            assert rtnetlink.withdraw(placement.taken) == ()
    assert {key: without_ages(text) for key, text in everything(one).items()} == {
        key: without_ages(text) for key, text in before.items()
    }


def without_ages(text: str) -> list[str]:
    """Return the words, without the numbers that the kernel counts up."""
    return [word for word in text.split() if not word.endswith("sec")]


def test_an_address_of_a_host_is_no_source_of_the_directors_own_connections(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    with listening(one) as links, one.inside(), contextlib.closing(Rtnetlink()) as rtnetlink:
        assert rtnetlink.put(place(INSTANCE6, links.known).taken) == ()
        shown = json.loads(one.run("ip", "-json", "-6", "address", "show", "dev", "eth0"))
        found = {each["local"]: each for each in shown[0]["addr_info"]}
        assert found["2001:db8::100"]["preferred_life_time"] == 0
        assert found["2001:db8::100"]["nodad"]
        assert "deprecated" not in found["fe80::51"]


def test_a_subnet_of_virtual_addresses_survives_that_the_first_is_withdrawn_and_all_are_put_again(
    pair: tuple[Machine, Machine],
) -> None:
    one, _ = pair
    wide = tuple(VirtualAddress(f"203.0.113.{host}", 24) for host in (1, 2, 3))
    with listening(one) as links, one.inside(), contextlib.closing(Rtnetlink()) as rtnetlink:
        first, *others = place(VrrpInstance("VI_1", "eth0", 51, 4, wide), links.known).taken
        assert rtnetlink.put([first, *others]) == ()
        assert rtnetlink.withdraw([first]) == ()
        assert rtnetlink.put(others) == ()
        assert {"203.0.113.2/24", "203.0.113.3/24"} < addresses(one)
        assert "203.0.113.1/24" not in addresses(one)


def test_what_the_kernel_refuses_is_told_and_all_else_is_put(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    nowhere = VirtualRoute("192.0.2.0/24", via="192.0.2.200")
    routed = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), routes=(nowhere, VirtualRoute("192.0.2.0/25", ONE)))
    rules = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), routes=(nowhere,), rules=(VirtualRule(1000, 500),))
    with listening(one) as links, one.inside(), contextlib.closing(Rtnetlink()) as rtnetlink:
        (problem, *_) = rtnetlink.put(place(routed, links.known).taken)
        assert problem.startswith("the kernel refuses route to 192.0.2.0/24 via 192.0.2.200: ")
        assert len(rtnetlink.put(place(rules, links.known).taken)) == 1
        assert "500:" in one.run("ip", "rule", "show")
        assert "198.51.100.1/24" in addresses(one)
        with pytest.raises(NoInterfaceError, match="there is no interface eth7"):
            place(VrrpInstance("VI_1", "eth7", 51, 4, (VIRTUAL,)), links.known)


def test_an_interface_without_ipv6_is_named_as_the_reason_of_a_refusal(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    both = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), excluded=(VirtualAddress("2001:db8::100", 128),))
    one.sysctl({"net.ipv6.conf.eth0.disable_ipv6": "1"})
    with listening(one) as links, one.inside(), contextlib.closing(Rtnetlink()) as rtnetlink:
        (problem,) = rtnetlink.put(place(both, links.known).taken)
        assert problem.endswith("2001:db8::100/128 on eth0: Permission denied (is disable_ipv6 set there?)")
        assert rtnetlink.withdraw(place(both, links.known).taken) == ()


@pytest.mark.parametrize(("family", "address"), [(4, "198.51.100.1"), (6, "2001:db8::100")])
def test_with_a_virtual_mac_neighbours_see_that_and_nothing_else(
    pair: tuple[Machine, Machine], family: Literal[4, 6], address: str
) -> None:
    one, other = pair
    instance = VrrpInstance(
        "VI_1", "eth0", 51, family, (VirtualAddress(address, 32 if family == 4 else 128),), mac=True
    )
    with listening(one) as links, one.inside(), contextlib.closing(Rtnetlink()) as rtnetlink:
        placement = place(instance, links.known)
        wanted = settings(instance, links.known)
        name = macvlan_name(instance, links.known)
        assert rtnetlink.put(placement.links) == ()
        eventually(lambda: (links.read(), links.known)[1], lambda known: name in known)
        assert links.known[name].hardware_address == virtual_mac(instance)
        assert not links.known[name].up
        assert put(wanted) == check(wanted) == []
        assert rtnetlink.put(placement.taken) == ()
        WebServer(one, "::", 80, "one")
        with Capture(other, "eth0") as capture:
            assert ask(other, address, 80) == "one"
            answers = [
                frame for frame in capture.frames() if frame[12:14] == b"\x08\x06" and frame[28:32] == packed(address)
            ]
        assert {frame[6:12].hex(":") for frame in answers} == ({virtual_mac(instance)} if family == 4 else set())
        (neighbour,) = json.loads(other.run("ip", "-json", "neigh", "show", address))
        assert neighbour["lladdr"] == virtual_mac(instance)
        assert rtnetlink.withdraw(placement.taken) == ()
        assert addresses(one, name) == set()
        assert rtnetlink.withdraw(placement.links) == ()
        eventually(lambda: (links.read(), links.known)[1], lambda known: name not in known)


def test_interfaces_are_followed_as_they_change(pair: tuple[Machine, Machine], net: Topology) -> None:
    one, other = pair
    with listening(one) as links:
        assert links.known["eth0"].up
        assert links.known["eth0"].hardware_address == one.hardware_address("eth0")
        assert links.known["eth0"].source(4) == ONE
        mine = links.known["eth0"].source(6)
        assert mine.startswith("fe80::")
        assert links.known["lo"].hardware_address == ""
        changed: set[str] = set()

        def known() -> Any:
            changed.update(links.read())
            return links.known

        other.ip("link set eth0 down")
        eventually(known, lambda links: not links["eth0"].up)
        assert changed == {"eth0"}
        other.ip("link set eth0 up")
        eventually(known, lambda links: links["eth0"].up)
        one.ip("link add br0 type bridge", "link set eth0 master br0", "link set eth0 nomaster", "link delete br0")
        eventually(known, lambda links: "br0" not in links)
        assert known()["eth0"].up
        one.ip("address add 198.51.100.1/24 dev eth0", f"address delete {ONE}/24 dev eth0")
        eventually(known, lambda links: ONE not in [each.address for each in links["eth0"].addresses])
        one.ip(
            *("address add 203.0.113.1/24 dev eth0", f"address add {ONE}/24 dev eth0"),
            *(f"address delete {mine}/64 dev eth0", "link set eth0 down", "link set eth0 name wan"),
        )
        seen = eventually(known, lambda links: "wan" in links and not links["wan"].up)
        assert "eth0" not in seen
        virtual = frozenset({"203.0.113.1", "198.51.100.1"})
        eventually(known, lambda links: links["wan"].source(4, virtual) == ONE)
        eventually(known, lambda links: links["wan"].source(6) == "")
        one.ip("link delete wan")
        assert eventually(known, lambda links: "wan" not in links).keys() >= {"lo"}


def test_an_address_is_no_source_before_it_is_known_to_be_nobody_elses(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    one.sysctl({"net.ipv6.conf.eth0.accept_dad": "1", "net.ipv6.conf.eth0.dad_transmits": "100"})
    one.ip(f"address delete {link_local(one)}/64 dev eth0", "address add fe80::77/64 dev eth0")
    with listening(one) as links:
        addresses = {each.address: each.usable for each in links.known["eth0"].addresses}
        assert addresses["fe80::77"] is False
        assert links.known["eth0"].source(6) == ""


def test_changes_beyond_what_the_socket_holds_are_read_anew(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    with listening(one) as links:
        links._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.ip(*(f"link add dummy{number} type dummy" for number in range(50)))
        changed = eventually(links.read, bool)
        one.ip(*(f"link delete dummy{number}" for number in range(49)))
        assert "dummy0" in changed
        known = eventually(lambda: (links.read(), links.known)[1], lambda known: "dummy48" not in known)
        assert {name for name in known if name.startswith("dummy")} == {"dummy49"}


def test_what_was_claimed_goes_even_though_whoever_put_it_is_dead(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    one, other = pair
    path = tmp_path / "run" / "vrrp.json"
    instance = VrrpInstance("VI_1", "eth0", 51, 4, (VIRTUAL,), mac=True, rules=(VirtualRule(1000, 500),))
    with listening(one) as links, one.inside():
        before = addresses(one)
        placement = place(instance, links.known)
        write_claims([*placement.links, *placement.taken], path)
        with contextlib.closing(Rtnetlink()) as rtnetlink:
            assert rtnetlink.put([*placement.links, *placement.taken]) == ()
        assert "vrrp4-51-" in one.run("ip", "link", "show")
    with other.inside():
        # They are another network's.
        assert withdraw_claims(path) == ()
        assert read_claims(path) == ()
    with one.inside():
        assert read_claims(path) == (*placement.links, *placement.taken)
        assert withdraw_claims(path) == ()
        assert not path.exists()
        assert withdraw_claims(path) == ()
    assert addresses(one) == before
    assert "vrrp4-51-" not in one.run("ip", "link", "show")
    assert "500:" not in one.run("ip", "rule", "show")
