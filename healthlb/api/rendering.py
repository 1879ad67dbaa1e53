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
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager
from hashlib import blake2b

from healthlb.api.picking import Passing
from healthlb.api.source import SnapshotSource, fault_seen
from healthlb.model.snapshot import Snapshot

SLICE = 0.001
"""Seconds of rendering between two turns of the loop."""

CHUNK = 32 * 1024
"""Characters, about, in one chunk: small enough to compress, or to hand to a socket, in a fraction of `SLICE`."""

REST = 4.0
"""How long a rendering serves, in multiples of the work that it took: milliseconds for ten servers, 1 s for 10,000."""

MOST_CHOSEN = 16
"""Different renderings that there are at once of what readers choose."""

CHOSEN_REST = 1.0
"""How long nobody's choice is rendered after one was, in multiples of the work that it took."""

_GZIP = 16 + zlib.MAX_WBITS

Fragments = Callable[[Snapshot], Iterator[str]]


class Rendering:
    """One finished document: its gzip form (RFC 1952) in pieces, each but the last about as large as a chunk.

    `length` is the bytes of the text, `work` the seconds that the rendering took of the loop. Texts with one `tag` say
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

    A reader that leaves early never spoils it for the others. One that comes while it is being made is given it, which
    is older than the question by the time that the making takes.
    """

    def __init__(self, source: SnapshotSource, fragments: Fragments, turns: "Turns | None" = None) -> None:
        self._source = source
        self._fragments = fragments
        self._turns = turns or Turns(0.0)
        self._task: asyncio.Task[Rendering] | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> bool:
        """Whether there is one that is being made."""
        return self._task is not None and not self._task.done()

    @property
    def idle(self) -> bool:
        """Whether there is none."""
        return self._task is None

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
            async with self._turns.one() as rest_after:
                rendering = await in_slices(self._fragments(await self._source.snapshot(max_age)))
                rest_after(rendering.work)
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


class Turns:
    """One rendering at a time, and after each a pause of `rest` times the work that it took.

    Whoever would wait for more than `patience` seconds is told so by TimeoutError.
    """

    def __init__(self, rest: float, patience: float = 10.0) -> None:
        self._rest = rest
        self._patience = patience
        self._lock = asyncio.Lock()
        self._free_at = 0.0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Callable[[float], None]]:
        """Wait for a turn and have it; what is yielded is to be told the seconds of work."""
        loop = asyncio.get_running_loop()
        worked = 0.0

        def rest_after(seconds: float) -> None:
            nonlocal worked
            worked = seconds

        async with asyncio.timeout(self._patience):
            await self._lock.acquire()
            try:
                await asyncio.sleep(max(0.0, self._free_at - loop.time()))
            except BaseException:
                self._lock.release()
                raise
        try:
            yield rest_after
        finally:
            self._free_at = loop.time() + self._rest * worked
            self._lock.release()


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
