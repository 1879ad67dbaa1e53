"""Mistakes in virtual and real servers: each is one clear sentence with its place."""

from typing import Any

import pytest

from checks.options import one_of
from checks.registry import types

KNOWN_TYPES = one_of(tuple(sorted(types())))
POOL = "    real_servers: [192.0.2.11]\n"
SHOP = f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n{POOL}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "address: 192.0.2.10:0",
            "address: port 0 is out of range: 1 to 65535 (an all-port service needs persistence)",
        ),
        ("address: 192.0.2.10:70000", "address: port 70000 is out of range: 1 to 65535"),
        ("address: 192.0.2.10", "address: '192.0.2.10' lacks a port: write 192.0.2.10:PORT"),
        ("address: '[2001:db8::1]'", "address: '[2001:db8::1]' lacks a port: write [2001:db8::1]:PORT"),
        (
            "address: 2001:db8::1:80",
            "address: '2001:db8::1:80' does not say where the address ends; write [2001:db8::1] or [2001:db8::1]:443",
        ),
        (
            "address: shop.example.com:80",
            (
                "address: 'shop.example.com' is a host name; real servers are addresses, so that the director starts "
                "while DNS is down"
            ),
        ),
        (
            "address: 010.0.0.1:80",
            "address: '010.0.0.1' has a leading zero, which some programs read as octal; leave the zero out",
        ),
        ("address: 192.0.2.256:80", "address: '192.0.2.256' is no IPv4 address: four numbers of 0 to 255"),
        ("address: 192.0.2:80", "address: '192.0.2' is no IPv4 address: four numbers of 0 to 255"),
        ("address: 0.0.0.0:80", "address: 0.0.0.0 is the unspecified address; no host answers at it alone"),
        ("address: 0.1.2.3:80", "address: 0.1.2.3 is a reserved address; no host answers at it alone"),
        ("address: 224.0.0.1:80", "address: 224.0.0.1 is a multicast address; no host answers at it alone"),
        (
            "address: 255.255.255.255:80",
            "address: 255.255.255.255 is the broadcast address; no host answers at it alone",
        ),
        ("address: '[::]:80'", "address: :: is the unspecified address; no host answers at it alone"),
        ("address: '[ff02::1]:80'", "address: ff02::1 is a multicast address; no host answers at it alone"),
        (
            "address: '[fe80::1%eth0]:80'",
            "address: 'fe80::1%eth0' names an interface after '%', which an IPVS row cannot hold",
        ),
        (
            "address: '[::ffff:192.0.2.1]:80'",
            "address: '::ffff:192.0.2.1' is an IPv4 address in IPv6 clothes; write 192.0.2.1",
        ),
        ("address: '[2001:db8::zz]:80'", "address: '2001:db8::zz' is no IPv6 address"),
        ("address: '[192.0.2.1]:80'", "address: '[192.0.2.1]:80' is no address and port such as [2001:db8::1]:443"),
        ("address: '192.0.2.1:http'", "address: 'http' is no port: a number of 1 to 65535"),
        ("address: '192.0.2.1:080'", "address: '080' is no port: a number of 1 to 65535"),
        (
            "address: 80",
            "address: expected an address and port such as 192.0.2.1:80, found the number 80",
        ),
        (
            "scheduler: wlcc",
            (
                "scheduler: expected rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh or twos, "
                "found 'wlcc'; did you mean 'wlc'?"
            ),
        ),
        ("schedular: rr", "schedular: unknown key; did you mean 'scheduler'?"),
        ("method: nt", "method: expected nat, dr or tunnel, found 'nt'; did you mean 'nat'?"),
        ("one_packet: yes", "one_packet: expected true or false, found 'yes'"),
        ("one_packet: true", "one_packet: is for UDP only, and the service is tcp"),
        ("protocol: icmp", "protocol: expected tcp, udp or sctp, found 'icmp'"),
        ("family: inet6", "family: 192.0.2.10 is of the other family"),
        ("fwmark: 5", "fwmark: a service has either an address or a firewall mark, not both"),
        (
            "scheduler_flags: [sh-port]",
            "scheduler_flags: sh-port is a flag of scheduler sh, and the scheduler here is wlc",
        ),
        ("weight: -1", "weight: -1 is out of range: 0 to 65535"),
        ("weight: 65536", "weight: 65536 is out of range: 0 to 65535"),
        ("weight: 012", "weight: expected a whole number, found '012'"),
        ("lower_threshold: 3", "lower_threshold: 3 is above upper_threshold, which is 0"),
        ("quorum: {up: 0}", "quorum.up: 0 is out of range: 1 to 2147483647"),
        (
            "quorum: {up: 2, hysteresis: 2}",
            "quorum.hysteresis: 2 is not below up, which is 2: the quorum would only be lost with nobody left",
        ),
        (
            "persistence: {timeout: 500ms}",
            "persistence.timeout: 500ms has a fraction of a second; the kernel counts whole seconds",
        ),
        ("persistence: {timeout: 0}", "persistence.timeout: 0 is out of range: 1s to 31d"),
        (
            "persistence: {netmask: 255.0.255.0}",
            "persistence.netmask: '255.0.255.0' is no netmask: ones from the left, then zeros, and at least one one",
        ),
        (
            "persistence: {netmask: /64}",
            "persistence.netmask: an IPv4 service takes a netmask such as 255.255.255.0 or a prefix of 1 to 32",
        ),
        ("persistence: {engine: sip}", "persistence.engine: the sip engine reads UDP only, and the service is tcp"),
        ("persistence: 300s", "persistence: expected a mapping, found '300s'"),
        ("tunnel: {type: gre}", "tunnel: is for method tunnel, and the method here is nat"),
        ("check: wbe", "check: there is no check named 'wbe' under checks; did you mean 'web'?"),
        (
            "check: tcp",
            (
                "check: there is no check named 'tcp' under checks; for a check of that type with its defaults write "
                "{type: tcp}"
            ),
        ),
        ("check: []", "check: expected a list of at least 1, found 0"),
        ("check: {}", f"check.type: is missing: a check says its type; known types: {KNOWN_TYPES}"),
        ("check: {type: htpp}", "check.type: there is no check type 'htpp'; did you mean 'http'?"),
        ("check: {type: gopher}", f"check.type: there is no check type 'gopher'; known types: {KNOWN_TYPES}"),
        ("check: {type: http, intervall: 2}", "check.intervall: unknown key; did you mean 'interval'?"),
        (
            "check: {type: http, interval: 2x}",
            "check.interval: expected a duration such as 500ms, 2s or 1m, found '2x'",
        ),
        ("check: {type: tcp, timeout: 0}", "check.timeout: 0 is out of range: 1ms to 1h"),
        ("check: {type: tcp, rise: 0}", "check.rise: 0 is out of range: 1 to 1000"),
        ("check: {type: tcp, port: 0}", "check.port: 0 is out of range: 1 to 65535"),
        ("check: {type: http, method: HEAD, expect: x}", "check.expect: the reply to HEAD has no body to look at"),
        ("check: [web, web]", "check: two checks are called web; give one another name"),
        ("require: some", "require: expected all or any, found 'some'"),
    ],
)
def test_a_mistake_in_a_virtual_server_is_one_sentence_at_its_value(file: Any, line: str, message: str) -> None:
    replaced = "    address: 192.0.2.10:80\n" if not line.startswith("address") else ""
    text = f"checks:\n  web: {{type: tcp}}\nvirtual_servers:\n  shop:\n    {line}\n{replaced}{POOL}"
    [fault] = file.faults(text)
    assert fault.startswith(f"healthlb.yaml:5:{fault.split(':')[2]}: virtual_servers.shop.{message}")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("web1", "'web1' is a host name; real servers are addresses, so that the director starts while DNS is down"),
        ("web1.example.com:80", "'web1.example.com' is a host name; real servers are addresses"),
        ("192.0.2.11:0", "port 0 is out of range: 1 to 65535"),
        ("192.0.2.11:70000", "port 70000 is out of range: 1 to 65535"),
        ("'[2001:db8::1]'", "an IPv6 real server in an IPv4 service needs method tunnel, not nat"),
        ("'[fe80::1]'", "an IPv6 real server in an IPv4 service needs method tunnel, not nat"),
        ("255.255.255.255", "255.255.255.255 is the broadcast address"),
        ("[192.0.2.11]", "expected an address or a mapping, found a list"),
        ("8080", "expected an address and port such as 192.0.2.1:80, found the number 8080"),
        ("", "expected an address and port such as 192.0.2.1:80, found nothing"),
        ("'192.0.2.11:80 '", "'80 ' is no port: a number of 1 to 65535"),
    ],
)
def test_a_mistake_in_a_bare_real_server_is_told_at_its_item(file: Any, address: str, message: str) -> None:
    text = SHOP.replace("[192.0.2.11]", f"\n      - 192.0.2.12\n      - {address}")
    [fault] = file.faults(text)
    place, _, said = fault.partition(": virtual_servers.shop.real_servers[1]: ")
    assert place.startswith("healthlb.yaml:6:")
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("above", "server", "message"),
    [
        (
            "method: dr",
            "address: 192.0.2.11:8080",
            "address: dr does not translate ports: the real server listens on the virtual server's port 80; leave",
        ),
        ("method: tunnel", "address: 192.0.2.11:8080", "address: tunnel does not translate ports"),
        (
            "method: dr",
            "address: '[2001:db8::1]'",
            "address: an IPv6 real server in an IPv4 service needs method tunnel, not dr",
        ),
        ("method: tunnel", "address: '[fe80::1]'", "address: fe80::1 is link-local, which an IPVS row cannot hold"),
        (
            "method: tunnel\n    tunnel: {type: gue}",
            "address: 192.0.2.11",
            "tunnel.port: is missing: gue is sent to a UDP port",
        ),
        (
            "method: tunnel\n    tunnel: {port: 6080}",
            "address: 192.0.2.11",
            "tunnel.port: ipip has no port; only gue is sent to one",
        ),
        (
            "method: tunnel\n    tunnel: {checksum: csum}",
            "address: 192.0.2.11",
            "tunnel.checksum: ipip has no 'csum'; it takes none",
        ),
        (
            "method: tunnel\n    tunnel: {type: gre, checksum: remcsum}",
            "address: 192.0.2.11",
            "tunnel.checksum: gre has no 'remcsum'; it takes none or csum",
        ),
        (
            "method: nat",
            "address: 192.0.2.11\n        tunnel: {type: gre}",
            "tunnel: is for method tunnel, and the method here is nat",
        ),
        (
            "upper_threshold: 5",
            "address: 192.0.2.11\n        lower_threshold: 6",
            "lower_threshold: 6 is above upper_threshold, which is 5",
        ),
        ("method: nat", "address: 192.0.2.11\n        wieght: 6", "wieght: unknown key; did you mean 'weight'?"),
        ("method: nat", "weight: 6", "address: is missing: the address, with a port unless it is the virtual server's"),
        (
            "method: nat",
            "address: 192.0.2.11\n        name: a/b",
            "name: 'a/b' is no name: up to 128 letters, digits and _ . : [ ] -",
        ),
        (
            "method: nat",
            "address: 192.0.2.11\n        name: 5",
            "name: expected a name, found the number 5; put it in quotes",
        ),
    ],
)
def test_a_mistake_in_a_real_server_is_told_at_its_key(file: Any, above: str, server: str, message: str) -> None:
    text = f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    {above}\n    real_servers:\n      - {server}\n"
    [fault] = file.faults(text)
    assert message in fault
    assert fault.split(": ")[1].startswith("virtual_servers.shop.")


def test_the_same_real_server_twice_in_a_pool_is_told_at_the_second(file: Any) -> None:
    text = """\
    virtual_servers:
      shop:
        address: 192.0.2.10:80
        real_servers:
          - 192.0.2.11
          - address: 192.0.2.11:80
            name: other
          - address: 192.0.2.12
            name: 192.0.2.11:80
    """
    assert file.faults(text) == [
        "healthlb.yaml:6:18: virtual_servers.shop.real_servers[1]: 192.0.2.11:80 is in this pool already (line 5)",
        (
            "healthlb.yaml:9:15: virtual_servers.shop.real_servers[2]: "
            "the name 192.0.2.11:80 is in this pool already (line 5)"
        ),
    ]


def test_the_same_virtual_server_address_twice_is_told_at_the_second(file: Any) -> None:
    text = (
        SHOP
        + SHOP.partition("\n")[2].replace("shop", "copy")
        + SHOP.partition("\n")[2].replace("shop", "udp").replace("    address", "    protocol: udp\n    address")
    )
    assert file.faults(text) == [
        (
            "healthlb.yaml:6:14: virtual_servers.copy: tcp 192.0.2.10:80 is the virtual server shop already "
            f"({file.path}:3)"
        )
    ]


def test_the_same_firewall_mark_twice_is_told_and_another_family_is_another_service(file: Any) -> None:
    pool = "    check: {type: tcp, port: 80}\n    real_servers: []\n"
    text = (
        f"virtual_servers:\n  a:\n    fwmark: 5\n{pool}  b:\n    fwmark: 5\n{pool}"
        f"  c:\n    fwmark: 5\n    family: inet6\n{pool}"
    )
    assert file.faults(text) == [
        f"healthlb.yaml:7:13: virtual_servers.b: fwmark 5 is the virtual server a already ({file.path}:3)"
    ]


def test_the_same_name_twice_is_told_at_the_second(file: Any) -> None:
    assert file.faults(SHOP + SHOP.partition("\n")[2].replace(":80", ":81")) == [
        "healthlb.yaml:5:3: virtual_servers.shop: is here twice; line 2 has it already"
    ]


def test_the_same_key_twice_is_told_at_the_second(file: Any) -> None:
    text = SHOP + "    scheduler: rr\n    scheduler: wlc\ndirector: {}\ndirector: {}\n"
    assert file.faults(text) == [
        "healthlb.yaml:6:5: virtual_servers.shop.scheduler: is here twice; line 5 has it already",
        "healthlb.yaml:8:1: director: is here twice; line 7 has it already",
    ]


def test_a_protocol_on_a_firewall_mark_is_told(file: Any) -> None:
    text = "virtual_servers:\n  a:\n    fwmark: 5\n    protocol: udp\n    real_servers: []\n"
    assert file.faults(text) == [
        (
            "healthlb.yaml:4:15: virtual_servers.a.protocol: a firewall mark takes whatever protocol was marked; "
            "leave it out"
        )
    ]


def test_a_firewall_mark_without_a_port_to_check_is_told_at_each_real_server(file: Any) -> None:
    text = "virtual_servers:\n  a:\n    fwmark: 5\n    real_servers: [192.0.2.11, '192.0.2.12:0', '192.0.2.13:80']\n"
    assert file.faults(text) == [
        f"healthlb.yaml:4:{column}: virtual_servers.a.real_servers[{index}]: the check tcp has no port to probe; "
        "give the check a port"
        for index, column in enumerate((20, 32))
    ]


def test_a_persistent_firewall_mark_translates_no_port(file: Any) -> None:
    text = "virtual_servers:\n  a:\n    fwmark: 5\n    persistence: {}\n    real_servers: ['192.0.2.13:80']\n"
    assert file.faults(text) == [
        (
            "healthlb.yaml:5:20: virtual_servers.a.real_servers[0]: the kernel does not translate ports of a "
            "persistent firewall mark service; leave the port out"
        )
    ]


def test_a_virtual_server_without_address_and_pool_is_told_both(file: Any) -> None:
    assert file.faults("virtual_servers:\n  a:\n    scheduler: rr\n") == [
        "healthlb.yaml:3:5: virtual_servers.a: has no address: give address (such as 192.0.2.1:80) or fwmark",
        "healthlb.yaml:3:5: virtual_servers.a.real_servers: is missing: the pool: addresses, or mappings with options",
    ]
