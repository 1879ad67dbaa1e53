"""The contract between a check and whoever runs it; nothing here does I/O.

A check is a frozen dataclass whose fields are its options (`checks.options`). It says over which transport it talks
and holds a *conversation*: a generator that yields a Step (what to send, how many bytes to wait for), is handed the
bytes, and returns a Verdict. `checks.engine` carries conversations over sockets, with one deadline for a whole probe.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from checks.options import Boolean, ListOf, Matching, option

FILE = Matching(r"[^\x00]+", "a path")
SERVER_NAME = Matching(r"[^\x00-\x20\x7f]{1,253}", "a host name of at most 253 characters")
PROTOCOL = Matching(r"[!-~]{1,255}", "a protocol's name such as http/1.1")


@dataclass(frozen=True, slots=True)
class Target:
    """The address (IPv4 or IPv6 text, no brackets) and the port that a probe talks to."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Tls:
    """How a conversation is wrapped in TLS; without `server_name`, no SNI (RFC 6066) and the address is verified."""

    verify: bool = option(Boolean(), "Whether the certificate must be valid, trusted and the server's own.", True)
    ca_file: str | None = option(FILE, "PEM file of trusted authorities; default: the system's.", None)
    certificate_file: str | None = option(FILE, "PEM file of the client certificate to present.", None)
    key_file: str | None = option(FILE, "PEM file of its key; default: in certificate_file.", None)
    server_name: str | None = option(SERVER_NAME, "Name to ask for and to verify; default: the address.", None)
    alpn: tuple[str, ...] = option(ListOf(PROTOCOL, single=True), "Protocols to offer; one must be agreed to.", ())


@dataclass(frozen=True, slots=True)
class Step:
    """Send `send`, then wait for at least `at_least` bytes (0: do not wait); fewer come back only at the peer's end.

    `shown` is what evidence may keep of `send` where that holds a secret.
    """

    send: bytes = b""
    at_least: int = 1
    shown: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a conversation ended, in an operator's words (`200 OK`, `status 503, expected 200-299`)."""

    passed: bool
    reason: str


Conversation = Generator[Step, bytes, Verdict]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a probe saw: the first bytes each way, the peer's address, and its certificate's subject and last day."""

    sent: bytes = b""
    received: bytes = b""
    peer: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe's end. `sent` False means that the director could not send it: no word about the server at all."""

    passed: bool
    reason: str
    seconds: float
    sent: bool = True
    evidence: Evidence | None = None


class Check(Protocol):
    """A check type. Instances are frozen and hashable: equal checks of one target are one probe."""

    type: ClassVar[str]

    @property
    def tls(self) -> Tls | None:
        """How the conversation is wrapped, or None for plain TCP."""

    def converse(self, target: Target) -> Conversation:
        """Begin one conversation with a connected target."""
