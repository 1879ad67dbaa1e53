"""The check types, and what each declares about its options."""

import dataclasses
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Check
from checks.ftp import Ftp
from checks.grpc import Grpc
from checks.http import Http, Https
from checks.imap import Imap
from checks.memcached import Memcached
from checks.options import Boolean, Integer, ListOf, Record, Regex, TableOf, Text
from checks.pop3 import Pop3
from checks.redis import Redis
from checks.registry import types
from checks.sip import Sip
from checks.smtp import Smtp
from checks.tcp import Tcp
from checks.tls import TlsHandshake
from checks.udp import Udp
from checks.web.kinds import METHOD, Digest, HttpVersion, JsonScalar
from checks.wire.statuses import StatusRange

COMMON = {"type", "name", "interval", "timeout", "rise", "fall", "fast_interval", "down_interval", "address", "port"}


def test_the_built_in_types_are_known_by_their_word() -> None:
    known: dict[str, type[Check]] = {"tcp": Tcp, "http": Http, "https": Https, "tls": TlsHandshake, "grpc": Grpc}
    known |= {"udp": Udp, "smtp": Smtp, "imap": Imap, "pop3": Pop3, "ftp": Ftp}
    known |= {"redis": Redis, "memcached": Memcached, "sip": Sip}
    assert known.items() <= types().items()


@pytest.mark.parametrize("check", types().values(), ids=lambda check: check.type)
def test_every_option_has_a_kind_and_one_sentence_and_none_shadows_a_common_one(check: type[Check]) -> None:
    for field in dataclasses.fields(check):  # type: ignore[arg-type]
        assert field.metadata["doc"].endswith(".")
        kind = field.metadata["kind"]
        assert isinstance(kind, ListOf | TableOf | Record) or callable(kind.parse)
        assert field.name not in COMMON


@pytest.mark.parametrize("check", types().values(), ids=lambda check: check.type)
def test_every_type_works_without_options_and_is_a_key(check: type[Check]) -> None:
    assert hash(check()) == hash(check())
    assert check() == check()


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
