"""What a file says, with every default and everything inherited filled in."""

import hashlib
from typing import Any

import pytest

from checks.http import Http
from checks.tcp import Tcp
from healthlb.model.config import Api, Director, Listener, Quorum
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule
from healthlb.model.table import Method, Persistence, Service, ServiceKey, Timeouts, Tunnel


def test_a_minimal_file_has_every_default(file: Any) -> None:
    config = file.load("virtual_servers:\n  web:\n    address: 192.0.2.10:80\n    real_servers: [192.0.2.11]\n")
    web = config.virtual_servers["web"]
    [server] = web.real_servers
    [probe] = server.probes
    assert web.service == Service(ServiceKey.at("tcp", Endpoint("192.0.2.10", 80)), "wlc")
    assert (web.name, web.method, web.quorum) == ("web", Method("nat"), Quorum(1, 0))
    assert (server.name, server.address) == ("192.0.2.11:80", Endpoint("192.0.2.11", 80))
    assert (server.weight, server.upper_threshold, server.lower_threshold) == (1, 0, 0)
    assert (server.method, server.require, server.on_failure, server.initial) == (
        Method("nat"),
        "all",
        "quiesce",
        "wait",
    )
    assert (probe.check.name, probe.check.type, probe.check.conversation) == ("tcp", "tcp", Tcp())
    assert probe.check.schedule == Schedule(2.0, 1.0, 2, 3, 2.0, 2.0)
    assert probe.target == server.address
    assert config.api == Api(Listener(Endpoint("127.0.0.1", 9480)), Listener(path="/run/healthlb/admin.sock"))
    assert config.path == file.path


def test_the_hash_is_that_of_the_file(file: Any) -> None:
    text = "virtual_servers: {}\n"
    assert file.load(text).sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_director_is_as_it_is_written(file: Any) -> None:
    config = file.load(
        """\
        director:
          name: lb1
          foreign_services: remove
          on_stop: drain
          resync: 500ms
          state_dir: /srv
          ipvs_timeouts: {tcp: 15m, udp: 300}
          sysctl: set
          state_max_age: 1h
          max_reload_change: 25%
          watch: true
          keep_events: 5000
        api:
          listen: '[::]:80'
          admin: none
        virtual_servers: {}
        """
    )
    timeouts = Timeouts(900, 0, 300)
    assert config.director == Director(
        "lb1", "remove", "drain", 0.5, "/srv", timeouts, "set", 3600.0, 25.0, watch=True, keep_events=5000
    )
    assert config.api == Api(Listener(Endpoint("::", 80)), None)


def test_an_admin_address_on_a_network_has_a_token_and_tls(file: Any) -> None:
    config = file.load(
        "api: {admin: 192.0.2.1:9481, token_file: /t, certificate_file: /c, key_file: /k}\nvirtual_servers: {}\n"
    )
    assert config.api.admin == Listener(Endpoint("192.0.2.1", 9481))
    assert (config.api.token_file, config.api.certificate_file, config.api.key_file) == ("/t", "/c", "/k")


def test_a_real_server_takes_what_it_does_not_say_from_its_virtual_server(file: Any) -> None:
    config = file.load(
        """\
        checks:
          web: {type: http, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 5s}
        virtual_servers:
          shop:
            address: 192.0.2.10:80
            check: web
            require: any
            on_failure: remove
            initial: trust
            weight: 4
            upper_threshold: 9
            lower_threshold: 3
            real_servers:
              - 192.0.2.11:8080
              - address: 192.0.2.12
                name: own
                check: [{type: tcp, name: other, address: 192.0.2.13, port: 99}, web]
                require: all
                on_failure: quiesce
                initial: wait
                weight: 0
                upper_threshold: 8
        """
    )
    inheriting, own = config.virtual_servers["shop"].real_servers
    assert (inheriting.require, inheriting.on_failure, inheriting.initial) == ("any", "remove", "trust")
    assert (inheriting.weight, inheriting.upper_threshold, inheriting.lower_threshold) == (4, 9, 3)
    assert inheriting.probes[0].check.schedule == Schedule(1.0, 1.0, 2, 3, 0.5, 5.0)
    assert inheriting.probes[0].check.conversation == Http(path="/healthz")
    assert inheriting.probes[0].target == Endpoint("192.0.2.11", 8080)
    assert (own.require, own.on_failure, own.initial) == ("all", "quiesce", "wait")
    assert (own.weight, own.upper_threshold, own.lower_threshold) == (0, 8, 3)
    assert [(probe.check.name, probe.target) for probe in own.probes] == [
        ("other", Endpoint("192.0.2.13", 99)),
        ("web", Endpoint("192.0.2.12", 80)),
    ]


def test_equal_checks_under_two_names_are_equal_probes(file: Any) -> None:
    config = file.load(
        """\
        checks: {one: {type: tcp}, two: {type: tcp}}
        virtual_servers:
          a: {address: 192.0.2.1:80, check: one, real_servers: [192.0.2.3]}
          b: {address: 192.0.2.2:80, check: two, real_servers: [192.0.2.3]}
        """
    )
    [a], [b] = (config.virtual_servers[name].real_servers[0].probes for name in "ab")
    assert a == b
    assert (a.check.name, b.check.name) == ("one", "two")


def test_equal_inline_checks_and_methods_are_one_object(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          a: {address: 192.0.2.1:80, method: dr, check: {type: tcp}, real_servers: [192.0.2.3]}
          b: {address: 192.0.2.2:80, method: dr, check: {type: tcp}, real_servers: [192.0.2.3]}
        """
    )
    a, b = (config.virtual_servers[name].real_servers[0] for name in "ab")
    assert a.probes[0].check is b.probes[0].check
    assert a.method is b.method


@pytest.mark.parametrize(
    ("scheduler", "flags", "bits"),
    [
        ("sh", "[sh-port, sh-fallback]", {"flag-1", "flag-2"}),
        ("mh", "[mh-port]", {"flag-2"}),
        ("mh", "[mh-fallback]", {"flag-1"}),
        ("rr", "[flag-3]", {"flag-3"}),
        ("rr", "[]", set()),
    ],
)
def test_scheduler_flags_are_the_kernels_numbered_bits(file: Any, scheduler: str, flags: str, bits: set[str]) -> None:
    config = file.load(
        f"virtual_servers:\n  a:\n    address: 192.0.2.1:80\n    scheduler: {scheduler}\n"
        f"    scheduler_flags: {flags}\n    real_servers: []\n"
    )
    assert config.virtual_servers["a"].service.scheduler_flags == bits


@pytest.mark.parametrize(
    ("address", "written", "persistence"),
    [
        ("192.0.2.1:80", "{}", Persistence(300, 32)),
        ("192.0.2.1:80", "{timeout: 1m, netmask: 255.255.254.0}", Persistence(60, 23)),
        ("192.0.2.1:80", "{netmask: 255.255.255.255}", Persistence(300, 32)),
        ("192.0.2.1:80", "{netmask: 24}", Persistence(300, 24)),
        ("192.0.2.1:0", "{netmask: /16}", Persistence(300, 16)),
        ("'[2001:db8::1]:80'", "{}", Persistence(300, 128)),
        ("'[2001:db8::1]:80'", "{netmask: /64}", Persistence(300, 64)),
    ],
)
def test_persistence_is_a_timeout_and_a_prefix(file: Any, address: str, written: str, persistence: Persistence) -> None:
    config = file.load(
        f"virtual_servers:\n  a:\n    address: {address}\n    persistence: {written}\n    real_servers: []\n"
    )
    assert config.virtual_servers["a"].service.persistence == persistence


@pytest.mark.parametrize(
    ("written", "method"),
    [
        ("method: tunnel", Method("tunnel", Tunnel())),
        ("method: tunnel\n    tunnel: {}", Method("tunnel", Tunnel())),
        ("method: tunnel\n    tunnel: {type: gre, checksum: csum}", Method("tunnel", Tunnel("gre", 0, "csum"))),
        (
            "method: tunnel\n    tunnel: {type: gue, port: 6080, checksum: remcsum}",
            Method("tunnel", Tunnel("gue", 6080, "remcsum")),
        ),
        ("method: dr", Method("dr")),
    ],
)
def test_methods_are_as_they_are_written_and_inherited(file: Any, written: str, method: Method) -> None:
    config = file.load(
        f"virtual_servers:\n  a:\n    address: 192.0.2.1:80\n    {written}\n    real_servers: [192.0.2.2]\n"
    )
    assert config.virtual_servers["a"].method == method
    assert config.virtual_servers["a"].real_servers[0].method == method


def test_a_real_server_may_leave_the_tunnel_of_its_virtual_server(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          a:
            address: 192.0.2.1:80
            method: tunnel
            tunnel: {type: gre}
            real_servers:
              - {address: 192.0.2.2, method: nat}
              - {address: 192.0.2.3, tunnel: {type: ipip}}
              - {address: '[2001:db8::1]'}
        """
    )
    assert [str(server.method) for server in config.virtual_servers["a"].real_servers] == [
        "nat",
        "tunnel",
        "tunnel gre",
    ]


def test_an_ipv4_real_server_serves_an_ipv6_service_through_a_tunnel(file: Any) -> None:
    config = file.load(
        "virtual_servers:\n  a:\n    address: '[2001:DB8:0::1]:80'\n    method: tunnel\n    real_servers: [192.0.2.2]\n"
    )
    assert str(config.virtual_servers["a"].service.key) == "tcp [2001:db8::1]:80"
    assert str(config.virtual_servers["a"].real_servers[0].address) == "192.0.2.2:80"


def test_a_firewall_mark_without_persistence_may_translate_ports(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          a:
            fwmark: 4294967295
            real_servers: ['192.0.2.2:8080']
          b:
            fwmark: 4294967295
            family: inet6
            check: {type: tcp, port: 80}
            real_servers: ['[2001:db8::2]']
        """
    )
    a, b = (config.virtual_servers[name] for name in "ab")
    assert (a.service.key, b.service.key) == (
        ServiceKey.marked(2**32 - 1, "inet"),
        ServiceKey.marked(2**32 - 1, "inet6"),
    )
    assert a.real_servers[0].probes[0].target == Endpoint("192.0.2.2", 8080)
    assert b.real_servers[0].probes[0].target == Endpoint("2001:db8::2", 80)


def test_sip_persistence_and_one_packet_go_with_udp(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          a:
            address: 192.0.2.1:5060
            protocol: udp
            one_packet: true
            persistence: {engine: sip}
            real_servers: []
        """
    )
    service = config.virtual_servers["a"].service
    assert (service.one_packet, service.persistence) == (True, Persistence(300, 32, "sip"))


def test_a_timeout_may_exceed_the_interval(file: Any) -> None:
    config = file.load(
        "virtual_servers:\n  a:\n    address: 192.0.2.1:80\n    check: {type: tcp, interval: 1s, timeout: 5s}\n"
        "    real_servers: [192.0.2.2]\n"
    )
    assert config.virtual_servers["a"].real_servers[0].probes[0].check.schedule.timeout == 5.0
