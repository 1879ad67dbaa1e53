"""The section `vrrp`: what a pair of directors declares, and each mistake with its place."""

from typing import Any

import pytest

from healthlb.model.vrrp import (
    Announcing,
    ConnectionSync,
    Peer,
    Tracked,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    Vrrp,
    VrrpInstance,
)

HEAD = """\
checks:
  web: {type: http}
  aimed: {type: tcp, address: 192.0.2.254, port: 80}
  bound: {type: tcp, source: 192.0.2.5}
  near: {type: ping}
virtual_servers:
  shop: {address: '192.0.2.1:80', real_servers: [192.0.2.11]}
"""
SMALLEST = "{interface: eth0, router_id: 51, addresses: [192.0.2.1/24]}"


def text(**sections: str) -> str:
    given = {"instances": f"{{VI_1: {SMALLEST}}}", **sections}
    return HEAD + "vrrp:\n" + "".join(f"  {key}: {value}\n" for key, value in given.items())


def with_more(more: str, addresses: str = "192.0.2.1/24") -> str:
    return text(
        instances=f"{{VI_1: {{interface: eth0, router_id: 51, addresses: [{addresses}]{', ' if more else ''}{more}}}}}"
    )


def instance(file: Any, more: str, addresses: str = "192.0.2.1/24") -> VrrpInstance:
    vrrp = file.load(with_more(more, addresses)).vrrp
    assert vrrp is not None
    return vrrp.instances["VI_1"]


def test_a_file_without_the_section_has_no_pair(file: Any) -> None:
    assert file.load(HEAD).vrrp is None


def test_an_instance_needs_no_more_than_where_it_is_its_number_and_its_addresses(file: Any) -> None:
    expected = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.1", 24),))
    assert file.load(text()).vrrp == Vrrp({"VI_1": expected})


def test_the_family_is_that_of_the_addresses_and_those_that_are_excluded_may_be_of_the_other(file: Any) -> None:
    found = instance(file, "addresses_excluded: [192.0.2.1]", "'2001:db8::1/64', 'fe80::1'")
    assert found.family == 6
    assert found.addresses == (VirtualAddress("2001:db8::1", 64), VirtualAddress("fe80::1", 128))
    assert found.excluded == (VirtualAddress("192.0.2.1", 32),)


def test_an_address_may_have_a_device_and_a_label(file: Any) -> None:
    found = instance(file, "", "{address: 192.0.2.1/24, device: eth7, label: 'eth7:1'}")
    assert found.addresses == (VirtualAddress("192.0.2.1", 24, "eth7", "eth7:1"),)


def test_preempting_is_on_or_off_or_late(file: Any) -> None:
    assert instance(file, "").preempt
    assert not instance(file, "preempt: false").preempt
    late = instance(file, "preempt: {delay: 30s}")
    assert (late.preempt, late.preempt_delay) == (True, 30.0)


def test_peers_are_addresses_or_say_how_far_they_may_be(file: Any) -> None:
    found = instance(file, "source: 192.0.2.2, peers: [192.0.2.3, {address: 192.0.2.4, minimum_ttl: 250}]")
    assert found.peers == (Peer("192.0.2.3", 255), Peer("192.0.2.4", 250))


def test_routes_and_rules_go_with_the_master(file: Any) -> None:
    found = instance(
        file,
        "routes: [{destination: default, via: 192.0.2.254}, {destination: 198.51.100.0/24, device: eth1, table: 7}], "
        "rules: [{table: 7, priority: 100, source: 192.0.2.1}, {table: 8, priority: 9, destination: '2001:db8::/32'}]",
    )
    assert found.routes == (
        VirtualRoute("default", "192.0.2.254"),
        VirtualRoute("198.51.100.0/24", device="eth1", table=7),
    )
    assert found.rules == (VirtualRule(7, 100, "192.0.2.1/32"), VirtualRule(8, 9, "", "2001:db8::/32", 6))


def test_a_list_of_what_is_tracked_means_fault_and_a_mapping_weights(file: Any) -> None:
    track = instance(
        file,
        "track: {interfaces: [eth1], virtual_servers: {shop: {weight: -60}}, "
        "checks: {web: {target: '192.0.2.254:80', weight: 20}, aimed: {}, near: {target: 192.0.2.254}}}",
    ).track
    assert track.interfaces == (Tracked("eth1"),)
    assert track.virtual_servers == (Tracked("shop", -60),)
    assert [(each.tracked, each.probe.where) for each in track.checks] == [
        (Tracked("web", 20), "192.0.2.254:80"),
        (Tracked("aimed"), "192.0.2.254:80"),
        (Tracked("near"), "192.0.2.254"),
    ]


def test_how_a_new_master_is_announced_can_be_said(file: Any) -> None:
    found = instance(file, "announce: {repeat: 3, delay: 1s, refresh: 1m, refresh_repeat: 2}")
    assert found.announcing == Announcing(3, 1.0, 60.0, 2)


def test_sync_takes_what_it_does_not_say_from_its_instance(file: Any) -> None:
    assert file.load(text(sync="{instance: VI_1}")).vrrp.sync == ConnectionSync("eth0", 51, "VI_1")
    assert file.load(text(sync="{instance: VI_1, interface: eth1, id: 0, roles: by-state}")).vrrp.sync == (
        ConnectionSync("eth1", 0, "VI_1", by_role=True)
    )


def test_sync_needs_no_instance(file: Any) -> None:
    alone = HEAD + "vrrp: {sync: {interface: eth1, id: 3, group: 'ff02::81', maximum_length: 1400}}\n"
    assert file.load(alone).vrrp == Vrrp(sync=ConnectionSync("eth1", 3, group="ff02::81", maximum_length=1400))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("version: 2, interval: 1.5s", "interval: is not in whole seconds, which is what version 2 counts in"),
        ("interval: 15ms", "interval: is not in steps of 10ms, which is what version 3 counts in"),
        ("interval: 41s", "interval: is out of range for version 3: 10ms to 40.95s"),
        ("password: secret", "password: is for version 2; version 3 has no authentication (RFC 9568 section 9)"),
        ("version: 2, password: muchtoolong", "password: expected a password of 1 to 8 ASCII characters, found"),
        (
            "version: 2, password: a, password_file: /a",
            "password_file: takes the place of password; leave one of them out",
        ),
        (
            "priority: 255, preempt: false",
            "preempt: the owner of the addresses (priority 255) always takes over; leave it out",
        ),
        ("source: '2001:db8::2'", "source: 2001:db8::2 is not of the addresses' family, which is IPv4"),
        ("peers: ['2001:db8::2']", "peers: 2001:db8::2 is not of the addresses' family, which is IPv4"),
        (
            "source: 192.0.2.2, peers: [192.0.2.2]",
            "peers: 192.0.2.2 is this director's own source; list the others",
        ),
        ("peers: [192.0.2.3, 192.0.2.3]", "peers: a peer is here twice"),
        (
            "peers: [192.0.2.3], virtual_mac: true",
            "virtual_mac: works with multicast only: leave out peers or virtual_mac",
        ),
        ("routes: [{destination: default}]", "routes: a default route needs via or device"),
        (
            "routes: [{destination: 192.0.2.7/24}]",
            "routes[0].destination: 192.0.2.7/24 has bits beyond its prefix; write 192.0.2.0/24",
        ),
        ("track: {virtual_servers: [shpo]}", "track.virtual_servers: there is no virtual server named 'shpo'; did you"),
        (
            "track: {interfaces: {eth1: {weight: 0}}}",
            "track.interfaces.eth1.weight: is 0, which changes nothing; leave it out for FAULT",
        ),
        (
            "track: {checks: {wbe: {target: '192.0.2.254:80'}}}",
            "track.checks.wbe: there is no check named 'wbe' under checks; did you mean 'web'?",
        ),
        (
            "track: {checks: {web: {}}}",
            "track.checks.web.target: is missing: the address that is probed; or give the check an address",
        ),
        (
            "track: {checks: {web: {target: 192.0.2.254}}}",
            "track.checks.web.target: lacks a port, and the check web has none: write 192.0.2.254:PORT",
        ),
        (
            "track: {checks: {bound: {target: '[2001:db8::1]:80'}}}",
            "track.checks.bound.target: 2001:db8::1 cannot be reached from 192.0.2.5, the source of the check bound",
        ),
        ("interval: 0", "interval: 0 is out of range: 10ms to 255s"),
        ("priority: 0", "priority: 0 is out of range: 1 to 255"),
    ],
)
def test_a_mistake_in_an_instance_is_one_sentence_with_its_place(file: Any, more: str, message: str) -> None:
    [fault] = file.faults(with_more(more))
    assert fault.partition(": vrrp.instances.VI_1.")[2].startswith(message)
    assert fault.startswith("healthlb.yaml:9:")


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ("", "addresses: an advert lists 1 to 255 addresses, and here are 0"),
        ("192.0.2.1/24, '2001:db8::1/64'", "addresses: an instance is for IPv4 or for IPv6; put the others in"),
        ("192.0.2.1/33", "addresses[0]: '192.0.2.1/33' has no prefix length of 0 to 32 after the /"),
        ("192.0.2.1/a", "addresses[0]: '192.0.2.1/a' has no prefix length of 0 to 32 after the /"),
        ("192.0.2.1/0", "addresses[0]: '192.0.2.1/0' has a prefix length of 0: then every address would be its"),
        ("224.0.0.18/24", "addresses[0]: 224.0.0.18 is a multicast address"),
        ("7", "addresses[0]: expected an address such as 192.0.2.1/24, found the number 7"),
        ("192.0.2.1/24, 192.0.2.1/24", "addresses: 192.0.2.1 is here twice, or in two instances: VI_1 has it already"),
    ],
)
def test_addresses_that_no_advert_can_carry_are_refused(file: Any, addresses: str, message: str) -> None:
    [fault] = file.faults(with_more("", addresses))
    assert fault.partition(": vrrp.instances.VI_1.")[2].startswith(message)


def test_version_2_has_no_ipv6(file: Any) -> None:
    [fault] = file.faults(with_more("version: 2", "'2001:db8::1/64'"))
    assert "vrrp.instances.VI_1.version: 2 is for IPv4 only; IPv6 needs version 3" in fault


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"instances": f"{{a: {SMALLEST}, b: {SMALLEST.replace('.1/', '.9/')}}}"},
            "vrrp.instances.b.router_id: 51 is a's already, on eth0 and for IPv4",
        ),
        (
            {"instances": f"{{a: {SMALLEST}, b: {SMALLEST.replace('51', '52')}}}"},
            "vrrp.instances.b.addresses: 192.0.2.1 is here twice, or in two instances: a has it already",
        ),
        ({"groups": "{g: [VI_2]}"}, "vrrp.groups.g: there is no instance named 'VI_2'; did you mean 'VI_1'?"),
        (
            {"groups": "{g: [VI_1], h: [VI_1]}"},
            "vrrp.groups.h: VI_1 is in g already; an instance is in one group",
        ),
        ({"groups": "{g: []}"}, "vrrp.groups.g: expected a list of at least 1, found 0"),
        ({"sync": "{id: 1}"}, "vrrp.sync.interface: is missing; or name the instance whose own it is"),
        ({"sync": "{interface: a}"}, "vrrp.sync.id: is missing; or name the instance whose own it is"),
        ({"sync": "{instance: VI_7}"}, "vrrp.sync.instance: there is no instance named 'VI_7'; did you mean 'VI_1'?"),
        (
            {"sync": "{interface: a, id: 1, roles: by-state}"},
            "vrrp.sync.roles: by-state needs instance: whose state it is",
        ),
        (
            {"sync": "{instance: VI_1, group: 192.0.2.1}"},
            "vrrp.sync.group: 192.0.2.1 is no multicast address, such as 224.0.0.81 or ff02::81",
        ),
        ({"peer": "lb2"}, "vrrp.peer: expected a URL such as http://192.0.2.3:9480, found 'lb2'"),
        ({"peer": "{url: lb2}"}, "vrrp.peer.url: expected a URL such as http://192.0.2.3:9480, found 'lb2'"),
        (
            {"peer": "{url: 'http://lb2', ca_file: /ca.pem}"},
            "vrrp.peer.ca_file: is for https, and the URL begins with http:",
        ),
        (
            {"peer": "{url: 'http://lb2', token_file: /token}"},
            "vrrp.peer.token_file: would go in the clear; use https",
        ),
        ({"instances": "[]"}, "vrrp.instances: expected a mapping, found a list"),
        ({"sync": "{instance: VI_1, group: 7}"}, "vrrp.sync.group: expected a multicast address, found the number 7"),
    ],
)
def test_a_mistake_in_the_pair_is_one_sentence_with_its_place(
    file: Any, sections: dict[str, str], message: str
) -> None:
    [fault] = file.faults(text(**sections))
    assert fault.partition(": ")[2] == message


def test_the_other_director_is_a_url_or_says_whom_to_trust_as_well(file: Any) -> None:
    assert file.load(text(peer="http://lb2:9480")).vrrp.peer_url == "http://lb2:9480"
    found = file.load(text(peer="{url: 'https://lb2', ca_file: /etc/ca.pem, token_file: /etc/token}")).vrrp
    assert (found.peer_url, found.peer_ca_file, found.peer_token_file) == ("https://lb2", "/etc/ca.pem", "/etc/token")
    assert file.load(text(peer="{url: 'http://lb2'}")).vrrp == file.load(text(peer="http://lb2")).vrrp


def test_a_tracked_check_that_could_not_be_read_is_told_once(file: Any) -> None:
    broken = with_more("track: {checks: {web: {target: '192.0.2.254:80'}}}").replace("{type: http}", "{type: htpt}")
    [fault] = file.faults(broken)
    assert "checks.web.type" in fault


def test_the_password_is_not_shown_with_the_rest(file: Any) -> None:
    assert "lan-only" not in repr(instance(file, "version: 2, password: lan-only"))
