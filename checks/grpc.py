"""`grpc`: the standard health service of gRPC servers, grpc.health.v1.Health/Check, over HTTP/2."""

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import unquote

from checks import Check, Conversation, ProxyProtocol, Target, Tls, Verdict
from checks.options import Choice, Matching, Record, TableOf, Text, option
from checks.web.http2 import Received, Session, prepare_http2, status_of
from checks.web.kinds import HOST
from checks.web.request import default_host
from checks.wire.inbox import PeerError
from checks.wire.secrets import NAME, hide
from checks.wire.showing import shown

PATH = "/grpc.health.v1.Health/Check"
REPLY_LIMIT = 4096
"""Bytes that a HealthCheckResponse may have; an honest one has two."""
METADATA_NAME = re.compile(r"[0-9a-z_.-]+")
METADATA_VALUE = Matching(r"[!-~](?:[ -~]*[!-~])?", "metadata of printable ASCII without spaces at its ends")
SERVING_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
"""HealthCheckResponse.ServingStatus, from 0 on (grpc.health.v1, health.proto)."""


class Code(enum.IntEnum):
    """What grpc-status says."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Grpc(Check):
    """Ask a gRPC server's health service whether a service, or the server as a whole, is serving."""

    type: ClassVar[str] = "grpc"

    service: str = option(
        Text(empty=True), "The service to ask for, such as shop.v1.Cart; empty for the server as a whole.", ""
    )
    authority: str | None = option(
        HOST, "The name to call the server by; default: the target's address and port.", None
    )
    metadata: tuple[tuple[str, str], ...] = option(TableOf(METADATA_VALUE), "More metadata to send.", ())
    tls: Tls | None = option(Record(Tls), "Wrap the connection in TLS, with h2 by ALPN; {} for every default.", None)
    proxy_protocol: ProxyProtocol | None = option(
        Choice(("v1", "v2")),
        "Version of the PROXY protocol header that goes before everything else; default: none.",
        None,
    )

    def __post_init__(self) -> None:
        """Offer HTTP/2, without which there is no gRPC (RFC 9113 section 3.2)."""
        if self.tls is not None and not self.tls.alpn:
            object.__setattr__(self, "tls", replace(self.tls, alpn=("h2",)))

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return _faults(self)

    def prepare(self) -> str | None:
        """Import what speaks HTTP/2."""
        prepare_http2()
        return None

    def converse(self, target: Target) -> Conversation:
        """Call Check and judge its reply."""
        authority = self.authority or default_host(target, 0)
        return _talk(self, authority)


def _faults(check: Grpc) -> Iterator[tuple[str, str]]:
    for name, _ in check.metadata:
        if METADATA_NAME.fullmatch(name) is None:
            yield "metadata", f"'{shown(name)}' is no name of metadata: small letters, digits and _ . -"
        elif name.startswith("grpc-") or name in ("te", "content-type", "connection", "host", "user-agent"):
            yield "metadata", f"{name} is gRPC's own"
        elif name.endswith("-bin"):
            yield "metadata", f"{name} would be binary, which cannot be sent here"
    for protocol in check.tls.alpn if check.tls is not None else ():
        if protocol != "h2":
            yield "tls", f"alpn: gRPC is spoken over h2, so {protocol} must not be offered"


def _talk(check: Grpc, authority: str) -> Conversation:
    fields = [
        (":method", "POST"),
        (":scheme", "http" if check.tls is None else "https"),
        (":path", PATH),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "healthlb"),
        *check.metadata,
    ]
    public = "".join(f"{name}: {'***' if NAME.search(name) else value}\r\n" for name, value in fields)
    shown_request = f"{public}\r\nservice '{shown(check.service)}'".encode()
    for name, value in check.metadata:
        if NAME.search(name):
            hide(value.encode("latin-1", "replace"))
    reply = _Reply(check.service)
    try:
        yield from Session().exchange(fields, _request(check.service), reply, shown_request)
        return reply.judge()
    except PeerError as error:
        return Verdict(False, str(error))


def _request(service: str) -> bytes:
    """Return a HealthCheckRequest, field 1 `service`, in a message without compression (gRPC over HTTP/2)."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*out, number])


class _Reply:
    """The reply to Check: a message and grpc-status in the trailers, or, in a Trailers-Only reply, in the head."""

    __slots__ = ("_data", "_service", "_status", "_words", "finished")

    def __init__(self, service: str) -> None:
        self.finished = False
        self._service = service
        self._data = b""
        self._status: int | None = None
        self._words = ""

    def take_head(self, fields: Received) -> None:
        status = status_of(fields)
        self._take_status(fields)
        if self._status is not None:
            return
        kind = next((value for name, value in fields if name == b"content-type"), b"")
        if status != 200 or not kind.startswith(b"application/grpc"):
            what = f"status {status}" if status != 200 else f"content '{shown(kind)}'"
            raise PeerError(f"no gRPC: the server answered with {what}")

    def take_data(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > REPLY_LIMIT:
            raise PeerError(f"the reply is longer than {REPLY_LIMIT} bytes")

    def take_trailers(self, fields: Received) -> None:
        self._take_status(fields)

    def take_end(self) -> None:
        self.finished = True

    def _take_status(self, fields: Received) -> None:
        for name, value in fields:
            if name == b"grpc-status":
                if not value.isdigit() or len(value) > 9:
                    raise PeerError(f"malformed gRPC reply: grpc-status '{shown(value)}'")
                self._status = int(value)
            elif name == b"grpc-message":
                self._words = shown(unquote(value[:1000].decode("latin-1"), errors="replace"))

    def judge(self) -> Verdict:
        """Judge a reply that is complete. Raise PeerError."""
        words = f": '{self._words}'" if self._words else ""
        who = f"service '{shown(self._service)}'" if self._service else "the server"
        match self._status:
            case Code.OK:
                status = _serving_status(self._data)
                return Verdict(status == "SERVING", f"{who} is {status}")
            case None:
                return Verdict(False, "the gRPC reply ended without a grpc-status")
            case Code.NOT_FOUND:
                return Verdict(False, f"the server does not know {who if self._service else 'itself'} (NOT_FOUND)")
            case Code.UNIMPLEMENTED:
                return Verdict(False, "the server has no health service, grpc.health.v1.Health (UNIMPLEMENTED)")
            case Code.UNAVAILABLE:
                return Verdict(False, f"the health service is not available (UNAVAILABLE){words}")
        name = Code(self._status).name if self._status in list(Code) else f"code {self._status}"
        return Verdict(False, f"the health service answered {name}{words}")


def _serving_status(data: bytes) -> str:
    """Return the status of a HealthCheckResponse (field 1, a varint). Raise PeerError."""
    if len(data) < 5 or len(data) != 5 + int.from_bytes(data[1:5], "big"):
        raise PeerError("malformed gRPC reply: it is not one whole message")
    if data[0]:
        raise PeerError("malformed gRPC reply: it is compressed, which was not asked for")
    status, rest = 0, data[5:]
    while rest:
        key, rest = _take_varint(rest)
        value, rest = _take_value(key & 7, rest)
        if key == 1 << 3:
            status = value
    return SERVING_STATUSES[status] if status < len(SERVING_STATUSES) else f"in unknown status {status}"


def _take_value(wire_type: int, data: bytes) -> tuple[int, bytes]:
    """Take one field's value off; what is no varint is skipped (protobuf's encoding, wire types 0, 1, 2 and 5)."""
    size = {1: 8, 5: 4}.get(wire_type, 0)
    match wire_type:
        case 0:
            return _take_varint(data)
        case 2:
            size, data = _take_varint(data)
        case 1 | 5:
            pass
        case _:
            size = len(data) + 1
    if size > len(data):
        raise PeerError("malformed gRPC reply: it is no HealthCheckResponse")
    return 0, data[size:]


def _take_varint(data: bytes) -> tuple[int, bytes]:
    number = 0
    for at, byte in enumerate(data[:10]):
        number |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            return number, data[at + 1 :]
    raise PeerError("malformed gRPC reply: it is no HealthCheckResponse")
