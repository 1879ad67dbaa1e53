"""TCP segments of a half-open probe (RFC 9293): our SYN, and what may answer it."""

import struct
from typing import NamedTuple

from checks.wire.checksum import MODULUS, remainder
from checks.wire.crafting import load_scapy

PORTS_AND_SEQUENCE = struct.Struct("!HHI")
ANSWER = struct.Struct("!HHIIBB")
"""Source port, destination port, sequence number, acknowledgment number, data offset, flags (RFC 9293 section 3.1)."""
SYN, RST, ACK = 0x02, 0x04, 0x10
IP_HEADER, TCP_HEADER = 20, 20
TCP = 6


def craft_syn(version: int) -> bytes:
    """Return a SYN without addresses, ports, sequence number and checksum; of IPv4 with its IP header."""
    load_scapy()
    from scapy.layers.inet import IP, TCP  # noqa: PLC0415  scapy takes its time

    largest = 1460 if version == 4 else 1440
    segment = TCP(sport=0, dport=0, seq=0, flags="S", window=64240, chksum=0, options=[("MSS", largest)])
    if version == 6:
        return bytes(segment)
    return bytes(IP(src="0.0.0.0", dst="0.0.0.0", ttl=64, flags="DF", proto=6, id=0, chksum=0) / segment)  # noqa: S104


class Syn4:
    """An IPv4 packet with a SYN. The kernel adds the header's own checksum and the identification (raw(7))."""

    __slots__ = ("_base", "_head", "_middle", "_packet", "_tail")

    def __init__(self, crafted: bytes) -> None:
        self._head = crafted[:12]
        segment = crafted[IP_HEADER:]
        self._middle, self._tail = segment[8:16], segment[18:]
        self._base = remainder(segment) + TCP + len(segment)
        self._packet = struct.Struct(f"!12s8sHHI8sH{len(self._tail)}s")

    def sums(self, addresses: bytes) -> int:
        """Return what goes into the checksum for these addresses: source and destination, 8 bytes."""
        return self._base + remainder(addresses)

    def patched(self, addresses: bytes, sums: int, own_port: int, port: int, sequence: int) -> bytes:
        """Return the packet."""
        field = MODULUS - (sums + own_port + port + sequence) % MODULUS  # `checksum`, for every probe there is
        return self._packet.pack(self._head, addresses, own_port, port, sequence, self._middle, field, self._tail)


class Syn6:
    """A SYN for IPv6, whose checksum the kernel sets (ipv6(7) IPV6_CHECKSUM, RFC 3542 section 3.1)."""

    __slots__ = ("_rest",)

    def __init__(self, crafted: bytes) -> None:
        self._rest = crafted[PORTS_AND_SEQUENCE.size :]

    def patched(self, own_port: int, port: int, sequence: int) -> bytes:
        """Return the segment."""
        return PORTS_AND_SEQUENCE.pack(own_port, port, sequence) + self._rest


PLAIN_ANSWER = struct.Struct("!12s4s4xHHIIBB")
"""The same after an IPv4 header without options, with the source address."""


class Answer(NamedTuple):
    """What came: `sequence` is that of the SYN which it answers, `open` whether it is a SYN-ACK and not a reset."""

    port: int
    own_port: int
    sequence: int
    open: bool


def read_answer(packet: bytes, start: int) -> Answer | None:
    """Read the segment that begins at `start`; None if it answers no SYN (RFC 9293 section 3.10.7.3).

    A reset without an acknowledgment, or with another, is not acceptable to who has sent a SYN. The checksum is not
    looked at: within one machine nobody fills it in, and the acknowledgment holds 32 bits that only the server knows.
    """
    if len(packet) < start + TCP_HEADER:
        return None
    port, own_port, _, acknowledged, _, flags = ANSWER.unpack_from(packet, start)
    if not flags & ACK or not flags & (SYN | RST):
        return None
    return Answer(port, own_port, (acknowledged - 1) & 0xFFFFFFFF, not flags & RST)


def read_syn_ack(packet: bytes) -> tuple[tuple[int, int, int, bool], bytes] | None:
    """Read a SYN-ACK after an IPv4 header without options, as nearly all are, and who sent it; else return None."""
    if len(packet) < IP_HEADER + TCP_HEADER or packet[0] != 0x45:
        return None
    _, peer, port, own_port, _, acknowledged, _, flags = PLAIN_ANSWER.unpack_from(packet)
    if flags & (SYN | ACK | RST) != SYN | ACK:
        return None
    return (port, own_port, (acknowledged - 1) & 0xFFFFFFFF, True), peer


def header_length(packet: bytes) -> int | None:
    """Return how long the IPv4 header is that a raw socket hands over, or None if it cannot be one."""
    if len(packet) < IP_HEADER or packet[0] >> 4 != 4:
        return None
    length = (packet[0] & 0xF) * 4
    return length if length >= IP_HEADER else None


def read_quoted_syn(packet: bytes, start: int) -> tuple[int, int, int] | None:
    """Return own port, port and sequence number of our SYN as an ICMP error quotes it: 8 bytes at least."""
    if start < 0 or len(packet) < start + PORTS_AND_SEQUENCE.size:
        return None
    own_port, port, sequence = PORTS_AND_SEQUENCE.unpack_from(packet, start)
    return own_port, port, sequence
