"""`redis`: PING to a Redis or Valkey server, after AUTH and with its role if asked (https://redis.io/docs, RESP2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Choice, Record, option
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.resp import Problem, Value, command, value
from checks.wire.sessions import USERNAME, hidden, password, password_fault
from checks.wire.showing import shown

PROBLEMS = {
    "NOAUTH": "the server asks for a password",
    "WRONGPASS": "the server refused the credentials",
    "NOPERM": "the user is not permitted to do this",
    "LOADING": "the server is still loading its data",
    "MASTERDOWN": "the link with the master is down, and stale data is not served",
    "BUSY": "the server is busy with a script",
    "MISCONF": "the server cannot save its data to disk",
    "DENIED": "the server is in protected mode",
}
"""What the first word of an error means to an operator; the server's own sentence follows."""


@dataclass(frozen=True, slots=True)
class Redis(Check):
    """PING, with a password if the server has one, and with the role that the server must have."""

    type: ClassVar[str] = "redis"
    known_as: ClassVar[dict[str, str]] = {"haproxy": "option redis-check"}

    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    username: str | None = option(USERNAME, "Log in as this user of the ACL; default: the default user.", None)
    password_file: str | None = option(FILE, "File that holds the password; default: no AUTH is said.", None)
    role: Literal["master", "replica", "sentinel"] | None = option(
        Choice(("master", "replica", "sentinel")), "The role that the server must say it has (ROLE).", None
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.username is not None and self.password_file is None:
            yield "username", "there is no password_file to go with it"

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, without=b"")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Say AUTH, PING and ROLE in one go, and judge the answers."""
        secret = None if self.password_file is None else password(self.password_file, without=b"")
        return judged(_talk(self, secret))


def _talk(check: Redis, secret: bytes | None) -> Conversation:
    inbox = Inbox()
    login, visible = b"", b""
    if secret is not None:
        user = () if check.username is None else (check.username.encode(),)
        login, visible = command(b"AUTH", *user, secret), command(b"AUTH", *user, b"***")
    questions = command(b"PING") if check.role is None else command(b"PING") + command(b"ROLE")
    first: Step | None = Step(login + questions, shown=visible + questions)
    if secret is not None:
        _demand((yield from value(inbox, first, "the answer to AUTH")), "OK", "AUTH", secret)
        first = None
    _demand((yield from value(inbox, first, "the answer to PING")), "PONG", "PING")
    if check.role is None:
        return Verdict(True, "PONG")
    return _judge_role(check.role, (yield from value(inbox, None, "the answer to ROLE")))


def _demand(found: Value, expected: str, name: str, secret: bytes = b"") -> None:
    if isinstance(found, Problem):
        found = Problem(hidden(found.text, secret))
    _raise_problem(found)
    if found != expected.encode():
        raise PeerError(f"{name} was answered with {_show(found)}, expected {expected}")


def _raise_problem(found: Value) -> None:
    if isinstance(found, Problem):
        words = PROBLEMS.get(found.text.partition(b" ")[0].decode("latin-1"), "the server reports an error")
        raise PeerError(f"{words}: {shown(found.text)}")


def _judge_role(wanted: str, found: Value) -> Verdict:
    _raise_problem(found)
    if not isinstance(found, list) or not found or not isinstance(found[0], bytes):
        raise PeerError(f"ROLE was answered with {_show(found)}")
    # Redis says `slave` where its documentation says replica.
    role = {b"slave": "replica"}.get(found[0]) or shown(found[0])
    if role != wanted:
        return Verdict(False, f"the server is {role}, expected {wanted}")
    if role != "replica" or len(found) < 4 or found[3] == b"connected":
        return Verdict(True, f"PONG, {role}")
    return Verdict(True, "PONG, replica", f"the link with its master is in state {_show(found[3])}")


def _show(found: Value) -> str:
    match found:
        case bytes():
            return f"'{shown(found)}'"
        case list():
            return f"a list of {len(found)}"
        case None:
            return "nothing"
        case Problem(text):
            return f"'{shown(text)}'"
        case _:
            return str(found)
