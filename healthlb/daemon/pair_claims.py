"""What the process that speaks VRRP may have put into the kernel, on behalf of its parent: written down, and removed.

All of it blocks, and is for a thread.
"""

from collections.abc import Sequence
from pathlib import Path

from healthlb.linux.claims import CLAIMS, withdraw_claims, write_claims
from healthlb.linux.rtnetlink import Change, Rtnetlink


class Claims:
    """One file of claims."""

    def __init__(self, path: Path = CLAIMS) -> None:
        self._path = path

    def write(self, changes: Sequence[Change]) -> str:
        """Write down what may be in the kernel from now on; return a clause if that cannot be, else nothing."""
        try:
            write_claims(changes, self._path)
        except OSError as error:
            return f"what VRRP puts into the kernel cannot be written down in {self._path}: {error.strerror or error}"
        return ""

    def withdraw(self, changes: Sequence[Change] = ()) -> tuple[str, ...]:
        """Remove changes from the kernel, and all that is written down; return a clause for each that stays."""
        rtnetlink = Rtnetlink()
        try:
            stayed = rtnetlink.withdraw(changes)
        finally:
            rtnetlink.close()
        # What is written down is the same, unless it could not be written.
        return withdraw_claims(self._path) or stayed
