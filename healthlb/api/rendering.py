"""Rendering in slices, once for all readers.

The probes share the event loop with HTTP, so a document is a generator of small pieces and the loop gets its turn
after every `SLICE` seconds of work. A rendering belongs to one snapshot: whoever asks for it while it is being made, or
just after, is given the same bytes. It is held as gzip, a thirtieth of the text, so that neither a scrape of 10,000
servers nor a slow reader weighs on memory.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator

from healthlb.model.snapshot import Snapshot

SLICE = 0.001
"""Seconds of rendering between two turns of the loop."""

CHUNK = 32 * 1024
"""Characters, about, in one chunk: small enough to compress, or to hand to a socket, in a fraction of `SLICE`."""

KEPT = 2.0
"""Seconds that a rendering is kept after it was made; by then there is a newer snapshot."""

_GZIP = 16 + zlib.MAX_WBITS

Fragments = Callable[[Snapshot], Iterator[str]]


class Rendering:
    """One finished document: gzip pieces, each of which ends where a chunk of the text does (RFC 1952)."""

    __slots__ = ("compressed", "length")

    def __init__(self, compressed: tuple[bytes, ...], length: int) -> None:
        self.compressed = compressed
        self.length = length

    @property
    def compressed_length(self) -> int:
        """Bytes of the gzip form; `length` is the bytes of the text."""
        return sum(map(len, self.compressed))

    def plain(self) -> Iterator[bytes]:
        """Yield the text, chunk by chunk."""
        inflate = zlib.decompressobj(_GZIP)
        for piece in self.compressed:
            if chunk := inflate.decompress(piece):
                yield chunk


async def in_slices(fragments: Iterator[str]) -> Rendering:
    """Render fragments, giving the loop its turn after every `SLICE` seconds."""
    deflate = zlib.compressobj(1, wbits=_GZIP)
    compressed: list[bytes] = []
    pieces: list[str] = []
    size = length = 0
    until = time.perf_counter() + SLICE
    for fragment in fragments:
        pieces.append(fragment)
        size += len(fragment)
        if size >= CHUNK:
            # A lone surrogate, which a YAML escape can make, has no UTF-8 form.
            text = "".join(pieces).encode(errors="replace")
            compressed.append(deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))
            length += len(text)
            pieces.clear()
            size = 0
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + SLICE
    text = "".join(pieces).encode(errors="replace")
    compressed.append(deflate.compress(text) + deflate.flush())
    return Rendering(tuple(compressed), length + len(text))


class SharedRenderings:
    """The renderings of one kind of document, one under way at a time.

    A reader that leaves early never spoils it for the others, and one that comes while an older snapshot is being
    rendered is given that one, which is older by the time that the rendering takes.
    """

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._snapshot: Snapshot | None = None
        self._task: asyncio.Task[Rendering] | None = None

    async def of(self, snapshot: Snapshot) -> Rendering:
        """Return the rendering of a snapshot."""
        if self._task is None or (self._task.done() and self._snapshot is not snapshot):
            self._snapshot = snapshot
            self._task = asyncio.create_task(self._render(snapshot))
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop a rendering that is under way."""
        task, self._task, self._snapshot = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _render(self, snapshot: Snapshot) -> Rendering:
        try:
            rendering = await in_slices(self._fragments(snapshot))
        except BaseException:
            self._forget(snapshot)
            raise
        asyncio.get_running_loop().call_later(KEPT, self._forget, snapshot)
        return rendering

    def _forget(self, snapshot: Snapshot) -> None:
        if self._snapshot is snapshot:
            self._snapshot = self._task = None
