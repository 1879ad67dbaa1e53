"""Hears whether somebody else has the addresses of an instance, now and then: a flood of that delays no advert."""

import os
from collections.abc import Sequence
from typing import Final

from healthlb.linux.conflicts import Conflict, Conflicts, Ear
from healthlb.linux.links import AWAY

MOST: Final = 64
"""Packets that are read at once from each socket, whose buffer the kernel bounds."""
WAYS: Final = {4: "ARP", 6: "neighbour advertisement"}


class Guard:
    """Sockets for each ear, open from one `heard` to the next. `problems` are clauses about the last call."""

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self._open: dict[Ear, Conflicts] = {}

    def heard(self, ears: Sequence[Ear], own: frozenset[str]) -> list[tuple[str, str]]:
        """Return signs, as clauses, with the hardware addresses whose they are; nothing of `own` ones.

        What was said before the first call is not heard.
        """
        for gone in self._open.keys() - set(ears):
            self._open.pop(gone).close()
        found, problems = [], []
        for ear in ears:
            try:
                found += [(ear, conflict) for conflict in sorted(self._listen(ear))]
            except OSError as problem:
                self._forget(ear)
                if problem.errno not in AWAY:
                    reason = os.strerror(problem.errno) if problem.errno else str(problem)
                    problems.append(f"whether others have our addresses on {ear.interface} cannot be heard: {reason}")
        self.problems = tuple(problems)
        return [
            (f"it says by {WAYS[ear.family]} that it has {conflict.address}", conflict.hardware_address)
            for ear, conflict in found
            if conflict.hardware_address not in own
        ]

    def close(self) -> None:
        """Close the sockets."""
        for ear in tuple(self._open):
            self._forget(ear)

    def _listen(self, ear: Ear) -> frozenset[Conflict]:
        if ear not in self._open:
            self._open[ear] = Conflicts(ear.interface, ear.family, ear.addresses, ear.own)
        return self._open[ear].read(MOST)

    def _forget(self, ear: Ear) -> None:
        if ear in self._open:
            self._open.pop(ear).close()
