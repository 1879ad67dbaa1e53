"""ICMP (RFC 792) and ICMPv6 (RFC 4443): echoes, and errors in an operator's words."""

import struct

from checks.wire.checksum import checksum, is_right, remainder
from checks.wire.crafting import load_scapy

REQUEST = {4: 8, 6: 128}
REPLY = {4: 0, 6: 129}
HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier and sequence number of an echo (RFC 792 page 14, RFC 4443 section 4.1)."""
TOKEN = 8
"""Bytes at the start of an echo's data by which we know it for ours."""

UNREACHABLE = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    5: "source route failed",
    6: "network unknown",
    7: "host unknown",
    8: "source host isolated",
    9: "network administratively prohibited",
    10: "host administratively prohibited",
    11: "network unreachable for this type of service",
    12: "host unreachable for this type of service",
    13: "administratively prohibited",
    14: "host precedence violation",
    15: "precedence cutoff in effect",
}
"""ICMP type 3 by code: RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1."""
UNREACHABLE6 = {
    0: "no route to the host",
    1: "administratively prohibited",
    2: "beyond the scope of the source address",
    3: "host unreachable",
    4: "port unreachable",
    5: "source address refused by policy",
    6: "route rejected",
}
"""ICMPv6 type 1 by code: RFC 4443 section 3.1."""


def trouble(version: int, kind: int, code: int, number: int) -> str:
    """Return what an ICMP error says, by IP version, type and code; `number` is the MTU where one is told."""
    match version, kind, code:
        case (4, 3, 4) | (6, 2, _):
            return f"packet too big (the path takes {number} bytes)" if number else "packet too big"
        case 4, 3, _:
            return UNREACHABLE.get(code, f"destination unreachable (code {code})")
        case 6, 1, _:
            return UNREACHABLE6.get(code, f"destination unreachable (code {code})")
        case (4, 11, 1) | (6, 3, 1):
            return "fragments could not be put together in time"
        case (4, 11, _) | (6, 3, _):
            return "time to live exceeded on the way"
        case (4, 12, _) | (6, 4, _):
            return "packet refused on the way (parameter problem)"
        case _:
            return f"ICMP error {kind} code {code}"


def craft_request(version: int, size: int) -> bytes:
    """Return an echo request with `size` bytes of data, to be patched and sent again and again (`patched`)."""
    load_scapy()
    from scapy.layers.inet import ICMP  # noqa: PLC0415  scapy takes its time
    from scapy.layers.inet6 import ICMPv6EchoRequest  # noqa: PLC0415

    data = bytes(number & 0xFF for number in range(size))
    packet = ICMP(type=REQUEST[4], chksum=0) / data if version == 4 else ICMPv6EchoRequest(data=data, cksum=0)
    return bytes(packet)


class Template:
    """An echo request that is crafted once and patched for each packet."""

    __slots__ = ("_base", "_kind", "_rest", "size")

    def __init__(self, crafted: bytes) -> None:
        self._kind = crafted[0]
        self._rest = crafted[HEADER.size + TOKEN :]
        self._base = (self._kind << 8) + remainder(bytes(TOKEN) + self._rest)
        self.size = len(crafted)

    def patched(self, identifier: int, sequence: int, token: bytes) -> bytes:
        """Return a request; its checksum is that of ICMP: for ICMPv6 the kernel sets another (RFC 3542 section 3.1)."""
        field = checksum(self._base + identifier + sequence + int.from_bytes(token, "big"))
        return HEADER.pack(self._kind, 0, field, identifier, sequence) + token + self._rest

    def is_echo(self, token: bytes, data: bytes) -> bool:
        """Say whether a reply's data is what the request held (RFC 792 page 15, RFC 4443 section 4.2)."""
        return data == token + self._rest


def strip_ip_header(packet: bytes) -> bytes | None:
    """Return the ICMP message in an IPv4 packet from a raw socket (raw(7)), or None if lengths or sums are wrong."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None
    length = (packet[0] & 0xF) * 4
    if length < 20 or int.from_bytes(packet[2:4], "big") != len(packet) or len(packet) < length + HEADER.size:
        return None
    message = packet[length:]
    return message if is_right(message) else None


def read_reply(version: int, message: bytes) -> tuple[int, int, bytes] | None:
    """Return identifier, sequence number and data of an echo reply, or None if it is none."""
    if len(message) < HEADER.size + TOKEN:
        return None
    kind, code, _, identifier, sequence = HEADER.unpack_from(message)
    if kind != REPLY[version] or code != 0:
        return None
    return identifier, sequence, message[HEADER.size :]


def read_quoted_request(version: int, message: bytes) -> tuple[int, int, bytes] | None:
    """Return identifier, sequence number and what is left of the token of our request as an error quotes it."""
    if len(message) < HEADER.size:
        return None
    kind, _, _, identifier, sequence = HEADER.unpack_from(message)
    if kind != REQUEST[version]:
        return None
    return identifier, sequence, message[HEADER.size : HEADER.size + TOKEN]
