"""The check types, and what each declares about its options."""

import dataclasses
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Check
from checks.options import Boolean, Integer, ListOf, Record, Regex, TableOf, Text
from checks.registry import types
from checks.web.kinds import METHOD, Digest, HttpVersion, JsonScalar
from checks.wire.statuses import StatusRange

COMMON = {"type", "name", "interval", "timeout", "rise", "fall", "fast_interval", "down_interval", "address", "port"}


def test_the_built_in_types_are_known_by_their_word() -> None:
    assert {*types()} == {
        *("tcp", "tcp-half-open", "http", "https", "tls", "grpc", "udp", "ping"),
        *("dns", "smtp", "imap", "pop3", "ftp", "ldap", "radius", "sip", "mysql", "postgres", "redis", "memcached"),
        *("agent", "script", "file"),
    }
    assert all(check.type == name for name, check in types().items())


@pytest.mark.parametrize("check", types().values(), ids=lambda check: check.type)
def test_every_option_has_a_kind_and_one_sentence_and_none_shadows_a_common_one(check: type[Check]) -> None:
    for field in dataclasses.fields(check):  # type: ignore[arg-type]
        assert field.metadata["doc"].endswith(".")
        kind = field.metadata["kind"]
        assert isinstance(kind, ListOf | TableOf | Record) or callable(kind.parse)
        assert field.name not in COMMON


NEEDED: dict[str, dict[str, Any]] = {
    "script": {"command": ("/bin/true",)},
    "file": {"path": "/run/weight"},
    "radius": {"secret_file": "/run/secret"},
}
"""The options that must be given, of types that mean nothing without."""


@pytest.mark.parametrize("check", types().values(), ids=lambda check: check.type)
def test_every_type_works_without_more_options_than_it_needs_and_is_a_key(check: type[Check]) -> None:
    needed = NEEDED.get(check.type, {})
    assert hash(check(**needed)) == hash(check(**needed))
    assert check(**needed) == check(**needed)


@pytest.mark.parametrize(
    "kind", [StatusRange(), METHOD, Regex(), Boolean(), Text(), Integer(1, 99), HttpVersion(), Digest(), JsonScalar()]
)
@given(
    value=st.none() | st.booleans() | st.integers(0, 1200) | st.text(max_size=9) | st.sampled_from(["200-299", "GET"])
)
def test_what_the_schema_refuses_the_option_refuses_too(kind: Any, value: Any) -> None:
    try:
        jsonschema.validate(value, kind.schema())
    except jsonschema.ValidationError:
        with pytest.raises(ValueError, match=r"expected|out of range"):
            kind.parse(value)


def test_text_that_utf_8_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match=r"half of a surrogate pair"):
        Text().parse("well \udcff")
