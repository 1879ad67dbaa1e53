"""What an HTTP reply must be, from bytes alone; how the network cuts them never matters."""

import gzip
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks import Target, Verdict
from checks.engine.dialogue import Dialogue
from checks.http import Http
from checks.web.reply import FRAMING, HEAD_LIMIT

Play = Callable[..., Verdict]
TARGET = Target("192.0.2.1", 80)
OK = b"HTTP/1.1 200 OK\r\n"
LOOKING = Http(expect="well")


def with_length(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int = 7, extension: bytes = b"", *headers: bytes) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in [*pieces, b""])
    return OK + b"".join(header + b"\r\n" for header in headers) + b"Transfer-Encoding: chunked\r\n\r\n" + framed


def until_close(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def bare_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


CODINGS: dict[bytes, Callable[[bytes], bytes]] = {
    b"identity": bytes,
    b"gzip": gzip.compress,
    b"x-gzip": lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:]),
    b"deflate": zlib.compress,
    b"Deflate": bare_deflate,
    b"br": bytes,
    b"gzip, gzip": bytes,
}


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Draw a reply that is mostly right: any framing, coding and body, maybe with interim replies before it."""
    body = draw(st.binary(max_size=60) | st.just(b"all is well") | st.just(b"all is well" * 20))
    coding = draw(st.sampled_from(sorted(CODINGS)))
    framing = draw(st.sampled_from([with_length, until_close, lambda body, header: chunked(body, 7, b";x=y", header)]))
    reply = bytes(framing(CODINGS[coding](body), b"Content-Encoding: " + coding))
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
    )
    reply = interim + reply
    if draw(st.booleans()):
        at = draw(st.integers(0, len(reply)))
        reply = reply[:at] + draw(st.binary(max_size=4)) + reply[at + draw(st.integers(0, 3)) :]
    return reply + draw(st.sampled_from([b"", b"HTTP/1.1 500 Next\r\n\r\n", b"junk"]))


CHECKS = st.builds(
    Http,
    method=st.sampled_from(["GET", "HEAD"]),
    status=st.sampled_from([((200, 299),), ((500, 599),), ((100, 999),)]),
    expect=st.sampled_from([None, "well", "l is w"]),
    expect_regex=st.sampled_from([None, re.compile("^all .* well$"), re.compile("�")]),
    body_limit=st.sampled_from([1, 5, 11, 65536]),
)


def cut(data: st.DataObject, text: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8), label="cuts"))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def test_a_fault_behind_the_last_wanted_byte_is_none_however_the_bytes_are_cut(play: Play) -> None:
    check = Http(expect="a", body_limit=1)
    spoilt = zlib.compress(b"a")[:-1] + b"?"
    reply = with_length(spoilt, b"Content-Encoding: deflate")
    assert play(check, [reply]).passed
    assert play(check, [reply[:-1], reply[-1:]]).passed
    assert not play(Http(expect="a"), [reply]).passed


@given(CHECKS, replies(), st.data())
def test_any_cutting_of_the_same_bytes_gives_the_same_verdict(
    play: Play, check: Http, reply: bytes, data: st.DataObject
) -> None:
    whole = play(check, [reply])
    assert play(check, cut(data, reply)) == whole
    assert play(check, [reply[at : at + 1] for at in range(len(reply))]) == whole


@given(CHECKS, st.lists(st.binary(max_size=200)))
@example(Http(), [b"HTTP/1.1 200 \xff\r\n\r\n"])
@example(Http(), [b"HTTP/1.1 200 \x1b[2J\r\n\r\n"])
def test_whatever_comes_ends_in_a_verdict_of_one_printable_line(play: Play, check: Http, pieces: list[bytes]) -> None:
    verdict = play(check, pieces)
    assert verdict.reason.isprintable()


@given(st.sampled_from([with_length(b"all is well"), chunked(b"all is well")]), st.data())
def test_a_reply_that_is_cut_off_never_passes_when_its_body_is_looked_at(
    play: Play, reply: bytes, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(reply) - 1))
    assert not play(LOOKING, [reply[:length]]).passed


@pytest.mark.parametrize(
    ("reply", "passed", "reason"),
    [
        (with_length(b""), True, "200 OK"),
        (b"HTTP/1.1 204 \r\n\r\n", True, "204"),
        (b"HTTP/1.0 200 Fine\r\n\r\n", True, "200 Fine"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", True, "200 OK"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "status 503, expected 200-299"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n", True, "200 OK"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
            False,
            "status 101, expected 200-299",
        ),
        (b"HTTP/1.1 200 " + b"x" * 60 + b"\r\n\r\n", True, "200 " + "x" * 37 + "..."),
        (b"", False, "the connection closed without a reply"),
        (OK + b"Server: n", False, "the connection closed in the middle of the headers, after 26 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False, "the connection closed in the middle of the headers, after 25 bytes"),
        (b"<html>It works</html>", False, "not an HTTP reply"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not an HTTP reply"),
        (b"\x15\x03\x01\0\2\2\x46", False, "not an HTTP reply: the server seems to speak TLS"),
        (b"\0\0\x12\4\0\0\0\0\0", False, "not an HTTP reply: the server seems to speak HTTP/2"),
        (b"RTSP/1.0 200 OK\r\n\r\n", False, "not an HTTP reply"),
        (b"HTTP/0.9 200 OK\r\n\r\n", False, "the server answered in HTTP/0.9, which is not what it was asked in"),
        (b"HTTP/2.0 200 OK\r\n\r\n", False, "the server answered in HTTP/2.0, which is not what it was asked in"),
    ],
)
def test_a_reply_whose_body_is_not_looked_at(play: Play, reply: bytes, passed: bool, reason: str) -> None:
    assert play(Http(), [reply]) == Verdict(passed, reason)


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nabcde",
        OK + b"Content-Length: five\r\n\r\n",
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"bad header\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
)
def test_a_malformed_reply_fails_and_says_what_is_wrong(play: Play, reply: bytes) -> None:
    verdict = play(LOOKING, [reply])
    assert not verdict.passed
    assert verdict.reason.startswith("malformed HTTP reply: ")


@pytest.mark.parametrize("coding", [b"identity", b"gzip", b"x-gzip", b"deflate", b"Deflate"])
@pytest.mark.parametrize("framing", [with_length, until_close, lambda body, header: chunked(body, 3, b"", header)])
def test_the_body_is_found_through_every_framing_and_coding(
    play: Play, framing: Callable[..., bytes], coding: bytes
) -> None:
    check = Http(expect="is well", expect_regex=re.compile("^all is .*l$"))
    reply = framing(CODINGS[coding](b"all is well"), b"Content-Encoding: " + coding)
    assert play(check, [reply]) == Verdict(True, "200 OK")
    wrong = framing(CODINGS[coding](b"all is lost"), b"Content-Encoding: " + coding)
    assert play(check, [wrong]) == Verdict(False, "200, but the body does not contain 'is well'")


def test_a_gzip_transfer_coding_is_decoded_too(play: Play) -> None:
    body = gzip.compress(b"all is well")
    framed = chunked(body).replace(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked")
    assert play(LOOKING, [framed]).passed
    closed = until_close(body, b"Transfer-Encoding: gzip")
    assert play(LOOKING, [closed]).passed


def test_a_reply_without_a_body_does_not_contain_what_is_expected(play: Play) -> None:
    verdict = play(LOOKING, [b"HTTP/1.1 204 No Content\r\n\r\n"])
    assert verdict == Verdict(False, "204, but the body does not contain 'well'")


def test_a_regex_that_is_not_found_is_quoted(play: Play) -> None:
    verdict = play(Http(expect_regex=re.compile("^bad$")), [with_length(b"all is well")])
    assert verdict == Verdict(False, "200, but the body does not match /^bad$/")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (with_length(b"x", b"Content-Encoding: br"), "the body cannot be judged: its coding 'br' is not known here"),
        (
            with_length(b"x", b"Content-Encoding: gzip, br"),
            "the body cannot be judged: its coding 'gzip, br' is not known here",
        ),
        (with_length(b"plain text", b"Content-Encoding: gzip"), "the body is not what its headers say: not gzip"),
        (
            with_length(b"\xff\xff\xff", b"Content-Encoding: deflate"),
            "the body is not what its headers say: not deflate",
        ),
        (OK + b"Content-Length: 9\r\n\r\nwell", "the connection closed in the middle of a body of 9 bytes"),
        (chunked(b"well")[:-5], "the connection closed in the middle of a chunked body"),
    ],
)
def test_a_body_that_cannot_be_read_to_its_end_fails(play: Play, reply: bytes, reason: str) -> None:
    assert play(LOOKING, [reply]) == Verdict(False, reason)


def test_a_coding_does_not_matter_when_the_body_is_not_looked_at(play: Play) -> None:
    assert play(Http(), [with_length(b"x", b"Content-Encoding: br")]).passed


def decided_after(check: Http, *pieces: bytes) -> list[bool]:
    dialogue = Dialogue(check.converse(TARGET))
    dialogue.begin()
    decided = []
    for piece in pieces:
        dialogue.feed(piece)
        decided.append(dialogue.verdict is not None)
    return decided


def test_without_an_expected_body_the_verdict_is_there_at_the_end_of_the_headers() -> None:
    assert decided_after(Http(), OK, b"Content-Length: 1000000\r\n\r\n") == [False, True]


def test_a_wrong_status_does_not_wait_for_the_body() -> None:
    assert decided_after(LOOKING, b"HTTP/1.1 500 Oh\r\n", b"Content-Length: 1000000\r\n\r\n") == [False, True]


def test_a_body_of_known_length_does_not_wait_for_the_close() -> None:
    reply = with_length(b"all is well")
    assert decided_after(LOOKING, reply[:-1], reply[-1:]) == [False, True]


def test_a_trailer_is_read_and_changes_nothing(play: Play) -> None:
    reply = chunked(b"all is well")[:-2] + b"Content-Encoding: br\r\n\r\n"
    assert play(LOOKING, [reply]) == Verdict(True, "200 OK")


def test_a_trailer_cannot_make_a_cut_off_body_whole(play: Play) -> None:
    reply = chunked(b"all is well")[:-2] + b"Transfer-Encoding: gzip\r\n"
    assert not play(LOOKING, [reply]).passed


def test_beyond_the_limit_the_body_is_judged_on_what_came() -> None:
    check = Http(expect="well", body_limit=11)
    assert decided_after(check, until_close(b"all is wel"), b"l") == [False, True]


def test_what_lies_beyond_the_limit_is_not_found(play: Play) -> None:
    verdict = play(Http(expect="well", body_limit=10), [with_length(b"all is well")])
    assert verdict == Verdict(False, "200, but the first 10 bytes of the body do not contain 'well'")


@pytest.mark.parametrize(
    "bomb", [gzip.compress(bytes(50_000_000)), gzip.compress(b"") * 3000 + gzip.compress(bytes(5000))]
)
def test_a_decompression_bomb_is_inflated_no_further_than_the_limit(play: Play, bomb: bytes) -> None:
    verdict = play(Http(expect="well", body_limit=1000), [until_close(bomb, b"Content-Encoding: gzip")])
    assert verdict.reason == "200, but the first 1000 bytes of the body do not contain 'well'"


@pytest.mark.parametrize("piece", [b"X-Padding: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
def test_headers_without_end_fail_at_the_limit(play: Play, piece: bytes) -> None:
    pieces = [OK, b"X-First: ", *[piece] * (HEAD_LIMIT // len(piece) + 2)]
    expected = Verdict(False, f"the reply's headers are longer than {HEAD_LIMIT} bytes")
    assert play(Http(), pieces) == expected
    assert play(Http(), [b"".join(pieces)]) == expected


def test_interim_replies_without_end_fail_at_the_limit(play: Play) -> None:
    verdict = play(Http(), [b"HTTP/1.1 102 Processing\r\n\r\n"] * 4000)
    assert verdict.reason == f"the reply's headers are longer than {HEAD_LIMIT} bytes"


def test_a_flood_of_framing_around_hardly_any_body_fails_at_the_limit(play: Play) -> None:
    check = Http(expect="well", body_limit=1000)
    flood = [chunked(b"x", 1)[: -len(b"0\r\n\r\n")], *[b"1;" + b"x" * 900 + b"\r\ny\r\n"] * 200]
    verdict = play(check, flood)
    limit = HEAD_LIMIT + FRAMING * 1000
    assert not verdict.passed
    assert verdict.reason.startswith(f"{limit} bytes came, and they hold only ")


def test_bodies_of_one_byte_chunks_stay_within_the_framing_allowance(play: Play) -> None:
    body = b"x" * 20_000 + b"well"
    assert play(Http(expect="well", body_limit=len(body)), [chunked(body, 1)]).passed


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_reply_is_never_waited_for_beyond_its_headers_when_no_body_is_wanted(play: Play, method: str) -> None:
    assert play(Http(method=method), [OK + b"Content-Length: 5\r\n\r\n"]) == Verdict(True, "200 OK")


def test_101_passes_where_it_is_wanted(play: Play) -> None:
    check: Any = Http(status=((101, 101),), headers=(("Connection", "Upgrade"), ("Upgrade", "websocket")))
    reply = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00"
    assert play(check, [reply]) == Verdict(True, "101 Switching Protocols")


@pytest.mark.parametrize(
    ("coding", "shown"), [(b"x" * 60000, "x" * 37 + "..."), (b"\x9b31mred", r"\x9b31mred")], ids=["long", "control"]
)
def test_a_coding_with_a_name_of_the_servers_making_leaves_the_reason_short_and_harmless(
    play: Play, coding: bytes, shown: str
) -> None:
    verdict = play(Http(expect="ok"), [OK + b"Content-Encoding: " + coding + b"\r\n\r\nok"])
    assert verdict.reason == f"the body cannot be judged: its coding '{shown}' is not known here"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.0 200 OK\nContent-Type: text/plain\n\nall is well",
        b"HTTP/1.1 200 OK\nContent-Length: 11\n\nall is well",
        b"HTTP/1.1 200 OK\r\nX-Folded: one\r\n two\r\nContent-Length: 11\r\n\r\nall is well",
        OK + b"Transfer-Encoding: chunked\r\n\r\nb  \r\nall is well\r\n0\r\n\r\n",
    ],
    ids=["lines-without-CR", "lines-without-CR-and-a-length", "folded-header", "spaces-behind-a-size"],
)
def test_what_a_client_may_read_is_no_failure_however_unusual(play: Play, reply: bytes) -> None:
    for check in (Http(), LOOKING):
        assert play(check, [reply]) == Verdict(True, "200 OK")
        assert play(check, [bytes((byte,)) for byte in reply]) == Verdict(True, "200 OK")


def test_a_body_that_only_a_close_would_end_is_decided_once_the_text_has_come() -> None:
    dialogue = Dialogue(LOOKING.converse(TARGET))
    dialogue.begin()
    for piece in (b"HTTP/1.0 200 OK\n\nall is", b" we", b"ll"):
        assert dialogue.verdict is None
        dialogue.feed(piece)
    assert dialogue.verdict == Verdict(True, "200 OK")


@pytest.mark.parametrize(
    ("check", "reply"),
    [
        (Http(expect="all"), with_length(b"all is well")[:-1]),
        (Http(expect="all"), until_close(gzip.compress(b"all is well"), b"Content-Encoding: gzip")),
        (Http(expect="all", reject="sick"), until_close(b"all is well")),
        (Http(expect="all", expect_regex=re.compile("l$")), until_close(b"all is well")),
    ],
    ids=["of-a-known-length", "compressed", "that-must-not-hold-a-text", "that-must-match"],
)
def test_a_body_is_heard_out_where_its_end_is_certain_or_matters(check: Http, reply: bytes) -> None:
    dialogue = Dialogue(check.converse(TARGET))
    dialogue.begin()
    dialogue.feed(reply)
    assert dialogue.verdict is None
