"""Bytes in hexadecimal, as options: what to send, and what to expect with X for any digit."""

import re

from checks.options import Matching

HEX = Matching(r"(?:[0-9A-Fa-f]{2} ?)+", "pairs of hexadecimal digits such as 0a ff")
HEX_PATTERN = Matching(r"(?:[0-9A-Fa-fXx]{2} ?)+", "pairs of hexadecimal digits such as 0a fX, X for any digit")


def pairs(text: str) -> list[str]:
    """Return the pairs of digits in such a text."""
    return re.findall(r"[0-9a-fx]{2}", text.lower())


def begins_like(data: bytes, pattern: str) -> bool:
    """Say whether bytes begin as a pattern wants it."""
    wanted = pairs(pattern)
    return len(data) >= len(wanted) and all(
        digit in ("x", found) for digit, found in zip("".join(wanted), data[: len(wanted)].hex(), strict=True)
    )
