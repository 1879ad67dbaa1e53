"""What the process that speaks VRRP may have put into the kernel, written down so that others can remove it.

Whoever starts that process writes it down first. Its parent withdraws it after its death, the service manager's stop
step after the death of both, and the next start before anything else.
"""

from collections.abc import Sequence
from pathlib import Path

from healthlb.linux.rtnetlink import Change

CLAIMS = Path("/run/healthlb/vrrp.json")


def write_claims(changes: Sequence[Change], path: Path = CLAIMS) -> None:
    """Write down what may be in the kernel from now on, in place of what was there; raise OSError."""
    raise NotImplementedError


def read_claims(path: Path = CLAIMS) -> tuple[Change, ...]:
    """Return what is written down, nothing if there is no such file; raise OSError, ValueError."""
    raise NotImplementedError


def withdraw_claims(path: Path = CLAIMS) -> tuple[str, ...]:
    """Remove all that is written down from the kernel, then the file; return a clause for each thing that stays.

    What stays stays written down as well. Call it again without harm.
    """
    raise NotImplementedError
