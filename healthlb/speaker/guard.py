"""Hears whether somebody else has addresses of ours, now and then: a flood of that delays no advert."""

import os
from collections.abc import Iterable
from typing import Final, NamedTuple

from healthlb.linux.conflicts import Conflicts, Ear
from healthlb.linux.links import AWAY
from healthlb.model.vrrp import Family

MOST: Final = 128
"""Packets that are read at once from each socket: about as many as its buffer holds."""
WAYS: Final = {4: "ARP", 6: "neighbour advertisement"}
Place = tuple[str, int, Family]
"""An interface by name and index, and a family."""


class Claim(NamedTuple):
    """Somebody with a hardware address says that he has an address of ours; `sign` says so as a clause."""

    interface: str
    address: str
    hardware_address: str
    sign: str


class Guard:
    """One socket for each interface and family, whoever's addresses are there. `problems` are clauses.

    A socket stays open as long as there is anything to hear: to close one takes the kernel up to a tenth of a second
    (Linux net/packet/af_packet.c, packet_release waits for an RCU grace period).
    """

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self._open: dict[Place, Conflicts] = {}

    def heard(self, ears: Iterable[Ear], own: frozenset[str]) -> list[Claim]:
        """Return what was said since the last call; nothing of those with an `own` hardware address."""
        there: dict[Place, list[Ear]] = {}
        for ear in ears:
            there.setdefault((ear.interface, ear.index, ear.family), []).append(ear)
        for gone in self._open.keys() - there.keys():
            self._open.pop(gone).close()
        found, problems = [], []
        for place, listening in there.items():
            try:
                found += [claim for claim in self._listen(place, listening) if claim.hardware_address not in own]
            except OSError as problem:
                if problem.errno not in AWAY:
                    reason = os.strerror(problem.errno) if problem.errno else str(problem)
                    problems.append(f"whether others have our addresses on {place[0]} cannot be heard: {reason}")
        self.problems = tuple(problems)
        return found

    def close(self) -> None:
        """Close the sockets."""
        for conflicts in self._open.values():
            conflicts.close()
        self._open.clear()

    def _listen(self, place: Place, ears: list[Ear]) -> list[Claim]:
        interface, _, family = place
        addresses = frozenset(address for ear in ears for address in ear.addresses)
        own = frozenset(address for ear in ears for address in ear.own)
        conflicts = self._open.get(place)
        if conflicts is None:
            conflicts = self._open[place] = Conflicts(interface, family, addresses, own)
        conflicts.listen_for(addresses, own)
        return [
            Claim(
                interface, each.address, each.hardware_address, f"it says by {WAYS[family]} that it has {each.address}"
            )
            for each in sorted(conflicts.read(MOST))
        ]
