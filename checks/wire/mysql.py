"""Packets of MySQL's client/server protocol, version 10, as MySQL and MariaDB document it."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass

from checks import Step
from checks.wire.inbox import Inbox, PeerError
from checks.wire.sessions import hidden
from checks.wire.showing import shown

LONG_PASSWORD, LONG_FLAG, WITH_DATABASE, PROTOCOL_41 = 0x1, 0x4, 0x8, 0x200
TLS, TRANSACTIONS, SECURE_CONNECTION, PLUGINS = 0x800, 0x2000, 0x8000, 0x80000
NEEDED = PROTOCOL_41 | SECURE_CONNECTION
MOST_BYTES = 65536
"""The longest packet that is read."""
MOST_SHOWN = 120
"""Characters of an error's message that are told."""
LONGEST_SENT = (1 << 24) - 2
"""The longest packet that is sent; longer ones would have to be split."""
SALT = 20
OK, MORE, SWITCH, NULL, ERROR = 0x00, 0x01, 0xFE, 0xFB, 0xFF
NATIVE, CACHING = b"mysql_native_password", b"caching_sha2_password"
UTF8 = 45
"""utf8mb4_general_ci, which both servers know."""
BLOCKED, TOO_MANY = 1129, 1040


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server says first."""

    version: str
    capabilities: int
    plugin: bytes
    salt: bytes


class Packets:
    """One connection's packets, whose numbers go up by one from each side (0 begins anew).

    `secret` is left out of the server's errors.
    """

    def __init__(self, secret: bytes = b"") -> None:
        self.inbox = Inbox()
        self._secret = secret
        self._number = 0

    def packet(self, content: bytes) -> bytes:
        """Return the next packet to send."""
        data = len(content).to_bytes(3, "little") + bytes((self._number,)) + content
        self._number = (self._number + 1) & 0xFF
        return data

    def command(self, content: bytes) -> bytes:
        """Return a packet that begins a new exchange."""
        self._number = 0
        return self.packet(content)

    def take(self, first: Step | None = None, what: str = "an answer") -> Generator[Step, bytes, bytes]:
        """Take a packet; `first` goes out before. Raise PeerError, for an error of the server's, too."""
        step = Step(first.send, 4, first.shown) if first is not None else None
        head = yield from self.inbox.exactly(4, step, what)
        size = int.from_bytes(head[:3], "little")
        if head[3] != self._number or not size:
            raise PeerError("the server does not speak MySQL, or its packets are out of order")
        if size > MOST_BYTES:
            raise PeerError(f"the server announced a packet of {size} bytes; at most {MOST_BYTES} are read")
        self._number = (self._number + 1) & 0xFF
        content = yield from self.inbox.exactly(size, None, what)
        if content[0] == ERROR:
            raise PeerError(error(content[:3] + hidden(content[3:], self._secret)))
        return content


def error(content: bytes) -> str:
    """Return what an ERR packet says, in a sentence with its number."""
    code = int.from_bytes(content[1:3], "little")
    message = content[3:]
    if message.startswith(b"#"):
        message = message[6:]
    if code == BLOCKED:
        return f"the server blocks the director after too many connection errors ({code}); FLUSH HOSTS there ends it"
    if code == TOO_MANY:
        return f"the server has too many connections ({code})"
    return f"error {code}: {shown(message, MOST_SHOWN)}"


def greeting(content: bytes) -> Greeting:
    """Take a handshake packet of version 10 apart. Raise PeerError."""
    if content[0] != 10:
        raise PeerError(f"the server greets in version {content[0]} of MySQL's protocol, not 10")
    end = content.find(b"\0", 1)
    rest = content[end + 1 :]
    if end < 0 or len(rest) < 15:
        raise PeerError("malformed MySQL greeting")
    capabilities = int.from_bytes(rest[13:15], "little") | int.from_bytes(rest[18:20], "little") << 16
    salt = rest[4:12] + rest[31:43]
    plugin = rest[31 + max(13, rest[20] - 8) :].split(b"\0")[0] if len(rest) > 31 else b""
    return Greeting(shown(content[1:end].removeprefix(b"5.5.5-"), 40), capabilities, plugin or NATIVE, salt)


def scramble(plugin: bytes, password: bytes, salt: bytes) -> bytes:
    """Return the proof of a password for one of the two plugins; nothing for an empty one."""
    if not password:
        return b""
    if plugin == CACHING:
        stage = _sha256(password)
        return _xor(stage, _sha256(_sha256(stage) + salt[:SALT]))
    stage = _sha1(password)
    return _xor(stage, _sha1(salt[:SALT] + _sha1(stage)))


def columns(content: bytes) -> int:
    """Return of how many columns a query's result is, 0 for none. Raise PeerError."""
    if content[0] == OK:
        return 0
    if len(content) != 1 or content[0] > 250:
        raise PeerError("the server answered the query with something else than rows")
    return content[0]


def first_value(row: bytes) -> bytes | None:
    """Return a row's first column, None for NULL. Raise PeerError."""
    if row[0] == NULL:
        return None
    wide = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(row[0], 0)
    size = int.from_bytes(row[1 : 1 + wide], "little") if wide else row[0]
    value = row[1 + wide : 1 + wide + size]
    if len(value) != size:
        raise PeerError("the server sent a row that breaks off")
    return value


def is_end(packet: bytes) -> bool:
    """Say whether this is the EOF packet behind columns and rows."""
    return packet[0] == SWITCH and len(packet) < 9


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
