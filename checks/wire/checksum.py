"""The Internet checksum (RFC 1071), by the remainder of 65535.

The ones' complement sum of 16-bit words is their sum modulo 65535, and as 65536 leaves 1, so is a whole packet read as
one number: words of any width may be added up, and a template's part be added once for all (RFC 1624 section 2).
"""

MODULUS = 0xFFFF


def remainder(data: bytes) -> int:
    """Return what the data adds to a checksum; an odd byte at the end counts as if a zero byte followed."""
    if len(data) & 1:
        data += b"\x00"
    return int.from_bytes(data, "big") % MODULUS


def checksum(total: int) -> int:
    """Return the field's value for remainders that add up to `total`; never zero, which stands for 0xFFFF as well."""
    return MODULUS - total % MODULUS


def is_right(data: bytes) -> bool:
    """Say whether data that holds its own checksum adds up."""
    return remainder(data) == 0
