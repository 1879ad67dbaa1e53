"""Addresses, links, routes and rules of the kernel, changed by messages that were made beforehand (rtnetlink(7)).

Whoever makes such messages may take its time; the process that speaks VRRP only sends them. This module therefore
needs nothing but a socket. healthlb.linux.addresses makes the messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is put into the kernel and withdrawn again: a whole netlink message for each.

    `what` names it for a person, such as `address 198.51.100.1/24 on eth0`. Sequence numbers and the flag that asks
    for an acknowledgement are set when a message is sent.
    """

    what: str
    put: bytes
    withdraw: bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """What an instance has in the kernel: `links` from its setup to its end, `taken` while it is MASTER.

    Both are put in order and withdrawn in the opposite one. Putting what is there already is no fault, nor is
    withdrawing what is not: after an address was withdrawn because the file no longer lists it, put all of `taken`
    again, for the kernel may have removed further addresses of its subnet with it.
    """

    links: tuple[Change, ...] = ()
    taken: tuple[Change, ...] = ()


class Rtnetlink:
    """A socket that messages are sent with. `deadline` is in seconds, for each call."""

    def __init__(self, *, deadline: float = 2.0) -> None:
        self._deadline = deadline

    def put(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Make the changes in order and return a clause for each that the kernel refused."""
        raise NotImplementedError

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Undo the changes, the last first, and return a clause for each that the kernel refused."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        raise NotImplementedError
