"""What an HTTP check sends, and which options it refuses."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, Tls
from checks.engine.dialogue import Dialogue
from checks.http import Http, Https
from checks.options import Regex
from checks.web.kinds import HOST, METHOD, PATH, VALUE
from checks.wire.statuses import StatusRange


def sent(check: Http, target: Target) -> bytes:
    return Dialogue(check.converse(target)).begin()


def test_the_plain_request() -> None:
    assert sent(Http(path="/healthz?full=1"), Target("192.0.2.1", 8080)) == (
        b"GET /healthz?full=1 HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nUser-Agent: healthlb\r\n"
        b"Accept: */*\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("check", "target", "host"),
    [
        (Http(), Target("192.0.2.1", 80), b"192.0.2.1"),
        (Http(), Target("192.0.2.1", 443), b"192.0.2.1:443"),
        (Https(), Target("192.0.2.1", 443), b"192.0.2.1"),
        (Http(), Target("2001:db8::1", 80), b"[2001:db8::1]"),
        (Http(), Target("2001:db8::1", 8080), b"[2001:db8::1]:8080"),
        (Http(), Target("fe80::1%eth0", 80), b"[fe80::1]"),
        (Http(host="shop.example"), Target("192.0.2.1", 8080), b"shop.example"),
    ],
)
def test_the_host_header_is_the_target_unless_given(check: Http, target: Target, host: bytes) -> None:
    assert b"\r\nHost: " + host + b"\r\n" in sent(check, target)


def test_given_headers_replace_ours_whatever_their_case() -> None:
    request = sent(Http(headers=(("user-agent", "probe/1"), ("X-Tenant", "a"))), Target("192.0.2.1", 80))
    assert b"user-agent: probe/1\r\n" in request
    assert b"healthlb" not in request
    assert b"X-Tenant: a\r\n" in request


def test_a_body_goes_out_with_its_length() -> None:
    request = sent(Http(method="POST", body="größe"), Target("192.0.2.1", 80))
    assert request.endswith(b"Content-Length: 7\r\n\r\ngr\xc3\xb6\xc3\x9fe")


def test_a_post_without_a_body_says_so() -> None:
    assert b"Content-Length: 0\r\n" in sent(Http(method="POST"), Target("192.0.2.1", 80))


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "x-auth-token", "Proxy-Authorization"])
def test_credentials_are_sent_and_left_out_of_the_evidence(name: str) -> None:
    dialogue = Dialogue(Http(headers=((name, "hunter2"),)).converse(Target("192.0.2.1", 80)))
    assert b"hunter2" in dialogue.begin()
    assert b"hunter2" not in dialogue.sent
    assert f"{name}: ***".encode() in dialogue.sent


CONTROL = st.sampled_from([chr(number) for number in [*range(9), *range(10, 32), 127]])


@pytest.mark.parametrize(
    ("kind", "right"), [(PATH, "/healthz"), (HOST, "shop.example"), (VALUE, "some value"), (METHOD, "GET")]
)
@given(control=CONTROL, at=st.integers(0, 20))
def test_no_control_character_reaches_the_request_line_or_a_header(
    kind: Any, right: str, control: str, at: int
) -> None:
    assert kind.parse(right) == right
    with pytest.raises(ValueError, match=r"^expected ") as refused:
        kind.parse(right[:at] + control + right[at:])
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("path", ["/", "*", "/a?b=c&d=%20", "http://shop.example/a", "/~user/;x=1"])
def test_a_path_may_be_anything_that_can_stand_in_a_request_line(path: str) -> None:
    assert PATH.parse(path) == path


@pytest.mark.parametrize("path", ["healthz", "/a b", "/a#b", "/größe", "", "ftp://x/"])
def test_a_path_that_cannot_be_asked_for_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        PATH.parse(path)


@pytest.mark.parametrize(
    ("written", "parsed"), [(200, (200, 200)), ("204", (204, 204)), ("200-299", (200, 299)), ("200 - 201", (200, 201))]
)
def test_a_status_is_a_number_or_a_range(written: Any, parsed: tuple[int, int]) -> None:
    assert StatusRange().parse(written) == parsed


@pytest.mark.parametrize("written", [True, 99, 1000, "2xx", "300-200", None, [200], "", 200.0])
def test_what_is_no_status_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"status|range"):
        StatusRange().parse(written)


def test_a_regular_expression_must_compile() -> None:
    assert Regex().parse("^ok$") == re.compile("^ok$")
    with pytest.raises(ValueError, match=r"expected a regular expression, found '\(': missing"):
        Regex().parse("(")


@pytest.mark.parametrize(
    ("check", "faults"),
    [
        (Http(), []),
        (Http(method="HEAD"), []),
        (Http(method="HEAD", expect="x"), [("expect", "the reply to HEAD has no body to look at; use GET")]),
        (Http(headers=(("Host", "x"),)), [("headers", "the Host header has its own option: host")]),
        (Http(headers=(("Content-Length", "1"),)), [("headers", "Content-Length is set by healthlb, from body")]),
        (
            Http(headers=(("A\r\nB", "x"),)),
            [("headers", "'A\\r\\nB' cannot be a header's name (RFC 9110 section 5.1)")],
        ),
        (Http(headers=(("A", "x"), ("a", "y"))), [("headers", "a is there twice")]),
        (Https(tls=Tls(alpn=("http/1.1",))), []),
        (
            Https(tls=Tls(alpn=("h2",))),
            [("tls", "alpn: HTTP/1.1 is http/1.1 there, so h2 must not be offered")],
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(check: Http, faults: list[tuple[str, str]]) -> None:
    assert list(check.faults()) == faults


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example", "shop.example"),
        ("shop.example:8443", "shop.example"),
        ("192.0.2.1:8443", None),
        ("[2001:db8::1]:8443", None),
        (None, None),
        (":80", None),
    ],
)
def test_https_asks_for_the_name_in_host(host: str | None, name: str | None) -> None:
    assert Https(host=host).tls.server_name == name


def test_a_server_name_of_its_own_wins_over_host() -> None:
    assert Https(host="a.example", tls=Tls(server_name="b.example")).tls.server_name == "b.example"


def test_http_is_not_wrapped() -> None:
    assert Http().tls is None


def test_equal_checks_are_one_key() -> None:
    def make() -> Https:
        return Https(host="a.example", headers=(("A", "b"),), expect_regex=re.compile("x"), tls=Tls(alpn=("http/1.1",)))

    assert len({make(), make()}) == 1
