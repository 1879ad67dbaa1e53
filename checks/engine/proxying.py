"""The PROXY protocol's headers, as haproxy's proxy-protocol.txt section 2 has them."""

from checks import ProxyProtocol

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
"""Version 2, LOCAL, no family, no addresses: section 2.2 wants it from health checks, and receivers must take it."""


End = tuple[str, int] | tuple[str, int, int, int]


def proxy_header(version: ProxyProtocol, ours: End, theirs: End) -> bytes:
    """Return the header: in version 1 with the connection's own two ends (section 2.1, at most 107 bytes)."""
    if version == "v2":
        return LOCAL
    family = "TCP6" if ":" in theirs[0] else "TCP4"
    addresses = " ".join(end[0].partition("%")[0] for end in (ours, theirs))
    return f"PROXY {family} {addresses} {ours[1]} {theirs[1]}\r\n".encode("ascii")
