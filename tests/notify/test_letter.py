"""Mails as text."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.notifiers import Mail
from healthlb.notify.letter import address, letter
from healthlb.notify.message import Message
from healthlb.notify.sending import RefusedError
from tests.notify.happenings import MOMENT, happened, message

SETTINGS = Mail(to=("oncall@example.com", "Night Shift <night@example.net>"), sender="healthlb@lb1.example.com")
HEADERS = ["From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted", "X-Mailer", "MIME-Version", "Content-Type",
           "Content-Transfer-Encoding"]  # fmt: skip
ANY_TEXT = st.text(st.characters(codec=None), min_size=1, max_size=300)


def read(told: Message, settings: Mail = SETTINGS) -> EmailMessage:
    mail = message_from_bytes(letter(settings, told, MOMENT), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


def test_a_mail_has_the_gist_as_its_subject_and_a_line_an_event() -> None:
    mail = read(message(happened(sentence="shop: web1 is DOWN: web: refused"), happened("real_server_up")))
    assert mail["Subject"].strip() == "[healthlb lb1] shop: web1 is DOWN: web: refused; shop: web1 real_server_up"
    assert mail["From"] == "healthlb@lb1.example.com"
    assert mail["To"] == "oncall@example.com, Night Shift <night@example.net>"
    assert mail["Date"] == "Wed, 14 Oct 2026 17:46:40 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith(".healthlb@lb1.example.com>")
    lines = mail.get_content().splitlines()
    assert lines[2].endswith("Z warning shop: web1 is DOWN: web: refused")
    assert lines[-1] == "director lb1"
    assert mail.get_content_type() == "text/plain"


def test_a_dry_run_says_so() -> None:
    mail = read(message(dry_run=True))
    assert mail["Subject"].strip().startswith("[healthlb lb1, dry run] ")
    assert mail.get_content().splitlines()[-1] == "director lb1 (dry run: the kernel is untouched)"


def test_a_mail_that_is_tried_again_is_the_same_mail() -> None:
    told = message()
    assert read(told)["Message-ID"] == read(told)["Message-ID"] != read(message())["Message-ID"]


@given(ANY_TEXT, ANY_TEXT)
def test_nothing_that_happened_adds_a_header_or_ends_the_headers(sentence: str, director: str) -> None:
    told = Message(director, (happened(sentence=f"{sentence}\r\nBcc: evil@example.com\r\n\r\n.\r\nMAIL"),))
    data = letter(SETTINGS, told, MOMENT)
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    mail = read(told)
    assert sorted(mail.keys()) == sorted(HEADERS)
    assert "evil" not in mail["To"]


@given(ANY_TEXT)
def test_an_address_is_one_address_or_none_at_all(text: str) -> None:
    for each in (text, f"{text}@example.com", f"{text} <oncall@example.com>", f"oncall@example.com\r\n{text}"):
        try:
            bare = address(each)
        except RefusedError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert bare.isascii()
            assert not set(bare) & set("\r\n <>,;:")
            try:
                mail = read(message(), Mail(to=(each,), sender="me@example.com"))
            except RefusedError:
                continue
            assert [one.addr_spec for one in mail["To"].addresses] == [bare]
            assert sorted(mail.keys()) == sorted(HEADERS)


@pytest.mark.parametrize("text", ["", "oncall", "a@b@c d", "a@example.com, b@example.com", "a@example.com\nBcc: b@x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="is no mail address"):
        letter(Mail(to=(text,), sender="me@example.com"), message(), MOMENT)
