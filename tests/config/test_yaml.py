"""YAML as YAML 1.2 means it, strictly, and bounded whatever the file holds."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from healthlb.config import nodes

SHOP = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    real_servers: [192.0.2.11]\n"


@pytest.fixture(params=["libyaml", "pure Python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both of PyYAML's parsers, so that a machine without libyaml behaves the same."""
    monkeypatch.setattr(
        nodes, "EventParser", {"libyaml": yaml.CSafeLoader, "pure Python": yaml.SafeLoader}[request.param]
    )
    return


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 'x\n", "1:4", "a quote that is never closed"),
        ("a: b: c\n", "1:5", "a ': ' that begins a mapping where none can be; put the text in quotes"),
        ("a: 1\n b: 2\n", "2:3", "a ': ' that begins a mapping where none can be; put the text in quotes"),
        ("a:\n  - b\n c: d\n", "3:2", "an entry that is indented differently from those before it, or stray text"),
        ("a:\n\t- b\n", "2:1", "a tab; YAML is indented with spaces"),
        ("a: @x\n", "1:4", "text cannot begin with @; put it in quotes"),
        ("a: `x`\n", "1:4", "text cannot begin with `; put it in quotes"),
        ("a: [2001:db8::1]:443\n", "1:17", "an IPv6 address in brackets needs quotes: '[2001:db8::1]:443'"),
        ("a: [::1]:80\n", "1:5", "an IPv6 address in brackets needs quotes: '[2001:db8::1]:443'"),
        ("a: [::]\n", "1:5", "an IPv6 address in brackets needs quotes: '[2001:db8::1]:443'"),
        ("a:\n- [2001:db8::1]:443\n", "2:16", "an IPv6 address in brackets needs quotes: '[2001:db8::1]:443'"),
        ("a: 1\n---\nb: 2\n", "2:1", "a second document begins here; the file is one document"),
        ("a: !!python/object:os.system {}\n", "1:4", "the tag tag:yaml.org,2002:python/object:os.system is not used"),
        ("a: *b\n", "1:4", "*b names nothing: no &b comes before it"),
        ("a: &b [*b]\n", "1:8", "*b contains itself"),
        ("? [a]\n: b\n", "1:3", "expected a key, found a list; keys are text"),
        ("? {a: b}\n: b\n", "1:3", "expected a key, found a mapping; keys are text"),
        ("a:\n  ?\n  : b\n", "2:4", "expected a key, found nothing; keys are text"),
        ("a: {: b}\n", "1:5", "a value was expected here"),
        ("a:\n  <<: 1\n", "2:3", "<< takes a mapping or a list of mappings, by their aliases"),
    ],
)
def test_what_is_not_yaml_is_one_sentence_with_its_place(
    file: Any, either_parser: None, text: str, place: str, message: str
) -> None:
    [fault] = file.faults(text)
    assert fault.startswith(f"healthlb.yaml:{place}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\n", "a list in [ ] that is not closed or lacks a comma"),
        ("a: {b: c\n", "a mapping in { } that is not closed or lacks a comma; quote text that holds { or }"),
        ("a: 1\nb\n", "a key without its ':'"),
    ],
)
def test_what_is_not_closed_is_said(file: Any, either_parser: None, text: str, message: str) -> None:
    [fault] = file.faults(text)
    assert fault.endswith(f": {message}")


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "- " * 200_000, "{a: " * 100_000, "? " * 100_000, "a:\n" + " [\n" * 90_000]
)
def test_a_file_nested_without_end_is_refused_and_crashes_nothing(file: Any, text: str) -> None:
    [fault] = file.faults(text)
    assert fault.endswith("nested deeper than 32 levels")


def test_an_alias_bomb_is_refused_before_it_expands(file: Any) -> None:
    levels = ["l0: &l0 [a, a, a, a, a, a, a, a, a, a]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30)]
    [fault] = file.faults("\n".join(levels))
    assert "more than 1,000,000 values once its aliases are expanded; refused" in fault


def test_a_merge_bomb_is_refused_before_it_expands(file: Any) -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    maps = "\n".join(f"m{n}: {{<<: *m}}" for n in range(2000))
    [fault] = file.faults(f"m: &m {{{keys}}}\n{maps}\n")
    assert "more than 1,000,000 values once its aliases are expanded; refused" in fault


def test_aliases_and_merge_keys_share_settings(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          shop: &shop
            address: 192.0.2.10:80
            scheduler: rr
            weight: 3
            real_servers: &pool [192.0.2.11]
          copy:
            <<: *shop
            address: 192.0.2.10:81
            weight: 5
          other:
            address: 192.0.2.10:82
            real_servers: *pool
        """
    )
    copy, other = config.virtual_servers["copy"], config.virtual_servers["other"]
    assert (copy.service.scheduler, copy.service.key.port, copy.real_servers[0].weight) == ("rr", 81, 5)
    assert str(other.real_servers[0].address) == "192.0.2.11:82"


def test_a_mistake_in_a_shared_setting_is_told_once_and_at_its_place(file: Any) -> None:
    text = (
        "virtual_servers:\n  a:\n    address: 192.0.2.1:80\n    real_servers: &pool [web1]\n"
        "  b:\n    address: 192.0.2.2:80\n    real_servers: *pool\n"
    )
    assert [fault.split(": ")[:2] for fault in file.faults(text)] == [
        ["healthlb.yaml:4:26", "virtual_servers.a.real_servers[0]"],
        ["healthlb.yaml:4:26", "virtual_servers.b.real_servers[0]"],
    ]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "'true'", "1", "0"])
def test_only_true_and_false_are_booleans(file: Any, either_parser: None, word: str) -> None:
    [fault] = file.faults(SHOP + f"    one_packet: {word}\n")
    assert "one_packet: expected true or false, found" in fault


@pytest.mark.parametrize(
    ("written", "weight"), [("10", 10), ("0x10", 16), ("0o10", 8), ("+5", 5), ("0", 0), ('"7"', None), ("1:30", None)]
)
def test_numbers_are_those_of_yaml_1_2(file: Any, either_parser: None, written: str, weight: int | None) -> None:
    text = SHOP + f"    weight: {written}\n"
    if weight is None:
        assert "weight: expected a whole number, found '" in file.faults(text)[0]
    else:
        assert file.load(text).virtual_servers["shop"].real_servers[0].weight == weight


@pytest.mark.parametrize(
    "written", ["012", "1_000", "1.", "1e2", "9" * 30, "9" * 100_000, ".inf", ".nan", "0b1", "1e999"]
)
def test_a_number_that_depends_on_its_reader_is_no_whole_number(file: Any, written: str) -> None:
    assert "expected a whole number" in file.faults(SHOP + f"    weight: {written}\n")[0]


@pytest.mark.parametrize("written", [".inf", ".nan", "-1", "-.inf"])
def test_no_duration_is_endless_or_negative(file: Any, written: str) -> None:
    assert "out of range" in file.faults(SHOP + f"    check: {{type: tcp, interval: {written}}}\n")[0]


def test_an_address_that_yaml_1_1_would_take_for_a_number_in_base_60_is_text(file: Any) -> None:
    config = file.load(SHOP.replace("192.0.2.10:80", "11.1.1.1:20"))
    assert str(config.virtual_servers["shop"].service.key) == "tcp 11.1.1.1:20"


def test_a_name_may_look_like_a_number_or_a_boolean(file: Any) -> None:
    config = file.load(SHOP.replace("shop", "80") + SHOP.partition("\n")[2].replace("shop", "on").replace(":80", ":81"))
    assert list(config.virtual_servers) == ["80", "on"]


def test_a_document_mark_at_the_start_and_a_directive_are_no_fault(file: Any) -> None:
    assert file.load("# comment\n---\n" + SHOP).virtual_servers.keys() == {"shop"}
    assert file.load("%YAML 1.2\n---\n" + SHOP + "...\n").virtual_servers.keys() == {"shop"}
