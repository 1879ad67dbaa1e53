"""What the tests of the checks share: a conversation played from bytes, and an engine with a loop of its own."""

import asyncio
import gc
import resource
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

from checks import Check, ProbeResult, Target, Verdict
from checks.engine import Engine, conversations, half_open, progress
from checks.engine.dialogue import Dialogue
from tests.checks.authority import Authority

Play = Callable[..., Verdict]
TARGET = Target("192.0.2.1", 80)
ENDS = 20
"""After so many ends, one for each connection it may make, a conversation must have come to its verdict."""


def _have(dialogue: Dialogue) -> None:
    while dialogue.wants is not None:
        dialogue.proceed()


@pytest.fixture(scope="session")
def play() -> Play:
    """Return a function that plays a conversation against these pieces, then the peer's end, without any I/O.

    New connections, TLS and (an empty) certificate are had as soon as they are wanted; a datagram's end is a silence.
    """

    def played(check: Check, pieces: Iterable[bytes], target: Target = TARGET) -> Verdict:
        datagrams = check.carrier == "datagram"
        dialogue = Dialogue(check.converse(target), datagrams=datagrams)
        dialogue.begin()
        for piece in pieces:
            _have(dialogue)
            if piece:
                dialogue.feed(piece)
        for _ in range(ENDS):
            _have(dialogue)
            if dialogue.verdict is None:
                dialogue.silence() if datagrams else dialogue.feed(b"", ended=True)
        assert dialogue.verdict is not None
        return dialogue.verdict

    return played


class HeldLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can jump, as it seems to one that was held up while the kernel went on."""

    jumped = 0.0
    stopped_at: float | None = None

    def time(self) -> float:
        return super().time() + self.jumped if self.stopped_at is None else self.stopped_at


class Bench:
    """An engine under test, and what it reported as faults."""

    def __init__(self, engine: Engine, faults: list[str]) -> None:
        self.engine = engine
        self.faults = faults

    def hold_the_loop(self, seconds: float) -> None:
        """Let the time pass without serving anything."""
        self.loop.jumped += seconds

    @property
    def conversations(self) -> conversations.Conversations:
        """The carrier of conversations."""
        carrier = self.engine._carriers["stream"]
        assert isinstance(carrier, conversations.Conversations)
        return carrier

    @property
    def loop(self) -> HeldLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HeldLoop)
        return loop

    def start(
        self,
        check: Check,
        target: Target,
        seconds: float,
        done: Callable[[ProbeResult], object],
        *,
        keep_evidence: bool = False,
    ) -> None:
        """Start a probe that has exactly so long, however busy the machine is at this very moment."""
        loop = self.loop
        loop.stopped_at = loop.time()
        try:
            self.engine.start(check, target, loop.time() + seconds, done, keep_evidence=keep_evidence)
        finally:
            loop.stopped_at = None

    async def probe(self, check: Check, target: Target, seconds: float = 20.0) -> ProbeResult:
        """Run one probe to its end; a second call of its `done` would raise here."""
        result: asyncio.Future[ProbeResult] = self.loop.create_future()
        self.start(check, target, seconds, result.set_result, keep_evidence=True)
        return await result


@pytest.fixture
def run() -> Iterator[Callable[[Callable[[Bench], Awaitable[None]]], None]]:
    """Return a function that runs a scenario with an engine; nothing may be in flight or leak when it ends."""

    def scenario(body: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            faults: list[str] = []
            engine = Engine(on_fault=faults.append)
            try:
                await body(Bench(engine, faults))
            finally:
                engine.close()

        with asyncio.Runner(loop_factory=HeldLoop) as runner:
            runner.run(main())

    yield scenario
    gc.collect()  # an unclosed socket becomes a warning here, and so a failure of the test that left it


@pytest.fixture
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine's late wake be no reason to void what the test is not about."""
    for module in (conversations, half_open, progress):
        monkeypatch.setattr(module, "LATE_SECONDS", 3600.0)


@pytest.fixture
def many_descriptors() -> None:
    """Lift the soft limit, which is 1024 in most shells, as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
