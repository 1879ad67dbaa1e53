"""The beginning of a body, decoded as it comes."""

from collections.abc import Iterable

from checks.web.content import UndecodableError, UnknownCodingError, decoder
from checks.web.judge import shorten
from checks.wire.inbox import PeerError


class Body:
    """Collects at most `wanted` bytes of a body in these content codings. Raise PeerError for one not known here."""

    __slots__ = ("_decode", "_wanted", "data")

    def __init__(self, codings: Iterable[str], wanted: int) -> None:
        self.data = bytearray()
        self._wanted = wanted
        try:
            self._decode = decoder(codings)
        except UnknownCodingError as error:
            coding = shorten(str(error))
            raise PeerError(f"the body cannot be judged: its coding '{coding}' is not known here") from error

    def is_enough_with(self, piece: bytes) -> bool:
        """Take a piece, and say whether no more is wanted. Raise PeerError."""
        try:
            self.data += self._decode(piece, self._wanted - len(self.data))
        except UndecodableError as error:
            raise PeerError(f"the body is not what its headers say: {error}") from error
        return len(self.data) >= self._wanted


def codings_of(value: bytes) -> list[str]:
    """Return the codings that a header lists, in the order in which they were applied."""
    return [coding.strip().lower() for coding in value.decode("latin-1").split(",")]
