"""Numeric replies, as SMTP and FTP give them: `220 ready`, or several lines from `220-` on to the last, `220 `."""

import re
from collections.abc import Generator
from dataclasses import dataclass

from checks import Step
from checks.wire.inbox import Inbox, PeerError
from checks.wire.sessions import hidden
from checks.wire.showing import shown

MOST_BYTES = 65536
"""What all lines of one reply may have together; the protocols set no bound."""
FORM = re.compile(rb"([1-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's code and the text of each line; `str` is how an operator reads it."""

    code: int
    lines: tuple[bytes, ...]

    def hiding(self, *secrets: bytes) -> "Reply":
        """Return the reply without these secrets in it."""
        return Reply(self.code, tuple(hidden(line, *secrets) for line in self.lines))

    def __str__(self) -> str:
        said = next((text for text in map(shown, self.lines) if text.strip()), "")
        return f"{self.code} {said}".rstrip()


def smtp_reply(inbox: Inbox, first: Step | None = None, what: str = "a reply") -> Generator[Step, bytes, Reply]:
    """Take a reply whose every line begins with its code (RFC 5321 section 4.2.1). Raise PeerError."""
    code, more, text = _parsed((yield from inbox.line(first, what)), "SMTP")
    lines, size = [text], _grown(0, text)
    while more:
        line = yield from inbox.line(None, f"the rest of {what}")
        size = _grown(size, line)
        other, more, text = _parsed(line, "SMTP")
        if other != code:
            raise PeerError(f"the server mixed {code} and {other} in one reply")
        lines.append(text)
    return Reply(code, tuple(lines))


def ftp_reply(inbox: Inbox, first: Step | None = None, what: str = "a reply") -> Generator[Step, bytes, Reply]:
    """Take a reply that ends at its code and a space, with any lines before (RFC 959 section 4.2). Raise PeerError."""
    code, more, text = _parsed((yield from inbox.line(first, what)), "FTP")
    lines, size = [text], _grown(0, text)
    end = b"%d" % code
    while more:
        line = yield from inbox.line(None, f"the rest of {what}")
        size = _grown(size, line)
        more = line != end and not line.startswith(end + b" ")
        lines.append(line.removeprefix(end).removeprefix(b"-").removeprefix(b" "))
    return Reply(code, tuple(lines))


def _parsed(line: bytes, protocol: str) -> tuple[int, bool, bytes]:
    match = FORM.fullmatch(line)
    if match is None:
        raise PeerError(f"not an {protocol} reply: '{shown(line)}'")
    return int(match[1]), match[2] == b"-", match[3] or b""


def _grown(size: int, line: bytes) -> int:
    size += len(line) + len(b"\r\n")
    if size > MOST_BYTES:
        raise PeerError(f"the server sent a reply of more than {MOST_BYTES} bytes")
    return size
