"""VRRP messages laid out by hand after RFC 9568 section 5.2 and RFC 3768 section 5.3, to compare others' with."""

import random
import struct
from ipaddress import ip_address


def folded(data: bytes) -> int:
    """Return what the 16-bit words of the data add up to in ones' complement (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what goes into the checksum before the message (RFC 8200 section 8.1; for IPv4 as in RFC 768)."""
    return source + destination + struct.pack("!II", length, 112)


def message(
    version: int,
    addresses: bytes,
    count: int,
    *,
    router_id: int = 51,
    priority: int = 100,
    timing: int = 100,
    authentication: bytes = bytes(8),
    ends: tuple[bytes, bytes] | None = None,
) -> bytes:
    """Return a message with a right checksum, over a pseudo-header with these packed addresses if any are given.

    `timing` is the interval in centiseconds, in version 2 the Auth Type and the interval in seconds.
    """
    tail = addresses + (authentication if version == 2 else b"")
    head = struct.pack("!BBBBH", version << 4 | 1, router_id, priority, count, timing)
    before = pseudo_header(*ends, len(head) + 2 + len(tail)) if ends else b""
    return head + struct.pack("!H", ~folded(head + tail + before) & 0xFFFF) + tail


def ipv4_packet(payload: bytes, source: bytes, destination: bytes, *, options: bytes = b"", ttl: int = 255) -> bytes:
    """Return an IPv4 packet of VRRP as a raw socket shows it."""
    size = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | size // 4, 0xC0, size + len(payload), 7, 0, ttl, 112, 0)
    return head + source + destination + options + payload


def garbage_of(router_id: int) -> list[bytes]:
    """Return packets that are no adverts of a virtual router, each in its own way."""
    source, group, address = (ip_address(each).packed for each in ("192.0.2.50", "224.0.0.18", "192.0.2.10"))
    good = message(3, address, 1, router_id=router_id, priority=254, ends=(source, group))
    others = message(3, address, 1, router_id=router_id + 1, priority=254, ends=(source, group))
    older = message(2, address, 1, router_id=router_id, priority=254, timing=1)
    chance = random.Random(5)
    wrong = [others, older, good[:6] + b"\0\0" + good[8:], good[:-1], good + bytes(4), b""]
    wrong += [b"\x31" + bytes([router_id]) + chance.randbytes(10) for _ in range(10)]
    return [ipv4_packet(each, source, group) for each in wrong]
