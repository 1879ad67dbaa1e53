"""`smtp`: greeting, EHLO, TLS, login and recipient of a mail server (RFC 5321, 3207, 4954), or of LMTP (RFC 2033)."""

import base64
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Boolean, Matching, Record, option
from checks.wire.inbox import Inbox
from checks.wire.replies import Reply, smtp_reply
from checks.wire.sessions import (
    PROXY_PROTOCOL,
    USERNAME,
    RefusalError,
    credential_faults,
    parting,
    password,
    password_fault,
    sasl_plain,
    summary,
    tls_faults,
)
from checks.wire.showing import shown

HELO_NAME = Matching(r"[!-~]{1,253}", "a host name, or an address in [ ]")
ADDRESS = Matching(r"[!-;=?-~]{1,254}", "a mail address in ASCII, without < and >")


@dataclass(frozen=True, slots=True)
class Smtp(Check):
    """Exchange greetings with a mail server; with TLS, a login and a recipient if asked. No mail is sent."""

    type: ClassVar[str] = "smtp"
    known_as: ClassVar[dict[str, str]] = {
        "keepalived": "SMTP_CHECK",
        "ldirectord": "service = smtp, service = submission",
        "haproxy": "option smtpchk",
    }

    helo_name: str = option(
        HELO_NAME,
        "The name that EHLO gives for the director.",
        "localhost",
        keepalived="helo_name",
        haproxy="option smtpchk EHLO name",
    )
    lmtp: bool = option(Boolean(), "Whether the server speaks LMTP (LHLO instead of EHLO).", False)
    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    starttls: Tls | None = option(
        Record(Tls), "Upgrade to TLS with STARTTLS, which the server must offer; {} for every default.", None
    )
    username: str | None = option(
        USERNAME, "Log in as this user, by AUTH PLAIN or LOGIN; in the clear unless TLS is asked for.", None
    )
    password_file: str | None = option(FILE, "File that holds the user's password.", None)
    mail_from: str | None = option(
        ADDRESS, "Offer mail from this sender (MAIL FROM); default, with rcpt_to: the null sender <>.", None
    )
    rcpt_to: str | None = option(ADDRESS, "Offer mail to this recipient (RCPT TO), but never send it.", None)
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
        return password_fault(self.password_file, protocol="SASL")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Go as far as the options ask."""
        return parting(_talk(self, password(self.password_file, protocol="SASL")), b"QUIT\r\n")


def _talk(check: Smtp, secret: bytes) -> Conversation:
    inbox = Inbox()
    greeting = yield from smtp_reply(inbox, None, "a greeting")
    if greeting.code != 220:
        raise RefusalError(_unfriendly(greeting))
    offers = yield from _hello(check, inbox)
    if check.starttls is not None:
        if "STARTTLS" not in offers:
            raise RefusalError("the server does not offer STARTTLS")
        answer = yield from smtp_reply(inbox, Step(b"STARTTLS\r\n"), "the answer to STARTTLS")
        if answer.code != 220:
            raise RefusalError(f"STARTTLS refused: {answer}")
        yield from inbox.secure(check.starttls)
        offers = yield from _hello(check, inbox)
    if check.username is not None:
        yield from _log_in(check.username, secret, inbox, offers)
    if check.mail_from is not None or check.rcpt_to is not None:
        yield from _command(inbox, "MAIL FROM", f"MAIL FROM:<{check.mail_from or ''}>")
    if check.rcpt_to is not None:
        yield from _command(inbox, "RCPT TO", f"RCPT TO:<{check.rcpt_to}>")
    return Verdict(
        True,
        summary(
            str(greeting),
            "" if check.tls is None and check.starttls is None else "over TLS",
            "" if check.username is None else "logged in",
            "" if check.rcpt_to is None else f"mail to {shown(check.rcpt_to)} is taken",
        ),
    )


def _unfriendly(greeting: Reply) -> str:
    match greeting.code:
        case 421:
            return f"the server is closing down or overloaded: {greeting}"
        case 554:
            return f"the server takes no mail from here: {greeting}"
        case _:
            return f"greeting {greeting}, expected 220"


def _hello(check: Smtp, inbox: Inbox) -> Generator[Step, bytes, dict[str, list[str]]]:
    """Greet the server; return what it offers: keywords in capitals, with their parameters."""
    verb = "LHLO" if check.lmtp else "EHLO"
    hello = yield from smtp_reply(inbox, Step(_line(f"{verb} {check.helo_name}")), f"the answer to {verb}")
    if hello.code == 250:
        pairs = (line.decode("latin-1").upper().replace("=", " ").split() for line in hello.lines[1:])
        return {keyword: parameters for keyword, *parameters in filter(None, pairs)}
    # RFC 5321 section 3.2: who does not know EHLO is greeted with HELO, which offers nothing.
    if hello.code < 500 or check.lmtp or check.starttls is not None or check.username is not None:
        raise RefusalError(f"{verb} refused: {hello}")
    yield from _command(inbox, "HELO", f"HELO {check.helo_name}")
    return {}


def _command(inbox: Inbox, name: str, text: str) -> Generator[Step, bytes, None]:
    answer = yield from smtp_reply(inbox, Step(_line(text)), f"the answer to {name}")
    if not 200 <= answer.code <= 299:
        raise RefusalError(f"{name} refused: {answer}")


def _log_in(username: str, secret: bytes, inbox: Inbox, offers: dict[str, list[str]]) -> Generator[Step, bytes, None]:
    """Prove who we are; each line of the dialogue has the code of its good answer and what evidence may show of it."""
    mechanisms = offers.get("AUTH", [])
    message, name, word = sasl_plain(username, secret), base64.b64encode(username.encode()), base64.b64encode(secret)
    if "PLAIN" in mechanisms:
        dialogue = [(235, b"AUTH PLAIN " + message, b"AUTH PLAIN ***")]
    elif "LOGIN" in mechanisms:
        dialogue = [(334, b"AUTH LOGIN", b"AUTH LOGIN"), (334, name, name), (235, word, b"***")]
    else:
        offered = f"only AUTH {shown(' '.join(mechanisms))}" if mechanisms else "no AUTH"
        raise RefusalError(f"the server offers {offered} here; AUTH PLAIN or LOGIN is needed")
    for expected, line, visible in dialogue:
        step = Step(line + b"\r\n", shown=visible + b"\r\n")
        answer = yield from smtp_reply(inbox, step, "the answer to AUTH")
        if answer.code != expected:
            raise RefusalError(_no_login(answer.hiding(message, word, secret)))


def _no_login(answer: Reply) -> str:
    if 400 <= answer.code <= 499:
        return f"the server cannot check credentials now: {answer}"
    if answer.code == 535:
        return f"the server refused the credentials: {answer}"
    return f"AUTH refused: {answer}"


def _line(text: str) -> bytes:
    return text.encode() + b"\r\n"
