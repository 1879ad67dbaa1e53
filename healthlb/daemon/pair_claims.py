"""What the process that speaks VRRP may have put into the kernel, on behalf of its parent: written down, and removed.

All of it blocks, and is for a thread.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from healthlb.linux import acceptance
from healthlb.linux.claims import CLAIMS, claimed_elsewhere, read_claims, withdraw_claims, write_claims
from healthlb.linux.rtnetlink import Change, Rtnetlink


class HeldError(Exception):
    """A director speaks VRRP on this machine already: what is written down is in use."""


class Claims:
    """One file of claims, and the lock beside it: a director holds it while it has VRRP spoken (flock(2))."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or CLAIMS
        self._lock = -1

    def hold(self) -> None:
        """Keep others from removing what is written down, until `close`; raise HeldError.

        A folder that cannot be written keeps nobody from speaking: `write` tells of it.
        """
        if self._lock >= 0:
            return
        path = self._path.with_suffix(".lock")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise HeldError(f"a director speaks VRRP on this machine already: it holds {path}") from error
        self._lock = descriptor

    def close(self) -> None:
        """Let others have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def written(self) -> tuple[str, ...]:
        """Return what is written down, in words; nothing where it cannot be read, of which `clean` tells."""
        try:
            return tuple(change.what for change in read_claims(self._path))
        except (OSError, ValueError):
            return ()

    def elsewhere(self) -> bool:
        """Whether what is written down is in another network namespace, where alone it can be removed."""
        return claimed_elsewhere(self._path)

    def clean(self) -> tuple[str, ...]:
        """Remove what a director that is gone left behind; return a clause for each that stays. Raise HeldError."""
        before = self._lock
        self.hold()
        try:
            return (*withdraw_claims(self._path), *self._accept_again())
        finally:
            if before < 0:
                self.close()

    def _accept_again(self) -> tuple[str, ...]:
        try:
            acceptance.withdraw(self._path.with_name(acceptance.REFUSALS.name))
        except acceptance.AcceptanceError as error:
            return (str(error),)
        return ()

    def write(self, changes: Sequence[Change]) -> str:
        """Write down what may be in the kernel from now on; return a clause if that cannot be, else nothing."""
        try:
            write_claims(changes, self._path)
        except OSError as error:
            return f"what VRRP puts into the kernel cannot be written down in {self._path}: {error.strerror or error}"
        return ""

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Remove changes from the kernel, and all that is written down; return a clause for each that stays."""
        rtnetlink = Rtnetlink()
        try:
            stayed = rtnetlink.withdraw(changes)
        finally:
            rtnetlink.close()
        # What is written down is the same, unless it could not be written.
        return withdraw_claims(self._path) or stayed
