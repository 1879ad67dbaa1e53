"""RESP2, what Redis speaks: commands as arrays of bulk strings, and bounded replies."""

import re
from collections.abc import Generator
from dataclasses import dataclass

from checks import Step
from checks.wire.inbox import Inbox, PeerError
from checks.wire.showing import shown

MOST_BYTES = 65536
MOST_VALUES = 4096
"""What one reply may hold; a master names each of its replicas with four."""
DEPTH = 4
NUMBER = re.compile(rb"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error; its first word says which, by convention in capitals."""

    text: bytes


Value = bytes | int | Problem | None | list["Value"]


def command(*words: bytes) -> bytes:
    """Return a command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def value(inbox: Inbox, first: Step | None, what: str) -> Generator[Step, bytes, Value]:
    """Take one reply; `first` goes out before. Raise PeerError."""
    return (yield from _value(inbox, first, what, _Room(), DEPTH))


class _Room:
    """What one reply may still have."""

    def __init__(self) -> None:
        self.size = MOST_BYTES
        self.values = MOST_VALUES

    def take(self, size: int) -> None:
        self.size -= size
        self.values -= 1
        if self.size < 0 or self.values < 0:
            raise PeerError(f"the server sent a reply of more than {MOST_BYTES} bytes or {MOST_VALUES} values")


def _value(inbox: Inbox, first: Step | None, what: str, room: _Room, depth: int) -> Generator[Step, bytes, Value]:
    line = yield from inbox.line(first, what)
    room.take(len(line) + 2)
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        return Problem(rest)
    if kind not in (b":", b"$", b"*") or NUMBER.fullmatch(rest) is None:
        raise PeerError(f"not a Redis reply: '{shown(line)}'")
    number = int(rest)
    if kind == b":":
        return number
    if number < 0:
        return None
    if kind == b"$":
        room.take(number + 2)
        bulk = yield from inbox.exactly(number + 2, None, what)
        if bulk[-2:] != b"\r\n":
            raise PeerError(f"not a Redis reply: '{shown(bulk)}' should have ended after {number} bytes")
        return bulk[:-2]
    return (yield from _list(inbox, number, what, room, depth - 1))


def _list(inbox: Inbox, size: int, what: str, room: _Room, depth: int) -> Generator[Step, bytes, Value]:
    if depth < 0:
        raise PeerError(f"the server sent lists in lists, more than {DEPTH} deep")
    items: list[Value] = []
    for _ in range(size):
        item = yield from _value(inbox, None, what, room, depth)
        items.append(item)
    return items
