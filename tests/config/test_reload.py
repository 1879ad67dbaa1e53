"""A reload parses what has changed and nothing else, and says what a fresh load would say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.config import files, nodes
from healthlb.config.blocks import Doubt
from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader
from healthlb.model.config import Config

HEAD = "checks:\n  web: {type: http, path: /a}\n  port: {type: tcp}\nvirtual_servers:\n"


def server(name: str, number: int, extra: str = "") -> str:
    return f"  {name}:\n    address: 127.0.1.{number}:80\n{extra}    real_servers:\n      - 127.0.2.{number}\n"


def pool(count: int, more: str = "") -> str:
    items = "".join(f"      - address: 127.1.{n // 250}.{n % 250 + 1}\n        weight: {n % 9}\n" for n in range(count))
    return f"  big:\n    address: 127.0.0.1:80\n    real_servers:\n{items}{more}"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts that the parser is given."""
    texts: list[str] = []
    make = nodes.EventParser

    def remember(text: str) -> Any:
        texts.append(text)
        return make(text)

    monkeypatch.setattr(nodes, "EventParser", remember)
    return texts


def test_an_unchanged_file_has_no_virtual_server_parsed_again(file: Any, parsed: list[str]) -> None:
    first = file.load(HEAD + server("a", 1) + server("b", 2, "    check: web\n"))
    parsed.clear()
    second = file.load()
    assert "address" not in "".join(parsed)
    assert all(second.virtual_servers[name] is first.virtual_servers[name] for name in "ab")


def test_one_changed_virtual_server_is_the_only_one_parsed(file: Any, parsed: list[str]) -> None:
    first = file.load(HEAD + server("a", 1) + server("b", 2) + server("c", 3))
    parsed.clear()
    changed = server("b", 2, "    scheduler: rr\n")
    second = file.load("# a line more\n" + HEAD + server("c", 3) + changed + server("a", 1))
    assert [text for text in parsed if "address" in text] == [changed]
    assert list(second.virtual_servers) == ["c", "b", "a"]
    assert second.virtual_servers["a"] is first.virtual_servers["a"]
    assert second.virtual_servers["c"] is first.virtual_servers["c"]
    assert second.virtual_servers["b"].service.scheduler == "rr"


def test_one_changed_real_server_of_a_long_pool_is_the_only_one_parsed(file: Any, parsed: list[str]) -> None:
    text = HEAD + pool(500, "    scheduler: rr\n")
    first = file.load(text).virtual_servers["big"]
    assert max(len(one) for one in parsed) < len(text) / 2
    parsed.clear()
    second = file.load(text.replace("127.1.1.1\n        weight: 7", "127.1.1.1\n        weight: 77")).virtual_servers[
        "big"
    ]
    assert sum("127.1." in one for one in parsed) == 1
    assert [
        one.weight for one, other in zip(second.real_servers, first.real_servers, strict=True) if one is not other
    ] == [77]


def test_a_changed_setting_of_a_long_pool_reaches_every_real_server(file: Any) -> None:
    file.load(HEAD + pool(100, "    method: nat\n"))
    config = file.load(HEAD + pool(100, "    method: dr\n"))
    assert {one.method.kind for one in config.virtual_servers["big"].real_servers} == {"dr"}


def test_a_changed_named_check_reaches_those_that_name_it_and_no_others(file: Any) -> None:
    first = file.load(HEAD + server("a", 1, "    check: web\n") + server("b", 2, "    check: port\n"))
    second = file.load(
        HEAD.replace("/a", "/b") + server("a", 1, "    check: web\n") + server("b", 2, "    check: port\n")
    )
    assert second.virtual_servers["a"].real_servers[0].probes[0].check.conversation.path == "/b"
    assert second.virtual_servers["b"] is first.virtual_servers["b"]


def test_a_check_that_is_gone_is_missed_by_those_that_name_it(file: Any) -> None:
    file.load(HEAD + server("a", 1, "    check: web\n"))
    [fault] = file.faults(HEAD.replace("web", "other") + server("a", 1, "    check: web\n"))
    assert fault.startswith("healthlb.yaml:7:12: virtual_servers.a.check: there is no check named 'web'")


def test_a_changed_variable_reaches_those_that_use_it(tmp_path: Path) -> None:
    path = tmp_path / "healthlb.yaml"
    path.write_text(HEAD + server("a", 1, "    weight: ${WEIGHT:-1}\n") + server("b", 2))
    environ: dict[str, str] = {}
    loader = Loader(str(path), environ=environ)
    first = loader.load()
    environ["WEIGHT"] = "5"
    second = loader.load()
    assert [config.virtual_servers["a"].real_servers[0].weight for config in (first, second)] == [1, 5]
    assert second.virtual_servers["b"] is first.virtual_servers["b"]


def test_a_bad_reload_leaves_what_is_kept_alone(file: Any, parsed: list[str]) -> None:
    first = file.load(HEAD + server("a", 1) + server("b", 2))
    assert len(file.faults(HEAD + server("a", 1) + server("b", 2, "    scheduler: bad\n"))) == 1
    file.write(HEAD + server("a", 1) + server("b", 2))
    parsed.clear()
    second = file.load()
    assert "address" not in "".join(parsed)
    assert second.virtual_servers["a"] is first.virtual_servers["a"]


def test_a_clash_with_a_kept_virtual_server_is_told_with_both_places(file: Any) -> None:
    file.load(HEAD + server("a", 1) + server("b", 2))
    assert file.faults(HEAD + server("a", 1) + server("b", 1)) == [
        f"healthlb.yaml:10:14: virtual_servers.b: tcp 127.0.1.1:80 is the virtual server a already ({file.path}:6)"
    ]
    assert file.faults(HEAD + server("c", 2) + server("b", 2)) == [
        f"healthlb.yaml:10:14: virtual_servers.b: tcp 127.0.1.2:80 is the virtual server c already ({file.path}:6)"
    ]
    assert file.faults(HEAD + server("a", 1) + server("b", 2) + server("a", 3)) == [
        "healthlb.yaml:13:3: virtual_servers.a: is here twice; line 5 has it already"
    ]


def test_a_clash_within_a_kept_long_pool_is_told_with_both_places(file: Any) -> None:
    file.load(HEAD + pool(100))
    assert file.faults(HEAD + pool(100) + "      - 127.1.0.51\n") == [
        "healthlb.yaml:208:9: virtual_servers.big.real_servers[100]: 127.1.0.51:80 is in this pool already (line 108)"
    ]


def test_a_fault_below_kept_servers_has_the_right_line(file: Any) -> None:
    file.load(HEAD + pool(100) + server("a", 1))
    assert file.faults(HEAD + pool(100, "\n\n") + server("a", 1).replace(":80", ":0"))[0].startswith(
        "healthlb.yaml:211:14: "
    )


def test_a_file_that_cannot_be_split_still_keeps_equal_virtual_servers(file: Any) -> None:
    text = (
        "virtual_servers:\n  a: &a\n    address: 127.0.0.1:80\n    real_servers: [127.0.0.2]\n"
        "  b: {<<: *a, address: '127.0.0.1:81'}\n"
    )
    first = file.load(text)
    second = file.load(text.replace(":81", ":82"))
    assert second.virtual_servers["a"] is first.virtual_servers["a"]
    assert second.virtual_servers["b"] != first.virtual_servers["b"]


def test_a_merge_key_behind_a_long_pool_yields_to_what_stands_before_it(file: Any) -> None:
    config = file.load(
        HEAD + pool(100, "    <<: {scheduler: rr}\n").replace("    real", "    scheduler: sh\n    real", 1)
    )
    assert config.virtual_servers["big"].service.scheduler == "sh"


def test_a_section_that_is_there_twice_does_not_hide_that_the_second_is_no_yaml(file: Any) -> None:
    assert file.faults(HEAD + server("a", 1) + "virtual_servers:\n  b: 'x\n") == [
        "healthlb.yaml:10:6: a quote that is never closed"
    ]


def both_ways(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config | str]:
    """Load afresh with the file split, and with the file parsed whole."""

    def never(*_: object) -> Any:
        raise Doubt

    for split in (files.split, never):
        with monkeypatch.context() as patch:
            patch.setattr(files, "split", split)
            yield outcome(Loader(path, environ={}))


def outcome(loader: Loader) -> Config | str:
    try:
        return loader.load()
    except ConfigError as error:
        return str(error)


def test_a_byte_order_mark_within_a_file_is_refused_split_or_whole(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(HEAD + server("a", 1) + "\ufeffdirector: {name: lb1}\n")
    split, whole = both_ways(file.path, monkeypatch)
    assert split == whole
    assert "healthlb.yaml:9:2: an entry that is indented differently" in str(whole)


TEXT = (
    "# head\n---\ninclude: []\n"
    + HEAD
    + server("a", 1, "    check: web\n")
    + "\n  # between\n"
    + server("b", 2, "    check: {type: http, body: |\n      x\n    }\n".replace("body: |\n      x\n", "body: x\n"))
    + '  "c":\n    check:\n      type: http\n      body: |\n        a: b\n        - c\n    address: "127.0.1.3:80"\n'
    + "    real_servers:\n    - 127.0.2.3\n    - {address: 127.0.2.4}\n"
    + pool(70, "    scheduler: rr # last\n")
    + "director:\n  name: lb1\n"
)
LINES = TEXT.splitlines(keepends=True)
SCRAPS = [
    *LINES[:30],
    *LINES[-8:],
    "  x: y\n",
    '    "\n',
    "      - '\n",
    "    |\n",
    "\n",
    "---\n",
    "...\n",
    "\t\n",
    " - a\n",
    "      -\n",
    "    real_servers:\n",
    "    - 127.0.2.9\n",
    "  <<: *a\n",
    "  &a z:\n",
    "    }\n",
    "    {\n",
    "]\n",
    "  ? a\n",
    "%YAML 1.1\n",
    "   d:\n",
    "    scheduler: bad\n",
    "\r\n",
    "\u2028",
    "\ufeff",
]
EDIT = st.tuples(st.integers(0, len(LINES)), st.integers(0, 4), st.lists(st.sampled_from(SCRAPS), max_size=3))


def edited(lines: list[str], edits: list[tuple[int, int, list[str]]]) -> list[str]:
    lines = list(lines)
    for at, removed, added in edits:
        lines[at : at + removed] = added
    return lines


@given(first=st.lists(EDIT, max_size=2), then=st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reload_says_what_a_fresh_load_says_split_or_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: list[tuple[int, int, list[str]]],
    then: list[list[tuple[int, int, list[str]]]],
) -> None:
    path = tmp_path / "healthlb.yaml"
    loader = Loader(str(path), environ={})
    lines = LINES
    for edits in [first, *then]:
        lines = edited(lines, edits)
        path.write_text("".join(lines), newline="")
        reloaded = outcome(loader)
        split, whole = both_ways(str(path), monkeypatch)
        assert split == whole
        assert reloaded == whole
