"""Interfaces and their addresses, as the kernel tells of them: at first all, then every change (rtnetlink(7))."""

from collections.abc import Mapping
from dataclasses import dataclass

from healthlb.model.vrrp import Family


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an interface. `secondary`: the kernel does not choose it as a source by itself."""

    address: str
    prefix: int
    family: Family
    link_local: bool = False
    secondary: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `up`: an operator wants it up and its carrier is there (IFF_UP and IFF_RUNNING).

    `hardware_address` is spelled 02:00:00:00:00:01, empty where there is none.
    """

    index: int
    name: str
    up: bool
    hardware_address: str = ""
    addresses: tuple[Address, ...] = ()

    def source(self, family: Family, unlike: frozenset[str] = frozenset()) -> str:
        """Return the address that adverts come from, empty if there is none; `unlike` are the virtual ones.

        The primary IPv4 address, or the IPv6 link-local one (RFC 9568 section 5.1).
        """
        raise NotImplementedError


class Links:
    """What is known of every interface, by name. Poll `fileno()` for POLLIN, then call `read()`."""

    def __init__(self) -> None:
        self.known: Mapping[str, Link] = {}

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        raise NotImplementedError

    def read(self) -> frozenset[str]:
        """Take in what the kernel has told, never blocking, and return the names of interfaces that changed.

        When the kernel lost messages everything is read again. Raise OSError.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket."""
        raise NotImplementedError
