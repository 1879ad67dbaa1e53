"""The bodies of commands: whatever is sent, it is values that were checked or sentences that name the key."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api import bodies
from healthlb.api.bodies import BodyError, body_of

KINDS: dict[str, bodies.Kind] = {
    "why": bodies.one_line(500),
    "by": bodies.one_line(64),
    "weight": bodies.weight,
    "expires": bodies.duration,
    "remove": bodies.boolean,
    "real_server": bodies.record,
}
numbers = st.integers() | st.integers(-1, 70_000) | st.floats() | st.sampled_from([10**400, -(10**400), 1e308])
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(), max_size=20) | st.just("2h")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
objects = st.dictionaries(st.sampled_from([*KINDS, "whi", "deadline", ""]) | st.text(max_size=8), values, max_size=5)


@dataclass
class Request:
    body: bytes

    async def read(self) -> bytes:
        return self.body


def taken(body: bytes, required: str = "") -> dict[str, Any]:
    return asyncio.run(body_of(cast("web.Request", Request(body)), KINDS, required))


def fault(body: bytes, required: str = "") -> str:
    with pytest.raises(BodyError) as caught:
        taken(body, required)
    return str(caught.value)


def held(body: bytes) -> dict[str, Any] | None:
    """Return what is taken of a body; None, and the fault's sentence looked at, where nothing is."""
    try:
        return taken(body)
    except BodyError as error:
        sentence = str(error)
        assert sentence.isprintable()
        assert sentence.endswith((".", "?"))
        assert len(sentence) < 4000
        return None


@given(objects)
def test_any_object_is_checked_values_or_a_printable_sentence(value: dict[str, Any]) -> None:
    body = held(json.dumps(value).encode())
    if body is None:
        return
    assert set(body) <= set(KINDS)
    assert 0 <= body.get("weight", 0) <= 65535
    assert 0 < body.get("expires", 1.0) <= bodies.LONGEST_DURATION
    assert body.get("why", "").isprintable()
    assert isinstance(body.get("remove", False), bool)
    json.dumps(body.get("real_server", {}), ensure_ascii=False, allow_nan=False).encode()


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_a_sentence(body: bytes) -> None:
    held(body)


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"why": null}'])
def test_what_says_nothing_asks_for_nothing_in_particular(body: bytes) -> None:
    assert taken(body) == {}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[", "The body is no JSON"),
        (b"[]", "The body is to be a JSON object, found a list."),
        (b"\xff", "The body is not UTF-8."),
        (b'{"why": "\\ud800"}', "The body is not UTF-8."),
        (b'{"real_server": {"name": "\\ud800"}}', "The body is not UTF-8."),
        (b'{"real_server": {"weight": 1e999}}', "The body is no JSON that can be taken"),
        (b'{"weight": NaN}', "NaN is no number of JSON"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"why": "a", "why": "b"}', '"why" is there twice'),
        (b'{"real_server": {"a": 1, "a": 2}}', '"a" is there twice'),
        (b'{"weight": ' + b"9" * 5000 + b"}", "no JSON that can be taken"),
        (b'{"whi": "a"}', 'There is no key "whi"; did you mean why?'),
        (b'{"speed": 1}', 'There is no key "speed"; there are why, by,'),
        (b'{"why": 5}', "why: expected text, found 5."),
        (b'{"why": "a\\u001b[2J"}', "why: expected one line of printable text, found a control character."),
        (b'{"why": "a\\nb"}', "why: expected one line"),
        (b'{"why": "a\\u202eb"}', "why: expected one line"),
        (b'{"why": "' + b"a" * 501 + b'"}', "why: expected at most 500 characters, found 501."),
        (b'{"by": "' + b"a" * 65 + b'"}', "by: expected at most 64 characters"),
        (b'{"weight": -1}', "weight: -1 is out of range: 0 to 65535."),
        (b'{"weight": 65536}', "weight: 65536 is out of range"),
        (b'{"weight": true}', "weight: expected a whole number, found true."),
        (b'{"weight": 1.5}', "weight: expected a whole number, found 1.5."),
        (b'{"weight": "5"}', 'weight: expected a whole number, found "5".'),
        (b'{"expires": 0}', "expires: 0 is out of range"),
        (b'{"expires": "11y"}', "expires: expected a duration such as 30s, 10m or 2h"),
        (b'{"expires": "4000d"}', 'expires: "4000d" is out of range'),
        (b'{"expires": false}', "expires: expected a duration"),
        (b'{"remove": 1}', "remove: expected true or false, found 1."),
        (b'{"real_server": []}', "real_server: expected an object, found a list."),
    ],
)
def test_a_fault_is_one_sentence_that_names_its_key(body: bytes, sentence: str) -> None:
    assert sentence in fault(body)


def test_all_faults_are_told_at_once() -> None:
    sentence = fault(b'{"whi": 1, "weight": "x", "expires": []}', "remove")
    assert all(word in sentence for word in ("whi", "weight: ", "expires: ", "remove: is required."))


@pytest.mark.parametrize(
    ("text", "seconds"), [('"500ms"', 0.5), ('"30s"', 30), ('"2h"', 7200), ('"1d"', 86400), ("90", 90), ('"1.5 m"', 90)]
)
def test_a_duration_is_written_as_in_the_file(text: str, seconds: float) -> None:
    assert taken(f'{{"expires": {text}}}'.encode()) == {"expires": seconds}
