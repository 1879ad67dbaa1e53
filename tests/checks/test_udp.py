"""What a datagram's answer, or silence, means."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import SILENCE, Verdict
from checks.udp import Udp
from checks.wire.hexadecimal import HEX, HEX_PATTERN, begins_like
from tests.checks.talks import Talk


def verdict(check: Udp, *answers: bytes) -> Verdict:
    return Talk(check, *answers).verdict


def test_without_any_wish_silence_passes_and_so_does_any_reply() -> None:
    talk = Talk(Udp(), SILENCE)
    assert talk.verdict == Verdict(True, "no reply and no port unreachable within 500ms")
    assert talk.said == b"healthlb\n"
    assert verdict(Udp(), b"what?") == Verdict(True, "a reply of 5 bytes")


def test_text_or_bytes_are_sent() -> None:
    assert Talk(Udp(send="über\n"), SILENCE).said == "über\n".encode()
    assert Talk(Udp(send_hex="00 fF10"), SILENCE).said == b"\x00\xff\x10"


@pytest.mark.parametrize("check", [Udp(reply="required"), Udp(expect="x"), Udp(expect_hex="00")])
def test_a_reply_that_is_required_may_take_all_the_time_that_is_left(check: Udp) -> None:
    assert [step.patience for step in Talk(check, b"x").steps] == [None]


def test_after_silence_the_datagram_is_sent_again_as_often_as_asked() -> None:
    allowed = Talk(Udp(retries=2, wait=0.25), SILENCE, SILENCE, SILENCE)
    assert [(step.send, step.patience) for step in allowed.steps] == [(b"healthlb\n", 0.25)] * 3
    assert allowed.verdict.reason == "no reply and no port unreachable within 750ms"
    required = Talk(Udp(reply="required", retries=2), SILENCE, SILENCE, b"at last")
    assert [step.patience for step in required.steps] == [0.5, 0.5, None]
    assert required.verdict.passed


def test_what_is_expected_may_still_be_missing_where_a_reply_is_only_allowed() -> None:
    check = Udp(expect="pong", reply="allowed")
    assert verdict(check, SILENCE).passed
    assert not verdict(check, b"ping").passed


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (Udp(min_reply_length=3), b"ab", "a reply of 2 bytes, expected at least 3"),
        (Udp(max_reply_length=1), b"ab", "a reply of 2 bytes, expected at most 1"),
        (Udp(expect="pong"), b"p\x00ng", r"a reply of 4 bytes that does not contain 'pong': 'p\x00ng'"),
        (Udp(expect_hex="00 Fx"), b"\x00\x1f", "a reply of 2 bytes that does not begin with 00 Fx: 00 1f"),
        (Udp(expect_regex=re.compile("^p.ng$")), b"pog", "a reply of 3 bytes that does not match /^p.ng$/: 'pog'"),
    ],
)
def test_a_reply_that_is_not_as_expected_fails_and_is_shown(check: Udp, answer: bytes, reason: str) -> None:
    assert verdict(check, answer) == Verdict(False, reason)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (Udp(min_reply_length=2, max_reply_length=2), b"ab"),
        (Udp(expect="pong"), b"<pong>"),
        (Udp(expect_hex="0x xF"), b"\x07\x9f and more"),
        (Udp(expect_regex=re.compile("^p.ng$")), "p\N{SNOWMAN}ng".encode()),
        (Udp(reply="required", max_reply_length=0), b""),
    ],
)
def test_a_reply_as_expected_passes(check: Udp, answer: bytes) -> None:
    assert verdict(check, answer).passed


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=5), st.randoms())
def test_a_pattern_made_from_bytes_finds_them_at_the_beginning_only(data: bytes, rest: bytes, chance: object) -> None:
    digits = data.hex()
    pattern = "".join("X" if chance.random() < 0.2 else digit for digit in digits)  # type: ignore[attr-defined]
    assert HEX_PATTERN.parse(pattern) == pattern
    assert begins_like(data + rest, pattern)
    assert not begins_like(data[:-1], pattern)
    assert not begins_like(bytes([data[0] ^ 0x80]) + data[1:], digits)


def test_half_a_byte_is_refused() -> None:
    for text in ("0", "00 f", "0x00"):
        with pytest.raises(ValueError, match="pairs of hexadecimal digits"):
            HEX.parse(text)


def test_options_that_do_not_go_together_are_told() -> None:
    def faults(check: Udp) -> list[str]:
        return [name for name, _ in check.faults()]

    assert faults(Udp(send="x", send_hex="00")) == ["send_hex"]
    assert faults(Udp(send="x" * 70000)) == ["send"]
    assert faults(Udp(min_reply_length=5, max_reply_length=4)) == ["min_reply_length"]
    assert faults(Udp(expect_hex="00 00", max_reply_length=1)) == ["expect_hex"]
    assert faults(Udp(expect="abc", expect_hex="00", max_reply_length=2)) == ["expect"]
    assert faults(Udp()) == []


def test_an_expression_that_backtracks_without_end_is_a_failure_and_no_stop() -> None:
    check = Udp(expect_regex=re.compile("(a|aa)+$"))
    assert "took more than" in verdict(check, b"a" * 200 + b"b").reason
    assert check.prepare() is None
