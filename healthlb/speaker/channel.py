"""The speaker's end of the socket pair: it never waits for the director's process, which may stall."""

import socket
from collections import deque
from collections.abc import Iterator
from typing import Final

from healthlb.speaker.wire import PIECE, Assembler, FromSpeaker, ToSpeaker, pieces

WAITING: Final = 4096
"""Datagrams that are kept for a director that does not read; further messages are lost, and counted."""
AT_ONCE: Final = 64
"""Datagrams that are read before others have their turn."""


class Channel:
    """Messages both ways over a socket that does not block. `lost` counts what the director did not read in time."""

    def __init__(self, end: socket.socket) -> None:
        self.lost = 0
        self.ended = False
        self._end = end
        self._assembler = Assembler(parent=False)
        self._waiting: deque[bytes] = deque()

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._end.fileno()

    @property
    def idle(self) -> bool:
        """Whether everything that was said has gone out."""
        return not self._waiting

    def say(self, message: FromSpeaker) -> None:
        """Send a message now or, if the director does not read, with a later `flush`."""
        if len(self._waiting) >= WAITING:
            self.lost += 1
            return
        self._waiting.extend(pieces(message))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes."""
        try:
            while self._waiting:
                self._end.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.ended = True
            self._waiting.clear()

    def heard(self) -> Iterator[ToSpeaker]:
        """Yield what the director has said; `ended` is set when it will say no more. Raise CodingError."""
        for _ in range(AT_ONCE):
            try:
                piece = self._end.recv(PIECE + 1)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:
                self.ended = True
                return
            message = self._assembler.take(piece)
            if isinstance(message, ToSpeaker):
                yield message

    def close(self) -> None:
        """Close the socket: the director sees its end."""
        self._end.close()
