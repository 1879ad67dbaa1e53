"""What a probe saw, kept for whoever asks why a server is as it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """The first bytes that went each way, the peer's address, and its certificate in words; empty where there was none.

    What a check holds secret is not in it.
    """

    sent: bytes = b""
    received: bytes = b""
    peer: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class SeenProbe:
    """One probe that is remembered: when it ended in UNIX seconds, what it said, how long it took, and what it saw."""

    at: float
    reason: str
    seconds: float
    evidence: Evidence | None


def escaped(data: bytes) -> str:
    r"""Return bytes as printable ASCII, the rest as in `\r\n` and `\xff`; a backslash is two."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")
