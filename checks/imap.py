"""`imap`: greeting and capabilities of an IMAP server, TLS, a login and a mailbox if asked (RFC 9051, RFC 3501)."""

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Matching, Record, option
from checks.wire.inbox import Inbox, PeerError
from checks.wire.sessions import (
    PROXY_PROTOCOL,
    USERNAME,
    RefusalError,
    credential_faults,
    hidden,
    parting,
    password,
    password_fault,
    sasl_plain,
    summary,
    tls_faults,
)
from checks.wire.showing import shown

MOST_BYTES = 65536
"""What the answer to one command may have, with everything that comes before its last line."""
LITERAL = re.compile(rb"~?\{([0-9]{1,10})\+?\}$")
STATUSES = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")
MAILBOX = Matching(r"[ -~]{1,255}", "a mailbox's name in printable ASCII (other letters in IMAP's modified UTF-7)")


@dataclass(frozen=True, slots=True)
class Imap(Check):
    """Take the greeting of an IMAP server and its capabilities; with TLS, a login and a mailbox if asked."""

    type: ClassVar[str] = "imap"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = imap, service = imaps"}

    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    starttls: Tls | None = option(Record(Tls), "Upgrade to TLS with STARTTLS; {} for every default.", None)
    username: str | None = option(
        USERNAME,
        "Log in as this user, by AUTHENTICATE PLAIN or LOGIN; in the clear unless TLS is asked for.",
        None,
        ldirectord="login",
    )
    password_file: str | None = option(FILE, "File that holds the user's password.", None, ldirectord="passwd")
    mailbox: str | None = option(MAILBOX, "Open this mailbox of the user's, such as INBOX, without changing it.", None)
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
        if self.mailbox is not None and self.username is None:
            yield "mailbox", "a mailbox is open to a user only, and there is no username"

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, protocol="SASL")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Go as far as the options ask."""
        session = _Session()
        return parting(_talk(self, session, password(self.password_file, protocol="SASL")), b"bye LOGOUT\r\n")


def _talk(check: Imap, session: "_Session", secret: bytes) -> Conversation:
    greeting = yield from session.greeting()
    known = greeting.status == b"PREAUTH"
    if check.starttls is not None:
        if known:
            # RFC 9051 section 7.1.4: nothing can be upgraded any more; somebody on the way may want just that.
            raise RefusalError("the server greets with PREAUTH, after which STARTTLS is not allowed")
        _demand_ok((yield from session.command(b"STARTTLS")), "STARTTLS")
        yield from session.inbox.secure(check.starttls)
        session.capabilities = frozenset()
    if not session.capabilities:
        _demand_ok((yield from session.command(b"CAPABILITY")), "CAPABILITY")
    if not session.capabilities & {"IMAP4REV1", "IMAP4REV2"}:
        raise RefusalError("the server does not name IMAP4rev1 or IMAP4rev2 among its capabilities")
    if check.username is not None and not known:
        yield from session.log_in(check.username, secret)
    if check.mailbox is not None:
        command = b"EXAMINE " + _quoted(check.mailbox.encode())
        _demand_ok((yield from session.command(command)), f"mailbox {shown(check.mailbox)}")
    return Verdict(
        True,
        summary(
            str(greeting),
            "" if check.tls is None and check.starttls is None else "over TLS",
            "" if check.username is None or known else "logged in",
            "" if check.mailbox is None else f"{shown(check.mailbox)} opened",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """A status and its text; `+` is the status of a continuation request."""

    status: bytes
    text: bytes

    def __str__(self) -> str:
        # A response code such as [CAPABILITY …] is for programs; others say what the text may not.
        text = re.sub(rb"^\[(?i:CAPABILITY)[^]]*\] ?", b"", self.text)
        return f"{self.status.decode()} {shown(text)}".rstrip()


def _demand_ok(answer: _Answer, what: str) -> None:
    if answer.status != b"OK":
        raise RefusalError(f"{what} refused: {answer}")


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _can_be_quoted(text: bytes) -> bool:
    return text.isascii() and not any(byte in text for byte in b"\0\r\n")


class _Session:
    """What is known of the server on the other side. The methods are generators, and raise PeerError."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.capabilities: frozenset[str] = frozenset()
        self._commands = 0

    def greeting(self) -> Generator[Step, bytes, _Answer]:
        """Take the greeting (RFC 9051 section 7.1)."""
        line = yield from self.inbox.line(None, "a greeting")
        star, _, rest = line.partition(b" ")
        answer = _status(rest)
        if star != b"*" or answer is None or answer.status not in (b"OK", b"PREAUTH", b"BYE"):
            raise PeerError(f"not an IMAP greeting: '{shown(line)}'")
        if answer.status == b"BYE":
            raise PeerError(f"the server says {answer}")
        self._note(answer)
        return answer

    def command(self, text: bytes, seen: bytes | None = None) -> Generator[Step, bytes, _Answer]:
        """Give a command and take its last line, or a request to go on. `seen` is what evidence may show of it."""
        self._commands += 1
        tag = b"a%d " % self._commands
        shown_line = None if seen is None else tag + seen + b"\r\n"
        step = Step(tag + text + b"\r\n", shown=shown_line)
        return (yield from self._answer(step, f"the answer to {text.partition(b' ')[0].decode()}"))

    def log_in(self, username: str, secret: bytes) -> Generator[Step, bytes, None]:
        """Log in by AUTHENTICATE PLAIN where it is offered, else by LOGIN."""
        message = sasl_plain(username, secret)
        if "AUTH=PLAIN" in self.capabilities:
            if "SASL-IR" in self.capabilities:
                answer = yield from self.command(b"AUTHENTICATE PLAIN " + message, b"AUTHENTICATE PLAIN ***")
            else:
                answer = yield from self.command(b"AUTHENTICATE PLAIN")
                answer = yield from self._more(answer, message, b"***")
        elif "LOGINDISABLED" in self.capabilities:
            raise RefusalError("the server allows no login here (LOGINDISABLED); is TLS missing?")
        else:
            answer = yield from self._login(username.encode(), secret)
        if answer.status == b"OK":
            return
        answer = _Answer(answer.status, hidden(answer.text, message, secret))
        if b"[UNAVAILABLE]" in answer.text.upper():
            raise RefusalError(f"the server cannot check credentials now: {answer}")
        raise RefusalError(f"the server refused the credentials: {answer}")

    def _login(self, name: bytes, secret: bytes) -> Generator[Step, bytes, _Answer]:
        if _can_be_quoted(name) and _can_be_quoted(secret):
            visible = b"LOGIN " + _quoted(name) + b" ***"
            return (yield from self.command(b"LOGIN " + _quoted(name) + b" " + _quoted(secret), visible))
        # RFC 9051 section 4.3: what cannot be quoted goes as literals, each once the server asks for it.
        answer = yield from self.command(b"LOGIN {%d}" % len(name))
        answer = yield from self._more(answer, name + b" {%d}" % len(secret), name + b" {***}")
        return (yield from self._more(answer, secret, b"***"))

    def _more(self, answer: _Answer, text: bytes, seen: bytes) -> Generator[Step, bytes, _Answer]:
        if answer.status != b"+":
            return answer
        return (yield from self._answer(Step(text + b"\r\n", shown=seen + b"\r\n"), "the answer to a login"))

    def _answer(self, step: Step, what: str) -> Generator[Step, bytes, _Answer]:
        tag, size, first = b"a%d" % self._commands, 0, step
        sent: Step | None = first
        while True:
            line = yield from self._response(sent, what, MOST_BYTES - size)
            sent = None
            size += len(line) + 2
            head, _, rest = line.partition(b" ")
            if head == b"+":
                return _Answer(b"+", rest)
            answer = _status(rest)
            if head not in (b"*", tag) or (head == tag and answer is None):
                raise PeerError(f"not an IMAP response: '{shown(line)}'")
            if answer is not None:
                self._note(answer)
                if answer.status == b"BYE":
                    raise PeerError(f"the server says {answer}")
                if head == tag:
                    return answer
            elif rest[:11].upper() == b"CAPABILITY ":
                self.capabilities = _words(rest[11:])

    def _response(self, first: Step | None, what: str, room: int) -> Generator[Step, bytes, bytes]:
        """Take one response with the literals in it (RFC 9051 section 4.3), no more than `room` bytes of it."""
        line = yield from self.inbox.line(first, what)
        may_have_literals = line.startswith(b"* ") and _status(line[2:]) is None
        whole = bytearray(line)
        while len(whole) <= room:
            literal = LITERAL.search(line) if may_have_literals else None
            if literal is None:
                return bytes(whole)
            size = int(literal[1])
            if size > room:
                break
            data = yield from self.inbox.exactly(size, None, what)
            line = yield from self.inbox.line(None, what)
            whole += data + line
        raise PeerError(f"the server sent more than {MOST_BYTES} bytes in one answer")

    def _note(self, answer: _Answer) -> None:
        code = re.match(rb"\[CAPABILITY ([^]]*)\]", answer.text, re.IGNORECASE)
        if code is not None and answer.status in (b"OK", b"PREAUTH"):
            self.capabilities = _words(code[1])


def _status(text: bytes) -> _Answer | None:
    word, _, rest = text.partition(b" ")
    return _Answer(word.upper(), rest) if word.upper() in STATUSES else None


def _words(text: bytes) -> frozenset[str]:
    return frozenset(text.decode("latin-1").upper().split())
