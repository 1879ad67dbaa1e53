"""What a POP3 server says and is told, from bytes alone."""

from pathlib import Path

import pytest

from checks import Tls, UnusableError
from checks.pop3 import Pop3
from tests.checks.talks import Talk, password_file, reason

GREETING = b"+OK ready <1.2@mx>\r\n"


@pytest.fixture
def user(tmp_path: Path) -> Pop3:
    """Return a check that logs in."""
    return Pop3(username="probe", password_file=password_file(tmp_path, b"s3 cret"))


def test_a_greeting_is_enough_and_the_server_is_told_goodbye() -> None:
    talk = Talk(Pop3(), GREETING)
    assert talk.verdict.passed
    assert talk.verdict.reason == "+OK ready <1.2@mx>"
    assert talk.said == b"QUIT\r\n"
    assert talk.steps[-1].at_least == 0


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (b"-ERR [SYS/TEMP] busy\r\n", "the server greets with -ERR [SYS/TEMP] busy"),
        (b"* OK IMAP4 ready\r\n", "not a POP3 answer: '* OK IMAP4 ready'"),
        (b"+OKAY\r\n", "not a POP3 answer: '+OKAY'"),
        (b"+OK", "the connection closed in the middle of a greeting"),
    ],
)
def test_a_greeting_that_is_none_fails_in_words_of_its_own(greeting: bytes, sentence: str) -> None:
    assert reason(Pop3(), greeting) == sentence


def test_a_login_looks_at_the_maildrop_and_shows_no_secret(user: Pop3) -> None:
    talk = Talk(user, GREETING, b"+OK\r\n", b"+OK in\r\n", b"+OK 3 1200\r\n")
    assert talk.verdict.reason == "+OK ready <1.2@mx>, logged in"
    assert talk.said == b"USER probe\r\nPASS s3 cret\r\nSTAT\r\nQUIT\r\n"
    assert talk.evidence == b"USER probe\r\nPASS ***\r\nSTAT\r\nQUIT\r\n"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((b"-ERR no\r\n",), "the server refused the credentials: -ERR no"),
        ((b"+OK\r\n", b"-ERR [AUTH] no\r\n"), "the server refused the credentials: -ERR [AUTH] no"),
        ((b"+OK\r\n", b"-ERR [SYS/TEMP] x\r\n"), "the server cannot check credentials now: -ERR [SYS/TEMP] x"),
        (
            (b"+OK\r\n", b"-ERR [LOGIN-DELAY] x\r\n"),
            "the last login was too recent for another one; check less often: -ERR [LOGIN-DELAY] x",
        ),
        ((b"+OK\r\n", b"+OK\r\n", b"-ERR gone\r\n"), "STAT refused: -ERR gone"),
    ],
)
def test_a_login_that_fails_says_whose_fault_it_is(user: Pop3, answers: tuple[bytes, ...], sentence: str) -> None:
    assert reason(user, GREETING, *answers) == sentence


def test_a_maildrop_that_another_session_has_open_is_a_warning_and_no_failure(user: Pop3) -> None:
    verdict = Talk(user, GREETING, b"+OK\r\n", b"-ERR [IN-USE] locked\r\n").verdict
    assert verdict.passed
    assert verdict.warning == "the maildrop is locked by another session, and was not looked at"


def test_stls_is_followed_by_the_login_under_tls(tmp_path: Path) -> None:
    check = Pop3(starttls=Tls(), username="probe", password_file=password_file(tmp_path))
    talk = Talk(check, GREETING, b"+OK begin\r\n", b"+OK\r\n", b"+OK\r\n", b"+OK 0 0\r\n")
    assert talk.verdict.reason == "+OK ready <1.2@mx>, over TLS, logged in"
    assert talk.secured_before == [b"USER probe\r\n"]


def test_stls_without_a_login_is_seen_to_work_by_any_answer_under_tls() -> None:
    talk = Talk(Pop3(starttls=Tls()), GREETING, b"+OK begin\r\n", b"-ERR unknown\r\n")
    assert talk.verdict.reason == "+OK ready <1.2@mx>, over TLS"
    assert talk.secured_before == [b"CAPA\r\n"]
    assert reason(Pop3(starttls=Tls()), GREETING, b"-ERR what?\r\n") == "STLS refused: -ERR what?"


def test_words_slipped_in_before_tls_begins_are_refused() -> None:
    talk = Talk(Pop3(starttls=Tls()), GREETING, b"+OK begin\r\n+OK evil\r\n")
    assert talk.verdict.reason == "the server said more in clear after it had agreed to TLS"
    assert not talk.secured_before


def test_a_password_of_two_lines_is_the_directors_own_fault(tmp_path: Path) -> None:
    check = Pop3(username="probe", password_file=password_file(tmp_path, b"a\r\nDELE 1"))
    with pytest.raises(UnusableError, match="which POP3 cannot carry"):
        Talk(check)


def test_options_that_do_not_go_together_are_told() -> None:
    assert [name for name, _ in Pop3(tls=Tls(), starttls=Tls(), username="x").faults()] == ["starttls", "username"]
