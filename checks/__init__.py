"""The contract between a check and whoever runs it; nothing here does I/O.

A check is a frozen dataclass whose fields are its options (`checks.options`). Most hold a *conversation*: a generator
that yields a Step (what to send, how many bytes to wait for), is handed the bytes, and returns a Verdict.
`checks.engine` carries conversations over sockets, with one deadline for a whole probe. What is no conversation (ping,
half-open, script, file) names another carrier, which has its own few words with the check.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, cast

from checks.options import Boolean, ListOf, Matching, option

MOST_WEIGHT = 65535
"""The greatest weight that IPVS has (ipvsadm(8), -w)."""
FILE = Matching(r"[^\x00]+", "a path")
SERVER_NAME = Matching(r"[^\x00-\x20\x7f]{1,253}", "a host name of at most 253 characters")
PROTOCOL = Matching(r"[!-~]{1,255}", "a protocol's name such as http/1.1")

CarrierName = Literal["stream", "datagram", "echo", "half-open", "process", "file"]
ProxyProtocol = Literal["v1", "v2"]


class UnusableError(Exception):
    """A check cannot be carried out here: a file, a permission or a program is missing. The sentence names it.

    It is no word about the server: the probe counts as not sent.
    """


@dataclass(frozen=True, slots=True)
class Way:
    """How a probe's packets leave the director: ip(7) IP_BIND_ADDRESS, socket(7) SO_BINDTODEVICE and SO_MARK, setns(2).

    `namespace` is a name under /run/netns or an absolute path. With every default the kernel's routing decides.
    """

    source: str | None = None
    source_port: int = 0
    interface: str | None = None
    mark: int = 0
    namespace: str | None = None


DIRECT = Way()


@dataclass(frozen=True, slots=True)
class Target:
    """The address (IPv4 or IPv6 text, no brackets) and the port that a probe talks to, and the way to it.

    `context` names the virtual and the real server, as (name, value) pairs, for checks that are `per_server`.
    """

    address: str
    port: int
    way: Way = DIRECT
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Tls:
    """How a conversation is wrapped in TLS; without `server_name`, no SNI (RFC 6066) and the address is verified."""

    verify: bool = option(Boolean(), "Whether the certificate must be valid, trusted and the server's own.", True)
    ca_file: str | None = option(FILE, "PEM file of trusted authorities; default: the system's.", None)
    certificate_file: str | None = option(FILE, "PEM file of the client certificate to present.", None)
    key_file: str | None = option(FILE, "PEM file of its key; default: in certificate_file.", None)
    server_name: str | None = option(SERVER_NAME, "Name to ask for and to verify; default: the address.", None)
    alpn: tuple[str, ...] = option(ListOf(PROTOCOL, single=True), "Protocols to offer; one must be agreed to.", ())


class Silence(bytes):
    """The type of SILENCE."""

    __slots__ = ()


SILENCE = Silence()
"""What a conversation is handed when the patience of its step has ended. It is empty: tell it by `is`."""


@dataclass(frozen=True, slots=True)
class Step:
    """Send `send`, then wait for at least `at_least` bytes (0: do not wait); fewer come back only at the peer's end.

    Over datagrams, `send` is one datagram and each one that comes is handed over alone, whatever `at_least` is.
    `shown` is what evidence may keep of `send` where that holds a secret. With `patience`, SILENCE is handed over after
    so many seconds without what was waited for; the probe's own deadline stands.
    Before `send`, `reconnect` leaves the connection and makes a new one to the same target (in TLS, if the check is),
    and then `secure` begins TLS on it (STARTTLS).
    `certificate`: wait for nothing, be handed the peer's certificate in DER, or nothing where there is none; such a
    step sends nothing.
    """

    send: bytes = b""
    at_least: int = 1
    shown: bytes | None = None
    patience: float | None = None
    reconnect: bool = False
    secure: Tls | None = None
    certificate: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a server says of its own weight and admin state; what is None stays as it was said before.

    `weight` is a weight of IPVS's own (0-65535), or with `percent` a share of the configured one, 100 for all of it.
    `admin`: `drain` and `maint` take new connections away without a failure, `ready` gives them back.
    Raise ValueError for any other weight or word: the kernel's table would be what it breaks.
    """

    weight: int | None = None
    percent: bool = False
    admin: Literal["ready", "drain", "maint"] | None = None

    def __post_init__(self) -> None:
        if self.weight is not None:
            most = None if self.percent else MOST_WEIGHT
            if type(self.weight) is not int or self.weight < 0 or (most is not None and self.weight > most):
                raise ValueError(f"{self.weight!r} is no weight of 0 to {MOST_WEIGHT}, nor a percentage")
        if self.admin not in (None, "ready", "drain", "maint"):
            raise ValueError(f"{self.admin!r} is none of ready, drain and maint")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a conversation ended, in an operator's words (`200 OK`, `status 503, expected 200-299`).

    `warning` is what is about to go wrong although the check passed (`the certificate ends in 9 days`).
    """

    passed: bool
    reason: str
    warning: str = ""
    feedback: Feedback | None = None


Conversation = Generator[Step, bytes, Verdict]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a probe saw: the first bytes each way, the peer's address, and its certificate's subject and last day."""

    sent: bytes = b""
    received: bytes = b""
    peer: str = ""
    certificate: str = ""


@dataclass(slots=True, unsafe_hash=True)
class ProbeResult:
    """One probe's end. `sent` False means that the director could not send it: no word about the server at all.

    Nobody changes one; it is not frozen because that takes four times as long to make, for every probe there is.
    """

    passed: bool
    reason: str
    seconds: float
    sent: bool = True
    evidence: Evidence | None = None
    warning: str = ""
    feedback: Feedback | None = None


class Check:
    """A check type. Subclasses are frozen, slotted dataclasses: equal checks of one target are one probe.

    `known_as` is what the type is called elsewhere, by program, for the documentation.
    """

    __slots__ = ()

    type: ClassVar[str]
    known_as: ClassVar[dict[str, str]] = {}
    per_server: ClassVar[bool] = False
    """Whether the target must say for which virtual and real server it is probed; such probes are never shared."""

    @property
    def carrier(self) -> CarrierName:
        """Return who carries this check out: `stream` and `datagram` carry conversations over TCP and UDP."""
        return "stream"

    @property
    def tls(self) -> Tls | None:
        """Return how the whole connection is wrapped, or None for plain TCP."""
        return None

    @property
    def proxy_protocol(self) -> ProxyProtocol | None:
        """Return the version of the PROXY protocol header that goes before everything else, or None."""
        return None

    def tls_settings(self) -> Iterable[Tls]:
        """Return every TLS setting that a probe may use: `tls`, and those among the options, such as `starttls`."""
        values = [getattr(self, each.name) for each in fields(cast("Any", self))]
        return dict.fromkeys(value for value in (self.tls, *values) if isinstance(value, Tls))

    @property
    def on_connect(self) -> Verdict | None:
        """Return the verdict if being connected (over TLS, if the check is) is all: `converse` is not called then."""
        return None

    @property
    def takes(self) -> float:
        """Return the seconds that a pass takes at least by the check's own options: a timeout must be longer."""
        return 0.0

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return ()

    def prepare(self) -> str | None:
        """Import what is heavy and try the files; return what is wrong with them. Called in a thread, before probes."""
        return None

    def converse(self, target: Target) -> Conversation:
        """Begin one conversation with a connected target. May raise UnusableError."""
        raise NotImplementedError

    def unanswered(self, target: Target, reason: str) -> Verdict | None:  # noqa: ARG002  the usual opinion needs neither
        """Return the verdict on a server that could not be talked to, or None for the usual one: it failed."""
        return None


Done = Callable[[ProbeResult], None]
"""Takes a probe's result."""


class Carrier(Protocol):
    """Carries out probes of one kind, on one event loop and from its thread only."""

    @property
    def in_flight(self) -> int:
        """Return how many probes have started and not yet called their `done`."""

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool) -> None:
        """Start one probe that ends by `deadline`, in the loop's seconds; `done` is called once, later, from the loop.

        May raise UnusableError, or OSError where the director itself could not send; then `done` is not called.
        """

    def close(self) -> None:
        """Drop every probe without calling its `done`."""
