"""What an FTP server says and is told, from bytes alone."""

from pathlib import Path

import pytest

from checks import Tls
from checks.ftp import Ftp
from tests.checks.talks import Talk, password_file, reason

GREETING = b"220 (vsFTPd 3.0.3)\r\n"
ANY_USER = Ftp(username="anonymous")


def test_a_greeting_is_enough_and_the_server_is_told_goodbye() -> None:
    talk = Talk(Ftp(), GREETING)
    assert talk.verdict.passed
    assert talk.verdict.reason == "220 (vsFTPd 3.0.3)"
    assert talk.said == b"QUIT\r\n"
    assert talk.steps[-1].at_least == 0


def test_a_reply_of_several_lines_ends_at_its_own_code_whatever_lies_between() -> None:
    greeting = b"220-Welcome\r\n 220 not the end\r\n230 nor this\r\n220-nor this\r\n\r\n220 the end\r\n"
    assert Talk(Ftp(), greeting).verdict.reason == "220 Welcome"


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (b"120 in 5 minutes\r\n", "the server is not ready yet: 120 in 5 minutes"),
        (b"421 too many users\r\n", "the server is closing down or overloaded: 421 too many users"),
        (b"500 OOPS: config\r\n", "greeting 500 OOPS: config, expected 220"),
        (b"* OK hello\r\n", "not an FTP reply: '* OK hello'"),
        (b"220-for ever\r\n220-and ever\r\n", "the connection closed without the rest of a greeting"),
        (b"220-\r\n" + b"\r\n" * 40000, "the server sent a reply of more than 65536 bytes"),
    ],
)
def test_a_greeting_that_is_none_fails_in_words_of_its_own(greeting: bytes, sentence: str) -> None:
    assert reason(Ftp(), greeting) == sentence


def test_anonymous_logs_in_without_a_password_file() -> None:
    talk = Talk(ANY_USER, GREETING, b"331 password?\r\n", b"230 in\r\n")
    assert talk.verdict.reason == "220 (vsFTPd 3.0.3), logged in"
    assert talk.said == b"USER anonymous\r\nPASS anonymous@\r\nQUIT\r\n"


def test_a_login_may_need_no_password_at_all() -> None:
    talk = Talk(ANY_USER, GREETING, b"230 in\r\n")
    assert talk.verdict.passed
    assert talk.said == b"USER anonymous\r\nQUIT\r\n"


def test_a_login_shows_no_secret_and_a_directory_is_changed_to(tmp_path: Path) -> None:
    check = Ftp(username="probe", password_file=password_file(tmp_path), directory="/pub")
    talk = Talk(check, GREETING, b"331 ?\r\n", b"230 in\r\n", b"250 there\r\n")
    assert talk.verdict.reason == "220 (vsFTPd 3.0.3), logged in, /pub is there"
    assert talk.said == b"USER probe\r\nPASS s3cret\r\nCWD /pub\r\nQUIT\r\n"
    assert talk.evidence == b"USER probe\r\nPASS ***\r\nCWD /pub\r\nQUIT\r\n"
    assert reason(check, GREETING, b"331 ?\r\n", b"230 in\r\n", b"550 no\r\n") == "directory /pub refused: 550 no"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((b"331 ?\r\n", b"530 no\r\n"), "the server refused the credentials: 530 no"),
        ((b"530 TLS first\r\n",), "the server refused the credentials: 530 TLS first"),
        ((b"331 ?\r\n", b"500 OOPS\r\n"), "login refused: 500 OOPS"),
        ((b"331 ?\r\n", b"421 later\r\n"), "the server cannot check credentials now: 421 later"),
        ((b"332 account?\r\n",), "the server asks for an account beside the password: 332 account?"),
    ],
)
def test_a_login_that_fails_says_whose_fault_it_is(answers: tuple[bytes, ...], sentence: str) -> None:
    assert reason(ANY_USER, GREETING, *answers) == sentence


def test_after_auth_tls_everything_goes_under_tls() -> None:
    talk = Talk(Ftp(username="ftp", starttls=Tls()), GREETING, b"234 go\r\n", b"230 in\r\n")
    assert talk.verdict.reason == "220 (vsFTPd 3.0.3), over TLS, logged in"
    assert talk.secured_before == [b"USER ftp\r\n"]
    assert Talk(Ftp(starttls=Tls()), GREETING, b"234 go\r\n", b"530 who?\r\n").secured_before == [b"NOOP\r\n"]


def test_auth_tls_that_is_refused_or_spoilt_fails() -> None:
    check = Ftp(starttls=Tls())
    assert reason(check, GREETING, b"502 no\r\n") == "AUTH TLS refused: 502 no"
    assert "more in clear" in reason(check, GREETING, b"234 go\r\n230 evil\r\n")


def test_options_that_do_not_go_together_are_told() -> None:
    assert [name for name, _ in Ftp(tls=Tls(), starttls=Tls(), directory="/").faults()] == ["starttls", "directory"]
    assert [name for name, _ in Ftp(username="probe").faults()] == ["username"]
    assert not list(ANY_USER.faults())
