"""An IP address and a port, as operators write them."""

from dataclasses import dataclass
from typing import Literal

Family = Literal["inet", "inet6"]


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address and port; `address` is the canonical text of `ipaddress`, so that equal addresses compare equal.

    Port 0 stands for "whatever port the packet came with", which IPVS allows in fwmark and all-port services.
    """

    address: str
    port: int

    @property
    def family(self) -> Family:
        """The address family; IPv6 text is the one with a colon."""
        return "inet6" if ":" in self.address else "inet"

    def __str__(self) -> str:
        """`192.0.2.1:80` or `[2001:db8::1]:80` (RFC 3986 section 3.2.2 brackets)."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
