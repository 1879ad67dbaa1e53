"""Whatever a server of mail, files, caches or calls sends, and however it is cut: a verdict, in bounded memory."""

import base64
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks import SILENCE, Check, Tls, Verdict
from checks.ftp import Ftp
from checks.imap import Imap
from checks.memcached import Memcached
from checks.pop3 import Pop3
from checks.redis import Redis
from checks.sip import Sip
from checks.smtp import Smtp
from checks.udp import Udp
from tests.checks.talks import Talk, in_pieces, password_file

Play = Callable[..., Verdict]
PASSWORD = Path(__file__).with_name("data") / "password"
LOGIN = {"username": "probe", "password_file": str(PASSWORD)}

PLAIN_CHECKS: list[Check] = [
    Smtp(),
    Smtp(rcpt_to="a@example.com", **LOGIN),
    Smtp(lmtp=True, mail_from="b@example.com"),
    Imap(),
    Imap(mailbox="INBOX", **LOGIN),
    Pop3(),
    Pop3(**LOGIN),
    Ftp(),
    Ftp(username="anonymous", directory="/"),
    Redis(role="replica"),
    Redis(role="master", **LOGIN),
    Memcached(),
    Memcached(**LOGIN),
    Sip(transport="tcp"),
]
UPGRADED_CHECKS: list[Check] = [Smtp(starttls=Tls()), Imap(starttls=Tls()), Pop3(starttls=Tls()), Ftp(starttls=Tls())]
DATAGRAM_CHECKS: list[Check] = [Sip(), Udp(), Udp(expect="x", retries=2), Udp(expect_hex="0x", reply="allowed")]

PHRASES = [
    *(b"220 hi\r\n", b"220-", b"250-AUTH PLAIN\r\n", b"250 STARTTLS\r\n", b"334 \r\n", b"235 ok\r\n", b"331 ?\r\n"),
    *(b"230 in\r\n", b"234 go\r\n", b"250 ok\r\n", b"421 bye\r\n", b"500 what\r\n", b"+OK\r\n", b"-ERR no\r\n"),
    *(b"* OK [CAPABILITY IMAP4rev1] hi\r\n", b"* PREAUTH hi\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"),
    *(b"a1 OK\r\n", b"a2 OK\r\n", b"a3 NO\r\n", b"+ \r\n", b"* LIST {3}\r\n", b"* BYE\r\n", b"{99999999999}\r\n"),
    *(b"+PONG\r\n", b"*3\r\n", b"$6\r\nmaster\r\n", b"$5\r\nslave\r\n", b"$-1\r\n", b":1\r\n", b"-LOADING\r\n"),
    *(b"STORED\r\n", b"VERSION 1\r\n", b"CLIENT_ERROR\r\n", b"SIP/2.0 200 OK\r\n", b"Content-Length: 3\r\n", b"\r\n"),
]
SPEECH = st.lists(st.sampled_from(PHRASES) | st.binary(max_size=30), max_size=14).map(b"".join)
CUTS = st.lists(st.integers(0, 1000), max_size=12)


@given(st.sampled_from(PLAIN_CHECKS), SPEECH, CUTS)
@example(PLAIN_CHECKS[0], b"220 \x1b[2J\xff\r\n250 \x00\r\n", [])
def test_any_bytes_end_in_one_printable_line_that_does_not_depend_on_how_they_were_cut(
    play: Play, check: Check, speech: bytes, cuts: list[int]
) -> None:
    whole = play(check, [speech])
    assert whole.reason.isprintable()
    assert whole.warning.isprintable()
    assert play(check, in_pieces(speech, cuts)) == whole


@given(st.sampled_from(PLAIN_CHECKS + UPGRADED_CHECKS), st.lists(SPEECH | st.just(SILENCE), max_size=8))
def test_any_answers_to_what_is_asked_end_in_a_verdict(check: Check, answers: list[bytes]) -> None:
    assert Talk(check, *answers).verdict.reason.isprintable()


@given(st.sampled_from(DATAGRAM_CHECKS), st.lists(SPEECH.filter(bool) | st.just(SILENCE), max_size=8))
def test_any_datagrams_and_any_silence_end_in_a_verdict(check: Check, answers: list[bytes]) -> None:
    assert Talk(check, *answers).verdict.reason.isprintable()


FLOODS = [
    *(b"220-x\r\n", b"220-\r\n\r\n", b"* 1 EXISTS\r\n", b"* X {1}\r\ny", b"*1\r\n", b"*4000\r\n:1\r\n", b"x"),
    *(b"\r\n", b"SIP/2.0 100 Trying\r\nContent-Length: 0\r\n\r\n", b"SIP/2.0 100 Trying\r\nX: y\r\n", b"\0" * 100),
]


@pytest.mark.parametrize("flood", FLOODS, ids=repr)
@pytest.mark.parametrize("check", PLAIN_CHECKS, ids=lambda check: f"{check.type}")
def test_a_flood_is_held_in_bounded_memory(play: Play, check: Check, flood: bytes) -> None:
    piece = flood * (16384 // len(flood))
    tracemalloc.start()
    try:
        verdict = play(check, (piece for _ in range(64)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not verdict.passed
    assert most < 2 << 20


REPEATED = [
    (Smtp(**LOGIN), [b"220 hi\r\n", b"250-mx\r\n250 AUTH PLAIN\r\n", b"500 what is %s, with args s3cret?\r\n"]),
    (Imap(**LOGIN), [b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n", b"a1 BAD what is %s s3cret?\r\n"]),
    (Pop3(**LOGIN), [b"+OK\r\n", b"+OK\r\n", b"-ERR 'PASS s3cret' %s not understood\r\n"]),
    (Ftp(**LOGIN), [b"220 hi\r\n", b"331 ?\r\n", b"500 'PASS s3cret' %s not understood\r\n"]),
    (Redis(**LOGIN), [b"-ERR unknown 'AUTH', args: 'probe' 's3cret' %s\r\n"]),
    (Memcached(**LOGIN), [b"CLIENT_ERROR probe s3cret %s?\r\n"]),
]


@pytest.mark.parametrize(("check", "answers"), REPEATED, ids=lambda value: getattr(value, "type", ""))
def test_a_secret_that_the_server_repeats_is_not_brought_into_the_reason(check: Check, answers: list[bytes]) -> None:
    message = base64.b64encode(b"\0probe\0s3cret")
    reason = Talk(check, *(answer.replace(b"%s", message) for answer in answers)).verdict.reason
    assert "***" in reason
    assert "s3cret" not in reason
    if isinstance(check, Smtp | Imap):
        assert message.decode() not in reason


@pytest.mark.parametrize("check", [Pop3, Ftp, Memcached, Smtp, Imap, Redis])
def test_a_password_that_cannot_be_said_is_told_before_the_first_probe(check: Any, tmp_path: Path) -> None:
    good = check(username="probe", password_file=password_file(tmp_path))
    assert good.prepare() is None
    (tmp_path / "odd").mkdir()
    odd = check(username="probe", password_file=password_file(tmp_path / "odd", b"a\0\nb"))
    assert (odd.prepare() is None) == (check is Redis)
    assert "no such file" in check(username="probe", password_file=str(tmp_path / "none")).prepare()
