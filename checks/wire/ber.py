"""The few lines of BER that LDAP needs: definite lengths and one-byte tags (RFC 4511 section 5.1, X.690 section 8)."""

from collections.abc import Generator, Iterator

from checks import Step
from checks.wire.inbox import Inbox, PeerError

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
LONG = 0x80
MOST_LENGTH_BYTES = 4


class MalformedError(PeerError):
    """These bytes are no BER, or not what was due; the text says in which way."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"malformed message: {fault}")


def parts(data: bytes, *tags: int | None) -> list[bytes]:
    """Return the contents of all elements, of which the first have these tags (None: any). Raise MalformedError."""
    found = list(elements(data))
    for at, tag in enumerate(tags):
        if at >= len(found) or tag not in (None, found[at][0]):
            raise MalformedError("an element is missing")
    return [content for _, content in found]


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element with these contents, its length in the fewest bytes."""
    content = b"".join(parts)
    size = len(content)
    if size < LONG:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, LONG | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a whole number in two's complement (X.690 section 8.3)."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def number(content: bytes) -> int:
    """Return what an INTEGER or ENUMERATED of at most 4 bytes says. Raise MalformedError."""
    if not 1 <= len(content) <= 4:
        raise MalformedError(f"a number of {len(content)} bytes")
    return int.from_bytes(content, "big", signed=True)


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each element, one behind the other. Raise MalformedError."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MalformedError("an element breaks off")
        tag, size = data[at], data[at + 1]
        at += 2
        if size >= LONG:
            more = size & ~LONG
            if not 1 <= more <= MOST_LENGTH_BYTES or at + more > len(data):
                raise MalformedError("a length breaks off")
            size = int.from_bytes(data[at : at + more], "big")
            at += more
        if at + size > len(data):
            raise MalformedError("an element breaks off")
        yield tag, data[at : at + size]
        at += size


def message(inbox: Inbox, most: int, first: Step | None, what: str) -> Generator[Step, bytes, bytes]:
    """Take one SEQUENCE from a stream and return its content; `first` goes out before.

    Raise PeerError, also where the announced length is above `most`, before any of it is waited for.
    """
    head = yield from inbox.exactly(2, first, what)
    if head[0] != SEQUENCE:
        raise PeerError("the server does not speak LDAP")
    size = head[1]
    if size >= LONG:
        more = size & ~LONG
        if not 1 <= more <= MOST_LENGTH_BYTES:
            raise PeerError("the server does not speak LDAP")
        size = int.from_bytes((yield from inbox.exactly(more, None, what)), "big")
    if size > most:
        raise PeerError(f"the server announced a message of {size} bytes; at most {most} are read")
    return (yield from inbox.exactly(size, None, what))
