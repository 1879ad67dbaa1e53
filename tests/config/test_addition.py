"""A real server that is added at run time is read as the file's own are."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from healthlb.config.addition import added, composed
from healthlb.config.faults import ConfigError, Faults
from healthlb.config.loader import load
from healthlb.config.nodes import Mapping, Node, Scalar, Sequence
from healthlb.config.scalars import resolve
from healthlb.model.config import Config, FlapDamping, RealServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Method

FILE = """\
checks:
  web: {type: http, path: /healthz, rise: 1}
  port: {type: tcp}
virtual_servers:
  shop:
    address: 192.0.2.10:80
    method: tunnel
    tunnel: {type: gre}
    check: web
    weight: 7
    require: any
    on_failure: remove
    initial: trust
    upper_threshold: 9
    lower_threshold: 3
    slow_start: 30s
    drain_timeout: 1m
    flap_damping: {changes: 3}
    sorry_server: {address: 192.0.2.250, name: sorry}
    real_servers: [192.0.2.11, {address: 192.0.2.12, name: web2}]
  plain: {address: 192.0.2.10:81, real_servers: []}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("addition") / "healthlb.yaml"
    path.write_text(FILE)
    return load(str(path))


def faults(loaded: Config, settings: str, virtual_server: str = "shop") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        added(loaded, virtual_server, settings)
    return str(caught.value).splitlines()


def test_it_takes_what_it_does_not_say_from_its_virtual_server(loaded: Config) -> None:
    server = added(loaded, "shop", '{"address": "192.0.2.13"}')
    first = loaded.virtual_servers["shop"].real_servers[0]
    assert (server.name, server.address, server.origin) == (
        "192.0.2.13:80",
        Endpoint("192.0.2.13", 80),
        "runtime",
    )
    for name in ("method", "weight", "require", "on_failure", "initial", "upper_threshold", "lower_threshold"):
        assert getattr(server, name) == getattr(first, name)
    assert (server.slow_start, server.drain_timeout, server.flap_damping) == (30.0, 60.0, FlapDamping(3))
    assert [(probe.check, probe.target) for probe in server.probes] == [(first.probes[0].check, server.address)]


def test_it_has_its_own_where_it_says_so_and_may_name_the_files_checks(loaded: Config) -> None:
    text = json.dumps(
        {
            "address": "192.0.2.13:8080",
            "name": "web3",
            "weight": 2,
            "method": "nat",
            "check": ["port", {"type": "tcp", "name": "other", "port": 99}],
            "slow_start": "1m",
            "flap_damping": "none",
        }
    )
    server = added(loaded, "shop", text)
    assert (server.name, server.weight, server.method) == ("web3", 2, Method("nat"))
    assert (server.slow_start, server.flap_damping) == (60.0, None)
    assert [(probe.check.name, probe.target.port) for probe in server.probes] == [("port", 8080), ("other", 99)]


def test_a_virtual_server_without_a_check_gives_what_it_adds_the_same_default(loaded: Config) -> None:
    [probe] = added(loaded, "plain", '{"address": "192.0.2.13"}').probes
    assert (probe.check.type, probe.target) == ("tcp", Endpoint("192.0.2.13", 81))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ("", "the request:1:1: not JSON: Expecting value"),
        ('{"address": }', "the request:1:13: not JSON: Expecting value"),
        ("address: 192.0.2.13", "the request:1:1: not JSON: Expecting value"),
        ("[]", 'the request:1:1: expected an object such as {"address": "192.0.2.1:80"}'),
        ('"192.0.2.13"', 'the request:1:1: expected an object such as {"address": "192.0.2.1:80"}'),
        ("{}", "the request:1:1: address: is missing: the address, with a port unless it is the virtual server's"),
        ('{"address": "192.0.2.13", "wieght": 1}', "the request:1:27: wieght: unknown key; did you mean 'weight'?"),
        ('{"address": "192.0.2.13",\n "weight": -1}', "the request:2:12: weight: -1 is out of range: 0 to 65535"),
        ('{"address": "192.0.2.13", "weight": "1"}', "the request:1:37: weight: expected a whole number, found '1'"),
        (
            '{"address": "192.0.2.13", "weight": null}',
            "the request:1:37: weight: expected a whole number, found n",
        ),
        (
            '{"address": "192.0.2.13", "weight": 1, "weight": 2}',
            "the request:1:40: weight: is here twice; line 1 has it already",
        ),
        (
            '{"address": "192.0.2.13", "panic": 5}',
            "the request:1:27: panic: is of the whole pool; set it on the virtual server",
        ),
        (
            '{"address": "192.0.2.13", "check": "wbe"}',
            "the request:1:36: check: there is no check named 'wbe' under checks; did you mean 'web'?",
        ),
        (
            '{"address": "192.0.2.13", "check": {"type": "http", "path": "x"}}',
            "the request:1:61: check.path: expected a path that begins with / and has neither spaces nor # (percent-",
        ),
        ('{"address": "192.0.2.11:80"}', "the request:1:13: address: 192.0.2.11:80 is in this pool already"),
        ('{"address": "192.0.2.250"}', "the request:1:13: address: 192.0.2.250:80 is in this pool already"),
        (
            '{"address": "192.0.2.13", "name": "web2"}',
            "the request:1:35: name: the name web2 is in this pool already",
        ),
        (
            '{"address": "192.0.2.13", "name": "${HOME}"}',
            "the request:1:35: name: '${HOME}' is no name: up to 128 letters, digits and _ . : [ ] -, beginning",
        ),
        ("[" * 100_000, "the request: nested too deeply"),
        ("[" * 40 + "]" * 40, "the request:1:33: nested deeper than 32 levels"),
        ('{"address": "\ud83d"}', "the request: half of a surrogate pair, which UTF-8 cannot carry"),
    ],
)
def test_a_mistake_in_a_request_is_one_sentence_at_its_place(loaded: Config, settings: str, fault: str) -> None:
    [found] = faults(loaded, settings)
    assert found.startswith(fault)


def test_every_fault_of_a_request_is_told_at_once(loaded: Config) -> None:
    found = faults(loaded, '{"address": "web1", "weight": "a", "slow_start": -1}')
    assert [line.split(": ")[1] for line in found] == ["address", "weight", "slow_start"]


def test_a_virtual_server_that_is_not_there_is_told(loaded: Config) -> None:
    assert faults(loaded, "{}", "shpo") == ["the request: there is no virtual server 'shpo'"]


def test_no_variable_of_the_environment_can_be_asked_for(loaded: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    server = added(loaded, "shop", '{"address": "192.0.2.13", "check": {"type": "tcp", "send": "$$${SECRET}"}}')
    assert "'$$${SECRET}'" in repr(server.probes[0].check.conversation)


def test_any_character_is_read_whether_json_escapes_it_or_not(loaded: Config) -> None:
    settings = {"address": "192.0.2.13", "check": {"type": "tcp", "send": 'a"\\/\t\n\u00e4\u20ac\U0001f600\\ud83d'}}
    one, other = (added(loaded, "shop", json.dumps(settings, ensure_ascii=ascii_only)) for ascii_only in (True, False))
    assert one == other
    assert repr(settings["check"]["send"]) in repr(one.probes[0].check.conversation)  # type: ignore[index]


WORDS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def plain(node: Node | None) -> Any:
    match node:
        case Scalar():
            return resolve(node.text) if node.plain else node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.text: plain(value) for key, value in node.pairs}
    return None


@given(value=JSON, indent=st.sampled_from([None, 2, "\t"]))
def test_json_means_the_same_to_the_reader_of_the_file(value: Any, indent: Any) -> None:
    faults = Faults()
    node = composed(json.dumps({"value": value}, indent=indent), faults)
    assert not faults
    assert plain(node) == {"value": value}


@given(settings=st.dictionaries(st.sampled_from(["address", "weight", "check", "name", "slow_start"]), JSON))
def test_any_json_object_ends_in_a_real_server_or_in_faults(loaded: Config, settings: dict[str, Any]) -> None:
    try:
        server = added(loaded, "shop", json.dumps(settings))
    except ConfigError as error:
        server = None
        told = error.faults
    assert isinstance(server, RealServer) or told


@given(text=st.text())
@example("\ud83d")
@example('{"\\ud83d": 1}')
def test_any_text_ends_in_faults(loaded: Config, text: str) -> None:
    assert faults(loaded, text)
