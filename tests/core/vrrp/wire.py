"""Messages of VRRP as the RFCs draw them, built without a line of healthlb's."""

import struct
from ipaddress import ip_address

GROUP = {4: "224.0.0.18", 6: "ff02::12"}
V4 = ("192.0.2.1",)
V6 = ("fe80::1", "2001:db8::1")


def packed(address: str) -> bytes:
    return ip_address(address).packed


def internet_checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def pseudo_header(source: str, destination: str, length: int) -> bytes:
    """RFC 8200 section 8.1; that of IPv4 (RFC 793) has narrower fields and the same sum."""
    return packed(source) + packed(destination) + struct.pack("!II", length, 112)


def version_3(
    *,
    router_id: int = 51,
    priority: int = 100,
    centiseconds: int = 100,
    addresses: tuple[str, ...] = V4,
    source: str = "192.0.2.3",
    destination: str = "224.0.0.18",
    pseudo: bool = True,
    first: int = 0x31,
    count: int | None = None,
    reserved: int = 0,
    tail: bytes = b"",
) -> bytes:
    count = len(addresses) if count is None else count
    head = struct.pack("!BBBBH", first, router_id, priority, count, reserved << 12 | centiseconds)
    body = b"".join(packed(address) for address in addresses) + tail
    summed = head + b"\0\0" + body
    if pseudo:
        summed = pseudo_header(source, destination, len(summed)) + summed
    return head + struct.pack("!H", internet_checksum(summed)) + body


def version_2(
    *,
    router_id: int = 51,
    priority: int = 100,
    seconds: int = 1,
    addresses: tuple[str, ...] = V4,
    authentication: int = 0,
    password: bytes = b"",
    first: int = 0x21,
) -> bytes:
    head = struct.pack("!BBBBBB", first, router_id, priority, len(addresses), authentication, seconds)
    body = b"".join(packed(address) for address in addresses) + password.ljust(8, b"\0")
    return head + struct.pack("!H", internet_checksum(head + b"\0\0" + body)) + body
