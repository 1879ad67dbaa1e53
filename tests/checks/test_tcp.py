"""What a TCP check sends, and what must come back, from bytes alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, Tls, Verdict
from checks.engine.dialogue import Dialogue
from checks.tcp import Tcp
from checks.wire.exchange import Exchange
from tests.checks.talking import in_turn, is_told, over_stream

Play = Callable[..., Verdict]
TARGET = Target("192.0.2.1", 6379)
PING = Tcp(send="PING\r\n", expect="+PONG")


@pytest.mark.parametrize(
    ("check", "sent"),
    [
        (PING, b"PING\r\n"),
        (Tcp(send="größe"), b"gr\xc3\xb6\xc3\x9fe"),
        (Tcp(send_hex="50 49 4e4700"), b"PING\0"),
        (Tcp(expect="220"), b""),
        (Tcp(), b""),
    ],
)
def test_what_is_sent(check: Tcp, sent: bytes) -> None:
    assert Dialogue(check.converse(TARGET)).begin() == sent


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Tcp(), "connected"),
        (Tcp(tls=Tls()), "connected over TLS"),
        (Tcp(send="QUIT"), "connected, 4 bytes sent"),
        (Tcp(send="QUIT", tls=Tls()), "connected over TLS, 4 bytes sent"),
    ],
)
def test_where_nothing_is_expected_a_connection_is_enough(check: Tcp, reason: str) -> None:
    dialogue = Dialogue(check.converse(TARGET))
    dialogue.begin()
    assert dialogue.verdict == Verdict(True, reason)


@pytest.mark.parametrize(
    "check",
    [
        PING,
        Tcp(expect_hex="2B 50 4f 4e 47"),
        Tcp(expect_regex=re.compile(r"^\+P.NG")),
        Tcp(expect="ONG", reply_limit=5),
    ],
)
def test_it_passes_as_soon_as_what_is_expected_has_come(check: Tcp) -> None:
    dialogue = Dialogue(check.converse(TARGET))
    dialogue.begin()
    for byte in b"+PON":
        dialogue.feed(bytes([byte]))
        assert dialogue.verdict is None
    dialogue.feed(b"G\r\n and much more that nobody reads")
    assert dialogue.verdict is not None
    assert dialogue.verdict.passed


def test_what_came_is_shown_when_it_passes(play: Play) -> None:
    assert play(PING, [b"+PO", b"NG\r\n"]) == Verdict(True, "'+PONG' came, as expected")


@pytest.mark.parametrize(
    ("check", "pieces", "reason"),
    [
        (PING, [], "the connection closed without a reply"),
        (
            PING,
            [b"-NOAUTH\x1b[2J\r\n"],
            r"the connection closed after 13 bytes that do not contain '+PONG': '-NOAUTH\x1b[2J'",
        ),
        (
            Tcp(expect="220", reply_limit=9),
            [b"554 go a", b"way 220"],
            "the first 9 bytes do not contain '220': '554 go aw'",
        ),
        (
            Tcp(expect_hex="00 ff", reply_limit=3),
            [b"abcd"],
            "the first 3 bytes do not contain 00 ff: 'abc'",
        ),
        (
            Tcp(expect_regex=re.compile("^2[0-9]{2}"), reply_limit=3),
            [b"554"],
            "the first 3 bytes do not match /^2[0-9]{2}/: '554'",
        ),
        (
            Tcp(expect_regex=re.compile("(a+)+$"), reply_limit=65536),
            [b"a" * 5000 + b"b"],
            "the regular expression /(a+)+$/ took more than 50ms to search 5001 characters",
        ),
    ],
)
def test_what_does_not_come_is_told_with_what_came(play: Play, check: Tcp, pieces: list[bytes], reason: str) -> None:
    assert play(check, pieces) == Verdict(False, reason)


CHECKS = st.builds(
    Tcp,
    send=st.sampled_from([None, "x"]),
    expect=st.sampled_from([None, "ab", "é"]),
    expect_regex=st.sampled_from([None, re.compile("a.b"), re.compile("�$")]),
    reply_limit=st.sampled_from([2, 5, 4096]),
)


@given(CHECKS, st.binary(max_size=40) | st.text("abé", max_size=9).map(str.encode), st.data())
def test_whatever_comes_ends_in_a_verdict_and_text_is_found_however_it_is_cut(
    play: Play, check: Tcp, came: bytes, data: st.DataObject
) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(came)), max_size=5)))
    pieces = [came[start:end] for start, end in zip([0, *places], [*places, len(came)], strict=True)]
    verdict = play(check, pieces)
    assert verdict.reason.isprintable()
    if check.expect is not None and check.expect_regex is None:
        assert verdict.passed == (check.expect.encode() in came[: check.reply_limit])


def test_a_server_that_sends_without_end_is_read_no_further_than_the_limit() -> None:
    dialogue = Dialogue(PING.converse(TARGET))
    dialogue.begin()
    dialogue.feed(b"x" * 4095)
    assert dialogue.verdict is None
    dialogue.feed(b"x" * 100_000)
    assert dialogue.verdict is not None
    assert dialogue.verdict.reason.startswith("the first 4096 bytes do not contain '+PONG'")


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"send": "a", "expect": "b"}, []),
        ({"send": "a", "send_hex": "61"}, [("send_hex", "there is send, too; keep one of them")]),
        ({"expect": "a", "expect_hex": "61"}, [("expect_hex", "there is expect, too; keep one of them")]),
        (
            {"expect": "abcd", "reply_limit": 3},
            [("expect", "it needs 4 bytes, more than reply_limit 3")],
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert list(Tcp(**options).faults()) == faults


def test_an_expression_is_made_ready_before_the_first_probe() -> None:
    assert Tcp(expect_regex=re.compile("a")).prepare() is None
    assert Tcp().prepare() is None


TURNS = Tcp(
    exchanges=(
        Exchange(expect_regex=re.compile("^220[ -]")),
        Exchange(send="PING\r\n", expect="PONG"),
        Exchange(expect_hex="0a"),
        Exchange(send_hex="0a"),
    )
)


def answering(check: Tcp, *answers: bytes, greeting: bytes = b"", most: int = 1 << 20) -> tuple[Verdict, list[bytes]]:
    verdict, steps = over_stream(check, in_turn(*answers), greeting, most)
    return verdict, [step.send for step in steps if step.send]


@pytest.mark.parametrize("most", [1, 1 << 20])
def test_each_exchange_is_heard_out_before_the_next(most: int) -> None:
    verdict, sent = answering(TURNS, b"+PONG\r\n", greeting=b"220 hello\r\n", most=most)
    assert verdict == Verdict(True, "connected, 1 bytes sent, the last of 4 exchanges")
    assert sent == [b"PING\r\n", b"\n"]


def test_nothing_is_said_before_the_greeting_that_is_awaited() -> None:
    verdict, sent = answering(TURNS, greeting=b"554 no\r\n")
    reason = "exchange 1 of 4: the connection closed after 8 bytes that do not match /^220[ -]/: '554 no'"
    assert (verdict, sent) == (Verdict(False, reason), [])


def test_what_came_before_an_exchange_speaks_is_no_answer_to_it() -> None:
    verdict, _ = answering(TURNS, b"-ERR\r\n", greeting=b"220 PONG\r\n")
    assert not verdict.passed
    assert verdict.reason.startswith("exchange 2 of 4: the connection closed after 6 bytes that do not contain 'PONG'")


def test_an_exchange_that_finds_the_limit_reached_does_not_wait() -> None:
    check = Tcp(exchanges=(Exchange(expect="a"), Exchange(expect="b")), reply_limit=3)
    verdict, _ = answering(check, greeting=b"aaaaaa")
    assert verdict == Verdict(False, "exchange 2 of 2: the first 3 bytes do not contain 'b': 'aaa'")


@given(st.binary(max_size=60), st.lists(st.binary(max_size=20), max_size=4), st.integers(1, 9))
def test_whatever_is_answered_several_exchanges_end_in_a_verdict(
    greeting: bytes, answers: list[bytes], most: int
) -> None:
    verdict, _ = answering(TURNS, *answers, greeting=greeting, most=most)
    assert is_told(verdict)


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (Tcp(exchanges=(Exchange(),)), "[0]: nothing is sent and nothing expected"),
        (Tcp(send="a", exchanges=(Exchange(send="b"),)), "there is one of its own, too; let it be the first of them"),
        (Tcp(exchanges=(Exchange(send="b"),) * 51), "at most 50"),
        (
            Tcp(exchanges=(Exchange(send="a", send_hex="0a"),)),
            "[0].send_hex: there is send, too; keep one of them",
        ),
        (
            Tcp(exchanges=(Exchange(expect="long"),), reply_limit=3),
            "[0].expect: it needs 4 bytes, more than reply_limit 3",
        ),
    ],
)
def test_exchanges_that_cannot_be_are_named(check: Tcp, sentence: str) -> None:
    assert list(check.faults()) == [("exchanges", sentence)]
