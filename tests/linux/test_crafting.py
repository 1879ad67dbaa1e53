"""Crafted packets against the RFCs' layouts, laid out once more by hand."""

import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.linux.crafting import craft_adverts, craft_announcements
from healthlb.linux.links import Link
from healthlb.model.vrrp import Peer, VirtualAddress, VrrpInstance
from vrrp_bytes import message

ETH0 = Link(2, "eth0", up=True, hardware_address="02:00:00:00:00:0a")
ETH1 = Link(3, "eth1", up=True, hardware_address="02:00:00:00:00:0b")
ROOT = Path(__file__).parents[2]
LINKS = {"eth0": ETH0, "eth1": ETH1, "wg0": Link(4, "wg0", up=True)}
SOURCE4, SOURCE6 = "198.51.100.10", "fe80::a"
ipv4, ipv6 = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)


def packed(*addresses: str) -> bytes:
    return b"".join(ip_address(address).packed for address in addresses)


def virtual(addresses: list[str]) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(address, 24) for address in addresses)


@settings(max_examples=30)
@given(
    addresses=st.lists(ipv4, min_size=1, max_size=20),
    router_id=st.integers(1, 255),
    priority=st.integers(1, 255),
    interval=st.integers(1, 4095),
    peers=st.lists(ipv4, max_size=3, unique=True),
)
def test_version_3_over_ipv4_has_each_destination_in_its_checksum(
    addresses: list[str], router_id: int, priority: int, interval: int, peers: list[str]
) -> None:
    instance = VrrpInstance(
        *("VI_1", "eth0", router_id, 4, virtual(addresses)),
        priority=priority,
        interval=interval / 100,
        peers=tuple(Peer(peer) for peer in peers),
    )
    crafted = craft_adverts(instance, SOURCE4)
    assert [advert.destination for advert in crafted] == (peers or ["224.0.0.18"])
    assert [advert.envelope for advert in crafted] == [b""] * len(crafted)
    for advert in crafted:
        ends = (packed(SOURCE4), packed(advert.destination))
        facts = {"router_id": router_id, "priority": priority, "timing": interval, "ends": ends}
        assert advert.message == message(3, packed(*addresses), len(addresses), **facts)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(addresses=st.lists(ipv6, min_size=1, max_size=20), interval=st.integers(1, 4095))
def test_version_3_over_ipv6_is_laid_out_as_the_rfc_says(addresses: list[str], interval: int) -> None:
    instance = VrrpInstance("VI_6", "eth0", 51, 6, virtual(addresses), interval=interval / 100)
    (advert,) = craft_adverts(instance, SOURCE6)
    ends = (packed(SOURCE6), packed("ff02::12"))
    assert advert.message == message(3, packed(*addresses), len(addresses), timing=interval, ends=ends)


@settings(max_examples=30)
@given(
    addresses=st.lists(ipv4, min_size=1, max_size=20),
    interval=st.integers(1, 255),
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
)
def test_version_2_has_the_password_and_no_pseudo_header(addresses: list[str], interval: int, password: str) -> None:
    instance = VrrpInstance(
        *("VI_2", "eth0", 51, 4, virtual(addresses)), version=2, interval=float(interval), password=password
    )
    (advert,) = craft_adverts(instance, SOURCE4)
    assert advert.message == message(
        *(2, packed(*addresses), len(addresses)),
        timing=(0x100 if password else 0) | interval,
        authentication=password.encode().ljust(8, b"\0"),
    )


def test_with_its_own_hardware_address_an_advert_is_a_frame_from_that_address() -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 4, virtual(["198.51.100.1"]), mac=True)
    (advert,) = craft_adverts(instance, SOURCE4)
    # 01:00:5e:00:00:12 from 00:00:5e:00:01:33; IPv4 of 20 + 12 bytes, TOS 0xc0, TTL 255, protocol 112.
    ethernet = bytes.fromhex("01005e00001200005e0001330800")
    assert advert.envelope[:14] == ethernet
    assert advert.envelope[14:18] == bytes.fromhex("45c00020")
    assert advert.envelope[22:24] == bytes([255, 112])
    assert advert.envelope[26:] == packed(SOURCE4, "224.0.0.18")

    instance = VrrpInstance("VI_6", "eth0", 51, 6, virtual(["fe80::51"]), mac=True)
    (advert,) = craft_adverts(instance, SOURCE6)
    assert advert.envelope[:14] == bytes.fromhex("33330000001200005e00023386dd")
    # Version 6, traffic class 0xc0, 24 bytes of protocol 112, hop limit 255.
    assert advert.envelope[14:22] == bytes.fromhex("6c000000001870ff")
    assert advert.envelope[22:] == packed(SOURCE6, "ff02::12")


def test_adverts_to_peers_leave_the_hardware_addresses_to_the_kernel() -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 4, virtual(["198.51.100.1"]), mac=True, peers=(Peer("198.51.100.11"),))
    assert [advert.envelope for advert in craft_adverts(instance, SOURCE4)] == [b""]


@pytest.mark.parametrize(("mac", "own"), [(False, "02000000000a"), (True, "00005e000133")])
def test_an_ipv4_address_is_announced_as_a_request_and_as_a_reply_to_everybody(mac: bool, own: str) -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 4, virtual(["198.51.100.1"]), mac=mac)
    frames = craft_announcements(instance, LINKS)
    assert [frame.index for frame in frames] == [2, 2]
    ethernet = f"ffffffffffff{own}0806"
    address = "c6336401"
    assert [frame.data.hex() for frame in frames] == [
        f"{ethernet}0001080006040001{own}{address}000000000000{address}",
        f"{ethernet}0001080006040002{own}{address}{own}{address}",
    ]


def test_an_ipv6_address_is_announced_to_all_nodes_as_overriding_what_they_knew() -> None:
    instance = VrrpInstance("VI_6", "eth0", 51, 6, virtual(["2001:db8::100"]))
    (frame,) = craft_announcements(instance, LINKS)
    assert frame.data[:14] == bytes.fromhex("33330000000102000000000a86dd")
    assert frame.data[14:22] == bytes.fromhex("6000000000203aff")
    assert frame.data[22:54] == packed("2001:db8::100", "ff02::1")
    assert frame.data[54:56] == bytes([136, 0])
    # Router and override flags, the address, and the option with the hardware address.
    assert frame.data[58:] == bytes.fromhex("a0000000") + packed("2001:db8::100") + bytes.fromhex("020102000000000a")


def test_excluded_addresses_are_announced_and_not_advertised() -> None:
    instance = VrrpInstance(
        *("VI_1", "eth0", 51, 4, virtual(["198.51.100.1"])), excluded=(VirtualAddress("203.0.113.1", 32, "eth1"),)
    )
    (advert,) = craft_adverts(instance, SOURCE4)
    assert advert.message[3] == 1
    assert [frame.index for frame in craft_announcements(instance, LINKS)] == [2, 2, 3, 3]


def test_an_interface_without_a_hardware_address_announces_nothing() -> None:
    instance = VrrpInstance(
        *("VI_1", "wg0", 51, 4, virtual(["198.51.100.1"])), excluded=(VirtualAddress("203.0.113.1", 32, "gone"),)
    )
    assert craft_announcements(instance, LINKS) == ()


CRAFTED = """
import sys
import healthlb.daemon.app, healthlb.daemon.pair_setup
assert not any(name.partition(".")[0] == "scapy" for name in sys.modules), "nobody has asked for a packet"
from healthlb.linux.crafting import craft_adverts, craft_announcements
from healthlb.linux.links import Link
from healthlb.model.vrrp import VirtualAddress, VrrpInstance
instance = VrrpInstance("VI_1", "eth0", 51, 6, (VirtualAddress("2001:db8::1", 64),))
assert craft_adverts(instance, "fe80::a")
assert craft_announcements(instance, {"eth0": Link(2, "eth0", up=True, hardware_address="02:00:00:00:00:0a")})
from scapy.config import conf
assert not conf.route.routes and not conf.route6.routes, "the kernel's routes were read"
"""


def test_scapy_is_loaded_for_the_first_packet_and_reads_no_routes_of_the_kernel() -> None:
    """It takes them one by one: with a full table of BGP's routes for longer than anybody waits for a director."""
    done = subprocess.run([sys.executable, "-c", CRAFTED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
