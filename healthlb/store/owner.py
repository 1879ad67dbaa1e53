"""Whose the files of a state directory are: its owner's, also where root makes them.

Somebody who runs a director as root for once, by hand, must not leave the service a lock, orders and a journal that it
may not open any more.
"""

import contextlib
import os
from pathlib import Path


def create(path: Path, mode: int) -> int:
    """Make a file that is not there, and return it opened for writing; raise OSError, where it is there too.

    No link is followed: what root makes in somebody else's directory must not be somewhere else.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            folder = path.parent.stat()
            os.fchown(number, folder.st_uid, folder.st_gid)
    return number
