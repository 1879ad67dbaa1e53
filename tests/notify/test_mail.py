"""Mails handed to relays on loopback that take them, refuse them, hang up, and lie."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from healthlb.model.notifiers import Mail
from healthlb.notify.mail import MailSender
from healthlb.notify.sending import RefusedError, UndeliveredError
from tests.notify.happenings import in_thread, message, play
from waiting import until


class Relay:
    """A relay that answers each command as `answers` says, by its beginning, and else with 250."""

    def __init__(self, answers: dict[str, str], tls: ssl.SSLContext | None) -> None:
        self.answers = {"": "220 relay.example.com ESMTP", "DATA": "354 go on", "QUIT": "221 bye", **answers}
        self.tls = tls
        self.port = 0
        self.heard: list[str] = []
        self.mails: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self._answer('')}\r\n".encode())
        while line := (await reader.readline()).decode().strip():
            self.heard.append(line)
            answer = self._answer(line)
            if answer == "hang":
                await reader.read()
                return
            if answer == "hang up":
                return
            writer.write(f"{answer}\r\n".encode())
            if line == "STARTTLS" and self.tls is not None:
                await writer.start_tls(self.tls)
            elif line == "DATA" and answer.startswith("354"):
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(f"{self.answers.get('.', '250 queued')}\r\n".encode())
            elif line == "QUIT":
                return

    def _answer(self, line: str) -> str:
        if not line:
            return self.answers[""]
        return next((text for begin, text in self.answers.items() if begin and line.startswith(begin)), "250 well")


@asynccontextmanager
async def relaying(
    answers: dict[str, str], tls: ssl.SSLContext | None = None, *, at_once: bool = False
) -> AsyncIterator[Relay]:
    relay = Relay(answers, tls)
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0, ssl=tls if at_once else None)
    relay.port = listener.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listener.close()
        await listener.wait_closed()


def mail(relay: Relay, **settings: object) -> Mail:
    given: dict[str, object] = {"to": ("oncall@example.com",), "sender": "healthlb@lb1.example.com", **settings}
    return Mail(port=relay.port, **given)  # type: ignore[arg-type]


async def send(settings: Mail) -> None:
    sender = MailSender(settings, in_thread())
    try:
        async with asyncio.timeout(60):
            await sender.send(message())
        await until(lambda: not sender._leaving)
    finally:
        sender.close()
        await asyncio.gather(*sender._leaving, return_exceptions=True)


def test_a_relay_takes_a_mail_and_is_told_goodbye() -> None:
    async def story() -> None:
        async with relaying({}) as relay:
            await send(mail(relay, to=("oncall@example.com", "Night <night@example.net>")))
            assert relay.heard[0] == "EHLO [127.0.0.1]"
            assert [line.partition(" ")[2].split(" ")[0] for line in relay.heard[1:4]] == [
                "FROM:<healthlb@lb1.example.com>",
                "TO:<oncall@example.com>",
                "TO:<night@example.net>",
            ]
            assert relay.heard[-1] == "QUIT"
            assert len(relay.mails) == 1
            assert "Subject:" in relay.mails[0]

    play(story)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"": "421 busy"}, "421 busy"),
        ({"": "554 go away"}, "554 go away"),
        ({"MAIL": "451 later"}, "451 later"),
        ({"MAIL": "550 not you"}, "550 not you"),
        ({"RCPT": "450 later"}, "450 later"),
        ({"RCPT": "550 no such user"}, "550 no such user"),
        ({"DATA": "452 no room"}, "452 no room"),
        ({".": "554 spam"}, "554 spam"),
        ({".": "451 \x1b[31mlater"}, r"451 \x1b[31mlater"),
    ],
)
def test_what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not(
    answers: dict[str, str], reason: str
) -> None:
    async def story() -> None:
        async with relaying(answers) as relay:
            kind = RefusedError if reason.startswith("5") else UndeliveredError
            with pytest.raises(kind) as caught:
                await send(mail(relay))
            assert str(caught.value) == f"127.0.0.1:{relay.port}: {reason}"

    play(story)


def test_a_recipient_that_is_refused_is_told_of_and_the_others_do_not_get_it_twice() -> None:
    async def story() -> None:
        async with relaying({"RCPT TO:<night@": "550 no such user"}) as relay:
            with pytest.raises(RefusedError) as caught:
                await send(mail(relay, to=("oncall@example.com", "night@example.net")))
            assert str(caught.value) == (
                f"127.0.0.1:{relay.port}: others have it, but not night@example.net: 550 no such user"
            )
            assert len(relay.mails) == 1

    play(story)


@pytest.mark.parametrize("when", ["EHLO", "MAIL", "DATA"])
def test_a_relay_that_hangs_up_is_tried_again(when: str) -> None:
    async def story() -> None:
        async with relaying({when: "hang up"}) as relay:
            with pytest.raises(UndeliveredError, match=r"^127\.0\.0\.1:[0-9]+: "):
                await send(mail(relay))

    play(story)


def test_a_relay_that_hangs_is_left_at_the_deadline_and_one_that_takes_no_leave_has_the_mail() -> None:
    async def story() -> None:
        async with relaying({"MAIL": "hang"}) as relay:
            sender = MailSender(mail(relay), in_thread())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await sender.send(message())
        async with relaying({"QUIT": "hang"}) as relay:
            sender = MailSender(mail(relay), in_thread())
            await sender.send(message())
            assert len(relay.mails) == 1
            leaving = set(sender._leaving)
            assert leaving
            sender.close()
            await asyncio.gather(*leaving, return_exceptions=True)

    play(story)


def test_endless_and_senseless_answers_are_worth_another_try() -> None:
    async def story() -> None:
        for greeting in ("220 " + "x" * 100_000, "HTTP/1.1 400 Bad Request", "220-more"):
            async with relaying({"": greeting}) as relay:
                sender = MailSender(mail(relay), in_thread())
                with pytest.raises((UndeliveredError, TimeoutError)):
                    async with asyncio.timeout(0.5):
                        await sender.send(message())

    play(story)


def test_nobody_there_and_no_address_are_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with relaying({}) as relay:
            gone = mail(relay)
            no_file = mail(relay, username="me", password_file=str(tmp_path / "none"))
            with pytest.raises(UndeliveredError, match=r"^password_file .*/none is not there"):
                await send(no_file)
            with pytest.raises(RefusedError, match=r"^'oncall' is no mail address$"):
                await send(mail(relay, to=("oncall",)))
            assert relay.heard == []
        with pytest.raises(UndeliveredError, match=r"^127\.0\.0\.1:[0-9]+: connection refused$"):
            await send(gone)

    play(story)


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    issuer = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    issuer.cert_pem.write_to_path(folder / "ca.pem")
    return context, str(folder / "ca.pem")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_under_tls_the_relay_is_verified_and_told_the_password(tmp_path: Path, tls: str) -> None:
    context, ca_file = authority(tmp_path)
    (tmp_path / "password").write_text("s3 cret\n")
    answers = {"EHLO": "250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS", "STARTTLS": "220 go", "AUTH": "235 welcome"}

    async def story() -> None:
        async with relaying(answers, context, at_once=tls == "tls") as relay:
            known = mail(relay, tls=tls, ca_file=ca_file, username="me", password_file=str(tmp_path / "password"))
            await send(known)
            said = next(line for line in relay.heard if line.startswith("AUTH PLAIN "))
            assert base64.b64decode(said.split(" ")[2]) == b"\0me\0s3 cret"
            assert len(relay.mails) == 1
            with pytest.raises(UndeliveredError, match=r"127\.0\.0\.1:[0-9]+: its certificate is not trusted: "):
                await send(mail(relay, tls=tls))
            assert len(relay.mails) == 1

    play(story)


def test_a_relay_without_tls_gets_nothing_where_tls_is_wanted() -> None:
    async def story() -> None:
        async with relaying({"EHLO": "250 relay"}) as relay:
            with pytest.raises(UndeliveredError, match="STARTTLS"):
                await send(mail(relay, tls="starttls"))
            assert not [line for line in relay.heard if line.startswith("MAIL")]

    play(story)


@pytest.mark.parametrize("said", ["s3cret", "czNjcmV0", "AG1lAHMzY3JldA=="])
def test_a_wrong_password_is_not_tried_again_nor_shown(tmp_path: Path, said: str) -> None:
    (tmp_path / "password").write_text("s3cret")
    answers = {"EHLO": "250-relay\r\n250 AUTH PLAIN", "AUTH": f"535 {said} is wrong"}

    async def story() -> None:
        async with relaying(answers) as relay:
            with pytest.raises(RefusedError) as caught:
                await send(mail(relay, username="me", password_file=str(tmp_path / "password")))
            assert str(caught.value) == f"127.0.0.1:{relay.port}: 535 (an answer that repeats the password)"

    play(story)
