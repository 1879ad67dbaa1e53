"""`sip`: OPTIONS to a SIP server, over UDP, TCP or TLS (RFC 3261 sections 11 and 17.1.2, RFC 3581)."""

import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import SILENCE, CarrierName, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Choice, ListOf, Matching, Record, option
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.showing import shown
from checks.wire.statuses import StatusRange, among, show_statuses

T1_SECONDS = 0.5
T2_SECONDS = 4.0
"""RFC 3261 section 17.1.2.2: over UDP, a request is sent again after T1, then after twice as long each time to T2."""
HEAD_LIMIT = 65536
BODY_LIMIT = 65536

URI = Matching(r"sips?:[!#-;=?-~]+", "a SIP URI such as sip:ping@example.com")
USER = Matching(r"[A-Za-z0-9_.!~*'()&=+$,;?/%-]+", "the user part of a SIP URI")
STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
BRANCH = re.compile(rb";\s*branch\s*=\s*([^\s;,]+)", re.IGNORECASE)
COMPACT = {b"v": b"via", b"i": b"call-id", b"l": b"content-length"}
"""The compact forms (RFC 3261 section 7.3.3) of the headers that are looked at."""


@dataclass(frozen=True, slots=True)
class Sip(Check):
    """Ask a SIP server for its options; any final reply with one of the statuses passes."""

    type: ClassVar[str] = "sip"
    known_as: ClassVar[dict[str, str]] = {"ldirectord": "service = sip"}

    transport: Literal["udp", "tcp"] = option(Choice(("udp", "tcp")), "What the request goes over.", "udp")
    tls: Tls | None = option(Record(Tls), "Speak TLS, over TCP; {} for every default.", None)
    user: str | None = option(
        USER, "The user of the URI that is asked, at the target's address; default: none.", None, ldirectord="login"
    )
    uri: str | None = option(URI, "The whole URI that is asked; default: sip:address:port.", None)
    from_uri: str = option(URI, "The URI that asks (From).", "sip:healthlb@healthlb.invalid", ldirectord="login")
    status: tuple[tuple[int, int], ...] = option(
        ListOf(StatusRange(), single=True, minimum=1), "Statuses that pass.", ((200, 299),)
    )

    @property
    def carrier(self) -> CarrierName:
        """Return whether this conversation is one of datagrams."""
        return "datagram" if self.transport == "udp" else "stream"

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.tls is not None and self.transport == "udp":
            yield "tls", "TLS goes over TCP; add transport: tcp"
        if self.user is not None and self.uri is not None:
            yield "user", "there is uri, too, which has a user of its own; keep one of them"

    def converse(self, target: Target) -> Conversation:
        """Ask, and judge the final reply."""
        request = _Request(self, target)
        return judged(_over_udp(self, request) if self.transport == "udp" else _over_tcp(self, request))


class _Request:
    """One request, with what its replies are known by (RFC 3261 section 17.1.3)."""

    def __init__(self, check: Sip, target: Target) -> None:
        chance = os.urandom(24).hex()
        self.branch = f"z9hG4bK{chance[:16]}".encode()
        self.call_id = chance[16:32].encode()
        transport = "TLS" if check.tls is not None else check.transport.upper()
        uri = check.uri or _uri(check, target)
        # A reply goes to where the request came from, thanks to rport (RFC 3581), whatever the name here.
        own = _host(target.way.source) if target.way.source else "healthlb.invalid"
        lines = [
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/{transport} {own};branch={self.branch.decode()};rport",
            "Max-Forwards: 70",
            f"From: <{check.from_uri}>;tag={chance[32:]}",
            f"To: <{uri}>",
            f"Call-ID: {self.call_id.decode()}",
            "CSeq: 1 OPTIONS",
            "Accept: application/sdp",
            "User-Agent: healthlb",
            "Content-Length: 0",
        ]
        self.data = "\r\n".join(lines).encode() + b"\r\n\r\n"

    def is_answered_by(self, headers: dict[bytes, bytes]) -> bool:
        """Say whether a reply with these headers is one to this request."""
        branch = BRANCH.search(headers.get(b"via", b""))
        method = headers.get(b"cseq", b"").split()[1:]
        return (
            branch is not None
            and branch[1] == self.branch
            and headers.get(b"call-id") == self.call_id
            and method == [b"OPTIONS"]
        )


def _uri(check: Sip, target: Target) -> str:
    user = "" if check.user is None else f"{check.user}@"
    transport = "" if check.transport == "udp" else ";transport=tcp"
    return f"sip:{user}{_host(target.address)}:{target.port}{transport}"


def _host(address: str) -> str:
    address = address.partition("%")[0]
    return f"[{address}]" if ":" in address else address


def _over_udp(check: Sip, request: _Request) -> Conversation:
    patience, send = T1_SECONDS, request.data
    while True:
        data = yield Step(send, patience=patience)
        send = b""
        if data is SILENCE:
            patience, send = min(2 * patience, T2_SECONDS), request.data
            continue
        if not data:
            raise PeerError("the server sent an empty datagram, which is no SIP reply")
        head = re.split(rb"\r?\n\r?\n", data.lstrip(b"\r\n"), maxsplit=1)[0]
        verdict = _judge(check, request, *_parsed(head)) if head else None
        if verdict is not None:
            return verdict


def _over_tcp(check: Sip, request: _Request) -> Conversation:
    inbox = Inbox()
    first: Step | None = Step(request.data)
    while True:
        head = yield from _head(inbox, first)
        first = None
        start, headers = _parsed(head)
        verdict = _judge(check, request, start, headers)
        if verdict is not None:
            return verdict
        length = headers.get(b"content-length", b"0")
        if re.fullmatch(rb"[0-9]{1,9}", length) is None or int(length) > BODY_LIMIT:
            raise PeerError(f"the server sent a Content-Length of {shown(length)}")
        yield from inbox.exactly(int(length))


def _head(inbox: Inbox, first: Step | None) -> Generator[Step, bytes, bytes]:
    """Take a start line and headers; empty lines before them are somebody's way to keep a connection alive."""
    lines: list[bytes] = []
    size = 0
    while size <= HEAD_LIMIT:
        line = yield from inbox.line(first)
        first = None
        size += len(line) + 2
        if line:
            lines.append(line)
        elif lines:
            return b"\r\n".join(lines)
    raise PeerError(f"the server sent headers of more than {HEAD_LIMIT} bytes")


def _parsed(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the start line, and the first header of each name, unfolded (RFC 3261 section 7.3.1)."""
    start, *lines = re.sub(rb"\r?\n[ \t]+", b" ", head).splitlines()
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, text = line.partition(b":")
        name = name.strip().lower()
        headers.setdefault(COMPACT.get(name, name), text.strip())
    return start, headers


def _judge(check: Sip, request: _Request, start: bytes, headers: dict[bytes, bytes]) -> Verdict | None:
    """Judge a message; None for what is no final reply to this request (section 8.1.3.1 asks to drop such)."""
    match = STATUS_LINE.fullmatch(start)
    if match is None:
        if start.upper().endswith(b" SIP/2.0"):
            return None
        raise PeerError(f"not a SIP reply: '{shown(start)}'")
    status = int(match[1])
    if status < 200 or not request.is_answered_by(headers):
        return None
    said = f"{status} {shown(match[2] or b'')}".rstrip()
    if among(status, check.status):
        return Verdict(True, said)
    return Verdict(False, f"status {said}, expected {show_statuses(check.status)}")
