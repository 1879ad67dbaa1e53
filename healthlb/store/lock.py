"""The lock on a state directory: of several directors on one machine, one has the state that outlives it."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from healthlb.store.owner import create

NAME = "lock"


class Lock:
    """Held until it is let go of or the process ends, however it ends (flock(2))."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._number: int | None = None

    def take(self) -> bool:
        """Return whether it is ours now; raise OSError where it cannot be known."""
        number = self._opened()
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            return False
        except OSError:
            os.close(number)
            raise
        self.release()
        self._number = number
        return True

    def _opened(self) -> int:
        how = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(self._path, os.O_RDWR | how)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # somebody else was faster
                return create(self._path, 0o600)
            return os.open(self._path, os.O_RDWR | how)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            # What is there can be read at least, and a lock needs no more.
            return os.open(self._path, os.O_RDONLY | how)

    def lost(self) -> bool:
        """Return whether the file is gone or another one, so that somebody else could take the lock."""
        if self._number is None:
            return True
        try:
            found, ours = self._path.stat(), os.fstat(self._number)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Let go of it."""
        if self._number is not None:
            os.close(self._number)
            self._number = None
