"""What the process that speaks VRRP is told of every instance, and why there is nothing to say of one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.pair_setup import changes_of, prepare, without_standings
from healthlb.linux.links import Address, Link
from healthlb.model.vrrp import Peer, Track, Tracked, VirtualAddress, VirtualRoute, Vrrp, VrrpInstance
from healthlb.model.vrrp_status import TrackStatus
from healthlb.speaker.wire import Setup, Spoken

OWN, OWN6, SHARED = "192.0.2.2", "fe80::2", "192.0.2.10"
ETH0 = Link(
    *(2, "eth0", True, "02:00:00:00:00:02"),
    (Address(SHARED, 24, 4), Address(OWN, 24, 4, secondary=True), Address(OWN6, 64, 6, link_local=True)),
)
LINKS = {"eth0": ETH0, "lo": Link(1, "lo", up=True)}
VI_1 = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress(SHARED, 24),))


def spoken(instance: VrrpInstance = VI_1, links: Any = LINKS, **changes: Any) -> Spoken:
    (found,) = prepare(pair(replace(instance, **changes)), links, {}).instances
    return found


def pair(*instances: VrrpInstance) -> Vrrp:
    return Vrrp({instance.name: instance for instance in instances})


def test_adverts_come_from_the_directors_own_address_even_where_a_virtual_one_is_the_interfaces_first() -> None:
    found = spoken()
    assert found.problem == ""
    assert found.ends is not None
    assert (found.ends.source, found.ends.index, found.ends.count) == (OWN, 2, 1)
    assert [advert.destination for advert in found.adverts] == ["224.0.0.18"]
    assert [change.what for change in found.placement.taken] == [f"address {SHARED}/24 on eth0"]
    assert len(found.frames) == 2


def test_an_instance_for_ipv6_speaks_from_the_link_local_address() -> None:
    found = spoken(family=6, addresses=(VirtualAddress("2001:db8::10", 64),), peers=(Peer("fe80::3"),))
    assert found.ends is not None
    assert found.ends.source == OWN6
    assert [advert.destination for advert in found.adverts] == ["fe80::3"]


def test_the_owner_of_the_addresses_speaks_from_them() -> None:
    link = replace(ETH0, addresses=(Address(SHARED, 24, 4),))
    assert "no IPv4 address" in spoken(links={"eth0": link}).problem
    found = spoken(links={"eth0": link}, priority=255)
    assert found.ends is not None
    assert found.ends.source == SHARED


def test_an_owner_leaves_the_machines_own_addresses_alone_and_not_what_we_put() -> None:
    owner = pair(replace(VI_1, priority=255))
    before = prepare(owner, {"eth0": replace(ETH0, addresses=(Address(OWN, 24, 4),))}, {})
    (put,) = changes_of(before)
    assert put.what == f"address {SHARED}/24 on eth0"
    assert changes_of(prepare(owner, LINKS, {}, 1, (put,))) == (put,)
    assert changes_of(prepare(owner, LINKS, {})) == ()
    assert changes_of(prepare(pair(VI_1), LINKS, {})) == (put,)


def test_the_interfaces_that_addresses_and_routes_are_on_are_told() -> None:
    eth1 = Link(3, "eth1", up=True, hardware_address="02:00:00:00:00:03")
    excluded = (VirtualAddress("203.0.113.1", 24, "eth1"), VirtualAddress("203.0.113.2", 24))
    found = spoken(links=LINKS | {"eth1": eth1}, excluded=excluded, routes=(VirtualRoute("default", device="eth1"),))
    assert (found.problem, found.devices) == ("", ("eth1",))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"interface": "eth9"}, "there is no interface eth9"),
        ({"addresses": (VirtualAddress(SHARED, 24, "eth9"),)}, "there is no interface eth9"),
        ({"source": "192.0.2.77"}, "no interface has the address 192.0.2.77 that adverts are to come from"),
        ({"interface": "lo"}, "lo has no IPv4 address to send adverts from"),
    ],
)
def test_what_an_instance_lacks_is_told_and_the_others_are_spoken(changes: dict[str, Any], problem: str) -> None:
    other = replace(VI_1, name="VI_2", router_id=52)
    first, second = prepare(pair(replace(VI_1, **changes), other), LINKS, {}).instances
    assert (first.problem, first.ends, first.adverts) == (problem, None, ())
    assert (second.problem, len(second.adverts)) == ("", 1)


def test_an_address_that_a_neighbour_may_have_as_well_is_told_as_the_reason() -> None:
    own6 = Address(OWN6, 64, 6, link_local=True, usable=False)
    links = {"eth0": replace(ETH0, addresses=(own6, Address("2001:db8::2", 64, 6)))}
    six = replace(VI_1, family=6, addresses=(VirtualAddress("2001:db8::10", 64),))
    found = (spoken(six, links), spoken(six, links, source=OWN6))
    reason = "fe80::2 of eth0 cannot be used yet, or a neighbour has it as well (duplicate address detection)"
    assert [each.problem for each in found] == [reason, reason]


@given(st.binary(max_size=12))
def test_any_password_file_makes_a_password_or_a_problem(tmp_path_factory: pytest.TempPathFactory, held: bytes) -> None:
    file = tmp_path_factory.mktemp("secrets") / "password"
    file.write_bytes(held)
    found = spoken(version=2, password_file=str(file))
    if found.problem:
        assert "password_file" in found.problem
        assert found.ends is None
    else:
        assert found.settings.password.rstrip(b"\0") == held.removesuffix(b"\n").removesuffix(b"\r")
    assert held.decode("latin-1") not in found.problem or len(held) < 3


def test_a_password_file_that_is_not_there_is_a_problem_of_its_instance(tmp_path: Path) -> None:
    assert "password_file" in spoken(version=2, password_file=str(tmp_path / "none")).problem


def test_an_instances_own_interface_is_tracked_first_and_with_the_weight_that_the_file_gives_it() -> None:
    both = (Tracked("eth1", -10), Tracked("eth0", -20))
    assert spoken().interfaces == (Tracked("eth0"),)
    assert set(spoken(track=Track(interfaces=both)).interfaces) == set(both)
    assert spoken(track=Track(interfaces=both[:1])).interfaces == (Tracked("eth0"), Tracked("eth1", -10))


def test_what_may_be_in_the_kernel_is_all_that_any_instance_puts_there_once() -> None:
    other = replace(VI_1, name="VI_2", router_id=52, mac=True, addresses=(VirtualAddress("192.0.2.11", 24),))
    setup = prepare(pair(VI_1, other, replace(VI_1, name="VI_3", router_id=53)), LINKS, {})
    whats = [change.what for change in changes_of(setup)]
    assert whats[0] == f"address {SHARED}/24 on eth0"
    assert len(whats) == len(set(whats))
    assert whats.index("interface vrrp4-52-2") < whats.index("address 192.0.2.11/24 on vrrp4-52-2")


def test_setups_that_differ_only_in_what_is_tracked_are_the_same() -> None:
    def made(number: int, up: bool, **changes: Any) -> Setup:
        tracked = (TrackStatus("virtual_server", "shop", up, -60),)
        return prepare(pair(replace(VI_1, **changes)), LINKS, {"VI_1": tracked}, number)

    assert made(1, True) != made(2, False)
    assert without_standings(made(1, True)) == without_standings(made(2, False))
    assert without_standings(made(1, True)) != without_standings(made(1, True, priority=90))
