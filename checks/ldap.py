"""`ldap`: a bind, anonymous or simple, and if wanted one entry that must be there (RFC 4511).

The messages are a dozen lines of BER. Every result that is not success is told with its code, its name (RFC 4511
section 4.1.9) and what the server adds to it.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Matching, Record, Text, option
from checks.wire import ber
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.secrets import secret, unreadable
from checks.wire.sessions import hidden, tls_faults
from checks.wire.showing import shown

BIND, BIND_DONE, UNBIND = 0x60, 0x61, 0x42
SEARCH, ENTRY, SEARCH_DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED, EXTENDED_DONE, INTERMEDIATE = 0x77, 0x78, 0x79
SIMPLE, PRESENT, REQUEST_NAME = 0x80, 0x87, 0x80
VERSION = 3
START_TLS = b"1.3.6.1.4.1.1466.20037"
MOST_BYTES = 65536
"""The longest message that is read."""
MOST_MESSAGES = 16
"""How many messages may come where one answer is due."""
NO_ATTRIBUTES = "1.1"

RESULTS = {
    1: "operations error",
    2: "protocol error",
    3: "time limit exceeded",
    7: "authentication method not supported",
    8: "stronger authentication required",
    10: "referral",
    11: "administrative limit exceeded",
    13: "confidentiality required",
    16: "no such attribute",
    32: "no such object",
    34: "invalid DN syntax",
    48: "inappropriate authentication",
    49: "invalid credentials",
    50: "insufficient access rights",
    51: "busy",
    52: "unavailable",
    53: "unwilling to perform",
    80: "internal error",
}

ATTRIBUTE = Matching(r"[A-Za-z0-9][A-Za-z0-9.;-]*", "an attribute's name or OID")


@dataclass(frozen=True, slots=True)
class Ldap(Check):
    """Bind, anonymously or with a password, and look for an entry if one is named."""

    type: ClassVar[str] = "ldap"
    known_as: ClassVar[dict[str, str]] = {
        "ldirectord": "service = ldap, service = ldaps",
        "haproxy": "option ldap-check",
    }

    bind_dn: str | None = option(Text(), "Who to bind as; default: anonymously.", None, ldirectord="login")
    password_file: str | None = option(
        FILE, "File with the password of bind_dn.", None, ldirectord="passwd (the password itself)"
    )
    base: str | None = option(
        Text(empty=True), "An entry that must be found; '' for the server's own (root DSE).", None, ldirectord="request"
    )
    attribute: str | None = option(ATTRIBUTE, "An attribute that the entry must have.", None)
    expect: str | None = option(
        Text(), "A value that the attribute must have, compared byte by byte as UTF-8.", None, ldirectord="receive"
    )
    starttls: Tls | None = option(
        Record(Tls), "Begin TLS by the StartTLS operation before the bind; {} for every default.", None
    )
    tls: Tls | None = option(Record(Tls), "TLS from the first byte (ldaps); {} for every default.", None)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.password_file is not None and self.bind_dn is None:
            yield "password_file", "a password needs bind_dn"
        if self.bind_dn is not None and self.password_file is None:
            yield "bind_dn", "a bind needs password_file: without a password it is anonymous (RFC 4513 section 5.1.2)"
        if self.attribute is not None and self.base is None:
            yield "attribute", "which entry's? name it in base"
        if self.expect is not None and self.attribute is None:
            yield "expect", "which attribute's value? name it in attribute"
        yield from tls_faults(self)

    def prepare(self) -> str | None:
        """Try the password's file."""
        return unreadable("password_file", self.password_file)

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  every server is asked the same
        """Begin TLS if asked, bind, search, unbind. May raise UnusableError."""
        password = b"" if self.password_file is None else secret("password_file", self.password_file)
        return judged(_converse(self, password))


def _converse(check: Ldap, password: bytes) -> Conversation:
    talk = _Talk()
    if check.starttls is not None:
        content = yield from talk.ask(EXTENDED, EXTENDED_DONE, ber.element(REQUEST_NAME, START_TLS))
        _succeeded("StartTLS", content)
        yield from talk.inbox.secure(check.starttls)
    try:
        verdict = Verdict(True, (yield from _asked(check, talk, password)))
    except PeerError as error:
        verdict = Verdict(False, str(error))
    yield Step(talk.message(UNBIND), at_least=0)
    return verdict


def _asked(check: Ldap, talk: "_Talk", password: bytes) -> Generator[Step, bytes, str]:
    """Bind and search; return the reason of a pass. Raise PeerError."""
    name = (check.bind_dn or "").encode()
    identity = ber.integer(VERSION) + ber.element(ber.OCTETS, name)
    content = yield from talk.ask(
        BIND,
        BIND_DONE,
        identity + ber.element(SIMPLE, password),
        shown_as=identity + ber.element(SIMPLE, b"***") if password else None,
    )
    _succeeded("bind" if name else "anonymous bind", content, password)
    if check.base is not None:
        return (yield from _search(check, talk))
    return f"bound as {shown(name)}" if name else "anonymous bind accepted"


def _search(check: Ldap, talk: "_Talk") -> Generator[Step, bytes, str]:
    """Look for the one entry (scope baseObject); return the reason of a pass. Raise PeerError."""
    base = (check.base or "").encode()
    entries: list[bytes] = []
    content = yield from talk.ask(
        SEARCH,
        SEARCH_DONE,
        ber.element(ber.OCTETS, base)
        + ber.integer(0, ber.ENUMERATED)  # scope: baseObject
        + ber.integer(0, ber.ENUMERATED)  # aliases are not followed
        + ber.integer(1)  # entries at most
        + ber.integer(0)  # seconds at most: the probe has a deadline
        + ber.element(0x01, b"\x00" if check.expect is not None else b"\xff")  # names only
        + ber.element(PRESENT, b"objectClass")
        + ber.element(ber.SEQUENCE, ber.element(ber.OCTETS, (check.attribute or NO_ATTRIBUTES).encode())),
        entries=entries,
    )
    place = shown(base) if base else "the root DSE"
    _succeeded(f"search for {place}", content)
    if not entries:
        raise PeerError(f"{place} was not found, or may not be read")
    if check.attribute is None:
        return f"{place} is there"
    values = _values(entries[0])
    if values is None:
        raise PeerError(f"{place} has no attribute {check.attribute}, or it may not be read")
    if check.expect is None:
        return f"{place} has {check.attribute}"
    if check.expect.encode() not in values:
        found = f"'{shown(values[0])}'" if len(values) == 1 else f"{len(values) or 'no'} values"
        raise PeerError(f"{check.attribute} of {place} is not '{shown(check.expect)}' but {found}")
    return f"{check.attribute} of {place} is '{shown(check.expect)}'"


class _Talk:
    """One connection's messages, numbered."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._last = 0

    def message(self, tag: int, content: bytes = b"") -> bytes:
        """Return a request as a message with the next number."""
        return ber.element(ber.SEQUENCE, ber.integer(self._last + 1), ber.element(tag, content))

    def ask(
        self,
        tag: int,
        answer: int,
        content: bytes,
        *,
        shown_as: bytes | None = None,
        entries: list[bytes] | None = None,
    ) -> Generator[Step, bytes, bytes]:
        """Send a request and return the content of its answer; search entries before it go to `entries`.

        Raise PeerError.
        """
        evidence = None if shown_as is None else self.message(tag, shown_as)
        step: Step | None = Step(self.message(tag, content), shown=evidence)
        self._last += 1
        for _ in range(MOST_MESSAGES):
            data = yield from ber.message(self.inbox, MOST_BYTES, step, "an LDAP answer")
            step = None
            identifier, got, inner = _opened(data)
            if identifier == 0 and got == EXTENDED_DONE:
                # RFC 4511 section 4.4.1: notice of disconnection
                _succeeded("the server hung up", inner)
                raise PeerError("the server hung up")
            if identifier != self._last:
                raise PeerError(f"the server answered request {identifier}, not {self._last}")
            if got == answer:
                return inner
            if entries is None or got not in (ENTRY, REFERENCE, INTERMEDIATE):
                raise PeerError(f"the server answered with an LDAP message of another kind (tag {got:#04x})")
            if got == ENTRY:
                entries.append(inner)
        raise PeerError(f"the server sent {MOST_MESSAGES} messages and no end of the search")


def _opened(data: bytes) -> tuple[int, int, bytes]:
    """Return a message's number, its operation's tag, and the operation's content. Raise PeerError."""
    identifier, operation, *_ = ber.parts(data, ber.INTEGER, None)
    return ber.number(identifier), list(ber.elements(data))[1][0], operation


def _succeeded(what: str, content: bytes, password: bytes = b"") -> None:
    """Raise PeerError unless this is an LDAPResult (RFC 4511 section 4.1.9) that says success."""
    result, _, message, *_ = ber.parts(content, ber.ENUMERATED, None, None)
    code = ber.number(result)
    if code:
        name = RESULTS.get(code)
        words = f"{name} ({code})" if name else f"result code {code}"
        raise PeerError(f"{what}: {words}: {shown(hidden(message, password))}" if message else f"{what}: {words}")


def _values(entry: bytes) -> list[bytes] | None:
    """Return the values of an entry's attributes, or None where it has no attribute at all. Raise PeerError."""
    _, attributes, *_ = ber.parts(entry, None, None)
    if not attributes:
        return None
    return [value for attribute in ber.parts(attributes) for value in ber.parts(ber.parts(attribute, None, None)[1])]
