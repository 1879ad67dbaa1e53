"""Bad input: each mistake is one clear sentence with its place."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

POOL = "    real_servers: [192.0.2.11]\n"
SHOP = f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n{POOL}"


def test_a_missing_file_says_so(file: Any) -> None:
    assert file.faults() == ["healthlb.yaml: there is no such file"]


def test_a_directory_in_the_place_of_a_file_says_so(file: Any) -> None:
    Path(file.path).mkdir()
    assert file.faults() == ["healthlb.yaml: is a directory; name the file in it"]


def test_a_fifo_is_not_waited_for(file: Any) -> None:
    os.mkfifo(file.path)
    assert file.faults() == ["healthlb.yaml: is not a regular file"]


def test_a_socket_says_so(file: Any) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(file.path)
        assert file.faults() == ["healthlb.yaml: cannot be read: No such device or address"]


def test_a_file_behind_a_file_cannot_be_read(file: Any, new_file: Any) -> None:
    file.write("a: b\n", "healthlb.yaml")
    file.write("include: [healthlb.yaml/x.yaml]\n", "main.yaml")
    assert file.faults("include: [main.yaml/x.yaml]\n" + SHOP) == [
        f"healthlb.yaml:1:11: include[0]: {file.folder}/main.yaml/x.yaml: cannot be read: Not a directory"
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but this\n", "---\n", "null\n", "~"])
def test_an_empty_file_says_so(file: Any, text: str) -> None:
    assert file.faults(text) == ["healthlb.yaml:1:1: the file is empty: it needs at least virtual_servers"]


def test_a_huge_file_is_refused_without_being_read(file: Any) -> None:
    with Path(file.path).open("wb") as handle:
        handle.truncate(1 << 40)
    assert file.faults() == ["healthlb.yaml: is larger than 16 MiB, so it is surely not the file that was meant"]


def test_a_byte_that_is_not_utf_8_is_told_with_its_place_and_offset(file: Any) -> None:
    assert file.faults(b"director:\n  name: \xc3\xa4\xff\n") == [
        "healthlb.yaml:2:10: the byte 0xff at offset 20 is not UTF-8; save the file as UTF-8"
    ]


def test_a_cut_character_at_the_files_end_is_told(file: Any) -> None:
    assert file.faults(b"a: \xe2\x82") == [
        "healthlb.yaml:1:4: the byte 0xe2 at offset 3 is not UTF-8; save the file as UTF-8"
    ]


def test_a_bad_byte_across_the_edge_of_a_piece_has_the_right_place(file: Any) -> None:
    text = b"#" * (2**18 - 2) + b"\n" + b"\xe2\x82\x28"
    assert file.faults(text) == [
        f"healthlb.yaml:2:1: the byte 0xe2 at offset {2**18 - 1} is not UTF-8; save the file as UTF-8"
    ]


def test_utf_16_is_told_by_its_name(file: Any) -> None:
    assert file.faults("a: b\n".encode("utf-16")) == ["healthlb.yaml:1:1: the file is UTF-16; save it as UTF-8"]


@pytest.mark.parametrize(("character", "name"), [("\0", "U+0000"), ("\x1b", "U+001B"), ("\x9b", "U+009B")])
def test_a_control_character_is_told_with_its_place(file: Any, character: str, name: str) -> None:
    assert file.faults(f"director:\n  na{character}me: x\n") == [
        f"healthlb.yaml:2:5: the control character {name} has no place in the file"
    ]


def test_a_byte_order_mark_is_no_fault(file: Any) -> None:
    assert list(file.load(b"\xef\xbb\xbf" + SHOP.encode()).virtual_servers) == ["shop"]


def test_windows_line_ends_are_no_fault(file: Any) -> None:
    assert list(file.load(SHOP.replace("\n", "\r\n").encode()).virtual_servers) == ["shop"]


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n", "a list"), ("shop\n", "'shop'"), ("12\n", "the number 12"), ("yes\n", "'yes'")]
)
def test_a_root_that_is_no_mapping_is_told(file: Any, text: str, found: str) -> None:
    assert file.faults(text) == [f"healthlb.yaml:1:1: expected sections such as virtual_servers:, found {found}"]


def test_a_file_without_virtual_servers_is_refused_so_that_a_truncated_one_removes_nothing(file: Any) -> None:
    assert file.faults("director: {name: a}\n") == [
        "healthlb.yaml:1:1: virtual_servers: is missing; for none at all write virtual_servers: {}"
    ]
    assert file.load("virtual_servers: {}\n").virtual_servers == {}


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
        ("panic: 50%", "panic: this version of healthlb does not have 'panic' yet"),
        ("sorry_server: {}", "sorry_server: this version of healthlb does not have 'sorry_server' yet"),
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
        ("check: {}", "check.type: is missing: a check says its type; known types: http, https or tcp"),
        ("check: {type: htpp}", "check.type: there is no check type 'htpp'; did you mean 'http'?"),
        ("check: {type: smtp}", "check.type: there is no check type 'smtp'; known types: http, https or tcp"),
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
        (
            "method: nat",
            "address: 192.0.2.11\n        slow_start: 6",
            "slow_start: this version of healthlb does not have 'slow_start' yet",
        ),
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


@pytest.mark.parametrize("name", ["'a b'", "a/b", "'..'", "'?'", "''", "'é'", "a" * 129])
def test_a_name_that_urls_or_metrics_would_have_to_quote_is_refused(file: Any, name: str) -> None:
    [fault] = file.faults(f"virtual_servers:\n  {name}:\n    address: 192.0.2.1:80\n    real_servers: []\n")
    assert "is no name: up to 128 letters, digits and _ . : [ ] -" in fault
    assert fault.startswith("healthlb.yaml:2:3: virtual_servers: ")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("director: {nam: a}", "1:12: director.nam: unknown key; did you mean 'name'?"),
        ("director: [a]", "1:11: director: expected a mapping, found a list"),
        ("director:", "1:10: director: expected a mapping, found nothing"),
        ("director: {resync: 0}", "1:20: director.resync: 0 is out of range: 100ms to 1d"),
        ("director: {state_dir: var}", "1:23: director.state_dir: expected an absolute path such as"),
        (
            "director: {ipvs_timeouts: {tcp: 1.5}}",
            "1:33: director.ipvs_timeouts.tcp: 1.5 has a fraction of a second; the kernel counts whole seconds",
        ),
        ("director: {ipvs_timeouts: {udp: 0s}}", "1:33: director.ipvs_timeouts.udp: 0s is out of range: 1s to "),
        (
            "api: {listen: localhost:9480}",
            "1:15: api.listen: 'localhost:9480' is a host name; write 127.0.0.1 or [::1]",
        ),
        ("api: {listen: 127.0.0.1:0}", "1:15: api.listen: port 0 is out of range: 1 to 65535"),
        ("api: {listen: none}", "1:15: api.listen: 'none' is a host name"),
        ("api: {listen: unix:run}", "1:15: api.listen: 'unix:run' is no UNIX socket: unix:/path of at most 107 bytes"),
        ("api: {admin: 127.0.0.1:9481}", "1:14: api.admin: 127.0.0.1:9481 is a TCP address, which needs token_file"),
        (
            "api: {admin: 192.0.2.1:9481, token_file: /t}",
            "1:14: api.admin: 192.0.2.1:9481 is not a loopback address, so it needs certificate_file and key_file",
        ),
        ("api: {certificate_file: /c}", "1:25: api.certificate_file: needs key_file beside it"),
        ("api: {listen: unix:/a, admin: unix:/a}", "1:31: api.admin: is unix:/a, the same as listen"),
        ("chekcs: {}", "1:1: chekcs: unknown key; did you mean 'checks'?"),
        ("vrrp: {}", "1:1: vrrp: this version of healthlb does not have 'vrrp' yet"),
        ("notifiers: {}", "1:1: notifiers: this version of healthlb does not have 'notifiers' yet"),
        ("checks: {web: {type: tcp, name: x}}", "1:33: checks.web.name: the key in checks is the name already"),
        ("checks: {web: tcp}", "1:15: checks.web: expected a check, found 'tcp'"),
        ("checks: [web]", "1:9: checks: expected a mapping, found a list"),
        ("checks: {a b: {type: tcp}}", "1:10: checks: 'a b' is no name"),
        ("include: x.yaml", "1:10: include: expected a list, found 'x.yaml'"),
    ],
)
def test_a_mistake_in_another_section_is_told_at_its_place(file: Any, section: str, message: str) -> None:
    [fault] = file.faults(f"{section}\n{SHOP}")
    assert fault.startswith(f"healthlb.yaml:{message}")


def test_every_fault_is_told_at_once_in_the_files_order(file: Any) -> None:
    text = """\
    virtual_servers:
      shop:
        address: 192.0.2.10:70000
        scheduler: best
        real_servers:
          - web1
          - {address: 192.0.2.11, weight: many}
    director: {nane: a}
    """
    assert [fault.split(": ")[0] for fault in file.faults(text)] == [
        "healthlb.yaml:3:14",
        "healthlb.yaml:4:16",
        "healthlb.yaml:6:9",
        "healthlb.yaml:7:39",
        "healthlb.yaml:8:12",
    ]


def test_a_named_check_that_is_wrong_is_told_once_and_not_at_every_use(file: Any) -> None:
    assert file.faults("checks:\n  web: {type: tcp, rise: 0}\n" + SHOP + "    check: web\n") == [
        "healthlb.yaml:2:26: checks.web.rise: 0 is out of range: 1 to 1000"
    ]


def test_thousands_of_faults_are_counted_and_a_hundred_listed(file: Any) -> None:
    pool = "".join(f"      - web{number}\n" for number in range(3000))
    lines = file.faults(f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    real_servers:\n{pool}")
    assert len(lines) == 101
    assert lines[0].startswith("healthlb.yaml:5:9: ")
    assert lines[-1] == "... and 2900 more faults"


def test_a_fault_in_a_virtual_server_hides_none_of_its_pool_nor_of_its_neighbours(file: Any) -> None:
    faults = file.faults(
        """\
        virtual_servers:
          shop:
            address: 192.0.2.10:80
            scheduler: roundrobin
            method: masq
            check: none
            real_servers:
              - 192.0.2.11:80
              - {address: 192.0.2.11:80, weight: x}
          twin:
            address: 192.0.2.10:80
            quorum: 3
            real_servers: ['[2001:db8::1]:80', 192.0.2.12, 192.0.2.12]
        """
    )
    assert [fault.split(": ")[0] + " " + fault.split(": ")[1] for fault in faults] == [
        "healthlb.yaml:4:16 virtual_servers.shop.scheduler",
        "healthlb.yaml:5:13 virtual_servers.shop.method",
        "healthlb.yaml:6:12 virtual_servers.shop.check",
        "healthlb.yaml:9:19 virtual_servers.shop.real_servers[1]",
        "healthlb.yaml:9:42 virtual_servers.shop.real_servers[1].weight",
        "healthlb.yaml:11:14 virtual_servers.twin",
        "healthlb.yaml:12:13 virtual_servers.twin.quorum",
        "healthlb.yaml:13:20 virtual_servers.twin.real_servers[0]",
        "healthlb.yaml:13:52 virtual_servers.twin.real_servers[2]",
    ]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("ca_file", r'"/a\0b"', r"expected a path, found '/a\x00b'"),
        ("server_name", '"a b"', "expected a host name of at most 253 characters, found 'a b'"),
        ("alpn", "h\xe9", r"expected a protocol's name such as http/1.1, found 'h\xe9'"),
    ],
)
def test_what_no_handshake_could_carry_is_told_with_its_place(file: Any, key: str, value: str, sentence: str) -> None:
    [fault] = file.faults(f"{SHOP}    check: {{type: tcp, tls: {{{key}: {value}}}}}\n")
    assert fault.endswith(sentence)
    assert fault.startswith("healthlb.yaml:5:")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SHOP + '    check: "\\e[31m\\n"\n', r"there is no check named '\x1b[31m\n' under checks"),
        (SHOP + '    "\\e[31mx": 1\n', r"shop.\x1b[31mx: unknown key"),
        (SHOP.replace("192.0.2.11", '"\\x9b1"'), r"'\x9b1' is no IPv4 or IPv6 address"),
        ("? >\n  shop\n: 1\n" + SHOP, r"shop\n: unknown key"),
    ],
    ids=["value", "key", "C1", "folded key"],
)
def test_a_fault_is_one_line_that_steers_no_terminal(file: Any, text: str, shown: str) -> None:
    [fault] = file.faults(text)
    assert shown in fault
    assert fault.isprintable()


def test_a_fault_is_no_longer_than_a_screen(file: Any) -> None:
    [fault] = file.faults(f"director: {{resync: {'9' * 100_000}s}}\n{SHOP}")
    assert len(fault) < 1100


@pytest.mark.parametrize(
    "text",
    [
        'api: {token_file: "/a\\0b"}\n',
        'api: {listen: "unix:/a\\0b"}\n',
        'director: {state_dir: "/a\\0b"}\n',
        "director: {resync: \u0663s}\n",
    ],
    ids=["token_file", "listen", "state_dir", "digits of another script"],
)
def test_what_no_system_call_takes_is_refused(file: Any, text: str) -> None:
    [fault] = file.faults(text + SHOP)
    assert fault.startswith("healthlb.yaml:1:")
