"""Hears whether somebody else has an address that we have: what RFC 5227 section 2.4 calls a conflict, in IPv6 too."""

import contextlib
import socket
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, NamedTuple

from healthlb.linux.bpf import ALL, Instruction, attach, give, load_byte, load_half, load_word, unless_equal
from healthlb.model.vrrp import Family

ETH_P_ARP: Final = 0x0806
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
ARP_SENDER, ARP_ADDRESS = 22, 28
"""Where an Ethernet frame with ARP has the sender's hardware and protocol addresses (RFC 826)."""
NEIGHBOUR_ADVERTISEMENT, TARGET_LINK_LAYER_ADDRESS = 136, 2
TARGET, OPTION, TOLD_HARDWARE = 8, 24, 26
"""Where a neighbour advertisement has its target, its first option, and the address in that (RFC 4861 section 4.4)."""
FRAME: Final = 128
ANCILLARY: Final = 64
LISTED: Final = 100
"""Addresses that a filter has at most: with more of them the kernel lets all pass that are not ours by hardware."""
NEVER_ROUTED: Final = 255
"""The hop limit of what comes from a neighbour (RFC 4861 section 7.1.2)."""
BUFFER: Final = 1 << 16
JUMP, JUMP_IF_EQUAL = 0x05, 0x15


@dataclass(frozen=True, slots=True)
class Ear:
    """Where some of our addresses are: an interface by name and index. `own` are our hardware addresses there."""

    interface: str
    index: int
    family: Family
    addresses: tuple[str, ...]
    own: tuple[str, ...]


class Conflict(NamedTuple):
    """Somebody with another hardware address says that an address of ours is theirs."""

    address: str
    hardware_address: str


class Conflicts:
    """A socket that hears of conflicts on one interface. Poll `fileno()` for POLLIN; raise OSError.

    `addresses` are those of the family that we have there, `own` our hardware addresses. The kernel drops everything
    else. Somebody who has the virtual router's hardware address as well is not told apart: adverts do that.
    """

    def __init__(self, interface: str, family: Family, addresses: Collection[str], own: Collection[str]) -> None:
        self._family = family
        self._for: tuple[Collection[str], Collection[str]] = ((), ())
        self._socket = _open4(interface) if family == 4 else _open6(interface)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self.listen_for(addresses, own)
        except OSError:
            self._socket.close()
            raise

    def listen_for(self, addresses: Collection[str], own: Collection[str]) -> None:
        """Hear of other addresses from now on; nothing if they are the same. Raise OSError."""
        if (addresses, own) == self._for:
            return
        packed = [ip_address(address).packed for address in addresses]
        hardware = [bytes.fromhex(each.replace(":", "")) for each in own if each]
        attach(self._socket, arp_filter(packed, hardware) if self._family == 4 else neighbour_filter(packed, hardware))
        self._for = (addresses, own)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    def read(self, most: int = 16) -> frozenset[Conflict]:
        """Return conflicts that were heard of, from at most so many packets, without waiting; raise OSError."""
        address, hardware = (ARP_ADDRESS, ARP_SENDER) if self._family == 4 else (TARGET, TOLD_HARDWARE)
        size = 4 if self._family == 4 else 16
        found = set()
        with contextlib.suppress(BlockingIOError):
            for _ in range(most):
                frame = self._receive()
                if not frame:
                    continue
                text = str(ip_address(frame[address : address + size]))
                if text in self._for[0]:
                    found.add(Conflict(text, frame[hardware : hardware + 6].hex(":")))
        return frozenset(found)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _receive(self) -> bytes:
        """Return the next packet, nothing if it crossed a router: anybody may have sent such a one."""
        frame, told, _, _ = self._socket.recvmsg(FRAME, ANCILLARY, socket.MSG_DONTWAIT)
        if self._family == 4:
            return frame
        limits = [struct.unpack("=i", data)[0] for _, kind, data in told if kind == socket.IPV6_HOPLIMIT]
        return frame if limits == [NEVER_ROUTED] else b""


def arp_filter(addresses: Sequence[bytes], own: Sequence[bytes]) -> list[Instruction]:
    """Return the filter for ARP frames whose sender has one of these addresses and none of our hardware addresses."""
    return [*_unless_among(ARP_ADDRESS, addresses), *_unless_ours(ARP_SENDER, own), give(ALL)]


def neighbour_filter(addresses: Sequence[bytes], own: Sequence[bytes]) -> list[Instruction]:
    """Return the filter for neighbour advertisements of one of these addresses with a hardware address not ours."""
    return [
        *(load_byte(0), *unless_equal(NEIGHBOUR_ADVERTISEMENT, give(0))),
        *(load_half(OPTION), *unless_equal(TARGET_LINK_LAYER_ADDRESS << 8 | 1, give(0))),
        *_unless_among(TARGET, addresses),
        *_unless_ours(TOLD_HARDWARE, own),
        give(ALL),
    ]


def _unless_among(offset: int, addresses: Sequence[bytes]) -> list[Instruction]:
    """Return what drops the packet unless it has one of the addresses at an offset, which are not too many."""
    if len(addresses) > LISTED:
        return [load_word(offset + len(addresses[0]) - 4)]
    code = [give(0)]
    for address in reversed(addresses):
        # Behind it are the addresses that are yet to be compared, then the end: a match jumps over all of them.
        code = [*_compare(offset, address, [Instruction(JUMP, 0, 0, len(code))]), *code]
    return code


def _unless_ours(offset: int, own: Sequence[bytes]) -> list[Instruction]:
    return [part for each in own for part in _compare(offset, each, [give(0)])]


def _compare(offset: int, value: bytes, if_equal: list[Instruction]) -> list[Instruction]:
    """Return what carries out `if_equal` if the packet has this value, of 4, 6 or 16 bytes, at an offset."""
    code = if_equal
    for start in reversed(range(0, len(value), 4)):
        part = value[start : start + 4]
        load = load_word(offset + start) if len(part) == 4 else load_half(offset + start)
        code = [load, Instruction(JUMP_IF_EQUAL, 0, len(code), int.from_bytes(part, "big")), *code]
    return code


def _open4(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        with contextlib.suppress(OSError):  # Linux before 4.20 has no such option; our own are filtered anyway
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        sock.bind((interface, ETH_P_ARP))
    except OSError:
        sock.close()
        raise
    return sock


def _open6(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    except OSError:
        sock.close()
        raise
    return sock
