"""Tells the neighbours where an address is now, by frames that were crafted beforehand (packet(7))."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame and the index of the interface that it leaves by. `what` names it for a person."""

    index: int
    data: bytes
    what: str


class Announcer:
    """A packet socket that only sends; raise OSError where none can be had."""

    def __init__(self) -> None:
        raise NotImplementedError

    def announce(self, frames: Sequence[Frame]) -> tuple[str, ...]:
        """Send the frames in order, never waiting, and return a clause for each that could not be sent."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket."""
        raise NotImplementedError
