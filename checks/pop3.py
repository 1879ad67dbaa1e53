"""`pop3`: greeting of a POP3 server, with TLS, and a login and the state of the maildrop if asked (RFC 1939, 2595)."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Matching, Record, option
from checks.wire.inbox import Inbox, PeerError
from checks.wire.sessions import (
    PROXY_PROTOCOL,
    RefusalError,
    credential_faults,
    hidden,
    parting,
    password,
    password_fault,
    summary,
    tls_faults,
)
from checks.wire.showing import shown

USERNAME = Matching(r"[^\x00-\x20\x7f]+", "a user's name without spaces")


@dataclass(frozen=True, slots=True)
class Pop3(Check):
    """Take the greeting of a POP3 server; with TLS, a login and a look at the maildrop if asked."""

    type: ClassVar[str] = "pop3"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = pop, service = pops"}

    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    starttls: Tls | None = option(Record(Tls), "Upgrade to TLS with STLS; {} for every default.", None)
    username: str | None = option(
        USERNAME, "Log in as this user (USER and PASS); in the clear unless TLS is asked for.", None, ldirectord="login"
    )
    password_file: str | None = option(FILE, "File that holds the user's password.", None, ldirectord="passwd")
    proxy_protocol: ProxyProtocol | None = option(
        PROXY_PROTOCOL,
        "Send the PROXY protocol's header of this version before all else.",
        None,
        haproxy="check-send-proxy",
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        yield from tls_faults(self)
        yield from credential_faults(self.username, self.password_file)

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, without=b"\0\r\n", protocol="POP3")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Go as far as the options ask."""
        secret = password(self.password_file, without=b"\0\r\n", protocol="POP3")
        return parting(_talk(self, secret), b"QUIT\r\n")


def _talk(check: Pop3, secret: bytes) -> Conversation:
    inbox = Inbox()
    well, greeting = yield from _answer(inbox, None, "a greeting")
    if not well:
        raise RefusalError(f"the server greets with {greeting}")
    if check.starttls is not None:
        yield from _demand(inbox, "STLS", Step(b"STLS\r\n"))
        yield from inbox.secure(check.starttls)
    warning = ""
    if check.username is not None:
        warning = yield from _log_in(inbox, check.username, secret)
    elif check.starttls is not None:
        # CAPA (RFC 2449) may be unknown to the server; that it answers shows that TLS works.
        yield from _answer(inbox, Step(b"CAPA\r\n"), "the answer to CAPA")
    said = summary(
        greeting,
        "" if check.tls is None and check.starttls is None else "over TLS",
        "" if check.username is None else "logged in",
    )
    return Verdict(True, said, warning)


def _log_in(inbox: Inbox, username: str, secret: bytes) -> Generator[Step, bytes, str]:
    """Log in and look at the maildrop; return a warning if there is one."""
    well, said = yield from _answer(inbox, Step(f"USER {username}\r\n".encode()), "the answer to USER")
    if well:
        step = Step(b"PASS " + secret + b"\r\n", shown=b"PASS ***\r\n")
        well, said = yield from _answer(inbox, step, "the answer to PASS", secret)
    if well:
        yield from _demand(inbox, "STAT", Step(b"STAT\r\n"))
        return ""
    # The response codes of RFC 2449 section 8.1 and RFC 3206.
    upper = said.upper()
    if "[IN-USE]" in upper:
        return "the maildrop is locked by another session, and was not looked at"
    if "[LOGIN-DELAY]" in upper:
        raise RefusalError(f"the last login was too recent for another one; check less often: {said}")
    if "[SYS/" in upper:
        raise RefusalError(f"the server cannot check credentials now: {said}")
    raise RefusalError(f"the server refused the credentials: {said}")


def _demand(inbox: Inbox, name: str, step: Step) -> Generator[Step, bytes, None]:
    well, said = yield from _answer(inbox, step, f"the answer to {name}")
    if not well:
        raise RefusalError(f"{name} refused: {said}")


def _answer(
    inbox: Inbox, first: Step | None, what: str, secret: bytes = b""
) -> Generator[Step, bytes, tuple[bool, str]]:
    line = hidden((yield from inbox.line(first, what)), secret)
    status = line.partition(b" ")[0]
    if status not in (b"+OK", b"-ERR"):
        raise PeerError(f"not a POP3 answer: '{shown(line)}'")
    return status == b"+OK", shown(line)
