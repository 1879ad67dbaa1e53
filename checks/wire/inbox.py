"""Takes a stream apart: lines and exact lengths. The helpers are generators, for `yield from` in a conversation.

Where the peer breaks off or says too much they raise PeerError, which `judged` turns into the verdict.
"""

from collections.abc import Generator
from dataclasses import replace

from checks import SILENCE, Conversation, Step, Tls, Verdict

LONGEST_LINE = 8192
"""Bytes that a line may have; SMTP allows 512 for a reply (RFC 5321 section 4.5.3.1.5), FTP and IMAP set no bound."""


class PeerError(Exception):
    """The server did not do what the protocol asks; the text is the verdict's reason."""


def judged(talk: Conversation) -> Conversation:
    """Play a conversation; a PeerError in it is its failed verdict."""
    try:
        return (yield from talk)
    except PeerError as error:
        return Verdict(False, str(error))


class Inbox:
    """What came over a stream and was not taken yet."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def line(
        self, first: Step | None = None, what: str = "a reply", longest: int = LONGEST_LINE
    ) -> Generator[Step, bytes, bytes]:
        """Take a line without its CR LF or LF; `first` goes out before. `what` is what is missed at a break-off.

        Raise PeerError.
        """
        step = first
        at = self._data.find(b"\n")
        if step is not None and at >= 0:
            yield replace(step, at_least=0)  # the server answers before it is asked
        while at < 0:
            seen = len(self._data)
            yield from self._more(step or Step(), what)
            step = None
            at = self._data.find(b"\n", seen)
            if len(self._data if at < 0 else self._data[:at]) > longest:
                raise PeerError(f"the server sent a line of more than {longest} bytes")
        line = bytes(self._data[:at]).removesuffix(b"\r")
        del self._data[: at + 1]
        return line

    def exactly(self, size: int, first: Step | None = None, what: str = "a reply") -> Generator[Step, bytes, bytes]:
        """Take so many bytes; `first` goes out before. `size` is the caller's to bound. Raise PeerError."""
        step = first
        if step is not None and len(self._data) >= size:
            yield replace(step, at_least=0)
        while len(self._data) < size:
            yield from self._more(step or Step(at_least=size - len(self._data)), what)
            step = None
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def secure(self, settings: Tls) -> Generator[Step, bytes, None]:
        """Begin TLS on this connection; what follows is taken from inside it. Raise PeerError.

        What came in clear after the server's go-ahead is refused: it would be taken for an answer that came over TLS,
        whoever sent it (RFC 3207 section 6; response injection).
        """
        if self._data:
            raise PeerError("the server said more in clear after it had agreed to TLS")
        yield Step(at_least=0, secure=settings)

    def _more(self, step: Step, what: str) -> Generator[Step, bytes, None]:
        data = yield step
        if data is SILENCE:
            raise PeerError(f"no answer where {what} was due")
        if not data:
            where = f"in the middle of {what}" if self._data else f"without {what}"
            raise PeerError(f"the connection closed {where}")
        self._data += data
