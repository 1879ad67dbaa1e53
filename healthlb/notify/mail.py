"""`mail`: a message is a mail that a relay takes on (RFC 5321)."""

import asyncio
import contextlib
import socket
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from healthlb.model.notifiers import Mail
from healthlb.notify.files import Trust, content, said
from healthlb.notify.letter import address, letter
from healthlb.notify.message import Message, plain
from healthlb.notify.sending import InThread, RefusedError, UndeliveredError

if TYPE_CHECKING:
    from aiosmtplib import SMTP

GOODBYE = 1.0
"""Seconds for a relay's answer to QUIT; nothing depends on it."""
MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class _Prepared:
    sender: str
    recipients: list[str]
    mail: bytes
    trust: ssl.SSLContext | None
    password: str | None
    addresses: list[tuple[int, tuple[Any, ...]]]
    secrets: tuple[str, ...]


class MailSender:
    """Sends mails, each over a connection of its own."""

    def __init__(self, settings: Mail, in_thread: InThread) -> None:
        self._settings = settings
        self._in_thread = in_thread
        self._trust = Trust(settings.ca_file)
        self._leaving: set[asyncio.Task[None]] = set()

    async def send(self, message: Message) -> None:
        """Hand a mail to the relay, as `Sender` says."""
        ready: _Prepared = await self._in_thread(lambda: self._prepared(message))
        try:
            await self._hand_over(ready)
        except UndeliveredError:
            raise
        except Exception as error:
            raise self._fault(error, ready.secrets) from error

    def close(self) -> None:
        """Hang up where a relay has not answered goodbye."""
        for task in self._leaving:
            task.cancel()

    def _prepared(self, message: Message) -> _Prepared:
        """Read and make all that is needed; for a thread. The first time imports the library, there."""
        import aiosmtplib  # noqa: F401, PLC0415

        settings = self._settings
        recipients = [address(each) for each in settings.to]
        mail = letter(settings, message, time.time())
        password = content("password_file", settings.password_file) if settings.password_file is not None else None
        try:
            found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise UndeliveredError(f"{self._host}: its name cannot be resolved: {said(error)}") from error
        return _Prepared(
            address(settings.sender),
            recipients,
            mail,
            None if settings.tls == "none" else self._trust.context(),
            password,
            [(family, where) for family, _, _, _, where in found],
            _forms(settings.username or "", password) if password else (),
        )

    @property
    def _host(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def _hand_over(self, ready: _Prepared) -> None:
        from aiosmtplib import SMTP  # noqa: PLC0415

        settings = self._settings
        connection = await self._connected(ready.addresses)
        relay = SMTP(
            hostname=settings.host,
            sock=connection,
            local_hostname=_literal(connection.getsockname()),
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            tls_context=ready.trust,
            username=settings.username,
            password=ready.password,
            timeout=None,  # the outbox has one for the whole try
        )
        try:
            await relay.connect()
            refused, _ = await relay.sendmail(ready.sender, ready.recipients, ready.mail)
        except BaseException:
            if isinstance(relay.transport, asyncio.WriteTransport):
                relay.transport.abort()  # or TLS would wait for the relay's own goodbye
            relay.close()
            raise
        self._say_goodbye(relay)
        if refused:
            some = "; ".join(f"{plain(to)}: {answer.code} {answer.message}" for to, answer in refused.items())
            raise RefusedError(f"{self._host}: others have it, but not {_short(some, ready.secrets)}")

    async def _connected(self, addresses: list[tuple[int, tuple[Any, ...]]]) -> socket.socket:
        """Return a connection to the first address that takes one; raise UndeliveredError with what the last said."""
        reason = "it has no address"
        for family, where in addresses:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, where)
            except OSError as error:
                connection.close()
                reason = said(error)
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise UndeliveredError(f"{self._host}: {reason}")

    def _say_goodbye(self, relay: "SMTP") -> None:
        """Have the relay told QUIT without waiting: it has taken the mail on, and must not be handed it again."""
        task = asyncio.get_running_loop().create_task(_goodbye(relay))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _fault(self, error: Exception, secrets: tuple[str, ...]) -> Exception:
        from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException  # noqa: PLC0415

        if isinstance(error, SMTPRecipientsRefused) and error.recipients:
            return self._fault(error.recipients[0], secrets)
        match error:
            case SMTPResponseException():
                reason = f"{self._host}: {error.code} {_short(error.message, secrets)}"
                return RefusedError(reason) if 500 <= error.code < 600 else UndeliveredError(reason)
            case ssl.SSLCertVerificationError():
                return UndeliveredError(f"{self._host}: its certificate is not trusted: {error.verify_message}")
            case ssl.SSLError():
                return UndeliveredError(f"{self._host}: TLS cannot be agreed on")
            case SMTPException():
                cause = error.__cause__
                if isinstance(cause, ssl.SSLError):
                    return self._fault(cause, secrets)
                return UndeliveredError(f"{self._host}: {_short(str(error), secrets)}")
            case OSError():
                return UndeliveredError(f"{self._host}: {said(error)}")
            case _:
                return error


async def _goodbye(relay: "SMTP") -> None:
    try:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(GOODBYE):
                await relay.quit()
    finally:
        relay.close()


def _literal(own: tuple[Any, ...]) -> str:
    """Return our address as EHLO takes it from a host that need not have a name (RFC 5321 section 4.1.3)."""
    return f"[IPv6:{own[0].partition('%')[0]}]" if ":" in own[0] else f"[{own[0]}]"


def _forms(username: str, password: str) -> tuple[str, ...]:
    """Return a password as it is, and as it is sent by AUTH LOGIN and AUTH PLAIN (RFC 4954, RFC 4616)."""
    return password, *(b64encode(text.encode()).decode() for text in (password, f"\0{username}\0{password}"))


def _short(text: str, secrets: tuple[str, ...]) -> str:
    """Return what a relay said, shortened, or nothing of it where it repeats the password."""
    if any(secret in text for secret in secrets):
        return "(an answer that repeats the password)"
    shown = plain(" ".join(text.split()))
    return shown if len(shown) <= MOST_SHOWN else f"{shown[: MOST_SHOWN - 3]}..."
