"""A descriptor that becomes readable at a moment: epoll alone knows only milliseconds (timerfd_create(2))."""

import contextlib
import ctypes
import os
import struct

MONOTONIC, NONBLOCKING, ABSOLUTE = 1, 0o4000, 1
CLOSE_ON_EXEC = 0o2000000
PERIOD_AND_MOMENT = struct.Struct("=qqqq")


class Timer:
    """Poll `fileno()` for EPOLLIN. Moments are those of time.monotonic(), seconds; raise OSError."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._library.timerfd_create(MONOTONIC, NONBLOCKING | CLOSE_ON_EXEC)
        if self._descriptor < 0:
            raise _error()
        self._at: float | None = None

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return int(self._descriptor)

    def set(self, at: float | None) -> None:
        """Become readable at this moment, at once if it has passed, never for None."""
        if at == self._at:
            return
        nanoseconds = 0 if at is None else max(1, int(at * 1e9))
        told = PERIOD_AND_MOMENT.pack(0, 0, *divmod(nanoseconds, 1_000_000_000))
        if self._library.timerfd_settime(self._descriptor, ABSOLUTE, told, None) < 0:
            raise _error()
        self._at = at

    def rang(self) -> None:
        """Be readable no more until `set` names another moment, or the same one again."""
        self._at = None
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
