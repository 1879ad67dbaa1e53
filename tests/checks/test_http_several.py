"""Several requests in one check: which connection each takes, and which one is blamed."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Check, Target, Verdict
from checks.http import Http, Https
from checks.web.options import Each

KEPT = b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\n"
OK = KEPT + b"Content-Length: 4\r\n\r\nwell"
TWO = (Each(path="/a"), Each(path="/b"))


def held(check: Check, *connections: Sequence[bytes]) -> tuple[Verdict, list[tuple[int, bytes]]]:
    """Hold a conversation with a server that says so much on each connection; return what it was asked, and where."""
    conversation = check.converse(Target("192.0.2.1", 80))
    said: list[tuple[int, bytes]] = []
    at, left = 0, list(connections[0])
    try:
        step = next(conversation)
        while True:
            if step.reconnect:
                at += 1
                left = list(connections[at])
            if step.send:
                said.append((at, step.send.partition(b"\r\n")[0]))
            step = conversation.send(left.pop(0) if left else b"")
    except StopIteration as stop:
        return stop.value, said


def test_a_connection_that_stays_open_serves_all_requests() -> None:
    verdict, said = held(Http(requests=TWO), [OK, OK])
    assert verdict == Verdict(True, "200 OK, the last of 2 requests")
    assert said == [(0, b"GET /a HTTP/1.1"), (0, b"GET /b HTTP/1.1")]


def test_all_but_the_last_request_ask_to_keep_the_connection() -> None:
    conversation = Http(requests=TWO).converse(Target("192.0.2.1", 80))
    assert b"\r\nConnection: keep-alive\r\n" in next(conversation).send
    assert b"\r\nConnection: close\r\n" in conversation.send(OK).send


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nwell",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nwell",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell",
        KEPT + b"\r\nuntil the close",
        OK + b"HTTP/1.1 200 Unasked\r\n\r\n",
    ],
)
def test_where_a_connection_cannot_be_used_again_the_next_request_has_a_new_one(first: bytes) -> None:
    verdict, said = held(Http(requests=TWO), [first], [OK])
    assert verdict.passed
    assert [connection for connection, _ in said] == [0, 1]


def test_http_1_0_takes_a_connection_for_each_request() -> None:
    verdict, said = held(Http(version="1.0", requests=TWO), [OK], [OK])
    assert verdict.passed
    assert said == [(0, b"GET /a HTTP/1.0"), (1, b"GET /b HTTP/1.0")]


def test_a_connection_that_was_closed_while_idle_is_made_again() -> None:
    verdict, said = held(Http(requests=TWO), [OK], [OK])
    assert verdict.passed
    assert said == [(0, b"GET /a HTTP/1.1"), (0, b"GET /b HTTP/1.1"), (1, b"GET /b HTTP/1.1")]


def test_what_may_not_be_asked_twice_is_not_asked_again() -> None:
    verdict, said = held(Http(method="POST", requests=TWO), [OK], [OK])
    assert verdict == Verdict(False, "request 2 (/b): the connection closed without a reply")
    assert len(said) == 2


def test_a_connection_that_never_answers_is_made_once_again_and_no_more() -> None:
    verdict, said = held(Http(requests=TWO), [OK], [], [OK])
    assert verdict == Verdict(False, "request 2 (/b): the connection closed without a reply")
    assert len(said) == 3


def test_the_reply_to_head_leaves_the_connection_free_although_it_tells_a_length() -> None:
    head = KEPT + b"Content-Length: 4\r\n\r\n"
    verdict, said = held(Http(requests=(Each(method="HEAD"), Each(path="/b"))), [head, OK])
    assert verdict.passed
    assert [connection for connection, _ in said] == [0, 0]


def test_a_body_that_nobody_judges_is_still_read_to_its_end_before_the_next_request() -> None:
    verdict, said = held(Http(requests=TWO), [OK[:-2], OK[-2:], OK])
    assert verdict.passed
    assert [connection for connection, _ in said] == [0, 0]


def test_a_body_too_long_to_read_costs_the_connection_and_not_the_verdict() -> None:
    long = [KEPT + b"Content-Length: 9999999\r\n\r\n", *[bytes(16384)] * 600]
    verdict, said = held(Http(requests=TWO), long, [OK])
    assert verdict.passed
    assert [connection for connection, _ in said] == [0, 1]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b"HTTP/1.1 503 No\r\n\r\n", "request 2 (/db): status 503, expected 200-299"),
        (OK[:20], "request 2 (/db): the connection closed in the middle of the headers, after 20 bytes"),
        (b"garbage\r\n", "request 2 (/db): not an HTTP reply"),
    ],
)
def test_the_request_that_failed_is_named_and_none_follows(second: bytes, reason: str) -> None:
    check = Http(requests=(Each(path="/"), Each(path="/db"), Each(path="/never")))
    verdict, said = held(check, [OK, second], [second])
    assert verdict == Verdict(False, reason)
    assert b"/never" not in said[-1][1]


def test_a_request_has_the_checks_options_where_it_has_none_of_its_own() -> None:
    check = Http(
        host="a.example", status=((204, 204),), expect="well", requests=(Each(host="b.example"), Each(expect="x"))
    )
    first, second = check.asked()
    assert (first.host, first.status, first.expect) == ("b.example", ((204, 204),), "well")
    assert (second.host, second.status, second.expect) == ("a.example", ((204, 204),), "x")


def test_the_name_in_the_first_requests_host_is_asked_for() -> None:
    assert Https(requests=(Each(host="b.example"), Each(host="c.example"))).tls.server_name == "b.example"


@pytest.mark.parametrize(
    ("check", "faults"),
    [
        (Http(requests=TWO), []),
        (
            Http(requests=(Each(), Each(headers=(("Host", "x"),)))),
            [("requests", "[1].headers: the Host header has its own option: host")],
        ),
        (
            Http(method="HEAD", requests=(Each(), Each(expect="x"))),
            [("requests", "[1].expect: the reply to HEAD has no body to look at; use GET")],
        ),
        (
            Http(expect="x", requests=(Each(method="HEAD"),)),
            [("expect", "the reply to HEAD has no body to look at; use GET")],
        ),
    ],
)
def test_faults_say_in_which_request_they_are(check: Http, faults: list[tuple[str, str]]) -> None:
    assert list(check.faults()) == faults


PIECES = st.lists(
    st.sampled_from([OK, OK[:-1], b"l", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x"])
    | st.binary(),
    max_size=5,
)


@given(
    st.lists(PIECES, min_size=7, max_size=7), st.sampled_from(["1.0", "1.1"]), st.sampled_from([{}, {"expect": "well"}])
)
def test_whatever_comes_on_however_many_connections_ends_in_a_verdict(
    connections: list[list[bytes]], version: str, options: dict[str, Any]
) -> None:
    requests = (Each(), Each(method="HEAD", expect=None), Each(method="POST"), Each(path="/d"))
    verdict, said = held(Http(version=version, requests=requests, **options), *connections)
    assert verdict.reason.isprintable()
    assert len(said) <= 7
