"""The options that every check has: the way of its probes, what is logged, and checks that know their server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from checks import DIRECT, CarrierName, Check, Way, registry
from checks.options import Integer, option
from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader
from healthlb.model.config import Config
from healthlb.model.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Echo(Check):
    """A check that needs no port."""

    type: ClassVar[str] = "echo"
    carrier: ClassVar[CarrierName] = "echo"  # type: ignore[assignment]
    count: int = option(Integer(1, 9), "How many.", 1)


@dataclass(frozen=True, slots=True)
class Program(Check):
    """A check that is told which server it is for."""

    type: ClassVar[str] = "program"
    carrier: ClassVar[CarrierName] = "process"  # type: ignore[assignment]
    per_server: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Watch(Check):
    """A check that looks at a file."""

    type: ClassVar[str] = "watch"
    carrier: ClassVar[CarrierName] = "file"  # type: ignore[assignment]


TYPES = {**registry.types(), **{each.type: each for each in (Echo, Program, Watch)}}


@pytest.fixture
def load(file: Any) -> Callable[[str], Config]:
    """Load a text with these types as well; each time by the same loader, as a reload does."""
    file.loader = Loader(file.path, types=TYPES, environ={})

    def one(text: str) -> Config:
        loaded: Config = file.load(text)
        return loaded

    return one


def shop(check: str, *servers: str, name: str = "shop", address: str = "192.0.2.10:80") -> str:
    listed = ", ".join(f"'{each}'" for each in servers or ("192.0.2.11",))
    return f"  {name}:\n    address: '{address}'\n    check: {check}\n    real_servers: [{listed}]\n"


def probes(config: Config, name: str = "shop") -> list[Any]:
    return [probe for server in config.virtual_servers[name].real_servers for probe in server.probes]


def test_a_check_without_a_way_of_its_own_goes_as_the_kernel_routes_it(load: Any) -> None:
    [probe] = probes(load("virtual_servers:\n" + shop("{type: tcp}")))
    assert (probe.check.way, probe.check.log, probe.context) == (DIRECT, "verdicts", ())


def test_every_option_of_the_way_is_taken(load: Any) -> None:
    check = "{type: tcp, source: 192.0.2.1, source_port: 99, interface: eth0, fwmark: 7, namespace: blue, log: all}"
    [probe] = probes(load("virtual_servers:\n" + shop(check)))
    assert probe.check.way == Way("192.0.2.1", 99, "eth0", 7, "blue")
    assert probe.check.log == "all"


def test_probes_that_go_different_ways_are_different_probes_and_equal_ones_are_one(load: Any) -> None:
    ways = ["{type: tcp, fwmark: 7}", "{type: tcp, fwmark: 8}", "{type: tcp, name: other, fwmark: 7}"]
    text = "".join(shop(way, name=f"shop{n}", address=f"192.0.2.10:{n + 1}") for n, way in enumerate(ways))
    config = load("virtual_servers:\n" + text.replace("['192.0.2.11']", "['192.0.2.11:80']"))
    first, second, third = (probes(config, f"shop{number}")[0] for number in range(3))
    assert first != second
    assert first == third


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("source: eth0", "'eth0' is a host name"),
        ("source_port: 0", "0 is out of range: 1 to 65535"),
        ("interface: interface-name-16", "expected an interface such as eth0"),
        ("interface: a/b", "expected an interface such as eth0"),
        ("interface: '..'", "expected an interface such as eth0"),
        ("fwmark: 0", "0 is out of range"),
        ("namespace: a/b", "expected a network namespace such as blue or /proc/4711/ns/net, found 'a/b'"),
        ("namespace: '.'", "expected a network namespace"),
        ("log: everything", "expected verdicts, failures or all"),
    ],
)
def test_a_value_that_cannot_be_is_refused_where_it_stands(file: Any, option: str, sentence: str) -> None:
    [fault] = file.faults("virtual_servers:\n" + shop(f"{{type: tcp, {option}}}"))
    assert sentence in fault
    assert f".check.{option.partition(':')[0]}: " in fault


def test_probes_come_from_an_address_of_the_targets_family(file: Any) -> None:
    check = "{type: tcp, source: '2001:db8::1'}"
    [fault] = file.faults("virtual_servers:\n" + shop(check, "192.0.2.11", "192.0.2.12"))[:1]
    assert fault == (
        "healthlb.yaml:5:20: virtual_servers.shop.real_servers[0]: the check tcp probes from 2001:db8::1, which cannot "
        "reach 192.0.2.11; give it a check whose source is of its own address family"
    )
    assert file.load("virtual_servers:\n" + shop(check, "[2001:db8::2]:80", address="[2001:db8::9]:80"))


def test_a_source_that_cannot_reach_the_checks_own_address_is_told_once_at_the_check(file: Any) -> None:
    check = "{type: tcp, address: 192.0.2.7, source: '2001:db8::1'}"
    [fault] = file.faults("virtual_servers:\n" + shop(check, "192.0.2.11", "192.0.2.12"))
    assert "check.source: 2001:db8::1 cannot reach 192.0.2.7, which is of the other address family" in fault


def test_a_check_that_needs_no_port_works_behind_a_firewall_mark_and_its_port_does_no_harm(load: Any) -> None:
    text = "  shop:\n    fwmark: 3\n    check: {type: CHECK}\n    real_servers: [192.0.2.11]\n"
    for name in ("echo", "program", "watch", "echo, port: 7"):
        assert probes(load("virtual_servers:\n" + text.replace("CHECK", name)))
    with pytest.raises(ConfigError, match="the check tcp has no port to probe"):
        load("virtual_servers:\n" + text.replace("CHECK", "tcp"))


def test_two_services_on_one_machine_share_a_check_that_needs_no_port(load: Any) -> None:
    web = shop("{type: echo}", "192.0.2.11:80", name="web", address="192.0.2.10:80")
    tls = shop("{type: echo}", "192.0.2.11:443", name="tls", address="192.0.2.10:443")
    config = load("virtual_servers:\n" + web + tls)
    assert probes(config, "web") == probes(config, "tls")


def test_a_check_that_knows_its_server_is_told_which_it_is_and_is_never_shared(load: Any) -> None:
    head = "checks:\n  probe: {type: program}\nvirtual_servers:\n"
    text = shop("probe", "192.0.2.11:80", name="a") + shop("probe", "192.0.2.11:80", name="b", address="192.0.2.9:1")
    config = load(head + text)
    [first], [second] = probes(config, "a"), probes(config, "b")
    assert dict(first.context) == {
        "virtual_server": "a",
        "virtual_address": "192.0.2.10",
        "virtual_port": "80",
        "protocol": "tcp",
        "real_server": "192.0.2.11:80",
    }
    assert first.target == second.target == Endpoint("192.0.2.11", 80)
    assert first != second


def test_behind_a_firewall_mark_the_mark_is_told(load: Any) -> None:
    text = "  shop:\n    fwmark: 3\n    check: {type: program}\n    real_servers: [192.0.2.11]\n"
    [probe] = probes(load("virtual_servers:\n" + text))
    told = dict(probe.context)
    assert (told["protocol"], told["fwmark"], told["virtual_port"]) == ("fwmark", "3", "0")


@pytest.mark.parametrize("count", [1, 100], ids=["a short pool", "a pool that is read in pieces"])
def test_a_reload_tells_such_a_check_the_new_name_of_its_virtual_server(load: Any, count: int) -> None:
    def text(name: str) -> str:
        items = "".join(f"      - 192.0.2.{number + 1}\n" for number in range(count))
        check = "    check: {type: program}\n"
        return f"virtual_servers:\n  {name}:\n    address: 198.51.100.1:80\n{check}    real_servers:\n{items}"

    for name in ("before", "after"):
        config = load(text(name))
        assert {dict(probe.context)["virtual_server"] for probe in probes(config, name)} == {name}


def test_a_check_that_sends_no_packets_takes_no_way_for_them(load: Any) -> None:
    for name, way in (("program", "source: 192.0.2.1"), ("program", "fwmark: 1"), ("watch", "namespace: blue")):
        with pytest.raises(ConfigError, match=f"a check of type {name} sends no packets of its own; leave it out"):
            load("virtual_servers:\n" + shop(f"{{type: {name}, {way}}}"))
    assert (
        probes(load("virtual_servers:\n" + shop("{type: program, namespace: blue}")))[0].check.way.namespace == "blue"
    )


@pytest.mark.parametrize(
    ("check", "takes"),
    [
        ("{type: udp, retries: 1}", "1s"),
        ("{type: udp, wait: 300ms, retries: 1, timeout: 500ms}", "600ms"),
        ("{type: ping, count: 11}", "1s"),
    ],
)
def test_a_timeout_in_which_the_check_cannot_pass_is_refused(file: Any, check: str, takes: str) -> None:
    (fault,) = file.faults(f"virtual_servers:\n{shop(check)}")
    assert ".timeout: " in fault
    assert fault.endswith(f" is too short: by its other options, the check cannot pass before {takes}")


@pytest.mark.parametrize("check", ["{type: udp, retries: 9, expect: pong}", "{type: ping, count: 10}"])
def test_a_timeout_in_which_the_check_can_pass_is_taken(load: Any, check: str) -> None:
    assert load(f"virtual_servers:\n{shop(check)}")
