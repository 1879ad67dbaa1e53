"""Mails of notifiers, handed to a real postfix."""

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from healthlb.model.endpoint import Endpoint
from healthlb.model.notifiers import Mail
from healthlb.model.occurrence import Occurrence
from healthlb.model.table import ServiceKey
from healthlb.notify.mail import MailSender
from healthlb.notify.message import Message
from healthlb.notify.sending import RefusedError, UndeliveredError
from real_server import PATH
from tests.interop.files import NAME
from tests.interop.mail_servers import USER, Dovecot, Postfix, dovecot, postfix
from waiting import eventually

SENTENCE = "shop: wéb1 is DOWN: web: status 503, expected 200-299 (3 results in a row)"
EVENT = Occurrence(
    7, 1_792_000_000.0, "real_server_down", "warning", SENTENCE, "shop", "wéb1",
    ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), Endpoint("192.0.2.1", 80),
)  # fmt: skip


@pytest.fixture(scope="module")
def boxes() -> Iterator[Dovecot]:
    """Yield a dovecot, whom postfix asks for passwords."""
    with dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def relay(boxes: Dovecot) -> Iterator[Postfix]:
    """Yield a postfix."""
    with postfix(boxes.sasl) as server:
        # It turns everybody away (421) until dovecot answers it, which may take a busy machine a while.
        eventually(lambda: greeting(server), lambda code: code == "220", deadline=60.0, pause=0.2)
        yield server


def greeting(relay: Postfix) -> str:
    """Return the code that postfix greets with, nothing where it does not."""
    try:
        with socket.create_connection(("127.0.0.1", relay.smtp), 10) as connection:
            return connection.recv(3).decode()
    except OSError:
        return ""


def send(relay: Postfix, to: str = "postmaster@example.com", **settings: object) -> None:
    given: dict[str, object] = {"to": (to,), "sender": "healthlb@lb1.example.com", "port": relay.smtp, **settings}
    sender = MailSender(Mail(**given), asyncio.to_thread)  # type: ignore[arg-type]

    async def story() -> None:
        try:
            await sender.send(Message("lb1", (EVENT,)))
        finally:  # whoever is refused takes leave as well
            await asyncio.gather(*sender._leaving)

    asyncio.run(story())


def queued(relay: Postfix, before: int) -> EmailMessage:
    """Return the newest mail that postfix has taken on, as postcat(1) shows it."""
    found = eventually(lambda: re.findall(r"cleanup\[\d+\]: (\w+): message-id=", relay.log.read_text()),
                       lambda ids: len(ids) > before)  # fmt: skip
    folder = relay.log.parent
    command = ["postcat", "-c", folder / "etc", "-bhq", found[-1]]
    shown = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=True)
    mail = message_from_string(shown.stdout, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def taken(relay: Postfix) -> int:
    return relay.log.read_text().count(": message-id=")


def test_postfix_takes_a_mail_on_as_it_was_written(relay: Postfix) -> None:
    before = taken(relay)
    send(relay)
    mail = queued(relay, before)
    assert not mail.defects
    assert mail["Subject"].strip() == f"[healthlb lb1] {SENTENCE}"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert SENTENCE in mail.get_content()
    eventually(relay.log.read_text, lambda log: "ehlo=1 mail=1 rcpt=1 data=1 quit=1" in log)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_postfix_takes_it_under_tls_from_a_user_it_knows(
    relay: Postfix, boxes: Dovecot, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(_: str, port: int, **more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    port = relay.smtps if tls == "tls" else relay.smtp
    known = {"tls": tls, "ca_file": relay.trusted.ca_file, "port": port}
    with pytest.raises(UndeliveredError, match=r"certificate is not trusted: .*127\.0\.0\.1"):
        send(relay, **known)
    monkeypatch.setattr(socket, "getaddrinfo", here)  # the certificate is of a name, and no name server is asked
    before = taken(relay)
    send(relay, host=NAME, username=USER, password_file=boxes.password_file, **known)
    assert queued(relay, before)["From"] == "healthlb@lb1.example.com"
    assert f"sasl_username={USER}" in relay.log.read_text()
    with pytest.raises(UndeliveredError, match="certificate is not trusted: "):
        send(relay, host=NAME, **{**known, "ca_file": None})


def test_postfix_refuses_a_stranger_and_a_login_in_clear(relay: Postfix, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1:[0-9]+: 5\d\d 5\.\d\.\d .*nobody@example\.com"):
        send(relay, "nobody@example.com")
    password = tmp_path / "password"
    password.write_text("guess")
    with pytest.raises(UndeliveredError, match="AUTH"):
        send(relay, username=USER, password_file=str(password))
