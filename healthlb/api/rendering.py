"""Rendering in slices, once for all readers.

The probes share the event loop with HTTP, so a document is a generator of small pieces and the loop gets its turn
after every `SLICE` seconds of work. Whoever asks for a document while it is being made, or just after, is given the
same bytes; just after is `REST` times as long as it took, so that no crowd of readers takes more than a fifth of the
loop. It is held as gzip, a thirtieth of the text, so that neither a scrape of 10,000 servers nor a slow reader weighs
on memory.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator

from healthlb.api.source import SnapshotSource, fault_seen
from healthlb.model.snapshot import Snapshot

SLICE = 0.001
"""Seconds of rendering between two turns of the loop."""

CHUNK = 32 * 1024
"""Characters, about, in one chunk: small enough to compress, or to hand to a socket, in a fraction of `SLICE`."""

REST = 4.0
"""How long a rendering serves, in multiples of the work that it took: milliseconds for ten servers, 1 s for 10,000."""

_GZIP = 16 + zlib.MAX_WBITS

Fragments = Callable[[Snapshot], Iterator[str]]


class Rendering:
    """One finished document: gzip pieces, each of which ends where a chunk of the text does (RFC 1952).

    `length` is the bytes of the text, `work` the seconds that the rendering took of the loop.
    """

    __slots__ = ("compressed", "length", "work")

    def __init__(self, compressed: tuple[bytes, ...], length: int, work: float) -> None:
        self.compressed = compressed
        self.length = length
        self.work = work

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
    work = 0.0
    since = time.perf_counter()
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
        if (spent := time.perf_counter() - since) >= SLICE:
            work += spent
            await asyncio.sleep(0)
            since = time.perf_counter()
    text = "".join(pieces).encode(errors="replace")
    compressed.append(deflate.compress(text) + deflate.flush())
    return Rendering(tuple(compressed), length + len(text), work + time.perf_counter() - since)


class SharedRenderings:
    """The renderings of one kind of document, one under way at a time.

    A reader that leaves early never spoils it for the others. One that comes while it is being made is given it, which
    is older than the question by the time that the making takes.
    """

    def __init__(self, source: SnapshotSource, fragments: Fragments) -> None:
        self._source = source
        self._fragments = fragments
        self._task: asyncio.Task[Rendering] | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    async def current(self, max_age: float) -> Rendering:
        """Return a rendering of what the director knows now, or knew just before."""
        if self._task is None:
            self._task = asyncio.create_task(self._make(max_age))
            self._task.add_done_callback(fault_seen)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop a rendering that is under way."""
        task = self._task
        self._forget()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _make(self, max_age: float) -> Rendering:
        try:
            rendering = await in_slices(self._fragments(await self._source.snapshot(max_age)))
        except BaseException:
            self._forget()
            raise
        self._forgetting = asyncio.get_running_loop().call_later(REST * rendering.work, self._forget)
        return rendering

    def _forget(self) -> None:
        self._task = None
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
