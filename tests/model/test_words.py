"""How the words look where an operator reads them."""

from typing import get_args

import pytest

from healthlb.model.check import Check, Probe
from healthlb.model.config import Api, Config, Director, Listener, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.event_names import EVENT_NAMES
from healthlb.model.events import Event, QuorumLost
from healthlb.model.health import Schedule
from healthlb.model.occurrence import name_of
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    SetTimeouts,
)
from healthlb.model.table import Destination, Method, Service, ServiceKey, Timeouts, Tunnel
from tests.strategies import real_server

KEY = ServiceKey.at("tcp", Endpoint("192.0.2.1", 80))
SERVICE = Service(KEY, "rr")
ROW = Destination(Endpoint("2001:db8::2", 8080), Method("tunnel"), 3)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Endpoint("192.0.2.1", 80), "192.0.2.1:80"),
        (Endpoint("2001:db8::1", 80), "[2001:db8::1]:80"),
        (KEY, "tcp 192.0.2.1:80"),
        (ServiceKey.marked(25, "inet"), "fwmark 25"),
        (ServiceKey.marked(25, "inet6"), "fwmark 25 inet6"),
        (Method("nat"), "nat"),
        (Method("tunnel", Tunnel()), "tunnel"),
        (Method("tunnel", Tunnel("gre", checksum="csum")), "tunnel gre csum"),
        (Method("tunnel", Tunnel("gue", 6080)), "tunnel gue port 6080"),
        (Listener(path="/run/admin.sock"), "unix:/run/admin.sock"),
        (Listener(Endpoint("127.0.0.1", 9480)), "127.0.0.1:9480"),
        (AddService(SERVICE), "add service tcp 192.0.2.1:80 scheduler rr"),
        (EditService(SERVICE), "edit service tcp 192.0.2.1:80 scheduler rr"),
        (DeleteService(KEY), "delete service tcp 192.0.2.1:80"),
        (AddDestination(KEY, ROW), "add [2001:db8::2]:8080 weight 3 to tcp 192.0.2.1:80"),
        (EditDestination(KEY, ROW), "edit [2001:db8::2]:8080 weight 3 in tcp 192.0.2.1:80"),
        (DeleteDestination(KEY, ROW.address), "delete [2001:db8::2]:8080 from tcp 192.0.2.1:80"),
        (SetTimeouts(Timeouts(900, 120, 300)), "set timeouts tcp 900 tcp_fin 120 udp 300"),
    ],
)
def test_a_word_is_written_as_operators_write_it(word: object, text: str) -> None:
    assert str(word) == text


def test_the_family_follows_from_the_address() -> None:
    assert Endpoint("192.0.2.1", 80).family == "inet"
    assert Endpoint("2001:db8::1", 80).family == "inet6"


@pytest.mark.parametrize(
    ("pools", "summary"),
    [
        ([], "0 virtual servers, 0 real servers"),
        ([1], "1 virtual server, 1 real server"),
        ([2, 1], "2 virtual servers, 3 real servers"),
    ],
)
def test_a_configuration_is_summed_up_in_numbers(pools: list[int], summary: str) -> None:
    servers = {
        str(number): VirtualServer(str(number), SERVICE, Method("nat"), (real_server(ROW.address),) * size)
        for number, size in enumerate(pools)
    }
    assert Config(Director("lb1"), Api(Listener(path="/run/x"), None), servers).summary() == summary


def test_events_of_equal_content_are_equal() -> None:
    assert QuorumLost("shop", 0) == QuorumLost("shop", 0)


def test_a_probe_is_told_by_its_address_alone_where_no_port_is_probed() -> None:
    check = Check("echo", "ping", Schedule(1, 1, 1, 1, 1, 1), "the type's own")
    assert Probe(check, Endpoint("2001:db8::1", 0)).where == "2001:db8::1"
    assert Probe(check, Endpoint("2001:db8::1", 80)).where == "[2001:db8::1]:80"


def test_the_names_of_events_that_are_listed_apart_are_those_of_the_events() -> None:
    assert tuple(name_of(kind) for kind in get_args(Event)) == EVENT_NAMES
