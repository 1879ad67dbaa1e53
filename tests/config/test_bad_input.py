"""Mistakes anywhere else, and many at once: each is one clear sentence with its place."""

from typing import Any

import pytest

POOL = "    real_servers: [192.0.2.11]\n"
SHOP = f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n{POOL}"


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
        ("director: {max_reload_change: 120%}", "1:31: director.max_reload_change: 120% is out of range: 0% to 100%"),
        ("director: {keep_events: 10}", "1:25: director.keep_events: 10 is out of range: 1000 to 10000000"),
        ("director: {watch: yes}", "1:19: director.watch: expected true or false, found 'yes'"),
        ("director: {state_max_age: x}", "1:27: director.state_max_age: expected a duration such as 500ms"),
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
