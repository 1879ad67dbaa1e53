"""Carries pings: one socket serves all targets of an IP version and a way.

A reply is ours if its address and sequence number are those of a request that is under way, and its data begins with
that probe's token, 64 unguessable bits; all else is ignored, late and duplicate replies, too. An ICMP error that quotes
such a request ends its probe at once.
"""

import asyncio
import functools
from errno import ENOBUFS
from os import urandom
from typing import Protocol, cast

from checks import Check, Done, Evidence, ProbeResult, Target, UnusableError, Verdict
from checks.engine.alarm import Alarm
from checks.engine.deadlines import Bucket, Deadlines
from checks.engine.echo_line import Key, Line, Reply, round_trip, wall_clock
from checks.engine.pulse import SHARE
from checks.engine.shared_sockets import SharedSockets
from checks.engine.telling import Teller
from checks.engine.words import REACHED_NOBODY, Phase, broken, not_sent
from checks.options import show_seconds
from checks.wire.icmp import TOKEN, Template

MOST_IN_FLIGHT = 1 << 15
WAKES = 128
BUSY = "void: the director was too busy to look in time"
LOST = "void: the director was too busy to read every reply"

_template = functools.lru_cache(maxsize=64)(Template)


class EchoCheck(Protocol):
    """What this carrier asks of a check: `count` requests, `spacing` seconds apart."""

    count: int
    spacing: float

    def request(self, version: int) -> bytes:
        """Return an echo request as it was crafted, for the ICMP of this IP version."""

    def judge(self, round_trips: list[float], granted: float) -> Verdict:
        """Return the verdict on the seconds that each echo took, of those that came within `granted`."""


class Pinging:
    """One probe under way. `awaited` has the times, ours and the wall clock's, of each request without an answer."""

    __slots__ = (
        "awaited",
        "bucket",
        "check",
        "deadline",
        "done",
        "ended",
        "error",
        "keep_evidence",
        "left",
        "line",
        "packet",
        "received",
        "round_trips",
        "started",
        "target",
        "template",
        "token",
    )

    def __init__(self, line: "Line[Pinging]", check: EchoCheck, target: Target, done: Done) -> None:
        self.line = line
        self.check = check
        self.target = target
        self.done = done
        self.started = self.deadline = 0.0
        self.bucket: Bucket[Pinging] | None = None
        self.template = _template(check.request(line.version))
        self.token = urandom(TOKEN)
        self.awaited: dict[Key, tuple[float, int]] = {}
        self.round_trips: list[float] = []
        self.left = check.count
        self.packet = self.received = b""
        self.error: OSError | None = None
        self.ended = self.keep_evidence = False


class Echo:
    """Carries every check that is a ping."""

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller) -> None:
        self._loop = loop
        self._teller = teller
        self._lines: SharedSockets[Line[Pinging]] = SharedSockets(loop, self._on_readable)
        self._in_flight = 0
        self._waiting: list[Pinging] = []
        self._deadlines: Deadlines[Pinging] = Deadlines()
        self._alarm = Alarm(loop, self._on_alarm)
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`."""
        return self._in_flight

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says; its first request leaves at the loop's next turn."""
        now = self._loop.time()
        asked = cast("EchoCheck", check)
        if (asked.count - 1) * asked.spacing >= deadline - now:
            timeout = show_seconds(float(f"{deadline - now:.2g}"))
            raise UnusableError(
                f"{asked.count} echoes {show_seconds(asked.spacing)} apart do not fit into a timeout of {timeout}"
            )
        if self._in_flight >= MOST_IN_FLIGHT:
            raise UnusableError(f"{MOST_IN_FLIGHT} pings are under way, which is the most at once")
        line = self._line(target, now)
        probe = Pinging(line, asked, target, done)
        probe.started, probe.deadline = now, deadline
        probe.keep_evidence = keep_evidence
        line.largest = max(line.largest, probe.template.size)
        self._in_flight += 1
        self._waiting.append(probe)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._send_waiting)

    def close(self) -> None:
        """Drop every probe without calling its `done`."""
        if self._closed:
            return
        self._closed = True
        self._alarm.cancel()
        self._waiting.clear()
        for line in self._lines.all():
            line.waiting.clear()
        self._lines.close()
        self._in_flight = 0

    def _line(self, target: Target, now: float) -> Line[Pinging]:
        key = (target.way, 6 if ":" in target.address else 4)
        line = self._lines.get(key, now)
        if line is None:
            line = Line(key[1], key[0])
            self._lines.add(key, line, now)
        return line

    # Requests

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for probe in waiting:
            self._send(probe)

    def _send(self, probe: Pinging) -> None:
        """Send the next request and plan what follows it."""
        probe.left -= 1
        try:
            self._send_request(probe)
        except UnusableError as error:
            self._give_up(probe, f"not sent: {error}")
        except OSError as error:
            if error.errno in REACHED_NOBODY:
                self._fail(probe, broken(error.errno or 0, Phase.CONNECTING))
            elif isinstance(error, BlockingIOError) or error.errno == ENOBUFS:
                probe.error = error  # the request is lost on its first hop, which is ours
            else:
                self._give_up(probe, not_sent(error))
        if not probe.ended:
            sent = probe.check.count - probe.left
            next_one = probe.started + sent * probe.check.spacing
            probe.bucket = self._deadlines.add(probe, next_one if probe.left else probe.deadline)
            self._alarm.by(probe.bucket.due)

    def _send_request(self, probe: Pinging) -> None:
        line = probe.line
        name = line.name(probe.target.address)
        key = line.free_key(name)
        probe.packet = probe.template.patched(line.identifier, key[1], probe.token)
        line.waiting[key] = probe
        probe.awaited[key] = (self._loop.time(), wall_clock())
        try:
            line.socket.sendto(probe.packet, name)
        except BlockingIOError:
            raise
        except OSError:
            # It may be what ICMP said of an earlier packet (raw(7)); then it is in the error queue, too.
            self._hear_troubles(line)
            if not probe.ended:
                line.socket.sendto(probe.packet, name)

    # Replies

    def _on_readable(self, line: Line[Pinging]) -> None:
        if not self._hear_replies(line):
            self._hear_troubles(line)

    def _hear_replies(self, line: Line[Pinging]) -> int:
        count, replies = line.replies()
        for reply in replies:
            probe = line.waiting.get(reply.key)
            if probe is not None and reply.data.startswith(probe.token):
                self._take(probe, reply)
        return count

    def _take(self, probe: Pinging, reply: Reply) -> None:
        sent, wall = probe.awaited.pop(reply.key)
        del probe.line.waiting[reply.key]
        probe.received = reply.message
        if not probe.template.is_echo(probe.token, reply.data):
            self._finish(probe, Verdict(False, "the echo's data is not what was sent"))
            return
        probe.round_trips.append(round_trip(wall, reply.received, self._loop.time() - sent))
        if len(probe.round_trips) == probe.check.count:
            self._judge(probe)

    def _hear_troubles(self, line: Line[Pinging]) -> None:
        for key, token, trouble in line.troubles():
            probe = line.waiting.get(key)
            if probe is not None and probe.token.startswith(token):
                probe.received = trouble.quoted
                self._fail(probe, trouble.sentence)

    # Ends

    def _on_alarm(self) -> None:
        now = self._loop.time()
        for line in self._lines.all():
            for _ in range(WAKES):
                if self._closed or not self._hear_replies(line):
                    break
            if self._closed:
                return
            self._hear_troubles(line)
        due = self._deadlines.take_due(now)
        for line in {probe.line for probe in due if now >= probe.deadline}:
            line.note_losses(now)
        for probe in due:
            if probe.ended or self._closed:
                continue
            if now < probe.deadline:
                self._send(probe)
            else:
                self._end(probe)
        earliest = self._deadlines.earliest()
        if earliest is not None and not self._closed:
            self._alarm.by(earliest)

    def _end(self, probe: Pinging) -> None:
        """End a probe at its deadline."""
        if probe.line.lossy_until >= probe.started:
            self._give_up(probe, LOST)
        elif probe.error is not None:
            self._give_up(probe, not_sent(probe.error))
        else:
            self._judge(probe, self._asked_late(probe))

    def _asked_late(self, probe: Pinging) -> int:
        """Return how many requests we held back, or sent so late that the server had little time to answer them."""
        meant = probe.deadline - probe.started - (probe.check.count - 1) * probe.check.spacing
        late = [sent for sent, _ in probe.awaited.values() if probe.deadline - sent < SHARE * meant]
        return probe.left + len(late)

    def _judge(self, probe: Pinging, asked_late: int = 0) -> None:
        granted = probe.deadline - probe.started
        try:
            verdict = probe.check.judge(probe.round_trips, granted)
            if asked_late and not verdict.passed:
                # Had the server answered these at once: it is blamed for nothing that would have passed.
                at_best = probe.check.judge([*probe.round_trips, *[0.0] * asked_late], granted)
                if at_best.passed:
                    self._give_up(probe, BUSY)
                    return
        except Exception as error:  # noqa: BLE001  a check is third-party code
            verdict = Verdict(False, self._teller.fault("ping", probe.target, error))
        self._finish(probe, verdict)

    def _fail(self, probe: Pinging, reason: str) -> None:
        self._finish(probe, self._teller.unanswered(cast("Check", probe.check), probe.target, reason))

    def _give_up(self, probe: Pinging, reason: str) -> None:
        """End a probe without a word about the server."""
        self._finish(probe, Verdict(False, reason), sent=False)

    def _finish(self, probe: Pinging, verdict: Verdict, *, sent: bool = True) -> None:
        line = probe.line
        probe.ended = True
        for key in probe.awaited:
            del line.waiting[key]
        self._in_flight -= 1
        if probe.bucket is not None:
            probe.bucket.discard(probe)
        if line.retired and not line.busy:
            self._loop.call_soon(self._lines.close_retired)
        evidence = None
        if probe.keep_evidence or not verdict.passed:
            evidence = Evidence(probe.packet, probe.received, probe.target.address)
        seconds = self._loop.time() - probe.started
        self._teller.tell(
            probe.done,
            ProbeResult(verdict.passed, verdict.reason, seconds, sent, evidence, verdict.warning, verdict.feedback),
        )
