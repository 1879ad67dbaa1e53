"""The JSON Schema takes what the loader takes, and refuses what it can see is wrong."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from healthlb.config.faults import ConfigError
from healthlb.config.json_schema import json_schema
from healthlb.config.loader import Loader

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = sorted(path for path in CONFIGS.glob("*.yaml") if path.name != "demo.yaml")
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_is_accepted_by_the_loader_and_by_the_schema(path: Path) -> None:
    assert Loader(str(path), environ={}).load().virtual_servers
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


def test_the_schema_is_a_json_document_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_full_example_shows_every_option() -> None:
    text = (CONFIGS / "full.yaml").read_text()
    names = {name for found in objects(SCHEMA) for name in found["properties"]}
    assert sorted(name for name in names if not re.search(rf"(?<![\w-]){name}:", text)) == []


def test_every_option_has_a_description_and_no_mapping_takes_unknown_keys() -> None:
    for found in objects(SCHEMA):
        assert found["additionalProperties"] is False
        for option in found["properties"].values():
            assert option["description"]


def test_defaults_are_spelt_as_the_file_spells_them() -> None:
    assert SCHEMA["$defs"]["VirtualServer"]["properties"]["scheduler"]["default"] == "wlc"
    assert SCHEMA["$defs"]["Check.http"]["properties"]["interval"]["default"] == "2s"
    assert SCHEMA["$defs"]["Persistence"]["properties"]["timeout"]["default"] == "5m"


@pytest.mark.parametrize(
    "change",
    [
        {"virtual_server": {}},
        {"director": {"nam": "a"}},
        {"director": {"on_stop": "explode"}},
        {"director": {"resync": "soon"}},
        {"api": {"listen": "localhost"}},
        {"checks": {"a b": {"type": "tcp"}}},
        {"checks": {"a": {"type": "carrier-pigeon"}}},
        {"checks": {"a": {"type": "tcp", "path": "/"}}},
        {"checks": {"a": {"interval": 1}}},
        {"checks": {"a": {"type": "http", "rise": 0}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80"}}},
        {"virtual_servers": {"a": {"address": "shop.example.com:80", "real_servers": []}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": ["web1"]}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": [{"weight": 1}]}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": [], "scheduler": "best"}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": [], "one_packet": "yes"}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": [], "check": []}}},
        {"virtual_servers": {"a": {"address": "192.0.2.1:80", "real_servers": [], "weight": 70000}}},
        {"virtual_servers": []},
        {"notifiers": {"a": {"type": "pigeon"}}},
        {"notifiers": {"a": {"type": "fifo", "path": "/a", "url": "https://example.com/"}}},
        {"notifiers": {"a": {"type": "mail"}}},
        {"notifiers": {"a": {"type": "mail", "to": "root", "events": "probe_failed"}}},
    ],
)
def test_what_is_wrong_in_one_place_is_refused_by_both(tmp_path: Path, change: dict[str, Any]) -> None:
    document = {"virtual_servers": {}, **change}
    assert not VALIDATOR.is_valid(document)
    assert not accepted(tmp_path, document)


def test_a_variable_may_stand_wherever_a_value_may() -> None:
    VALIDATOR.validate(
        {"virtual_servers": {"a": {"address": "${VIP}:80", "real_servers": [], "weight": "${WEIGHT:-1}"}}}
    )


def accepted(folder: Path, document: Any) -> bool:
    path = folder / "healthlb.yaml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
    try:
        Loader(str(path), environ={}).load()
    except ConfigError:
        return False
    return True


BASE: dict[str, Any] = yaml.safe_load((CONFIGS / "full.yaml").read_text())
PROPERTIES = sorted({key for found in objects(SCHEMA) for key in found["properties"]})
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70000),
    st.floats(-1, 10),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(["sh-port", "web", "port", "192.0.2.77"]), max_size=2),
    st.just(""),
    st.sampled_from(
        [
            "rr",
            "sh",
            "nat",
            "dr",
            "tunnel",
            "udp",
            "2s",
            "500ms",
            "1.5",
            "012",
            "200-299",
            "all",
            "any",
            "/x",
            "web",
            "192.0.2.1:80",
            "192.0.2.1",
            "[2001:db8::1]:80",
            "/24",
            "255.255.0.0",
            "GET",
            "none",
            "unix:/a",
            "${A}",
            "${A:-1}",
            "$$",
            "http",
            "tcp",
            "https",
            "gre",
            "csum",
            "sip",
            "inet6",
            "quorum_lost",
            "oncall",
            "50%",
        ]
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["tcp", "http", "ipip", "gre", "gue"])}),
)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document as (container, key)."""
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])


PLAUSIBLE: dict[str, list[Any]] = {
    "address": ["192.0.2.77:1", "[2001:db8::7]:1", "${A:-192.0.2.78}:2"],
    "scheduler": ["rr", "mh", "${A:-rr}"],
    "scheduler_flags": [[], ["flag-1"]],
    "method": ["nat", "dr", "tunnel"],
    "tunnel": [{"type": "gre", "checksum": "csum"}, {"type": "gue", "port": 6080}],
    "persistence": [{}, {"timeout": 5}, {"timeout": "1m", "netmask": 24}],
    "check": ["web", ["web", "port"], {"type": "https", "headers": {"a": "b"}, "tls": {"alpn": "http/1.1"}}],
    "require": ["all", "any"],
    "on_failure": ["quiesce", "remove"],
    "initial": ["wait", "trust"],
    "weight": [0, 7, "${A:-7}"],
    "upper_threshold": [0, 9000],
    "quorum": [{}, {"up": 3, "hysteresis": 2}],
    "panic": [0, 50, "50%", "${A:-50%}"],
    "slow_start": [0, "30s"],
    "flap_damping": [{}, "none", {"changes": 3, "hold": 5}],
    "sorry_server": ["192.0.2.7", ["192.0.2.70", {"address": "192.0.2.71", "method": "dr", "check": "web"}]],
    "real_servers": [[], ["192.0.2.7"], [{"address": "192.0.2.7", "weight": 2}, "192.0.2.8:90"]],
}


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_loader_takes_the_schema_takes(tmp_path: Path, data: st.DataObject) -> None:
    document = copy.deepcopy(BASE)
    if data.draw(st.booleans()):
        container, key = data.draw(st.sampled_from(list(places(document))))
        if isinstance(container, dict) and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(PROPERTIES))
        container[key] = data.draw(VALUES)
    else:
        server = document["virtual_servers"][data.draw(st.sampled_from(["shop", "dns", "sip"]))]
        for key in data.draw(st.lists(st.sampled_from(sorted(PLAUSIBLE)), max_size=3)):
            server[key] = data.draw(st.sampled_from(PLAUSIBLE[key]))
    taken = accepted(tmp_path, document)
    event(f"taken: {taken}")
    if taken:
        VALIDATOR.validate(document)
