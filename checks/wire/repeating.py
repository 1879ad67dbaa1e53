"""A question over UDP that is asked again while nobody answers, because datagrams get lost."""

from collections.abc import Generator

from checks import SILENCE, Step
from checks.wire.inbox import PeerError


class Repeated:
    """Asks `tries` times, each `resend` seconds after the one before; after the last the probe's deadline decides."""

    __slots__ = ("_asked", "_question", "_resend", "_shown", "_tries")

    def __init__(self, question: bytes, resend: float, tries: int, shown: bytes | None = None) -> None:
        self._question = question
        self._resend = resend
        self._tries = tries
        self._shown = shown
        self._asked = 0

    def datagram(self) -> Generator[Step, bytes, bytes]:
        """Return the next datagram that comes, whosesoever it is. Raise PeerError if none came in the end."""
        send = self._question if not self._asked else b""
        while True:
            self._asked += bool(send)
            patience = self._resend if self._asked < self._tries else None
            data = yield Step(send, shown=self._shown if send else None, patience=patience)
            if data is not SILENCE:
                return data
            if self._asked >= self._tries:
                raise PeerError(f"no answer, asked {self._asked} times" if self._asked > 1 else "no answer")
            send = self._question
