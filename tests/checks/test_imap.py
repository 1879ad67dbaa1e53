"""What an IMAP server says and is told, from bytes alone."""

import base64
from pathlib import Path

import pytest

from checks import Tls, UnusableError
from checks.imap import Imap
from tests.checks.talks import SOME_FILE, Talk, password_file, reason

GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n"
BARE = b"* OK ready\r\n"
PLAIN = base64.b64encode(b"\0probe\0s3cret")


@pytest.fixture
def user(tmp_path: Path) -> Imap:
    """Return a check that logs in."""
    return Imap(username="probe", password_file=password_file(tmp_path))


def test_a_greeting_with_capabilities_is_enough() -> None:
    talk = Talk(Imap(), GREETING)
    assert talk.verdict.passed
    assert talk.verdict.reason == "OK ready"
    assert talk.said == b"bye LOGOUT\r\n"
    assert talk.steps[-1].at_least == 0


def test_capabilities_are_asked_for_where_the_greeting_has_none() -> None:
    talk = Talk(Imap(), BARE, b"* CAPABILITY IMAP4rev2\r\n", b"a1 OK done\r\n")
    assert talk.verdict.passed
    assert talk.said == b"a1 CAPABILITY\r\nbye LOGOUT\r\n"


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (b"* BYE too many connections\r\n", "the server says BYE too many connections"),
        (b"+OK POP3 ready\r\n", "not an IMAP greeting: '+OK POP3 ready'"),
        (b"* 3 EXISTS\r\n", "not an IMAP greeting: '* 3 EXISTS'"),
        (b"", "the connection closed without a greeting"),
        (
            b"* OK [CAPABILITY IMAP2] old\r\n",
            "the server does not name IMAP4rev1 or IMAP4rev2 among its capabilities",
        ),
    ],
)
def test_a_greeting_that_is_none_fails_in_words_of_its_own(greeting: bytes, sentence: str) -> None:
    assert reason(Imap(), greeting) == sentence


def test_a_server_that_says_bye_in_between_fails_with_its_words() -> None:
    assert reason(Imap(), BARE, b"* BYE going down\r\n") == "the server says BYE going down"


def test_after_starttls_the_capabilities_are_asked_for_anew_under_tls() -> None:
    talk = Talk(Imap(starttls=Tls()), GREETING, b"a1 OK begin\r\n", b"* CAPABILITY IMAP4rev1\r\na2 OK done\r\n")
    assert talk.verdict.reason == "OK ready, over TLS"
    assert talk.secured_before == [b"a2 CAPABILITY\r\n"]


def test_starttls_that_is_refused_fails() -> None:
    assert reason(Imap(starttls=Tls()), GREETING, b"a1 BAD what?\r\n") == "STARTTLS refused: BAD what?"


def test_words_slipped_in_before_tls_begins_are_refused() -> None:
    talk = Talk(Imap(starttls=Tls()), GREETING, b"a1 OK begin\r\n* CAPABILITY IMAP4rev1\r\na2 OK evil\r\n")
    assert talk.verdict.reason == "the server said more in clear after it had agreed to TLS"
    assert not talk.secured_before


def test_preauth_before_a_wanted_starttls_fails_because_somebody_may_have_stripped_it() -> None:
    assert "STARTTLS is not allowed" in reason(Imap(starttls=Tls()), b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")


def test_whom_the_server_knows_already_need_not_log_in(user: Imap) -> None:
    talk = Talk(user, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")
    assert talk.verdict.passed
    assert talk.said == b"bye LOGOUT\r\n"


def test_a_login_takes_one_round_trip_where_the_server_allows_it_and_shows_no_secret(user: Imap) -> None:
    talk = Talk(user, GREETING, b"a1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n")
    assert talk.verdict.reason == "OK ready, logged in"
    assert talk.said == b"a1 AUTHENTICATE PLAIN " + PLAIN + b"\r\nbye LOGOUT\r\n"
    assert talk.evidence == b"a1 AUTHENTICATE PLAIN ***\r\nbye LOGOUT\r\n"


def test_without_sasl_ir_the_secret_waits_to_be_asked_for(user: Imap) -> None:
    talk = Talk(user, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", b"+ \r\n", b"a1 OK in\r\n")
    assert talk.verdict.passed
    assert talk.said == b"a1 AUTHENTICATE PLAIN\r\n" + PLAIN + b"\r\nbye LOGOUT\r\n"
    assert b"***" in talk.evidence
    assert PLAIN not in talk.evidence


def test_without_auth_plain_a_login_is_quoted(tmp_path: Path) -> None:
    check = Imap(username='pro"be', password_file=password_file(tmp_path, b's\\3cr"et'))
    talk = Talk(check, b"* OK [CAPABILITY IMAP4rev1] hi\r\n", b"a1 OK in\r\n")
    assert talk.verdict.passed
    assert talk.said == b'a1 LOGIN "pro\\"be" "s\\\\3cr\\"et"\r\nbye LOGOUT\r\n'
    assert b"et" not in talk.evidence


def test_what_cannot_be_quoted_goes_as_literals(tmp_path: Path) -> None:
    check = Imap(username="probe", password_file=password_file(tmp_path, "gehörnt\nx".encode()))
    talk = Talk(check, b"* OK [CAPABILITY IMAP4rev1] hi\r\n", b"+ go\r\n", b"+ go\r\n", b"a1 OK in\r\n")
    assert talk.verdict.passed
    assert talk.said == b"a1 LOGIN {5}\r\nprobe {10}\r\n" + "gehörnt\nx".encode() + b"\r\nbye LOGOUT\r\n"
    assert b"geh" not in talk.evidence
    assert b"10" not in talk.evidence


def test_a_password_with_a_nul_is_the_directors_own_fault(tmp_path: Path) -> None:
    check = Imap(username="probe", password_file=password_file(tmp_path, b"a\0b"))
    with pytest.raises(UnusableError, match="NUL, which SASL cannot carry"):
        Talk(check)


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            (GREETING, b"a1 NO [AUTHENTICATIONFAILED] wrong\r\n"),
            "the server refused the credentials: NO [AUTHENTICATIONFAILED] wrong",
        ),
        (
            (GREETING, b"a1 NO [UNAVAILABLE] later\r\n"),
            "the server cannot check credentials now: NO [UNAVAILABLE] later",
        ),
        (
            (b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n",),
            "the server allows no login here (LOGINDISABLED); is TLS missing?",
        ),
        ((GREETING, b"a1 WHAT\r\n"), "not an IMAP response: 'a1 WHAT'"),
        ((GREETING, b"* OK x\r\na7 OK stranger\r\n"), "not an IMAP response: 'a7 OK stranger'"),
        ((GREETING, b"* LIST () NIL x\r\n"), "the connection closed without the answer to AUTHENTICATE"),
    ],
)
def test_a_login_that_fails_says_whose_fault_it_is(user: Imap, answers: tuple[bytes, ...], sentence: str) -> None:
    assert reason(user, *answers) == sentence


def test_a_mailbox_is_opened_without_changing_it(tmp_path: Path) -> None:
    check = Imap(username="probe", password_file=password_file(tmp_path), mailbox='My "Box"')
    answers = (b"a1 OK in\r\n", b"* FLAGS (\\Seen)\r\n* 3 EXISTS\r\na2 OK [READ-ONLY] done\r\n")
    talk = Talk(check, GREETING, *answers)
    assert talk.verdict.reason == 'OK ready, logged in, My "Box" opened'
    assert talk.said.endswith(b'a2 EXAMINE "My \\"Box\\""\r\nbye LOGOUT\r\n')
    assert reason(check, GREETING, b"a1 OK in\r\n", b"a2 NO none\r\n") == 'mailbox My "Box" refused: NO none'


def test_a_literal_that_looks_like_the_answer_is_not_taken_for_it() -> None:
    literal = b"a1 OK not yet\r\n"
    answers = b"* LIST () NIL {%d}\r\n%s x\r\n* CAPABILITY IMAP4rev1\r\na1 NO really\r\n" % (len(literal), literal)
    assert reason(Imap(), BARE, answers) == "CAPABILITY refused: NO really"


def test_a_brace_in_the_text_for_people_is_no_literal() -> None:
    assert Talk(Imap(), b"* OK {3}\r\n", b"* CAPABILITY IMAP4rev1\r\n* OK {5}\r\na1 OK {9}\r\n").verdict.passed


@pytest.mark.parametrize("flood", [b"* LIST () NIL {99999}\r\n", b"* 1 EXISTS\r\n" * 6000, b"* X {1}\r\ny" * 20000])
def test_an_answer_without_end_is_refused(flood: bytes) -> None:
    assert reason(Imap(), BARE, flood) == "the server sent more than 65536 bytes in one answer"


def test_options_that_do_not_go_together_are_told() -> None:
    check = Imap(tls=Tls(), starttls=Tls(), password_file=SOME_FILE, mailbox="INBOX")
    assert [name for name, _ in check.faults()] == ["starttls", "password_file", "mailbox"]
