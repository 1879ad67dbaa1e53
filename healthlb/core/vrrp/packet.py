"""The VRRP message on the wire: RFC 9568 section 5.2 (version 3), RFC 3768 section 5.3 (version 2).

Nothing is built here: crafted bytes are resent as they are, with at most another priority.
"""

import struct
from typing import Final, NamedTuple

from healthlb.model.vrrp import Family

PROTOCOL: Final = 112
"""The IP protocol number of VRRP (RFC 9568 section 5.1.1.4)."""
HEADER_LENGTH: Final = 8
ADVERTISEMENT: Final = 1
ADDRESS_LENGTHS: Final = {4: 4, 6: 16}
AUTHENTICATION_LENGTH: Final = 8
"""The bytes of Authentication Data that end a message of version 2 (RFC 3768 section 5.3.10)."""
STOPPED: Final = 0
"""The priority that says that the master is no longer one (RFC 9568 section 5.2.4)."""


class Drop(NamedTuple):
    """A packet that is not heeded; `reason` is one of `receive.DROPS`."""

    reason: str


class Advert(NamedTuple):
    """An advertisement. `interval` is seconds, `addresses` packed; `authentication` is version 2's Auth Type."""

    version: int
    router_id: int
    priority: int
    interval: float
    addresses: tuple[bytes, ...]
    family: Family = 4
    authentication: int = 0


def read(message: bytes, *, family: Family, source: bytes, destination: bytes) -> Advert | Drop:
    """Return the advert that a VRRP message is, without its IP header; `source` and `destination` are packed.

    The checks are those of RFC 9568 section 7.1 and RFC 3768 section 7.1 that need no setting, in their order. Any
    bytes are an answer: nothing is raised. Version 3 over IPv4 is taken without the pseudo-header in the checksum (RFC
    9568 section 5.2.8) and with it (the same section of RFC 5798, keepalived), for both are met.
    """
    length = len(message)
    if not length:
        return Drop("length")
    version = message[0] >> 4
    if version != 3 and (version != 2 or family != 4):
        return Drop("version")
    if message[0] & 15 != ADVERTISEMENT:
        return Drop("type")
    if length < HEADER_LENGTH:
        return Drop("length")
    size = ADDRESS_LENGTHS[family]
    count = message[3]
    end = HEADER_LENGTH + size * count
    if length != (end if version == 3 else end + AUTHENTICATION_LENGTH):
        return Drop("length")
    if not count:
        return Drop("count")
    if not _checksum_holds(message, version, family, source + destination):
        return Drop("checksum")
    timing = int.from_bytes(message[4:6], "big")
    return Advert(
        version,
        message[1],
        message[2],
        (timing & 0xFFF) / 100 if version == 3 else float(timing & 0xFF),
        tuple([message[at : at + size] for at in range(HEADER_LENGTH, end, size)]),
        family,
        0 if version == 3 else timing >> 8,
    )


def _checksum_holds(message: bytes, version: int, family: Family, ends: bytes) -> bool:
    plain = int.from_bytes(message, "big") % 0xFFFF
    if family == 4 and not plain:
        return True
    if version == 2:
        return False
    return not (plain + int.from_bytes(ends, "big") + PROTOCOL + len(message)) % 0xFFFF


def checksum(message: bytes, *, source: bytes = b"", destination: bytes = b"") -> int:
    """Return the Internet checksum of a message whose checksum field is 0 (RFC 1071).

    `source` and `destination`, packed, are those of the pseudo-header (RFC 8200 section 8.1, which RFC 5798 section
    5.2.8 takes for IPv4 as well); empty for none.
    """
    pseudo = len(message) + PROTOCOL if source else 0
    padded = message + b"\0" * (len(message) % 2)
    total = int.from_bytes(padded, "big") + int.from_bytes(source + destination, "big") + pseudo
    # A sum in ones' complement is a remainder; of its two zeros 0 is that of nothing but zeros.
    folded = total % 0xFFFF or (0xFFFF if total else 0)
    return ~folded & 0xFFFF


def with_priority(message: bytes, priority: int) -> bytes:
    """Return a message with another priority (0 to 255) and the checksum that goes with it.

    The checksum is corrected, not computed (RFC 1624 section 3, equation 3), so it holds with a pseudo-header as well
    as without.
    """
    _, _, before, count, _, old = struct.unpack_from("!BBBBHH", message)
    total = (~old & 0xFFFF) + (~(before << 8 | count) & 0xFFFF) + (priority << 8 | count)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + bytes((priority,)) + message[3:6] + struct.pack("!H", ~total & 0xFFFF) + message[8:]
