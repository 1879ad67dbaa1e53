"""What a body must be: digests, JSON members, text and expressions that must or must not be found."""

import gzip
import hashlib
import json
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Verdict
from checks.http import Http
from checks.web.json_values import PARSED_AT_MOST, unlike
from checks.web.kinds import Digest, HttpVersion, JsonScalar

Play = Callable[..., Verdict]
OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"all is well\n"
SHA256 = ("sha256", hashlib.sha256(BODY).hexdigest())
MD5 = ("md5", hashlib.md5(BODY, usedforsecurity=False).hexdigest())


def with_length(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n7\r\ns well\n\r\n0\r\n\r\n"


@pytest.mark.parametrize("digest", [SHA256, MD5])
@pytest.mark.parametrize(
    "reply",
    [with_length(BODY), CHUNKED, OK + b"\r\n" + BODY, with_length(gzip.compress(BODY), b"Content-Encoding: gzip")],
    ids=["length", "chunked", "until close", "gzip"],
)
def test_a_digest_is_of_the_body_however_it_was_carried(play: Play, digest: tuple[str, str], reply: bytes) -> None:
    assert play(Http(digest=digest), [reply]) == Verdict(True, "200 OK")


def test_another_digest_fails_and_says_which_it_is(play: Play) -> None:
    verdict = play(Http(digest=("md5", "0" * 32)), [with_length(BODY)])
    assert verdict == Verdict(False, f"200, but the digest of the body is md5:{MD5[1]}")


@pytest.mark.parametrize("options", [{"digest": SHA256}, {"json": (("/a", "1"),)}])
def test_a_body_longer_than_the_limit_is_not_judged_by_its_beginning(play: Play, options: dict[str, Any]) -> None:
    verdict = play(Http(body_limit=len(BODY) - 1, **options), [with_length(BODY)])
    assert (
        verdict.reason
        == f"200, but the body is longer than {len(BODY) - 1} bytes (body_limit), and all of it is needed"
    )


def test_a_body_as_long_as_the_limit_is_judged_whole(play: Play) -> None:
    assert play(Http(body_limit=len(BODY), digest=SHA256), [with_length(BODY)]).passed


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"reject": "well"}, "200, but the body contains 'well'"),
        ({"reject": "lost"}, "200 OK"),
        ({"reject_regex": re.compile("W.ll", re.IGNORECASE)}, "200, but the body matches /W.ll/"),
        ({"reject_regex": re.compile("W.ll")}, "200 OK"),
        ({"expect": "all", "reject": "is", "body_limit": 4}, "200 OK"),
        ({"reject": "is", "body_limit": 7}, "200, but the first 7 bytes of the body contain 'is'"),
        ({"reject_regex": re.compile("is"), "body_limit": 7}, "200, but the first 7 bytes of the body match /is/"),
        (
            {"expect_regex": re.compile("well"), "body_limit": 7},
            "200, but the first 7 bytes of the body do not match /well/",
        ),
    ],
)
def test_what_must_not_be_found_fails_where_it_is(play: Play, options: dict[str, Any], reason: str) -> None:
    assert play(Http(**options), [with_length(BODY)]).reason == reason


def test_an_expression_that_takes_too_long_is_a_failure_that_says_so(play: Play) -> None:
    verdict = play(Http(expect_regex=re.compile("(a+)+$")), [with_length(b"a" * 5000 + b"b")])
    assert verdict == Verdict(
        False, "200, but the regular expression /(a+)+$/ took more than 50ms to search 5001 characters"
    )


DOCUMENT = {
    "status": "up",
    "checks": [{"db": {"state": "up", "ms": 3}}, {"a.b/c~d": True}],
    "none": None,
    "long": "x" * 200,
    "": 1.0,
}


@pytest.mark.parametrize(
    ("pointer", "value", "fault"),
    [
        ("/status", "up", None),
        ("/checks/0/db/ms", 3, None),
        ("/checks/0/db/ms", 3.0, None),
        ("/checks/1/a.b~1c~0d", True, None),
        ("/none", None, None),
        ("/", 1, None),
        ("/status", "down", '/status is "up", expected "down"'),
        ("/checks/0/db/ms", "3", '/checks/0/db/ms is 3, expected "3"'),
        ("/checks/1/a.b~1c~0d", 1, "/checks/1/a.b~1c~0d is true, expected 1"),
        ("/", True, "/ is 1.0, expected true"),
        ("/none", False, "/none is null, expected false"),
        ("/checks", "up", '/checks is a list, expected "up"'),
        ("/checks/0", None, "/checks/0 is an object, expected null"),
        ("", "up", 'the body is an object, expected "up"'),
        ("/checks/2", 1, "the body has no /checks/2"),
        ("/checks/-", 1, "the body has no /checks/-"),
        ("/checks/00", 1, "the body has no /checks/00"),
        ("/status/up", 1, "the body has no /status/up"),
        ("/nothing", 1, "the body has no /nothing"),
    ],
)
def test_a_member_is_found_by_its_pointer_and_compared_as_json_does(
    pointer: str, value: Any, fault: str | None
) -> None:
    assert unlike(json.dumps(DOCUMENT).encode(), ((pointer, JsonScalar().parse(value)),)) == fault


def test_a_long_value_is_shown_shortened() -> None:
    fault = unlike(json.dumps(DOCUMENT).encode(), (("/long", '"y"'),))
    assert fault is not None
    assert len(fault) < 100


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<html>", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"{} {}", "the body is not JSON"),
        (b'{"a": NaN}', "the body is not JSON"),
        (b'{"a": "\xff"}', "the body is not JSON"),
        (b"9" * 5000, "the body is not JSON"),
        (b"[" * 60000, "the body is JSON that is nested too deeply"),
    ],
)
def test_what_is_no_json_is_told(body: bytes, fault: str) -> None:
    assert unlike(body, (("/a", "1"),)) == fault


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8),
    st.lists(st.text(max_size=3) | st.sampled_from(["0", "1"]), max_size=3),
    SCALARS,
)
def test_whatever_a_document_holds_there_is_a_verdict(document: Any, names: list[str], value: Any) -> None:
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    found: Any = document
    try:
        for name in names:
            found = found[int(name)] if isinstance(found, list) else found[name]
        scalar = not isinstance(found, dict | list)
    except (KeyError, IndexError, ValueError, TypeError):
        scalar = False
    fault = unlike(json.dumps(document).encode(), ((pointer, JsonScalar().parse(value)),))
    assert fault is None or fault.isprintable()
    if scalar and "-" not in pointer and "+" not in pointer and "_" not in pointer and pointer.isascii():
        same = type(found) is type(value) or not ({type(found), type(value)} & {bool, str, type(None)})
        assert (fault is None) == (same and found == value)


@given(st.binary(max_size=300))
def test_whatever_bytes_are_said_to_be_json_there_is_a_verdict(body: bytes) -> None:
    fault = unlike(body, (("/a", "1"),))
    assert fault is None or fault.isprintable()


def test_the_longest_json_takes_bounded_memory() -> None:
    body = b"[" + b"[]," * (PARSED_AT_MOST // 3 - 2) + b"[]]"
    tracemalloc.start()
    try:
        assert unlike(body, (("/0", "1"),)) == "/0 is a list, expected 1"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 48 << 20


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"json": (("/a", "1"),)}, []),
        (
            {"json": (("checks.db", "1"),)},
            [("json", "'checks.db' is no JSON Pointer (RFC 6901): it would begin with /, as in /checks/db")],
        ),
        (
            {"json": (("/a~b", "1"),)},
            [("json", "'/a~b' is no JSON Pointer (RFC 6901): ~ is written ~0, and / in a name ~1")],
        ),
        ({"json": (("/a", "1"),), "body_limit": 2 << 20}, [("body_limit", "at most 1048576 bytes of JSON are parsed")]),
        ({"method": "HEAD", "digest": MD5}, [("digest", "the reply to HEAD has no body to look at; use GET")]),
    ],
)
def test_options_about_the_body_that_cannot_be_are_named(
    options: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert list(Http(**options).faults()) == faults


def test_checks_that_want_true_and_1_are_not_the_same_check() -> None:
    parse = JsonScalar().parse
    assert Http(json=(("/a", parse(True)),)) != Http(json=(("/a", parse(1)),))
    assert Http(json=(("/a", parse(1)),)) != Http(json=(("/a", parse(1.0)),))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [], {}, "\udcff"])
def test_what_json_has_no_scalar_for_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected text"):
        JsonScalar().parse(value)


def test_a_digest_names_its_algorithm() -> None:
    assert Digest().parse("md5:" + "A" * 32) == ("md5", "a" * 32)
    assert Digest().show(Digest().parse("sha256:" + "0" * 64)) == "sha256:" + "0" * 64
    for wrong in ("a" * 32, "md5:abc", "sha1:" + "a" * 40, "sha256:" + "g" * 64, "", 5):
        with pytest.raises(ValueError, match="expected"):
            Digest().parse(wrong)


@pytest.mark.parametrize(
    ("written", "version"),
    [("1.0", "1.0"), (1.0, "1.0"), (1.1, "1.1"), ("1.1", "1.1"), (2, "2"), (2.0, "2"), ("2", "2")],
)
def test_a_version_may_be_the_number_that_yaml_makes_of_it(written: Any, version: str) -> None:
    assert HttpVersion().parse(written) == version


@pytest.mark.parametrize("written", [True, None, 1, "1", "3", 0.9, "HTTP/1.1", []])
def test_what_is_no_version_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"expected 1\.0, 1\.1 or 2"):
        HttpVersion().parse(written)
