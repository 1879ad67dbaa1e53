"""Content codings (RFC 9110 section 8.4.1): gzip and deflate, bounded against bombs."""

import zlib
from collections.abc import Callable, Iterable

Decoder = Callable[[bytes, int], bytes]
"""Takes a piece and the most bytes that are still wanted; returns what it decodes to, no more than that."""


class UnknownCodingError(Exception):
    """A coding that is not decoded here; its name is the message."""


class UndecodableError(Exception):
    """The bytes are not of the coding that was announced; the message says so."""


def decoder(codings: Iterable[str]) -> Decoder:
    """Return the decoder for these codings, in the order in which they were applied. Raise UnknownCodingError."""
    named = [coding for coding in codings if coding not in ("", "identity")]
    if not named:
        return _as_it_is
    if len(named) > 1:
        raise UnknownCodingError(", ".join(named))
    match named[0]:
        case "gzip" | "x-gzip":
            return _Inflated("gzip").decode
        case "deflate":
            return _Inflated("deflate").decode
        case other:
            raise UnknownCodingError(other)


def _as_it_is(data: bytes, room: int) -> bytes:
    return data[:room]


class _Inflated:
    """gzip (RFC 1952, with any number of members) or deflate, both with its zlib wrapper and, as some send it, bare."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._start = b""
        self._stream: zlib._Decompress | None = None

    def decode(self, data: bytes, room: int) -> bytes:
        """Return at most `room` bytes more. Raise UndecodableError."""
        if self._stream is None:
            data, self._start = self._start + data, b""
            if len(data) < 2:
                self._start = data
                return b""
            self._stream = zlib.decompressobj(self._window_bits(data))
        before = self._stream.copy()
        try:
            return self._inflate(self._stream, data, room)
        except zlib.error:
            return self._up_to_the_fault(before, data, room)

    def _inflate(self, stream: "zlib._Decompress", data: bytes, room: int) -> bytes:
        decoded = stream.decompress(data, room)
        while self._coding == "gzip" and stream.eof and stream.unused_data and len(decoded) < room:
            rest = stream.unused_data
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            decoded += stream.decompress(rest, room - len(decoded))
        self._stream = stream
        return decoded

    def _up_to_the_fault(self, before: "zlib._Decompress", data: bytes, room: int) -> bytes:
        """Decode byte by byte: a fault behind the last wanted byte is none, however the network cut the pieces."""
        decoded = b""
        stream = before
        for at in range(len(data)):
            try:
                decoded += self._inflate(stream, data[at : at + 1], room - len(decoded))
            except zlib.error as error:
                raise UndecodableError(f"not {self._coding}") from error
            if len(decoded) >= room:
                break
            stream = self._stream or before
        return decoded

    def _window_bits(self, data: bytes) -> int:
        if self._coding == "gzip":
            return zlib.MAX_WBITS | 16
        # RFC 1950 section 2.2: method 8 and a header that is a multiple of 31; bare deflate is what else there is.
        wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS
