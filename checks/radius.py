"""`radius`: an Access-Request or a Status-Server, and a reply that only the secret's owner can have made.

RFC 2865, RFC 5997. Every request carries a Message-Authenticator (RFC 3579 section 3.2), which stands first; one in a
reply is verified, and can be demanded: without it replies can be forged from others (CVE-2024-3596, BlastRADIUS), by
who sits between. What does not verify is ignored (RFC 2865 section 3): anyone may have sent it.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import FILE, CarrierName, Check, Conversation, Target, UnusableError, Verdict
from checks.options import Boolean, Choice, Duration, Integer, Matching, option
from checks.wire.inbox import PeerError, judged
from checks.wire.repeating import Repeated
from checks.wire.secrets import secret, unreadable
from checks.wire.sessions import hidden
from checks.wire.showing import shown

ACCESS_REQUEST, STATUS_SERVER = 1, 12
ACCEPT, REJECT, ACCOUNTING, CHALLENGE = 2, 3, 5, 11
NAMES = {ACCEPT: "accept", REJECT: "reject", ACCOUNTING: "accounting-response", CHALLENGE: "challenge"}
USER_NAME, USER_PASSWORD, REPLY_MESSAGE, NAS_IDENTIFIER, MESSAGE_AUTHENTICATOR = 1, 2, 18, 32, 80
HEADER = 20
LONGEST = 4096
"""Bytes of a packet (RFC 2865 section 3)."""
LONGEST_PASSWORD = 128
LONGEST_VALUE = 253

NAME = Matching(r"[^\x00]{1,253}", "a user's name")


class ForgedError(Exception):
    """A packet that does not answer this request, or was not made with the secret."""


@dataclass(frozen=True, slots=True)
class Radius(Check):
    """Ask a RADIUS server for its status, or whether a user may come in."""

    type: ClassVar[str] = "radius"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = radius"}

    secret_file: str = option(FILE, "File with the secret shared with the server.", ldirectord="secret (the secret)")
    kind: str = option(
        Choice(("status-server", "access-request")),
        "What is asked: the server's status (RFC 5997), or access for username.",
        "status-server",
    )
    username: str | None = option(NAME, "The user of an access-request.", None, ldirectord="login")
    password_file: str | None = option(
        FILE, "File with the user's password, sent by PAP.", None, ldirectord="passwd (the password itself)"
    )
    expect: str = option(Choice(("accept", "reject", "any")), "The answer to an access-request that passes.", "accept")
    require_message_authenticator: bool = option(
        Boolean(), "Whether a reply without a Message-Authenticator, which can be forged, is a failure.", False
    )
    resend: float = option(Duration(0.02, 3600.0), "How long to wait for a reply before asking again.", 0.4)
    tries: int = option(Integer(1, 16), "How often to ask; the last time, the rest of the timeout is waited.", 3)

    @property
    def carrier(self) -> CarrierName:
        """Return what carries the request."""
        return "datagram"

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.kind == "access-request":
            for name in ("username", "password_file"):
                if getattr(self, name) is None:
                    yield name, "an access-request needs username and password_file"
            if self.username is not None and len(self.username.encode()) > LONGEST_VALUE:
                yield "username", f"at most {LONGEST_VALUE} bytes (RFC 2865 section 5)"
        else:
            for name in ("username", "password_file"):
                if getattr(self, name) is not None:
                    yield name, "a server's status is asked for without a user; say kind: access-request"
            if self.expect != "accept":
                yield "expect", "a server's status has one answer; say kind: access-request to choose"

    def prepare(self) -> str | None:
        """Try the files."""
        return unreadable("secret_file", self.secret_file) or unreadable("password_file", self.password_file)

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  every server is asked the same
        """Ask and judge. May raise UnusableError."""
        shared = secret("secret_file", self.secret_file)
        password = b"" if self.password_file is None else secret("password_file", self.password_file)
        if len(password) > LONGEST_PASSWORD:
            raise UnusableError(f"password_file: at most {LONGEST_PASSWORD} bytes can be sent (RFC 2865 section 5.2)")
        return judged(_converse(self, _Request(self, shared, password)))


def _converse(check: Radius, request: "_Request") -> Conversation:
    # The authenticators beside what they are made from let whoever reads the evidence try secrets at leisure.
    asked = "Status-Server" if check.username is None else f"Access-Request for {check.username}"
    asking = Repeated(request.packet, check.resend, check.tries, shown=asked.encode())
    while True:
        data = yield from asking.datagram()
        try:
            code, attributes = request.opened(data)
        except ForgedError:
            continue
        if check.require_message_authenticator and MESSAGE_AUTHENTICATOR not in attributes:
            raise PeerError("the reply has no Message-Authenticator, so it may be forged (CVE-2024-3596, BlastRADIUS)")
        return _judge(check, code, hidden(attributes.get(REPLY_MESSAGE, b""), request.password))


def _judge(check: Radius, code: int, message: bytes) -> Verdict:
    name = NAMES.get(code, f"code {code}")
    told = f"{name}: {shown(message)}" if message else name
    if check.kind == "status-server":
        return Verdict(code in (ACCEPT, ACCOUNTING), "the server is up" if code in (ACCEPT, ACCOUNTING) else told)
    if check.expect == "any":
        return Verdict(code in (ACCEPT, REJECT, CHALLENGE), told)
    return Verdict(name == check.expect, told if name == check.expect else f"{told}, expected {check.expect}")


class _Request:
    """One request: its packet, and the test of what claims to be its reply."""

    def __init__(self, check: Radius, shared: bytes, password: bytes) -> None:
        self.password = password
        self._secret = shared
        self._number = os.urandom(1)
        self._authenticator = os.urandom(16)
        attributes = _attribute(NAS_IDENTIFIER, b"healthlb")
        code = STATUS_SERVER
        if check.kind == "access-request":
            code = ACCESS_REQUEST
            attributes += _attribute(USER_NAME, (check.username or "").encode())
            attributes += _attribute(USER_PASSWORD, obscured(password, shared, self._authenticator))
        zeroed = _attribute(MESSAGE_AUTHENTICATOR, bytes(16))
        size = HEADER + len(zeroed) + len(attributes)
        header = bytes((code,)) + self._number + size.to_bytes(2, "big") + self._authenticator
        proof = _hmac(shared, header + zeroed + attributes)
        self.packet = header + _attribute(MESSAGE_AUTHENTICATOR, proof) + attributes

    def opened(self, data: bytes) -> tuple[int, dict[int, bytes]]:
        """Return a reply's code and its attributes, the first of each type. Raise ForgedError."""
        size = int.from_bytes(data[2:4], "big")
        if not HEADER <= size <= min(len(data), LONGEST) or data[1:2] != self._number:
            raise ForgedError("another packet")
        data = data[:size]  # RFC 2865 section 3: what is behind the length is padding
        attributes, places = _attributes(data)
        answered = data[:4] + self._authenticator + data[HEADER:]
        made = hashlib.md5(answered + self._secret, usedforsecurity=False).digest()
        if not hmac.compare_digest(made, data[4:HEADER]):
            raise ForgedError("the Response Authenticator is wrong")
        proof = attributes.get(MESSAGE_AUTHENTICATOR)
        if proof is not None:
            place = places[MESSAGE_AUTHENTICATOR]
            zeroed = answered[:place] + bytes(16) + answered[place + 16 :]
            if not hmac.compare_digest(_hmac(self._secret, zeroed), proof):
                raise ForgedError("the Message-Authenticator is wrong")
        return data[0], attributes


def obscured(password: bytes, shared: bytes, authenticator: bytes) -> bytes:
    """Return a User-Password's value (RFC 2865 section 5.2)."""
    padded = password + bytes(-len(password) % 16) or bytes(16)
    last, result = authenticator, b""
    for at in range(0, len(padded), 16):
        key = hashlib.md5(shared + last, usedforsecurity=False).digest()
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], key, strict=True))
        result += last
    return result


def _attribute(number: int, value: bytes) -> bytes:
    return bytes((number, 2 + len(value))) + value


def _attributes(data: bytes) -> tuple[dict[int, bytes], dict[int, int]]:
    """Return the first attribute of each type, and where its value begins. Raise ForgedError."""
    values: dict[int, bytes] = {}
    places: dict[int, int] = {}
    at = HEADER
    while at < len(data):
        if at + 2 > len(data) or data[at + 1] < 2 or at + data[at + 1] > len(data):
            raise ForgedError("an attribute breaks off")
        if data[at] not in values:
            places[data[at]] = at + 2
            values[data[at]] = data[at + 2 : at + data[at + 1]]
        at += data[at + 1]
    return values, places


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "md5").digest()
