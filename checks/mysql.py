"""`mysql`: the server's greeting; with a user a login, and then a query or the server's role. For MariaDB, too.

The greeting alone says that the server takes connections, but the server counts a connection without a login as an
error of this host's, and blocks the host after max_connect_errors of them without a login between. Give the check a
user, which needs no rights.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Choice, Matching, Record, Text, option
from checks.wire import mysql as wire
from checks.wire.inbox import PeerError, judged
from checks.wire.sessions import password, password_fault
from checks.wire.showing import shown

QUIT, QUERY = b"\x01", b"\x03"
FAST_PASS, FULL_LOGIN = 3, 4
MOST_SWITCHES = 3
READ_ONLY = "SELECT @@global.read_only"

NAME = Matching(r"[^\x00]+", "a name")
SQL = Matching(r"[^\x00]+", "an SQL query")


@dataclass(frozen=True, slots=True)
class Mysql(Check):
    """Take the greeting of MySQL or MariaDB; with a user, log in, and ask a query or for the server's role."""

    type: ClassVar[str] = "mysql"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = mysql", "haproxy": "option mysql-check"}

    username: str | None = option(
        NAME,
        "The user to log in as; without one, each probe counts towards the server's max_connect_errors.",
        None,
        ldirectord="login",
        haproxy="user",
    )
    password_file: str | None = option(
        FILE,
        "File with the user's password, with which caching_sha2_password wants starttls, too; default: an empty one.",
        None,
        ldirectord="passwd (the password itself)",
    )
    database: str | None = option(NAME, "The database to use after the login.", None, ldirectord="database")
    query: str | None = option(SQL, "SQL that must return a row.", None, ldirectord="request")
    expect: str | None = option(Text(empty=True), "What the first column of the query's first row must be.", None)
    role: str | None = option(
        Choice(("writable", "read-only")), "What the server must be, by its variable read_only.", None
    )
    starttls: Tls | None = option(Record(Tls), "Begin TLS before the login; {} for every default.", None)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.username is None:
            for name in ("password_file", "database", "query", "role", "starttls"):
                if getattr(self, name) is not None:
                    yield name, "needs a login; give username"
        if self.query is not None and self.role is not None:
            yield "query", "the role is asked for by a query of its own; keep one of the two"
        if self.expect is not None and self.query is None:
            yield "expect", "what is expected of which query?"
        if self.query is not None and len(self.query.encode()) >= wire.LONGEST_SENT:
            yield "query", f"at most {wire.LONGEST_SENT - 1} bytes can be sent"

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, protocol="MySQL")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  every server is asked the same
        """Hear the greeting, and go on as the options say. May raise UnusableError."""
        return judged(_converse(self, password(self.password_file, protocol="MySQL")))


def _converse(check: Mysql, secret: bytes) -> Conversation:
    packets = wire.Packets(secret)
    greeting = wire.greeting((yield from packets.take(None, "a greeting")))
    if check.username is None:
        return Verdict(True, f"greeting of {greeting.version}")
    if greeting.capabilities & wire.NEEDED != wire.NEEDED:
        raise PeerError(f"{greeting.version} is too old for a login")
    yield from _log_in(check, check.username, packets, greeting, secret)
    try:
        reason = yield from _asked(check, packets)
        verdict = Verdict(True, reason or f"logged in to {greeting.version}")
    except PeerError as error:
        verdict = Verdict(False, str(error))
    yield Step(packets.command(QUIT), at_least=0)  # without it the server's log has a line for every probe
    return verdict


def _asked(check: Mysql, packets: wire.Packets) -> Generator[Step, bytes, str]:
    """Ask what is to be asked after the login; return the reason of a pass. Raise PeerError."""
    if check.role is not None:
        return (yield from _role(check.role, packets))
    if check.query is not None:
        return (yield from _query(check, check.query, packets))
    return ""


def _log_in(
    check: Mysql, username: str, packets: wire.Packets, greeting: wire.Greeting, secret: bytes
) -> Generator[Step, bytes, None]:
    flags = wire.LONG_PASSWORD | wire.LONG_FLAG | wire.TRANSACTIONS | wire.NEEDED | wire.PLUGINS
    if check.database is not None:
        flags |= wire.WITH_DATABASE
    if check.starttls is not None:
        if not greeting.capabilities & wire.TLS:
            raise PeerError("the server offers no TLS")
        flags |= wire.TLS
    head = flags.to_bytes(4, "little") + wire.MOST_BYTES.to_bytes(4, "little") + bytes((wire.UTF8,)) + bytes(23)
    if check.starttls is not None:
        yield Step(packets.packet(head), at_least=0)
        yield from packets.inbox.secure(check.starttls)
    plugin = greeting.plugin if greeting.plugin == wire.CACHING else wire.NATIVE
    proof = wire.scramble(plugin, secret, greeting.salt)
    user = username.encode() + b"\0"
    database = b"" if check.database is None else check.database.encode() + b"\0"
    login = head + user + bytes((len(proof),)) + proof + database + plugin + b"\0"
    answer = yield from packets.take(Step(packets.packet(login), shown=b"login of " + username.encode()))
    yield from _proven(check, packets, secret, answer)


def _proven(check: Mysql, packets: wire.Packets, secret: bytes, answer: bytes) -> Generator[Step, bytes, None]:
    """Answer what the server still asks for, until it says OK. Raise PeerError."""
    for _ in range(MOST_SWITCHES):
        if answer[0] == wire.OK:
            return
        if answer[0] == wire.SWITCH:
            name, _, salt = answer[1:].partition(b"\0")
            if name not in (wire.NATIVE, wire.CACHING):
                raise PeerError(f"the user logs in by {shown(name) or 'the oldest method'}, which is not spoken here")
            answer = yield from packets.take(_hidden(packets, wire.scramble(name, secret, salt)))
        elif answer == bytes((wire.MORE, FAST_PASS)):
            answer = yield from packets.take()
        elif answer == bytes((wire.MORE, FULL_LOGIN)):
            if check.starttls is None:
                raise PeerError(
                    "the server wants the password itself, as caching_sha2_password does before it has cached a login; "
                    "it is sent over TLS only (starttls)"
                )
            answer = yield from packets.take(_hidden(packets, secret + b"\0"))
        else:
            break
    if answer[0] != wire.OK:
        raise PeerError("the server answered the login with something else than yes or no")


def _hidden(packets: wire.Packets, content: bytes) -> Step:
    return Step(packets.packet(content), shown=b"***")


def _role(role: str, packets: wire.Packets) -> Generator[Step, bytes, str]:
    value = yield from _first_value(packets, READ_ONLY)
    found = "writable" if value in (b"0", b"OFF") else "read-only"
    if found != role:
        raise PeerError(f"the server is {found}, expected {role}")
    return f"the server is {found}"


def _query(check: Mysql, query: str, packets: wire.Packets) -> Generator[Step, bytes, str]:
    found = yield from _first_value(packets, query)
    value = "NULL" if found is None else f"'{shown(found)}'"
    if check.expect is not None and found != check.expect.encode():
        raise PeerError(f"the query gave {value}, expected '{shown(check.expect)}'")
    return f"the query gave {value}"


def _first_value(packets: wire.Packets, query: str) -> Generator[Step, bytes, bytes | None]:
    """Ask, and return the first column of the first row, None for NULL. Raise PeerError where there is no row."""
    answer = yield from packets.take(Step(packets.command(QUERY + query.encode())))
    count = wire.columns(answer)
    if not count:
        raise PeerError("the query gave no row")
    for _ in range(count):
        yield from packets.take()
    if not wire.is_end((yield from packets.take())):
        raise PeerError("the server sent more columns than it had announced")
    row = yield from packets.take()
    if wire.is_end(row):
        raise PeerError("the query gave no row")
    return wire.first_value(row)
