"""HTTP/2: what is asked, what a reply must be, and what a hostile server can do, from bytes alone."""

import gzip
import re
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, Verdict
from checks.engine.dialogue import Dialogue
from checks.http import Http, Https
from checks.web.http2 import FRAMES_AT_MOST, code_name
from checks.web.options import Each
from tests.checks.http2_server import Server, answering, held

Play = Callable[..., Verdict]
HTTP2 = Http(version="2")
LOOKING = Http(version="2", expect="well")
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
OK = hpack.Encoder().encode([(":status", "200")])


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def setting(name: int, value: int) -> bytes:
    return frame(4, struct.pack(">HI", name, value))


def ended(stream: int, code: int, words: bytes = b"") -> bytes:
    return frame(7, struct.pack(">II", stream, code) + words)


def test_a_request_has_its_pseudo_fields_first_and_no_connection_field() -> None:
    server = Server(answering(200))
    check = Http(version="2", path="/a?b", host="app.example", headers=(("X-Tenant", "a"),))
    assert held(check, server) == Verdict(True, "200")
    [asked] = server.asked
    assert asked == [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "app.example"),
        (":path", "/a?b"),
        ("user-agent", "healthlb"),
        ("accept", "*/*"),
        ("x-tenant", "a"),
    ]


def test_over_tls_h2_is_offered_and_the_scheme_says_so() -> None:
    check = Https(version="2")
    assert check.tls.alpn == ("h2",)
    server = Server(answering(200))
    assert held(check, server).passed
    assert (":scheme", "https") in server.asked[0]


def test_evidence_shows_the_request_in_words_without_its_secrets() -> None:
    dialogue = Dialogue(
        Http(version="2", path="/a", headers=(("Cookie", "hunter2"),)).converse(Target("192.0.2.1", 80))
    )
    dialogue.begin()
    assert dialogue.sent.startswith(b"GET /a HTTP/2\r\nHost: 192.0.2.1\r\n")
    assert b"Cookie: ***" in dialogue.sent


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (HTTP2, answering(503), Verdict(False, "status 503, expected 200-299")),
        (LOOKING, answering(200, b"all is well"), Verdict(True, "200")),
        (
            LOOKING,
            answering(200, gzip.compress(b"all is well"), ("content-encoding", "gzip")),
            Verdict(True, "200"),
        ),
        (LOOKING, answering(200, b"all is lost"), Verdict(False, "200, but the body does not contain 'well'")),
        (LOOKING, answering(200), Verdict(False, "200, but the body does not contain 'well'")),
        (
            LOOKING,
            answering(200, b"x", ("content-encoding", "br")),
            Verdict(False, "the body cannot be judged: its coding 'br' is not known here"),
        ),
        (HTTP2, answering(99), Verdict(False, "malformed HTTP/2 reply: status '99'")),
    ],
)
def test_a_reply_is_judged_as_it_is_in_http_1(
    check: Http, answer: Callable[[Server, int], None], verdict: Verdict, piece: int
) -> None:
    assert held(check, Server(answer), piece) == verdict


def test_interim_replies_are_passed_over() -> None:
    def answer(server: Server, stream: int) -> None:
        server.connection.send_headers(stream, [(":status", "103")])
        server.say(stream, [(":status", "200")], b"well")

    assert held(LOOKING, Server(answer)) == Verdict(True, "200")


def test_a_long_body_comes_through_the_windows() -> None:
    def answer(server: Server, stream: int) -> None:
        server.connection.send_headers(stream, [(":status", "200")])
        pump(server, stream)

    left = [b"x" * 200_000 + b"well"]

    def pump(server: Server, stream: int) -> None:
        room = server.connection.local_flow_control_window(stream)
        while left[0] and room:
            size = min(16384, room)
            piece, left[0] = left[0][:size], left[0][size:]
            server.connection.send_data(stream, piece, end_stream=not left[0])
            room = server.connection.local_flow_control_window(stream)

    server = Server(answer)
    hear = server.hear

    def hear_and_go_on(data: bytes) -> bytes:
        said = hear(data)
        if server.asked and left[0]:
            pump(server, 1)
        return said + server.connection.data_to_send()

    server.hear = hear_and_go_on  # type: ignore[method-assign]
    assert held(Http(version="2", expect="well", body_limit=300_000), server).passed


def test_a_long_request_goes_out_as_the_servers_windows_allow() -> None:
    body = "x" * 200_000
    server = Server(answering(200))
    assert held(Http(version="2", method="POST", body=body), server).passed
    assert server.bodies == {1: body.encode()}


SEVERAL = Http(version="2", requests=(Each(path="/a"), Each(path="/b", expect="well"), Each(path="/c")))


def test_several_requests_take_one_connection() -> None:
    server = Server(answering(200, b"all is well"))
    assert held(SEVERAL, server) == Verdict(True, "200, the last of 3 requests")
    assert [dict(each)[":path"] for each in server.asked] == ["/a", "/b", "/c"]


def test_the_request_that_failed_is_named() -> None:
    server = Server(answering(200, b"all is lost"))
    assert held(SEVERAL, server) == Verdict(False, "request 2 (/b): 200, but the body does not contain 'well'")


def test_a_server_that_takes_leave_in_good_order_is_heard_to_the_end(play: Play) -> None:
    reply = frame(1, OK, 4, 1) + frame(0, b"all is well", 1, 1)
    assert play(LOOKING, [SETTINGS + ended(1, 0) + reply]) == Verdict(True, "200")


def test_a_server_that_takes_no_further_request_is_told_as_such(play: Play) -> None:
    none_at_once = setting(3, 0)
    reply = frame(1, OK, 5, 1)
    verdict = play(SEVERAL, [SETTINGS, none_at_once + reply])
    assert (
        verdict.reason == "request 2 (/b): the server leaves no room for the request: Max outbound streams is 0, 0 open"
    )


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (b"", "the connection closed without a reply"),
        (SETTINGS, "the connection closed in the middle of the reply"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server answered in HTTP/1, not in HTTP/2"),
        (b"HTTP/", "the server answered in HTTP/1, not in HTTP/2"),
        (b"220 mail.example ESMTP\r\n", "not an HTTP/2 reply"),
        (b"\x15\x03\x01\0\2\2\x46", "not an HTTP/2 reply: the server seems to speak TLS"),
        (SETTINGS[:5], "the connection closed in the middle of the reply"),
        (frame(6, bytes(8)), "not an HTTP/2 reply"),
        (SETTINGS + b"\x01\0\0\0\0\0\0\0\1", "malformed HTTP/2 reply: a frame of 65536 bytes, 16384 are allowed"),
        (SETTINGS + ended(0, 0), "the server ended the HTTP/2 connection: NO_ERROR"),
        (
            SETTINGS + ended(1, 11, b"too \x1b[2Jmany"),
            r"the server ended the HTTP/2 connection: ENHANCE_YOUR_CALM ('too \x1b[2Jmany')",
        ),
        (SETTINGS + frame(3, struct.pack(">I", 7), 0, 1), "the server reset the stream: REFUSED_STREAM"),
        (SETTINGS + frame(0, b"", 0, 3), "malformed HTTP/2 reply: a frame for a stream that is not open"),
        (SETTINGS + frame(3, struct.pack(">I", 99), 0, 1), "the server reset the stream: error 99"),
    ],
)
def test_what_is_no_reply_is_told(play: Play, bytes_: bytes, reason: str) -> None:
    assert play(HTTP2, [bytes_]) == Verdict(False, reason)
    assert play(HTTP2, [bytes_[at : at + 1] for at in range(len(bytes_))]) == Verdict(False, reason)


def test_every_error_code_has_a_name() -> None:
    assert [code_name(code) for code in (0, 1, 13, 14)] == [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "HTTP_1_1_REQUIRED",
        "error 14",
    ]


BOMB = b"\x40\x01x\x7f\x81\x1f" + b"y" * 4096 + b"\xbe" * 12000
"""One header of 4 KiB put into HPACK's table (RFC 7541 section 6.2.1) and then named 12,000 times: 48 MiB decoded."""
FLOODS = {
    "pings": frame(6, bytes(8)),
    "settings": SETTINGS,
    "windows": frame(8, struct.pack(">I", 1), 0, 0),
    "empty data": frame(0, b"", 0, 1),
    "priorities": frame(2, bytes(5), 0, 3),
    "unknown frames": frame(99, bytes(100)),
    "resets": frame(3, bytes(4), 0, 1),
    "headers that go on": frame(9, b"x" * 16384, 0, 1),
    "a header bomb": frame(1, BOMB, 4, 1),
    "pushes": frame(5, struct.pack(">I", 2) + OK, 4, 1),
    "interim replies": frame(1, hpack.Encoder().encode([(":status", "103")]), 4, 1),
    "goaways": ended(1, 0),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_in_a_failure_and_takes_little_memory(name: str) -> None:
    begin = frame(1, b"\x88", 0, 1) if name == "headers that go on" else b""
    dialogue = Dialogue(LOOKING.converse(Target("192.0.2.1", 80)))
    dialogue.begin()
    tracemalloc.start()
    try:
        dialogue.feed(SETTINGS + begin)
        piece = FLOODS[name] * max(1, 16384 // len(FLOODS[name]))
        fed = 0
        while dialogue.verdict is None and fed < 100 << 20:
            dialogue.feed(piece)
            fed += len(piece)
        dialogue.feed(b"", ended=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dialogue.verdict is not None
    assert not dialogue.verdict.passed
    assert fed <= FRAMES_AT_MOST * 16393
    assert peak < 4 << 20


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Draw frames that are mostly right, and bytes that are not."""
    fields = draw(
        st.lists(
            st.tuples(
                st.sampled_from([":status", "content-length", "content-encoding", "a", ":path", "B"]),
                st.sampled_from(["200", "100", "204", "503", "x", "gzip", "0", "-1", ""]),
            ),
            max_size=4,
        )
    )
    pieces = st.one_of(
        st.builds(frame, st.integers(0, 12), st.binary(max_size=40), st.integers(0, 255), st.integers(0, 3)),
        st.builds(frame, st.just(1), st.just(hpack.Encoder().encode(fields)), st.sampled_from([4, 5]), st.just(1)),
        st.builds(
            frame, st.just(0), st.sampled_from([b"well", b"", b"\1well"]), st.sampled_from([0, 1, 9]), st.just(1)
        ),
        st.builds(setting, st.integers(1, 6), st.sampled_from([0, 1, 100, 16384, 2**31 - 1, 2**32 - 1])),
        st.builds(frame, st.just(1), st.just(OK), st.sampled_from([4, 5]), st.sampled_from([1, 3, 5])),
        st.binary(max_size=30),
    )
    return draw(st.sampled_from([SETTINGS, b""])) + b"".join(draw(st.lists(pieces, max_size=8)))


@given(
    st.sampled_from([HTTP2, LOOKING, SEVERAL, Http(version="2", method="POST", body="x" * 99)]),
    conversations(),
    st.data(),
)
def test_whatever_comes_ends_in_the_same_verdict_however_it_is_cut(
    play: Play, check: Http, said: bytes, data: st.DataObject
) -> None:
    whole = play(check, [said])
    assert whole.reason.isprintable()
    places = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    pieces = [said[start:end] for start, end in zip([0, *places], [*places, len(said)], strict=True)]
    if check is not SEVERAL:  # where it is cut decides to which request a frame is an answer
        assert play(check, pieces) == whole
    else:
        assert play(check, pieces).reason.isprintable()


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({}, []),
        ({"headers": (("Upgrade", "x"),)}, [("headers", "Upgrade does not exist in HTTP/2 (RFC 9113 section 8.2.2)")]),
        ({"path": "*"}, [("path", "begins with / in HTTP/2")]),
        ({"method": "CONNECT"}, [("method", "CONNECT is not asked over HTTP/2 here")]),
    ],
)
def test_what_http_2_does_not_have_is_refused(options: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert list(Http(version="2", **options).faults()) == faults


def test_a_regex_is_searched_over_http_2_too() -> None:
    check = Http(version="2", expect_regex=re.compile("wel+$"))
    assert held(check, Server(answering(200, b"all is well"))).passed
