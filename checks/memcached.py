"""`memcached`: the version of a memcached server, after its ASCII authentication if asked (protocol.txt)."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Matching, Record, option
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.sessions import credential_faults, hidden, password, password_fault
from checks.wire.showing import shown

USERNAME = Matching(r"[^\x00-\x20:\x7f]+", "a user's name without spaces and colons")


@dataclass(frozen=True, slots=True)
class Memcached(Check):
    """Ask for the version, in the text protocol; with a login if the server has a password file (memcached -Y)."""

    type: ClassVar[str] = "memcached"

    tls: Tls | None = option(
        Record(Tls), "Speak TLS from the first byte; {} for every default.", None, haproxy="check-ssl"
    )
    username: str | None = option(USERNAME, "Log in as this user of the server's password file.", None)
    password_file: str | None = option(FILE, "File that holds the user's password.", None)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return credential_faults(self.username, self.password_file)

    def prepare(self) -> str | None:
        """Try the password's file."""
        return password_fault(self.password_file, without=b"\0\r\n", protocol="memcached's password file")

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Log in if asked, and ask for the version."""
        secret = password(self.password_file, without=b"\0\r\n", protocol="memcached's password file")
        return judged(_talk(self.username, secret))


def _talk(username: str | None, secret: bytes) -> Conversation:
    inbox = Inbox()
    if username is not None:
        # protocol.txt, Authentication: the credentials are "stored" under any key. A server without authentication
        # would really store them, where others may read them, were they not made to expire at once (-1).
        words = username.encode() + b" " + secret
        command = b"set healthlb 0 -1 %d\r\n" % len(words)
        visible = b"set healthlb 0 -1 ***\r\n" + username.encode() + b" ***\r\n"
        step = Step(command + words + b"\r\n", shown=visible)
        answer = hidden((yield from _answer(inbox, step, "the answer to the login")), secret)
        if answer != b"STORED":
            return Verdict(False, f"the server refused the credentials: {shown(answer)}")
    answer = yield from _answer(inbox, Step(b"version\r\n"), "the answer to version")
    if answer.startswith(b"VERSION "):
        return Verdict(True, shown(answer))
    if answer.startswith(b"CLIENT_ERROR unauthenticated"):
        return Verdict(False, f"the server asks for a login: {shown(answer)}")
    if answer.partition(b" ")[0] in (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"):
        return Verdict(False, f"the server reports an error: {shown(answer)}")
    return Verdict(False, f"not a memcached answer: '{shown(answer)}'")


def _answer(inbox: Inbox, step: Step, what: str) -> Generator[Step, bytes, bytes]:
    line = yield from inbox.line(step, what)
    if not line:
        raise PeerError(f"the server sent an empty line where {what} was due")
    return line
