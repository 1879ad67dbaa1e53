"""The checks of mail against postfix and dovecot."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checks import Tls, imap
from checks.imap import Imap
from checks.pop3 import Pop3
from checks.smtp import Smtp
from probing import probe
from tests.interop.files import NAME
from tests.interop.mail_servers import USER, Dovecot, Postfix, dovecot, postfix
from waiting import eventually


@pytest.fixture(scope="module")
def boxes() -> Iterator[Dovecot]:
    """Yield a dovecot."""
    with dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def relay(boxes: Dovecot) -> Iterator[Postfix]:
    """Yield a postfix."""
    with postfix(boxes.sasl) as server:
        yield server


@pytest.fixture
def wrong_password_file(tmp_path: Path) -> str:
    """Return the file of a password that nobody has."""
    file = tmp_path / "wrong"
    file.write_text("guess\n")
    return str(file)


def test_postfix_greets_and_is_told_goodbye(relay: Postfix) -> None:
    before = relay.log.read_text().count(" quit=1 ")
    result = probe(Smtp(), relay.smtp)
    assert result.passed, result
    assert result.reason == f"220 {NAME} ESMTP Postfix"
    eventually(lambda: relay.log.read_text().count(" quit=1 "), lambda count: count > before)


def test_postfix_upgrades_to_tls_or_begins_with_it(relay: Postfix) -> None:
    tls = relay.trusted
    for check, port in ((Smtp(starttls=tls), relay.smtp), (Smtp(tls=tls), relay.smtps)):
        result = probe(check, port)
        assert result.passed, result
        assert result.reason.endswith(", over TLS")
        assert result.evidence is not None
        assert NAME in result.evidence.certificate


def test_a_certificate_of_postfix_that_is_not_trusted_fails_after_starttls(relay: Postfix) -> None:
    result = probe(Smtp(starttls=Tls(server_name=NAME)), relay.smtp)
    assert not result.passed
    assert result.reason == "certificate is from an unknown authority"


def test_postfix_checks_credentials(relay: Postfix, boxes: Dovecot, wrong_password_file: str) -> None:
    check = Smtp(starttls=relay.trusted, username=USER, password_file=boxes.password_file)
    assert probe(check, relay.smtp).reason.endswith(", over TLS, logged in")
    refused = probe(replace(check, password_file=wrong_password_file), relay.smtp)
    assert not refused.passed
    assert refused.reason.startswith("the server refused the credentials: 535 5.7.8 ")
    assert refused.evidence is not None
    assert b"AUTH PLAIN ***" in refused.evidence.sent
    clear = probe(replace(check, starttls=None), relay.smtp)
    assert clear.reason == "the server offers no AUTH here; AUTH PLAIN or LOGIN is needed"


def test_postfix_says_for_whom_it_takes_mail(relay: Postfix) -> None:
    taken = probe(Smtp(rcpt_to="postmaster@example.com", mail_from="probe@example.com"), relay.smtp)
    assert taken.passed, taken
    unknown = probe(Smtp(rcpt_to="nobody@example.com"), relay.smtp)
    assert unknown.reason.startswith("RCPT TO refused: 550 5.1.1 <nobody@example.com>")
    foreign = probe(Smtp(rcpt_to="a@example.org"), relay.smtp)
    assert foreign.reason.startswith("RCPT TO refused: 554 5.7.1 <a@example.org>")


def test_postfix_behind_a_proxy_is_told_who_asks(relay: Postfix) -> None:
    assert probe(Smtp(proxy_protocol="v1"), relay.smtp_behind_proxy).passed
    assert probe(Smtp(proxy_protocol="v2", starttls=relay.trusted), relay.smtp_behind_proxy).passed


def test_dovecot_greets_over_imap_and_pop3(boxes: Dovecot) -> None:
    imap, pop3 = probe(Imap(), boxes.imap), probe(Pop3(), boxes.pop3)
    assert (imap.passed, imap.reason) == (True, "OK Dovecot (Debian) ready.")
    assert (pop3.passed, pop3.reason) == (True, "+OK Dovecot (Debian) ready.")


def test_dovecot_upgrades_to_tls_or_begins_with_it(boxes: Dovecot) -> None:
    tls = boxes.trusted
    for check, port in (
        (Imap(starttls=tls), boxes.imap),
        (Imap(tls=tls), boxes.imaps),
        (Pop3(starttls=tls), boxes.pop3),
        (Pop3(tls=tls), boxes.pop3s),
    ):
        result = probe(check, port)
        assert result.passed, result
        assert result.reason.endswith(", over TLS")


def test_dovecot_checks_credentials_and_opens_the_mailbox(boxes: Dovecot, wrong_password_file: str) -> None:
    credentials = {"username": USER, "password_file": boxes.password_file}
    imap = Imap(starttls=boxes.trusted, mailbox="INBOX", **credentials)
    pop3 = Pop3(tls=boxes.trusted, **credentials)
    assert probe(imap, boxes.imap).reason.endswith(", over TLS, logged in, INBOX opened")
    assert probe(pop3, boxes.pop3s).reason.endswith(", over TLS, logged in")
    assert probe(replace(imap, mailbox="None"), boxes.imap).reason.startswith("mailbox None refused: NO ")
    for check, port in ((imap, boxes.imap), (pop3, boxes.pop3s)):
        refused = probe(replace(check, password_file=wrong_password_file), port)
        assert not refused.passed
        assert refused.reason.startswith("the server refused the credentials: ")


@pytest.mark.parametrize("quotable", [True, False], ids=["quoted", "literals"])
def test_dovecot_takes_a_login_from_who_sees_no_auth_plain(
    boxes: Dovecot, monkeypatch: pytest.MonkeyPatch, quotable: bool
) -> None:
    offered = imap._words
    monkeypatch.setattr(imap, "_words", lambda text: offered(text) - {"AUTH=PLAIN"})
    if not quotable:
        monkeypatch.setattr(imap, "_can_be_quoted", lambda _: False)
    result = probe(Imap(tls=boxes.trusted, username=USER, password_file=boxes.password_file), boxes.imaps)
    assert result.passed, result
    assert result.evidence is not None
    assert b" LOGIN " in result.evidence.sent
    assert b"s3" not in result.evidence.sent


def test_dovecot_behind_a_proxy_is_told_who_asks(boxes: Dovecot) -> None:
    for version in ("v1", "v2"):
        assert probe(Imap(proxy_protocol=version), boxes.imap_behind_proxy).passed
        assert probe(Pop3(proxy_protocol=version, starttls=boxes.trusted), boxes.pop3_behind_proxy).passed
