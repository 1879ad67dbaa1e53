"""The sockets that adverts go out of and come in by (RFC 9568 section 5.1, raw(7), ip(7), ipv6(7), socket(7))."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from healthlb.model.vrrp import Family

VRRP = 112
"""The protocol number (RFC 9568 section 5.1.1.4)."""
GROUPS: dict[Family, str] = {4: "224.0.0.18", 6: "ff02::12"}
"""Where adverts go that have no peers to go to (RFC 9568 sections 5.1.1.2 and 5.1.2.2)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An advert as crafted: the VRRP message with its checksum for this destination, at the configured priority.

    `envelope` is what an Ethernet frame and its IP header begin with, for an instance that has the virtual router's
    own hardware address; empty where the kernel makes them.
    """

    destination: str
    message: bytes
    envelope: bytes = b""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What arrived: the VRRP message without its IP header, and what that said. `ttl` is the hop limit in IPv6."""

    message: bytes
    source: str
    destination: str
    ttl: int
    index: int


@dataclass(frozen=True, slots=True)
class Ends:
    """What the socket of an instance needs to know.

    `index` is that of the interface, `source` the address that adverts come from, `peers` empty for multicast.
    `count` is how many addresses an advert lists.
    """

    interface: str
    index: int
    family: Family
    version: Literal[2, 3]
    router_id: int
    source: str
    count: int
    peers: tuple[str, ...] = ()


class VrrpSocket:
    """The sockets of one instance. Poll `fileno()` for POLLIN; raise OSError where the interface does not take them.

    The kernel sorts what arrives: what may well be an advert of this router (right version, type, router id, count,
    length and checksum) can be had from `receive`. What has our router id and is wrong in another way can be had from
    `receive_suspects`, to be counted: call that now and then, a flood of it delays nothing. The rest is not for us.
    An interface that was removed and made again has another index: close, and open anew.
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends

    def fileno(self) -> int:
        """Return the descriptor to poll for adverts."""
        raise NotImplementedError

    def send(self, outgoing: Outgoing, message: bytes) -> None:
        """Send a message, that of `outgoing` or one with another priority; raise OSError."""
        raise NotImplementedError

    def receive(self, most: int = 64) -> Sequence[Datagram]:
        """Return what has arrived, at most so many, without waiting; raise OSError when the interface is down or gone.

        Fewer than `most` means that nothing is left.
        """
        raise NotImplementedError

    def receive_suspects(self, most: int = 64) -> Sequence[Datagram]:
        """Return some of what has arrived that cannot be a good advert, to be counted by what is wrong with it."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the sockets."""
        raise NotImplementedError
