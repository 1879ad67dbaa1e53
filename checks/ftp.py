"""`ftp`: greeting of an FTP server, with AUTH TLS, a login and a directory if asked (RFC 959, RFC 4217)."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Matching, Record, option
from checks.wire.inbox import Inbox
from checks.wire.replies import Reply, ftp_reply
from checks.wire.sessions import (
    USERNAME,
    RefusalError,
    credential_faults,
    parting,
    password,
    password_fault,
    summary,
    tls_faults,
)
from checks.wire.showing import shown

ANONYMOUS = ("anonymous", "ftp")
DIRECTORY = Matching(r"[^\x00-\x1f\x7f]+", "a directory's path")


@dataclass(frozen=True, slots=True)
class Ftp(Check):
    """Take the greeting of an FTP server; with TLS, a login and a change of directory if asked. No data connection."""

    type: ClassVar[str] = "ftp"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = ftp"}

    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    starttls: Tls | None = option(Record(Tls), "Upgrade to TLS with AUTH TLS; {} for every default.", None)
    username: str | None = option(
        USERNAME, "Log in as this user; in the clear unless TLS is asked for.", None, ldirectord="login"
    )
    password_file: str | None = option(
        FILE, "File that holds the user's password; anonymous and ftp need none.", None, ldirectord="passwd"
    )
    directory: str | None = option(DIRECTORY, "Change to this directory once logged in (CWD).", None)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        yield from tls_faults(self)
        if self.username not in ANONYMOUS:
            yield from credential_faults(self.username, self.password_file)
        if self.directory is not None and self.username is None:
            yield "directory", "directories are shown to a user only, and there is no username"

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, without=b"\0\r\n", protocol="FTP")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Go as far as the options ask."""
        secret = password(self.password_file, without=b"\0\r\n", protocol="FTP")
        return parting(_talk(self, secret or b"anonymous@"), b"QUIT\r\n")


def _talk(check: Ftp, secret: bytes) -> Conversation:
    inbox = Inbox()
    greeting = yield from ftp_reply(inbox, None, "a greeting")
    if greeting.code != 220:
        raise RefusalError(_unfriendly(greeting))
    if check.starttls is not None:
        answer = yield from ftp_reply(inbox, Step(b"AUTH TLS\r\n"), "the answer to AUTH TLS")
        if answer.code != 234:
            raise RefusalError(f"AUTH TLS refused: {answer}")
        yield from inbox.secure(check.starttls)
    if check.username is not None:
        yield from _log_in(inbox, check.username, secret)
    elif check.starttls is not None:
        # Many servers answer 530 to whom they do not know; that they answer shows that TLS works.
        yield from ftp_reply(inbox, Step(b"NOOP\r\n"), "the answer to NOOP")
    if check.directory is not None:
        answer = yield from ftp_reply(inbox, Step(f"CWD {check.directory}\r\n".encode()), "the answer to CWD")
        if not 200 <= answer.code <= 299:
            raise RefusalError(f"directory {shown(check.directory)} refused: {answer}")
    return Verdict(
        True,
        summary(
            str(greeting),
            "" if check.tls is None and check.starttls is None else "over TLS",
            "" if check.username is None else "logged in",
            "" if check.directory is None else f"{shown(check.directory)} is there",
        ),
    )


def _unfriendly(greeting: Reply) -> str:
    match greeting.code:
        case 120:
            return f"the server is not ready yet: {greeting}"
        case 421:
            return f"the server is closing down or overloaded: {greeting}"
        case _:
            return f"greeting {greeting}, expected 220"


def _log_in(inbox: Inbox, username: str, secret: bytes) -> Generator[Step, bytes, None]:
    answer = yield from ftp_reply(inbox, Step(f"USER {username}\r\n".encode()), "the answer to USER")
    if answer.code == 331:
        step = Step(b"PASS " + secret + b"\r\n", shown=b"PASS ***\r\n")
        answer = (yield from ftp_reply(inbox, step, "the answer to PASS")).hiding(secret)
    if 200 <= answer.code <= 299:
        return
    if 400 <= answer.code <= 499:
        raise RefusalError(f"the server cannot check credentials now: {answer}")
    if answer.code == 332:
        raise RefusalError(f"the server asks for an account beside the password: {answer}")
    if answer.code == 530:
        raise RefusalError(f"the server refused the credentials: {answer}")
    raise RefusalError(f"login refused: {answer}")
