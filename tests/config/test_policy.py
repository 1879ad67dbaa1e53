"""How a pool keeps its promises, as the file says it: panic, slow start, drain, flap damping, sorry servers."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.config.kinds import Percent
from healthlb.model.config import FlapDamping
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Method, Tunnel

SHOP = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n"
POOL = "    real_servers: [192.0.2.11, 192.0.2.12]\n"


def shop(file: Any, *lines: str) -> Any:
    text = SHOP + "".join(f"    {line}\n" for line in lines) + POOL
    return file.load(text).virtual_servers["shop"]


def test_without_a_word_about_policy_a_pool_has_none(file: Any) -> None:
    pool = shop(file)
    server = pool.real_servers[0]
    assert (pool.panic, pool.sorry_servers, pool.on_quorum_lost) == (0.0, (), ())
    assert (server.slow_start, server.drain_timeout, server.flap_damping, server.origin) == (0.0, 0.0, None, "file")


@pytest.mark.parametrize(
    ("written", "percent"), [("50%", 50.0), ("50", 50.0), ("0", 0.0), ("100 %", 100.0), ("12.5%", 12.5), ("0.5%", 0.5)]
)
def test_a_share_is_written_with_its_sign_or_without(file: Any, written: str, percent: float) -> None:
    assert shop(file, f"panic: {written}").panic == percent


@given(percent=st.floats(0, 100).map(lambda value: float(f"{value:.3f}")))
def test_a_share_is_read_as_it_is_shown(percent: float) -> None:
    shown = float(f"{percent:g}")
    assert Percent().parse(Percent().show(percent)) == shown


def test_real_servers_take_their_policy_from_the_virtual_server_unless_they_say_otherwise(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          shop:
            address: 192.0.2.10:80
            slow_start: 60s
            drain_timeout: 5m
            flap_damping: {}
            real_servers:
              - 192.0.2.11
              - address: 192.0.2.12
                slow_start: 0
                drain_timeout: 1h
                flap_damping: {changes: 3, window: 1m, hold: 10s, longest: 20s}
              - {address: 192.0.2.13, flap_damping: none}
        """
    )
    found = [
        (server.slow_start, server.drain_timeout, server.flap_damping)
        for server in config.virtual_servers["shop"].real_servers
    ]
    assert found == [
        (60.0, 300.0, FlapDamping(6, 600.0, 60.0, 1800.0)),
        (0.0, 3600.0, FlapDamping(3, 60.0, 10.0, 20.0)),
        (60.0, 300.0, None),
    ]


def test_a_sorry_server_is_reached_as_the_pool_is_and_is_not_checked(file: Any) -> None:
    pool = shop(
        file,
        "method: tunnel",
        "tunnel: {type: gre}",
        "weight: 7",
        "upper_threshold: 10",
        "slow_start: 60s",
        "drain_timeout: 2m",
        "flap_damping: {}",
        "on_failure: remove",
        "sorry_server: 192.0.2.250",
    )
    [sorry] = pool.sorry_servers
    assert (sorry.name, sorry.address, sorry.method) == (
        "192.0.2.250:80",
        Endpoint("192.0.2.250", 80),
        Method("tunnel", Tunnel("gre")),
    )
    assert (sorry.probes, sorry.weight, sorry.upper_threshold, sorry.on_failure) == ((), 1, 0, "remove")
    assert (sorry.slow_start, sorry.drain_timeout, sorry.flap_damping) == (0.0, 120.0, None)


def test_a_sorry_server_has_a_method_and_a_check_of_its_own_where_it_says_so(file: Any) -> None:
    pool = shop(
        file,
        "method: dr",
        "sorry_server: {address: '192.0.2.250:8080', method: nat, name: sorry, check: {type: tcp}, weight: 3}",
    )
    [sorry] = pool.sorry_servers
    assert (sorry.name, sorry.method, sorry.weight) == ("sorry", Method("nat"), 3)
    assert [probe.target for probe in sorry.probes] == [Endpoint("192.0.2.250", 8080)]


def test_a_list_of_sorry_servers_is_a_pool_that_stands_in(file: Any) -> None:
    pool = shop(file, "sorry_server: [192.0.2.250, {address: 192.0.2.251, weight: 0}]")
    assert [(server.name, server.weight) for server in pool.sorry_servers] == [
        ("192.0.2.250:80", 1),
        ("192.0.2.251:80", 0),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("panic: 101%", "12: virtual_servers.shop.panic: 101% is out of range: 0% to 100%"),
        ("panic: -1", "12: virtual_servers.shop.panic: -1 is out of range: 0% to 100%"),
        ("panic: half", "12: virtual_servers.shop.panic: expected a percentage such as 50%, found 'half'"),
        ("panic: true", "12: virtual_servers.shop.panic: expected a percentage such as 50%, found true"),
        (
            "panic: 0.5",
            "12: virtual_servers.shop.panic: 0.5 may be meant as 50% or as 0.5%; write it with its sign",
        ),
        ("panic: .nan", "12: virtual_servers.shop.panic: nan is out of range: 0% to 100%"),
        ("slow_start: -1s", "17: virtual_servers.shop.slow_start: expected a duration such as 500ms, 2s or 1m"),
        ("slow_start: 2d", "17: virtual_servers.shop.slow_start: 2d is out of range: 0s to 1d"),
        ("drain_timeout: 8d", "20: virtual_servers.shop.drain_timeout: 8d is out of range: 0s to 7d"),
        (
            "flap_damping: {hold: 1h}",
            "26: virtual_servers.shop.flap_damping.hold: 1h is above longest, which is 30m",
        ),
        ("flap_damping: {longest: 1s}", "19: virtual_servers.shop.flap_damping.hold: 1m is above longest, which is 1s"),
        ("flap_damping: {changes: 0}", "29: virtual_servers.shop.flap_damping.changes: 0 is out of range: 1 to 1000"),
        ("flap_damping: on", "19: virtual_servers.shop.flap_damping: expected none, found 'on'"),
        ("flap_damping: []", "19: virtual_servers.shop.flap_damping: expected none, found a list"),
        ("sorry_server: []", "19: virtual_servers.shop.sorry_server: expected a list of at least 1, found 0"),
        ("sorry_server: {}", "19: virtual_servers.shop.sorry_server.address: is missing: the address, with a port"),
        ("sorry_server:", "18: virtual_servers.shop.sorry_server: expected an address and port such as 192.0.2.1:80"),
        (
            "sorry_server: {address: 192.0.2.250, panic: 5%}",
            "42: virtual_servers.shop.sorry_server.panic: is of the whole pool; set it on the virtual server",
        ),
        (
            "sorry_server: {address: 192.0.2.250, slow_start: 5}",
            "42: virtual_servers.shop.sorry_server.slow_start: is for real servers; a sorry server has its weight at",
        ),
        (
            "sorry_server: {address: 192.0.2.250, flap_damping: none}",
            "42: virtual_servers.shop.sorry_server.flap_damping: is for real servers; a sorry server is never held",
        ),
        (
            "sorry_server: {address: 192.0.2.250, wieght: 5}",
            "42: virtual_servers.shop.sorry_server.wieght: unknown key; did you mean 'weight'?",
        ),
        (
            "sorry_server: ['[2001:db8::1]']",
            "20: virtual_servers.shop.sorry_server[0]: an IPv6 real server in an IPv4 service needs method tunnel",
        ),
        (
            "sorry_server: {address: 192.0.2.250, check: wbe}",
            "49: virtual_servers.shop.sorry_server.check: there is no check named 'wbe' under checks",
        ),
        (
            "sorry_server: 192.0.2.12",
            "19: virtual_servers.shop.sorry_server: 192.0.2.12:80 is in this pool already (line 5)",
        ),
        (
            "sorry_server: [192.0.2.250, {address: 192.0.2.251, name: '192.0.2.11:80'}]",
            "62: virtual_servers.shop.sorry_server[1]: the name 192.0.2.11:80 is in this pool already (line 5)",
        ),
        (
            "sorry_server: [192.0.2.250, 192.0.2.250]",
            "33: virtual_servers.shop.sorry_server[1]: 192.0.2.250:80 is in this pool already (line 4)",
        ),
        (
            "on_quorum_lost: oncall",
            "21: virtual_servers.shop.on_quorum_lost: there is no notifier named 'oncall' under notifiers",
        ),
        ("on_quorum_lost: [5]", "22: virtual_servers.shop.on_quorum_lost[0]: expected a name, found the number 5"),
    ],
)
def test_a_mistake_in_a_pools_policy_is_one_sentence_at_its_place(file: Any, line: str, fault: str) -> None:
    [found] = file.faults(f"{SHOP}    {line}\n{POOL}")
    assert found.startswith(f"healthlb.yaml:4:{fault}")


@pytest.mark.parametrize("key", ["panic", "sorry_server", "on_quorum_lost", "quorum", "scheduler", "persistence"])
def test_what_is_of_the_whole_pool_is_refused_on_one_real_server(file: Any, key: str) -> None:
    [fault] = file.faults(f"{SHOP}    real_servers:\n      - address: 192.0.2.11\n        {key}: 50%\n")
    place = f"healthlb.yaml:6:9: virtual_servers.shop.real_servers[0].{key}: "
    assert fault == place + "is of the whole pool; set it on the virtual server"


def test_a_sorry_server_that_clashes_with_a_kept_real_server_is_told_with_both_places(file: Any) -> None:
    items = "".join(f"      - 127.1.0.{number}\n" for number in range(1, 101))
    head = f"{SHOP}    real_servers:\n{items}    sorry_server: "
    file.load(head + "127.1.1.1\n")
    assert file.faults(head + "127.1.0.40\n") == [
        "healthlb.yaml:105:19: virtual_servers.shop.sorry_server: 127.1.0.40:80 is in this pool already (line 44)"
    ]


def test_equal_virtual_servers_share_one_pattern_for_what_is_added_at_run_time(
    file: Any, new_file: Callable[[str], Any]
) -> None:
    text = """\
    checks:
      web: {type: http}
    virtual_servers:
      a: {address: 192.0.2.1:80, check: web, slow_start: 1m, real_servers: []}
      b: {address: 192.0.2.2:80, check: web, slow_start: 1m, real_servers: [192.0.2.3]}
      c: {address: 192.0.2.2:81, check: web, slow_start: 2m, real_servers: [192.0.2.3]}
    """
    servers = file.load(text).virtual_servers
    again = new_file("again").load(text).virtual_servers
    assert servers["a"].pattern is servers["b"].pattern
    assert servers["a"].pattern == again["a"].pattern
    assert servers["a"].pattern != servers["c"].pattern
    assert hash(servers["a"]) == hash(again["a"])


def test_a_virtual_server_that_a_reload_brings_shares_the_pattern_of_those_that_were_kept(file: Any) -> None:
    block = "  {name}:\n    address: 192.0.2.1:{port}\n    slow_start: 1m\n    real_servers: []\n"
    text = "virtual_servers:\n" + block.format(name="a", port=80)
    first = file.load(text).virtual_servers
    for port in (81, 82):
        text += block.format(name=f"b{port}", port=port)
        again = file.load(text).virtual_servers
        assert again["a"] is first["a"]
        assert all(server.pattern is first["a"].pattern for server in again.values())


def test_the_checks_section_is_kept_for_what_is_added_at_run_time(file: Any) -> None:
    config = file.load("checks:\n  web: {type: http}\nvirtual_servers: {}\n")
    assert [each.check.name for each in config.named.values()] == ["web"]
