"""The engine: gives each probe to the carrier of its kind, and keeps what they share."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from checks import Carrier, CarrierName, Check, Done, Evidence, ProbeResult, Target, Tls, UnusableError
from checks.engine.conversations import Conversations
from checks.engine.echo import Echo
from checks.engine.files import Files
from checks.engine.half_open import Flight, HalfOpen
from checks.engine.processes import Processes
from checks.engine.sockets import show
from checks.engine.telling import Teller
from checks.engine.tls import Contexts
from checks.engine.words import REACHED_NOBODY, Phase, broken, not_sent

Hint = Callable[[Check, Target], None]
"""Asks for a probe now, because something was seen that it may confirm."""
Plan = Callable[[float, float], None]
"""Starts one more run of a planned probe: takes its deadline and the present, both in the loop's seconds."""
Maker = Callable[["Engine"], Carrier]

MAKERS: Mapping[CarrierName, Maker] = {
    "echo": lambda engine: Echo(engine.loop, engine.teller),
    "half-open": lambda engine: HalfOpen(engine.loop, engine.teller, engine.carrier("stream")),
    "process": lambda engine: Processes(engine.loop, engine.teller),
    "file": lambda engine: Files(engine.loop, engine.teller, engine.on_hint),
}
"""How the carriers beside that of conversations are made, when a check first needs one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an engine's conversations hold and have done, for metrics.

    `sockets_kept` of `sockets_open` are idle. `waiting` probes lack a socket or a port now, `waits_total` once did.
    `void_total` were spoiled by the director itself: a late loop, or too long a wait. `lag` is how many seconds late
    the loop came to the latest deadline or patience that it looked at, `most_lag` the worst so far.
    """

    sockets_open: int
    sockets_kept: int
    sockets_opened_total: int
    resets_total: int
    waiting: int
    waits_total: int
    void_total: int
    lag: float
    most_lag: float


class Engine:
    """Carries probes. Belongs to one event loop and is used from its thread only.

    `on_fault` is told, in one sentence, of a check that raised or broke its contract and of a `done` that raised;
    without it the loop's exception handler is. `on_hint` is asked for a probe out of turn.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        on_fault: Callable[[str], None] | None = None,
        on_hint: Hint | None = None,
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = loop or asyncio.get_running_loop()
        self.teller: Teller = Teller(self.loop, on_fault)
        self.on_hint: Hint = on_hint or _unheard
        self._contexts = Contexts()
        conversations = Conversations(self.loop, self.teller, self._contexts)
        self._conversations = conversations
        self._carriers: dict[CarrierName, Carrier] = {"stream": conversations, "datagram": conversations}
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`."""
        return sum(carrier.in_flight for carrier in {*self._carriers.values()}) + self.teller.waiting

    @property
    def counts(self) -> Counts:
        """Return the present counts."""
        carrier = self._conversations
        lines = carrier.lines
        return Counts(
            sockets_open=lines.open,
            sockets_kept=lines.kept,
            sockets_opened_total=lines.opened_total,
            resets_total=lines.reset_total,
            waiting=carrier.waiting,
            waits_total=carrier.waits_total,
            void_total=carrier.void_total,
            lag=carrier.lag,
            most_lag=carrier.most_lag,
        )

    def prepare(self, settings: Tls) -> str | None:
        """Read the files of these TLS settings now; return what is wrong with them. May be called from a thread.

        Reading the system's authorities takes tens of milliseconds, which the first probe would otherwise pay.
        """
        try:
            self._contexts.get(settings, self.loop.time())
        except UnusableError as error:
            return str(error)
        return None

    def keep_only(self, settings: Iterable[Tls]) -> None:
        """Forget the TLS contexts of settings that are not among these; a reload calls it. In-flight probes go on."""
        self._contexts.keep_only(set(settings))

    def plan(self, check: Check, target: Target, done: Done, *, keep_evidence: bool = False) -> Plan:
        """Return what starts this probe, again and again but once at a time: plan once what is probed often.

        The plan takes (deadline, now) and does what `start` does. It raises RuntimeError while a run is under way.
        """
        try:
            if self._carriers.get(check.carrier) is self._conversations:
                probe = self._conversations.plan(check, target, done, keep_evidence=keep_evidence)
                return partial(self._conversations.begin, probe)
            carrier = self.carrier(check.carrier) if check.carrier == "half-open" else None
            if isinstance(carrier, HalfOpen):
                return partial(self._begin, carrier, carrier.plan(check, target, done, keep_evidence=keep_evidence))
        except Exception:  # noqa: BLE001, S110  a start will meet the same, and tell
            pass

        def start(deadline: float, _now: float) -> None:
            self.start(check, target, deadline, done, keep_evidence=keep_evidence)

        return start

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe. `done` is called once, from the loop and never from in here, unless the engine is closed.

        `deadline` is in `loop.time()` and is for all of it: connecting, TLS and the conversation. A failure carries
        its evidence; a pass does if `keep_evidence` asks for it. Raise RuntimeError after `close`.
        """
        if self._closed:
            raise RuntimeError("the engine is closed")
        try:
            carrier = self._carriers.get(check.carrier) or self.carrier(check.carrier)
            carrier.start(check, target, deadline, done, keep_evidence=keep_evidence)
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._refused(check, target, done, error)

    def _begin(self, carrier: HalfOpen, flight: Flight, deadline: float, now: float) -> None:
        if self._closed or not flight.over:
            raise RuntimeError("the engine is closed" if self._closed else "this probe is under way already")
        try:
            carrier.begin(flight, deadline, now)
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._refused(flight.check, flight.target, flight.done, error)

    def _refused(self, check: Check, target: Target, done: Done, error: Exception) -> None:
        """Tell of a probe that a carrier would not start."""
        if isinstance(error, UnusableError):
            result = ProbeResult(False, f"not sent: {error}", 0.0, sent=False)
        elif isinstance(error, OSError):
            result = self._not_begun(check, target, error)
        else:
            result = ProbeResult(False, self.teller.fault(check.type, target, error), 0.0)
        self.teller.later(done, result)

    def close(self) -> None:
        """Drop every probe without calling its `done`, and leave the loop."""
        if not self._closed:
            self._closed = True
            self.teller.close()
            for carrier in {*self._carriers.values()}:
                carrier.close()

    def carrier(self, name: CarrierName) -> Carrier:
        """Return who carries checks of this kind; one carrier may give a probe away to another."""
        carrier = self._carriers.get(name)
        if carrier is None:
            carrier = self._carriers[name] = MAKERS[name](self)
        return carrier

    def _not_begun(self, check: Check, target: Target, error: OSError) -> ProbeResult:
        if error.errno not in REACHED_NOBODY:
            return ProbeResult(False, not_sent(error), 0.0, sent=False)
        reason = broken(error.errno, Phase.CONNECTING, datagrams=check.carrier == "datagram")
        verdict = self.teller.unanswered(check, target, reason)
        evidence = Evidence(peer=show(target))
        return ProbeResult(
            verdict.passed,
            verdict.reason,
            0.0,
            evidence=evidence,
            warning=verdict.warning,
            feedback=verdict.feedback,
        )


def _unheard(check: Check, target: Target) -> None:
    """Take a hint that nobody asked for."""
