"""`postgres`: whether the server takes connections, a login, a query, its role (PostgreSQL's protocol 3.0).

The rules are those of "Frontend/Backend Protocol" in PostgreSQL's manual. Without a password, query or role the check
is what pg_isready(1) does: it asks to come in, and any answer but that of a sick server is a pass. A server that asks
for a password is left there and logs that the connection was reset; with a password the check logs in and says goodbye.
"""

import contextlib
import hashlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Choice, Matching, Record, Text, option
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.scram import Scram
from checks.wire.sessions import hidden, password, password_fault, tls_faults
from checks.wire.showing import shown

PROTOCOL_3 = 196608
TLS_REQUEST = bytes.fromhex("0000000804d2162f")
TERMINATE = b"X\x00\x00\x00\x04"
MOST_BYTES = 65536
"""The longest message that is read."""
TEXT = 0x09000000
"""From here on a length is four characters of another protocol's."""
KINDS = b"123ACDEGHIKNRSTVWZnstv"
MOST_MESSAGES = 256
"""How many messages may come where one answer is due."""
MOST_SHOWN = 120
"""Characters of an error's message that are told."""
SICK = ("53", "57P", "58", "XX")
"""SQLSTATEs of a server that cannot serve: no resources, starting up or shutting down, system error, internal error."""
OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
ASKS_FOR = {2: "Kerberos", CLEARTEXT: "a password", MD5: "a password (md5)", 7: "GSSAPI", 9: "SSPI", SASL: "SCRAM"}
SCRAM_SHA_256 = b"SCRAM-SHA-256"
IN_RECOVERY = "SELECT pg_catalog.pg_is_in_recovery()"
ROLES = {b"f": "primary", b"t": "standby"}

NAME = Matching(r"[^\x00]+", "a name")
SQL = Matching(r"[^\x00]+", "an SQL query")


@dataclass(frozen=True, slots=True)
class Postgres(Check):
    """Ask to come in like pg_isready; with a password, log in; then ask a query or for the server's role."""

    type: ClassVar[str] = "postgres"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = pgsql", "haproxy": "option pgsql-check"}

    username: str = option(NAME, "The user to come in as.", "healthlb", ldirectord="login", haproxy="user")
    password_file: str | None = option(
        FILE,
        "File with the user's password; without one the server logs a lost connection for each probe.",
        None,
        ldirectord="passwd (the password)",
    )
    database: str | None = option(
        NAME, "The database to connect to; default: the one named like the user.", None, ldirectord="database"
    )
    query: str | None = option(
        SQL, "SQL that must return a row; the login must succeed before.", None, ldirectord="request"
    )
    expect: str | None = option(Text(empty=True), "What the first column of the query's first row must be.", None)
    role: str | None = option(
        Choice(("primary", "standby")), "What the server must be, by pg_is_in_recovery() after the login.", None
    )
    starttls: Tls | None = option(
        Record(Tls), "Begin TLS by an SSLRequest before the login (sslmode); {} for every default.", None
    )
    tls: Tls | None = option(
        Record(Tls), "TLS from the first byte (PostgreSQL 17, sslnegotiation=direct); {} for every default.", None
    )

    def __post_init__(self) -> None:
        """Offer the protocol's name, which direct TLS demands."""
        if self.tls is not None and not self.tls.alpn:
            object.__setattr__(self, "tls", replace(self.tls, alpn=("postgresql",)))

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.query is not None and self.role is not None:
            yield "query", "the role is asked for by a query of its own; keep one of the two"
        if self.expect is not None and self.query is None:
            yield "expect", "what is expected of which query?"
        yield from tls_faults(self)

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, protocol="PostgreSQL")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  every server is asked the same
        """Ask to come in, and go on as the options say. May raise UnusableError."""
        return judged(_converse(self, password(self.password_file, protocol="PostgreSQL") or None))


def _converse(check: Postgres, secret: bytes | None) -> Conversation:
    talk = _Talk(secret or b"")
    if check.starttls is not None:
        yield from _request_tls(talk, check.starttls)
    fields = {"user": check.username, "database": check.database or check.username, "application_name": "healthlb"}
    startup = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in fields.items()) + b"\0"
    kind, content = yield from talk.message(Step(_sized(PROTOCOL_3.to_bytes(4, "big") + startup)))
    if secret is None and check.query is None and check.role is None:
        return (yield from _ready(talk, kind, content))
    yield from _log_in(check, talk, secret, kind, content)
    try:
        verdict = Verdict(True, (yield from _asked(check, talk)))
    except PeerError as error:
        verdict = Verdict(False, str(error))
    yield Step(TERMINATE, at_least=0)  # without it the server's log has a line for every probe
    return verdict


def _asked(check: Postgres, talk: "_Talk") -> Generator[Step, bytes, str]:
    """Ask what is to be asked after the login; return the reason of a pass. Raise PeerError."""
    if check.role is not None:
        return (yield from _role(check.role, talk))
    if check.query is not None:
        return (yield from _query(check, check.query, talk))
    return "logged in"


def _request_tls(talk: "_Talk", settings: Tls) -> Generator[Step, bytes, None]:
    answer = yield from talk.inbox.exactly(1, Step(TLS_REQUEST), "an answer to the request for TLS")
    if answer == b"N":
        raise PeerError("the server offers no TLS")
    if answer != b"S":
        raise PeerError("the server does not speak PostgreSQL")
    yield from talk.inbox.secure(settings)


def _ready(talk: "_Talk", kind: bytes, content: bytes) -> Conversation:
    """Judge the first answer as pg_isready(1) does, but count a server without resources as sick, too."""
    if kind == b"R":
        method = _method(kind, content)
        if method != OK:
            return Verdict(True, f"accepts connections and asks for {ASKS_FOR.get(method, f'login method {method}')}")
        kind, content = yield from talk.until(b"EZ")  # some limits are looked at after the login
        if kind == b"Z":
            yield Step(TERMINATE, at_least=0)
            return Verdict(True, "accepts connections")
    if kind != b"E":
        raise PeerError("the server does not speak PostgreSQL")
    state, message = _error(content)
    words = f"{state}: {message}"
    return Verdict(False, words) if state.startswith(SICK) else Verdict(True, f"answers: {words}")


def _log_in(
    check: Postgres, talk: "_Talk", secret: bytes | None, kind: bytes, content: bytes
) -> Generator[Step, bytes, None]:
    """Answer what the server asks for until it is ready for a query. Raise PeerError."""
    method = _method(kind, content)
    if method != OK:
        if secret is None:
            raise PeerError(f"the server asks for {ASKS_FOR.get(method, f'login method {method}')}; give password_file")
        if method == SASL:
            content = yield from _scram(talk, secret, content[4:])
        else:
            kind, content = yield from talk.message(_password(_plain(check, method, secret, content[4:])))
            if _method(kind, content) != OK:
                raise PeerError("the server asks for a second password")
    yield from talk.until(b"Z")


def _plain(check: Postgres, method: int, secret: bytes, salt: bytes) -> bytes:
    if method == MD5 and len(salt) == 4:
        inner = hashlib.md5(secret + check.username.encode(), usedforsecurity=False).hexdigest()
        return b"md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest().encode() + b"\0"
    if method == CLEARTEXT:
        if check.tls is None and check.starttls is None:
            raise PeerError("the server asks for the password in clear text, which is sent over TLS only")
        return secret + b"\0"
    raise PeerError(f"the server asks for {ASKS_FOR.get(method, f'login method {method}')}, which is not spoken here")


def _scram(talk: "_Talk", secret: bytes, offered: bytes) -> Generator[Step, bytes, bytes]:
    if SCRAM_SHA_256 not in offered.split(b"\0"):
        raise PeerError(f"the server offers no SCRAM-SHA-256 but {shown(offered.rstrip(bytes(1)))}")
    scram = Scram(secret)
    first = scram.first()
    start = SCRAM_SHA_256 + b"\0" + len(first).to_bytes(4, "big") + first
    challenge = yield from _sasl(talk, start, SASL_CONTINUE)
    scram.verify((yield from _sasl(talk, scram.final(challenge), SASL_FINAL)))
    kind, content = yield from talk.message()
    if _method(kind, content) != OK:
        raise PeerError("the server asks for a second password")
    return content


def _sasl(talk: "_Talk", content: bytes, due: int) -> Generator[Step, bytes, bytes]:
    kind, answer = yield from talk.message(_password(content))
    if _method(kind, answer) != due:
        raise PeerError("the server broke off the SCRAM exchange")
    return answer[4:]


def _password(content: bytes) -> Step:
    return Step(b"p" + _sized(content), shown=b"p***")


def _role(role: str, talk: "_Talk") -> Generator[Step, bytes, str]:
    row = yield from talk.first_row(IN_RECOVERY)
    found = ROLES.get(row or b"")
    if found is None:
        raise PeerError(f"pg_is_in_recovery() gave {'NULL' if row is None else shown(row)}")
    if found != role:
        raise PeerError(f"the server is a {found}, expected a {role}")
    return f"the server is a {found}"


def _query(check: Postgres, query: str, talk: "_Talk") -> Generator[Step, bytes, str]:
    row = yield from talk.first_row(query)
    value = "NULL" if row is None else f"'{shown(row)}'"
    if check.expect is not None and row != check.expect.encode():
        raise PeerError(f"the query gave {value}, expected '{shown(check.expect)}'")
    return f"the query gave {value}"


class _Talk:
    """One connection's messages; `secret` is left out of the server's errors."""

    def __init__(self, secret: bytes) -> None:
        self.inbox = Inbox()
        self._secret = secret

    def message(self, first: Step | None = None) -> Generator[Step, bytes, tuple[bytes, bytes]]:
        """Take a message's type and content, notices and settings left out; `first` goes out before.

        Raise PeerError, also where the announced length is above MOST_BYTES, before any of it is waited for.
        """
        step = first
        for _ in range(MOST_MESSAGES):
            head = yield from self.inbox.exactly(5, step, "an answer")
            step = None
            kind, size = head[:1], int.from_bytes(head[1:], "big") - 4
            if kind == b"E" and size >= TEXT:
                # "Message Formats" knows no such error, but a postmaster that cannot fork says so in protocol 2.
                line = head[1:] + (yield from self.inbox.line(None, "an error"))
                raise PeerError(f"the server cannot begin a session: {shown(hidden(line, self._secret), MOST_SHOWN)}")
            if kind not in KINDS or not 0 <= size < TEXT:
                raise PeerError("the server does not speak PostgreSQL")
            if size > MOST_BYTES:
                raise PeerError(f"the server announced a message of {size} bytes; at most {MOST_BYTES} are read")
            content = yield from self.inbox.exactly(size, None, "an answer")
            if kind == b"E":
                content = b"\0".join(each[:1] + hidden(each[1:], self._secret) for each in content.split(b"\0"))
            if kind not in b"NSAv":
                return kind, content
        raise PeerError(f"the server sent {MOST_MESSAGES} notices and no answer")

    def until(self, wanted: bytes, first: Step | None = None) -> Generator[Step, bytes, tuple[bytes, bytes]]:
        """Take messages until one of these types. Raise PeerError, for an error that is not wanted, too."""
        step = first
        for _ in range(MOST_MESSAGES):
            kind, content = yield from self.message(step)
            step = None
            if kind in wanted:
                return kind, content
            if kind == b"E":
                raise PeerError(": ".join(_error(content)))
        raise PeerError(f"the server sent {MOST_MESSAGES} messages and not the one that was due")

    def first_row(self, query: str) -> Generator[Step, bytes, bytes | None]:
        """Ask, and return the first column of the first row, None for NULL. Raise PeerError where there is no row."""
        kind, content = yield from self.until(b"DCEIZ", Step(b"Q" + _sized(query.encode() + b"\0")))
        if kind == b"E":
            with contextlib.suppress(PeerError):  # who hangs up before the server is ready again fills its log
                yield from self.until(b"Z")
            raise PeerError(": ".join(_error(content)))
        if kind != b"D":
            raise PeerError("the query gave no row")
        size = int.from_bytes(content[2:6], "big", signed=True)
        if content[:2] in (b"", b"\0", b"\0\0") or size > len(content) - 6:
            raise PeerError("the query gave a row without columns")
        return None if size < 0 else content[6 : 6 + size]


def _sized(content: bytes) -> bytes:
    return (len(content) + 4).to_bytes(4, "big") + content


def _method(kind: bytes, content: bytes) -> int:
    """Return which login an authentication message asks for. Raise PeerError, for an error of the server's, too."""
    if kind == b"E":
        raise PeerError(": ".join(_error(content)))
    if kind != b"R" or len(content) < 4:
        raise PeerError("the server does not speak PostgreSQL")
    return int.from_bytes(content[:4], "big")


def _error(content: bytes) -> tuple[str, str]:
    """Return an ErrorResponse's SQLSTATE and message. Raise PeerError."""
    fields = {field[:1]: field[1:] for field in content.split(b"\0")}
    if b"C" not in fields or b"M" not in fields:
        raise PeerError("the server sent an error without a code or a message")
    return shown(fields[b"C"], 5), shown(fields[b"M"], MOST_SHOWN)
