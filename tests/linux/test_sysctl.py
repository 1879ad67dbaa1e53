"""The kernel settings that a configuration rests on, in a directory that stands in for /proc/sys."""

from dataclasses import replace
from pathlib import Path

import pytest

from healthlb.linux.sysctl import check, needed, put, templates_pin
from healthlb.model.config import Api, Config, Director, Listener, OnFailure, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Method, Persistence, Service, ServiceKey, Tunnel
from healthlb.model.vrrp import VirtualAddress, Vrrp, VrrpInstance

FORWARD = "net/ipv4/ip_forward"
FORWARD_6 = "net/ipv6/conf/all/forwarding"
NODEST = "net/ipv4/vs/expire_nodest_conn"
QUIESCENT = "net/ipv4/vs/expire_quiescent_template"


DR = Method("dr")


def config(
    method: Method = DR,
    address: str = "192.0.2.1",
    on_failure: OnFailure = "quiesce",
    persistence: Persistence | None = None,
    *,
    one_packet: bool = False,
) -> Config:
    server = RealServer(address, Endpoint(address, 80), method, (), on_failure=on_failure)
    service = Service(ServiceKey.marked(1, "inet"), "rr", persistence=persistence, one_packet=one_packet)
    pool = VirtualServer("shop", service, method, (server,))
    return Config(Director("lb1"), Api(Listener(), None), {"shop": pool})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (FORWARD, FORWARD_6, NODEST, QUIESCENT):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0\n")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (config(), []),
        (config(Method("nat")), ["net.ipv4.ip_forward"]),
        (config(Method("nat"), "2001:db8::1"), ["net.ipv6.conf.all.forwarding"]),
        (config(Method("tunnel", Tunnel()), "2001:db8::1"), []),
        (config(on_failure="remove"), ["net.ipv4.vs.expire_nodest_conn"]),
        (config(on_failure="remove", one_packet=True), []),
        (config(persistence=Persistence(300, 32)), ["net.ipv4.vs.expire_quiescent_template"]),
        (
            config(persistence=Persistence(300, 32), one_packet=True, on_failure="remove"),
            ["net.ipv4.vs.expire_quiescent_template"],
        ),
    ],
)
def test_a_configuration_needs_only_what_it_uses(wanted: Config, names: list[str]) -> None:
    assert [setting.name for setting in needed(wanted)] == names


def test_a_sorry_server_needs_what_a_real_server_would() -> None:
    shop = config().virtual_servers["shop"]
    sorry = config(Method("nat"), "2001:db8::1").virtual_servers["shop"].real_servers
    wanted = replace(config(), virtual_servers={"shop": replace(shop, sorry_servers=sorry)})
    assert [setting.name for setting in needed(wanted)] == [
        "net.ipv6.conf.all.forwarding",
        "net.ipv4.vs.expire_nodest_conn",
    ]


def test_an_interface_with_virtual_addresses_keeps_their_neighbours_unless_all_do(root: Path) -> None:
    addresses = (VirtualAddress("192.0.2.10", 24), VirtualAddress("192.0.2.11", 32, "eth1"))
    excluded = (VirtualAddress("2001:db8::1", 64, "eth2"), VirtualAddress("198.51.100.1", 24, "eth3"))
    instance = VrrpInstance("VI_1", "eth0.7", 51, 4, addresses, excluded=excluded)
    wanted = replace(config(), vrrp=Vrrp({"VI_1": instance, "VI_2": replace(instance, interface="eth4", mac=True)}))
    conf = root / "net/ipv4/conf"
    for name in ("all", "eth0.7", "eth1", "eth2", "eth4"):  # and none is called eth3
        (conf / name).mkdir(parents=True)
        (conf / name / "promote_secondaries").write_text("0\n")
    (sentence,) = check(needed(wanted, root), root)
    assert sentence.startswith(
        "net.ipv4.conf.eth0/7.promote_secondaries is 0, so an address that goes takes the others"
    )
    assert put(needed(wanted, root), root) == check(needed(wanted, root), root) == []
    assert (conf / "eth0.7/promote_secondaries").read_text() == "1\n"
    (conf / "all/promote_secondaries").write_text("1\n")
    assert needed(wanted, root) == []


def test_a_setting_that_is_as_wanted_is_not_mentioned_nor_written(root: Path) -> None:
    settings = needed(config(Method("nat")))
    (root / FORWARD).write_text(" 1 ")
    assert check(settings, root) == put(settings, root) == []
    assert (root / FORWARD).read_text() == " 1 "


def test_a_wrong_setting_is_told_with_what_follows_and_how_to_mend_it(root: Path) -> None:
    assert check(needed(config(Method("nat"))), root) == [
        (
            "net.ipv4.ip_forward is 0, so the director drops what real servers behind nat answer: "
            "set it with 'sysctl -w net.ipv4.ip_forward=1'"
        )
    ]


def test_a_setting_whose_module_is_not_there_is_told_apart(root: Path) -> None:
    (root / NODEST).unlink()
    assert check(needed(config(on_failure="remove")), root) == [
        (
            "net.ipv4.vs.expire_nodest_conn is missing (is its module loaded?), "
            "so connections to a removed real server hang instead of being reset"
        )
    ]


def test_a_setting_that_cannot_be_read_is_told(root: Path) -> None:
    (root / FORWARD).unlink()
    (root / FORWARD).mkdir()
    assert check(needed(config(Method("nat"))), root) == [
        (
            "net.ipv4.ip_forward cannot be read (Is a directory): "
            "set it with 'sysctl -w net.ipv4.ip_forward=1' if it is not 1"
        )
    ]


def test_putting_mends_what_is_wrong(root: Path) -> None:
    settings = needed(config(Method("nat"), on_failure="remove", persistence=Persistence(300, 32)))
    assert put(settings, root) == []
    assert check(settings, root) == []
    assert (root / FORWARD_6).read_text() == "0\n"


def test_what_cannot_be_written_is_told(root: Path) -> None:
    (root / NODEST).unlink()
    (root / NODEST).mkdir()
    assert put(needed(config(on_failure="remove")), root) == [
        (
            "cannot set net.ipv4.vs.expire_nodest_conn to 1 (Is a directory), "
            "so connections to a removed real server hang instead of being reset"
        )
    ]


def test_any_number_but_zero_switches_a_setting_on(root: Path) -> None:
    settings = needed(config(Method("nat")))
    (root / FORWARD).write_text("2\n")
    assert check(settings, root) == []
    assert put(settings, root) == []
    assert (root / FORWARD).read_text() == "2\n"


@pytest.mark.parametrize(("value", "pins"), [("0\n", True), ("1\n", False), (None, True)])
def test_templates_pin_clients_unless_the_kernel_is_known_to_let_go_of_them(
    root: Path, value: str | None, pins: bool
) -> None:
    if value is None:
        (root / QUIESCENT).unlink()
    else:
        (root / QUIESCENT).write_text(value)
    assert templates_pin(root) is pins
