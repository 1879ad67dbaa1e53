"""Rendering in slices, once for all readers.

The probes share the event loop with HTTP, so a document is a generator of small pieces and the loop gets its turn
after every `SLICE` seconds of work. Whoever asks for a document while it is being made, or just after, is given the
same bytes; just after is `REST` times as long as it took, with its snapshot, so that no crowd of readers takes more
than a fifth of the loop; a change that readers are to see at once ends it. It is held as gzip, a thirtieth of the text,
so that neither a scrape of 10,000 servers nor a slow reader weighs on memory.
"""

import asyncio
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from hashlib import blake2b

from healthlb.api.picking import Passing
from healthlb.api.sharing import Shared, Turns
from healthlb.api.source import SnapshotSource
from healthlb.model.snapshot import Snapshot

SLICE = 0.001
"""Seconds of rendering between two turns of the loop."""

CHUNK = 32 * 1024
"""Characters, about, in one chunk: small enough to compress, or to hand to a socket, in a fraction of `SLICE`."""

REST = 4.0
"""How long a rendering serves, in multiples of the work that it took: milliseconds for ten servers, 2 s for 10,000."""

MOST_CHOSEN = 16
"""Different renderings that there are at once of what readers choose."""

CHOSEN_REST = 1.0
"""How long nobody's choice is rendered after one was, in multiples of the work that it took."""

_GZIP = 16 + zlib.MAX_WBITS

Fragments = Callable[[Snapshot], Iterator[str]]


class Rendering:
    """One finished document: its gzip form (RFC 1952) in pieces, each but the last about as large as a chunk.

    `length` is the bytes of the text, `work` the seconds that it took of the loop. Texts with one `tag` say
    the same, but for what is of the moment alone.
    """

    __slots__ = ("compressed", "length", "tag", "work")

    def __init__(self, compressed: tuple[bytes, ...], length: int, work: float, tag: str) -> None:
        self.compressed = compressed
        self.length = length
        self.work = work
        self.tag = tag

    @property
    def compressed_length(self) -> int:
        """Bytes of the gzip form; `length` is the bytes of the text."""
        return sum(map(len, self.compressed))

    def plain(self) -> Iterator[bytes]:
        """Yield the text, chunk by chunk."""
        inflate = zlib.decompressobj(_GZIP)
        for piece in self.compressed:
            left = piece
            while left:
                chunk = inflate.decompress(left, CHUNK)
                left = inflate.unconsumed_tail
                if chunk:
                    yield chunk
        if rest := inflate.flush():
            yield rest


async def in_slices(fragments: Iterator[str]) -> Rendering:
    """Render fragments, giving the loop its turn after every `SLICE` seconds."""
    deflate = zlib.compressobj(1, wbits=_GZIP)
    digest = blake2b(digest_size=12)
    compressed: list[bytes] = []
    piece = bytearray()
    pieces: list[str] = []
    passing = False
    size = length = 0
    work = 0.0
    since = time.perf_counter()

    def text() -> bytes:
        # A lone surrogate, which a YAML escape can make, has no UTF-8 form.
        whole = "".join(pieces).encode(errors="replace")
        lasting = (each for each in pieces if not isinstance(each, Passing))
        digest.update("".join(lasting).encode(errors="replace") if passing else whole)
        return whole

    for fragment in fragments:
        pieces.append(fragment)
        passing = passing or isinstance(fragment, Passing)
        size += len(fragment)
        if size >= CHUNK:
            chunk = text()
            piece += deflate.compress(chunk)
            # A reader costs the loop by the piece: there are as few as a turn of it allows.
            if len(piece) >= CHUNK:
                compressed.append(bytes(piece))
                piece.clear()
            length += len(chunk)
            pieces.clear()
            passing, size = False, 0
        if (spent := time.perf_counter() - since) >= SLICE:
            work += spent
            await asyncio.sleep(0)
            since = time.perf_counter()
    chunk = text()
    compressed.append(bytes(piece) + deflate.compress(chunk) + deflate.flush())
    work += time.perf_counter() - since
    return Rendering(tuple(compressed), length + len(chunk), work, digest.hexdigest())


class SharedRenderings:
    """The renderings of one kind of document, one under way at a time.

    Who asks after a change (`SnapshotSource.changes`) is shown it. Otherwise one that comes while a rendering is being
    made is given it, which is older than the question by the time that the making takes.
    """

    def __init__(self, source: SnapshotSource, fragments: Fragments, turns: Turns | None = None) -> None:
        self._source = source
        self._fragments = fragments
        self._max_age = 0.0
        self._shared = Shared(self._make, lambda made: REST * made.work, lambda: source.changes, turns)

    @property
    def under_way(self) -> bool:
        """Whether there is one that is being made."""
        return self._shared.under_way

    @property
    def idle(self) -> bool:
        """Whether there is none."""
        return self._shared.idle

    async def current(self, max_age: float) -> Rendering:
        """Return a rendering of what the director knows now, or knew just before; all askers want one `max_age`."""
        self._max_age = max_age
        return await self._shared.current()

    async def close(self) -> None:
        """Stop a rendering that is under way."""
        await self._shared.close()

    async def _make(self) -> Rendering:
        snapshot = await self._source.snapshot(self._max_age)
        rendering = await in_slices(self._fragments(snapshot))
        rendering.work += snapshot.work
        return rendering


class CrowdedError(Exception):
    """Too many different renderings are being made."""


class ChosenRenderings:
    """Renderings of which readers choose the contents: made one after the other, and shared by who choose the same.

    There are `MOST_CHOSEN` at once, those that still serve among them. So a crowd with as many wishes as readers takes
    no more of the loop, and of memory, than one document does.
    """

    def __init__(self, source: SnapshotSource) -> None:
        self._source = source
        self._turns = Turns(CHOSEN_REST)
        self._shared: OrderedDict[Hashable, SharedRenderings] = OrderedDict()

    async def current(self, choice: Hashable, fragments: Fragments, max_age: float) -> Rendering:
        """Return a rendering of a choice; raise CrowdedError where there is no room for one more."""
        shared = self._shared.get(choice)
        if shared is None:
            await self._make_room()
            shared = self._shared.setdefault(choice, SharedRenderings(self._source, fragments, self._turns))
        return await shared.current(max_age)

    async def close(self) -> None:
        """Stop what is under way."""
        for each in self._shared.values():
            await each.close()

    async def _make_room(self) -> None:
        for choice in [choice for choice, each in self._shared.items() if each.idle]:
            del self._shared[choice]
        if len(self._shared) < MOST_CHOSEN:
            return
        for choice, each in self._shared.items():
            if not each.under_way:
                del self._shared[choice]
                await each.close()
                return
        raise CrowdedError
