"""What a mail server says and is told, from bytes alone."""

import base64
from pathlib import Path

import pytest

from checks import Tls, UnusableError
from checks.smtp import Smtp
from tests.checks.talks import SOME_FILE, Talk, password_file, reason

GREETING = b"220 mx.example.com ESMTP\r\n"
HELLO = b"250-mx.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
PLAIN = b"AUTH PLAIN " + base64.b64encode(b"\0probe\0s3cret") + b"\r\n"


def test_a_server_that_greets_and_is_greeted_passes_and_is_told_goodbye() -> None:
    talk = Talk(Smtp(), GREETING, HELLO)
    assert talk.verdict.passed
    assert talk.verdict.reason == "220 mx.example.com ESMTP"
    assert talk.said == b"EHLO localhost\r\nQUIT\r\n"
    assert talk.steps[-1].at_least == 0


def test_a_greeting_of_several_lines_is_one_greeting() -> None:
    assert Talk(Smtp(), b"220-mx.example.com\r\n220-\r\n220 no spam\r\n", HELLO).verdict.reason == "220 mx.example.com"


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (b"421 4.3.2 try later\r\n", "the server is closing down or overloaded: 421 4.3.2 try later"),
        (b"554 no service\r\n", "the server takes no mail from here: 554 no service"),
        (b"250 hello\r\n", "greeting 250 hello, expected 220"),
        (b"SSH-2.0-OpenSSH\r\n", "not an SMTP reply: 'SSH-2.0-OpenSSH'"),
        (b"220-one\r\n250 two\r\n", "the server mixed 220 and 250 in one reply"),
        (b"220 cut off", "the connection closed in the middle of a greeting"),
        (b"", "the connection closed without a greeting"),
    ],
)
def test_a_greeting_that_is_none_fails_in_words_of_its_own(greeting: bytes, sentence: str) -> None:
    assert reason(Smtp(), greeting) == sentence


def test_a_server_that_does_not_know_ehlo_is_greeted_with_helo() -> None:
    talk = Talk(Smtp(helo_name="lb1.example.com"), GREETING, b"502 what?\r\n", b"250 mx\r\n")
    assert talk.verdict.passed
    assert talk.said == b"EHLO lb1.example.com\r\nHELO lb1.example.com\r\nQUIT\r\n"


def test_a_passing_trouble_with_ehlo_is_not_tried_again_with_helo() -> None:
    assert reason(Smtp(), GREETING, b"451 busy\r\n") == "EHLO refused: 451 busy"


def test_lmtp_is_greeted_with_lhlo_and_never_with_helo() -> None:
    talk = Talk(Smtp(lmtp=True), GREETING, b"500 what?\r\n")
    assert talk.said == b"LHLO localhost\r\nQUIT\r\n"
    assert talk.verdict.reason == "LHLO refused: 500 what?"


def test_after_starttls_the_server_is_greeted_anew_under_tls() -> None:
    talk = Talk(Smtp(starttls=Tls()), GREETING, HELLO, b"220 go ahead\r\n", b"250 mx\r\n")
    assert talk.verdict.reason == "220 mx.example.com ESMTP, over TLS"
    assert talk.said == b"EHLO localhost\r\nSTARTTLS\r\nEHLO localhost\r\nQUIT\r\n"
    assert talk.secured_before == [b"EHLO localhost\r\n"]


def test_starttls_that_is_not_offered_or_refused_fails() -> None:
    check = Smtp(starttls=Tls())
    assert reason(check, GREETING, b"250 mx\r\n") == "the server does not offer STARTTLS"
    assert reason(check, GREETING, HELLO, b"454 no\r\n") == "STARTTLS refused: 454 no"
    assert reason(check, GREETING, b"502 what?\r\n") == "EHLO refused: 502 what?"


def test_words_slipped_in_before_tls_begins_are_refused() -> None:
    talk = Talk(Smtp(starttls=Tls()), GREETING, HELLO, b"220 go\r\n250 evil\r\n")
    assert talk.verdict.reason == "the server said more in clear after it had agreed to TLS"
    assert not talk.secured_before


def test_a_login_is_by_auth_plain_and_leaves_no_secret_in_the_evidence(tmp_path: Path) -> None:
    check = Smtp(username="probe", password_file=password_file(tmp_path))
    talk = Talk(check, GREETING, HELLO, b"235 welcome\r\n")
    assert talk.verdict.reason == "220 mx.example.com ESMTP, logged in"
    assert talk.said == b"EHLO localhost\r\n" + PLAIN + b"QUIT\r\n"
    assert talk.evidence == b"EHLO localhost\r\nAUTH PLAIN ***\r\nQUIT\r\n"


def test_where_plain_is_not_offered_a_login_is_by_auth_login(tmp_path: Path) -> None:
    check = Smtp(username="probe", password_file=password_file(tmp_path))
    talk = Talk(check, GREETING, b"250-mx\r\n250 AUTH=LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n", b"334\r\n", b"235 ok\r\n")
    assert talk.verdict.passed
    name, word = base64.b64encode(b"probe"), base64.b64encode(b"s3cret")
    assert talk.said == b"EHLO localhost\r\nAUTH LOGIN\r\n" + name + b"\r\n" + word + b"\r\nQUIT\r\n"
    assert talk.evidence == b"EHLO localhost\r\nAUTH LOGIN\r\n" + name + b"\r\n***\r\nQUIT\r\n"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((HELLO, b"535 5.7.8 no\r\n"), "the server refused the credentials: 535 5.7.8 no"),
        ((HELLO, b"538 not in the clear\r\n"), "AUTH refused: 538 not in the clear"),
        ((HELLO, b"454 4.7.0 later\r\n"), "the server cannot check credentials now: 454 4.7.0 later"),
        ((b"250 mx\r\n",), "the server offers no AUTH here; AUTH PLAIN or LOGIN is needed"),
        (
            (b"250-mx\r\n250 AUTH CRAM-MD5\r\n",),
            "the server offers only AUTH CRAM-MD5 here; AUTH PLAIN or LOGIN is needed",
        ),
    ],
)
def test_a_login_that_fails_says_whose_fault_it_is(tmp_path: Path, answers: tuple[bytes, ...], sentence: str) -> None:
    check = Smtp(username="probe", password_file=password_file(tmp_path))
    assert reason(check, GREETING, *answers) == sentence


def test_a_recipient_is_offered_mail_from_nobody_that_is_never_sent() -> None:
    talk = Talk(Smtp(rcpt_to="a@example.com"), GREETING, HELLO, b"250 ok\r\n", b"250 ok\r\n")
    assert talk.verdict.reason == "220 mx.example.com ESMTP, mail to a@example.com is taken"
    assert talk.said == b"EHLO localhost\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nQUIT\r\n"


def test_a_sender_or_recipient_that_is_refused_fails() -> None:
    check = Smtp(mail_from="b@example.com", rcpt_to="a@example.com")
    assert reason(check, GREETING, HELLO, b"550 no\r\n") == "MAIL FROM refused: 550 no"
    assert reason(check, GREETING, HELLO, b"250 ok\r\n", b"450 greylisted\r\n") == "RCPT TO refused: 450 greylisted"


def test_a_password_that_cannot_be_read_is_no_word_about_the_server(tmp_path: Path) -> None:
    check = Smtp(username="probe", password_file=str(tmp_path / "none"))
    assert "no such file" in str(check.prepare())
    with pytest.raises(UnusableError, match="no such file"):
        Talk(check, GREETING)


def test_options_that_do_not_go_together_are_told() -> None:
    told = dict(Smtp(tls=Tls(), starttls=Tls(), username="probe").faults())
    assert list(told) == ["starttls", "username"]
    assert not list(Smtp(starttls=Tls(), username="probe", password_file=SOME_FILE).faults())
    assert [name for name, _ in Smtp(password_file=SOME_FILE).faults()] == ["password_file"]
