"""What the director's process and the one that speaks VRRP tell each other.

They have a socket pair that keeps messages apart (unix(7), SOCK_SEQPACKET). The director says `Setup` first and again
whenever the file or an interface has changed, `Standings` when a pool or a check has, `Heartbeat` while its work goes
on; then `HandOver`, `TakeBack`, `Stop`. It hears `State` at every change and at least every second, `Happened` for each
event, `InterfacesChanged` when it should look whether what it crafted still fits. Both ends are of one version of
healthlb, which every message carries.
"""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from healthlb import __version__
from healthlb.core.vrrp.settings import Settings
from healthlb.linux.announcer import Frame
from healthlb.linux.conflicts import Ear
from healthlb.linux.rtnetlink import Placement
from healthlb.linux.sysctl import Setting
from healthlb.linux.vrrp_sockets import Ends, Outgoing
from healthlb.model.vrrp import Tracked
from healthlb.model.vrrp_events import PairEvent
from healthlb.model.vrrp_status import InstanceStatus, SpeakerStatus, TrackStatus
from healthlb.speaker.coding import CodingError, decode, encode

PIECE: Final = 32_768
"""Bytes of one datagram; what is longer goes in several, which any socket's buffer takes."""
LONGEST: Final = 64 << 20
"""Bytes of a message; more is refused."""
MORE, LAST = b"+", b"."


@dataclass(frozen=True, slots=True)
class Spoken:
    """One instance as the speaker needs it: everything made beforehand.

    `settings.priority` is the configured one and `settings.waits` is of no account: the groups say it. `ends` is None
    and `problem` a clause where the director could not prepare it: it is in FAULT for that reason. `ears` are where
    others might have our addresses as well. `kernel` are settings written once `placement.links` are there.
    `interfaces` are those of `core.vrrp.tracking.interfaces_of`, `tracked` how the pools and checks stood when this was
    made, `addresses` what people are shown. `devices` are interfaces beside `interface` that addresses and routes are
    on.
    """

    name: str
    interface: str
    settings: Settings
    ends: Ends | None = None
    adverts: tuple[Outgoing, ...] = ()
    frames: tuple[Frame, ...] = ()
    ears: tuple[Ear, ...] = ()
    placement: Placement = field(default_factory=Placement)
    kernel: tuple[Setting, ...] = ()
    interfaces: tuple[Tracked, ...] = ()
    tracked: tuple[TrackStatus, ...] = ()
    addresses: tuple[str, ...] = ()
    problem: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """Speak these instances and no other; `State.setup` says the number of the last one that was followed.

    An instance goes on as it is where version, family, router id and interface are the same as before. What may be in
    the kernel from now on was written down by the director before (healthlb.linux.claims). `checks_deadline`: without
    a heartbeat for so many seconds every priority is 1. `yielded` are handed over: an instance that begins begins so,
    any other knows by itself whether it still is.
    """

    number: int
    instances: tuple[Spoken, ...]
    groups: Mapping[str, tuple[str, ...]]
    checks_deadline: float
    yielded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standings:
    """How the pools and checks that an instance tracks stand now, wholly, by the instance's name."""

    tracked: Mapping[str, tuple[TrackStatus, ...]]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The controller and the prober have made progress."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Let another director have an instance and its group, until it is taken back or nobody else is master."""

    instance: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """End `HandOver` and become MASTER if our priority is the higher one."""

    instance: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up mastership in order, take everything out of the kernel, end. The socket pair's end means the same."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything the speaker knows; times are UNIX seconds. `problems` are clauses that hold at the moment."""

    setup: int
    instances: tuple[InstanceStatus, ...]
    speaker: SpeakerStatus
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Happened:
    """An event for the log; `at` is UNIX seconds."""

    event: PairEvent
    at: float


@dataclass(frozen=True, slots=True)
class InterfacesChanged:
    """Interfaces came, went or have other addresses: what was crafted may no longer fit."""

    names: tuple[str, ...]


ToSpeaker = Setup | Standings | Heartbeat | HandOver | TakeBack | Stop
FromSpeaker = State | Happened | InterfacesChanged


@dataclass(frozen=True, slots=True)
class _Down:
    version: str
    message: ToSpeaker


@dataclass(frozen=True, slots=True)
class _Up:
    version: str
    message: FromSpeaker


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends; neither ever waits. Raise OSError."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def pieces(message: ToSpeaker | FromSpeaker) -> Iterator[bytes]:
    """Yield the datagrams of a message, to be sent in order with nothing between."""
    down = isinstance(message, ToSpeaker)
    data = encode(_Down(__version__, message) if down else _Up(__version__, message))  # type: ignore[arg-type]
    for start in range(0, len(data), PIECE):
        yield (MORE if start + PIECE < len(data) else LAST) + data[start : start + PIECE]


class Assembler:
    """Makes messages of the datagrams that arrive at one end; `parent` says that it is the director's."""

    def __init__(self, *, parent: bool) -> None:
        self._kind = _Up if parent else _Down
        self._parts: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> ToSpeaker | FromSpeaker | None:
        """Take a datagram (not an empty one: that is the other's end) and return the message that it completes.

        CodingError for what is none, or of another version; the next datagram begins a message.
        """
        self._size += len(piece)
        self._parts.append(piece[1:])
        if piece[:1] == MORE and self._size <= LONGEST:
            return None
        data = b"".join(self._parts)
        whole = piece[:1] == LAST and self._size <= LONGEST
        self._parts, self._size = [], 0
        if not whole:
            raise CodingError("it is no message")
        said = decode(data, self._kind)
        if said.version != __version__:
            raise CodingError(f"the other process is of version {said.version}, this one of {__version__}")
        message: ToSpeaker | FromSpeaker = said.message
        return message
