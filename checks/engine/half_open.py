"""Carries half-open probes: a SYN goes out, and what answers it decides. The kernel itself resets what a SYN-ACK opens.

A probe is known by the sequence number of its SYN, 32 unguessable bits that an answer must acknowledge; address and
ports must be right, too. A lost SYN is sent again after a quarter of the probe's time, but a second at most, and once
more when three times that has passed, as TCP itself would at one second and at three (RFC 6298).
"""

import asyncio
from array import array
from errno import ENOBUFS
from os import urandom
from typing import Protocol, cast

from checks import Carrier, Check, Done, Evidence, ProbeResult, Target, UnusableError, Verdict
from checks.engine.alarm import Alarm
from checks.engine.deadlines import Bucket, Deadlines
from checks.engine.lane import PACKETS_PER_WAKE, Lane, Peer
from checks.engine.pulse import SHARE
from checks.engine.shared_sockets import Key, SharedSockets
from checks.engine.sockets import show
from checks.engine.telling import Teller
from checks.engine.words import REACHED_NOBODY, Phase, broken, not_sent
from checks.options import show_seconds

LATE_SECONDS = 0.05
"""How much later than a deadline we may look before we doubt ourselves rather than the server."""
TRIES = 3
FIRST_AGAIN = 1.0
AGAIN_SHARE = 0.25
BACKOFF = 3
"""A SYN goes out again after FIRST_AGAIN seconds or that share of the probe's time, then after so many times that."""
MOST_IN_FLIGHT = 1 << 17
WAKES = 1 + MOST_IN_FLIGHT // PACKETS_PER_WAKE
NEEDS_RAW = "half-open needs CAP_NET_RAW: grant it to the director, or set fallback: connect"
BUSY = "void: the director was too busy to look in time"
SYN_ACK = Verdict(True, "SYN-ACK")
LOST = "void: the director was too busy to read every answer"


class HalfOpenCheck(Protocol):
    """What this carrier asks of a check. Its conversation is held on a whole connection, where CAP_NET_RAW is missing.

    `fallback` is `connect` or `refuse`: whether that may be.
    """

    fallback: str

    def syn(self, version: int) -> bytes:
        """Return a SYN as it was crafted, for IP version 4 with its IP header."""


class Flight:
    """One probe, and its run that is under way. `tries` counts the SYNs that were due, `sent` those that left.

    The first one left at `departed`. The probe is `over` between runs; there is no `lane` before the first, and
    `former` is the one to use again if that may be.
    """

    __slots__ = (
        "bucket",
        "check",
        "deadline",
        "departed",
        "done",
        "error",
        "former",
        "keep_evidence",
        "key",
        "lane",
        "over",
        "own_port",
        "packet",
        "peer",
        "sent",
        "sequence",
        "started",
        "target",
        "tries",
    )

    def __init__(self, check: Check, target: Target, done: Done, *, keep_evidence: bool) -> None:
        self.lane: Lane[Flight]
        self.former: Lane[Flight] | None = None
        self.key: Key = (target.way, 6 if ":" in target.address else 4)
        self.over = True
        self.check = check
        self.target = target
        self.done = done
        self.started = self.deadline = self.departed = 0.0
        self.bucket: Bucket[Flight] | None = None
        self.tries = self.sent = 0
        self.own_port = self.sequence = 0
        self.peer: Peer = b""
        self.packet = b""
        self.error: OSError | None = None
        self.keep_evidence = keep_evidence

    def had_little_time(self, now: float) -> bool:
        """Say whether, at its deadline, a SYN is still to be sent that is long due, or the first left late or never."""
        unasked = not self.sent or (self.tries < TRIES and now - self.deadline > LATE_SECONDS)
        return unasked or self.deadline - self.departed < SHARE * (self.deadline - self.started)


class HalfOpen:
    """Carries every half-open check. Without CAP_NET_RAW, `connecting` makes whole connections instead."""

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller, connecting: Carrier) -> None:
        self._loop = loop
        self._teller = teller
        self._connecting = connecting
        self._lanes: SharedSockets[Lane[Flight]] = SharedSockets(loop, self._on_readable)
        self._denied: set[Key] = set()
        self._in_flight = 0
        self._waiting: list[Flight] = []
        self._deadlines: Deadlines[Flight] = Deadlines()
        self._alarm = Alarm(loop, self._on_alarm)
        self._numbers = array("I")
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`; a whole connection is not counted here."""
        return self._in_flight

    def plan(self, check: Check, target: Target, done: Done, *, keep_evidence: bool = False) -> Flight:
        """Return a probe that can be begun again and again, once at a time."""
        return Flight(check, target, done, keep_evidence=keep_evidence)

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says; SYNs leave together, at the loop's next turn."""
        self.begin(self.plan(check, target, done, keep_evidence=keep_evidence), deadline, self._loop.time())

    def begin(self, flight: Flight, deadline: float, now: float) -> None:
        """Begin a planned probe; `now` is the loop's time. May raise what `start` may."""
        lane = self._lane(flight, now)
        if lane is None:
            self._connecting.start(
                flight.check, flight.target, deadline, flight.done, keep_evidence=flight.keep_evidence
            )
            return
        if self._in_flight >= MOST_IN_FLIGHT:
            raise UnusableError(f"{MOST_IN_FLIGHT} half-open probes are under way, which is the most at once")
        flight.over = False
        flight.lane = lane
        flight.started, flight.deadline = now, deadline
        flight.tries = flight.sent = 0
        flight.error = None
        flight.own_port = lane.next_port()
        flight.sequence = sequence = self._number(lane)
        lane.flights[sequence] = flight
        self._in_flight += 1
        self._plan(flight)
        self._waiting.append(flight)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._send_waiting)

    def close(self) -> None:
        """Drop every probe without calling its `done`."""
        if self._closed:
            return
        self._closed = True
        self._alarm.cancel()
        self._waiting.clear()
        for lane in self._lanes.all():
            lane.flights.clear()
        self._lanes.close()
        self._in_flight = 0

    def _lane(self, flight: Flight, now: float) -> Lane[Flight] | None:
        lane = flight.former
        if lane is not None and not lane.retired and lane.expires > now:
            lane.used = now
            return lane
        lane = flight.former = self._find_lane(flight.key, cast("HalfOpenCheck", flight.check), now)
        return lane

    def _find_lane(self, key: Key, check: HalfOpenCheck, now: float) -> Lane[Flight] | None:
        lane = self._lanes.get(key, now)
        if lane is not None:
            return lane
        if key not in self._denied:
            way, version = key
            try:
                lane = Lane(version, way, check.syn(version))
            except PermissionError:
                self._denied.add(key)  # a capability that is gone does not come back
            else:
                self._lanes.add(key, lane, now)
                return lane
        if check.fallback != "connect":
            raise UnusableError(NEEDS_RAW)
        return None

    # SYNs

    def _number(self, lane: Lane[Flight]) -> int:
        """Return a sequence number that nobody can guess (RFC 9293 section 3.4.1, RFC 6528)."""
        while True:
            if not self._numbers:
                self._numbers.frombytes(urandom(256 * self._numbers.itemsize))
            number = self._numbers.pop() & 0xFFFFFFFF
            if number not in lane.flights:
                return number

    def _plan(self, flight: Flight) -> None:
        """Enter the flight for its next SYN, or for its end."""
        due = flight.deadline
        flight.tries += 1
        if flight.tries < TRIES:
            first = min(FIRST_AGAIN, AGAIN_SHARE * (due - flight.started))
            due = flight.started + first * BACKOFF ** (flight.tries - 1)
        flight.bucket = self._deadlines.add(flight, due)
        self._alarm.by(flight.bucket.due)

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        now = self._loop.time()
        for flight in waiting:
            self._send(flight, now, anew=False)

    def _send(self, flight: Flight, now: float, *, anew: bool) -> None:
        """Send a SYN. An error may be an earlier packet's: then it is in the error queue, and the second try shows."""
        lane = flight.lane
        for last in (False, True):
            if lane.flights.get(flight.sequence) is not flight:
                return
            try:
                target = flight.target
                find = lane.look_up if anew else lane.route
                route = find(target.address, flight.started)
                flight.peer = route.peer
                flight.packet = lane.send(route, flight.own_port, target.port, flight.sequence)
            except BlockingIOError as error:
                flight.error = error
                return  # the next SYN of this probe may find room
            except UnusableError as error:
                self._give_up(flight, f"not sent: {error}")
            except OSError as error:
                self._hear_troubles(lane)
                if last:
                    self._failed_to_send(flight, error)
            else:
                if not flight.sent:
                    flight.departed = now
                flight.sent += 1
                return

    def _failed_to_send(self, flight: Flight, error: OSError) -> None:
        if flight.lane.flights.get(flight.sequence) is not flight:
            return
        if error.errno in REACHED_NOBODY:
            self._fail(flight, broken(error.errno or 0, Phase.CONNECTING))
        elif error.errno == ENOBUFS:
            flight.error = error
        else:
            self._give_up(flight, not_sent(error))

    # Answers

    def _on_readable(self, lane: Lane[Flight]) -> None:
        if not self._hear_answers(lane):
            self._hear_troubles(lane)

    def _hear_answers(self, lane: Lane[Flight]) -> int:
        count, answers = lane.receive()
        for (port, own_port, sequence, is_open), peer, packet in answers:
            flight = lane.flights.get(sequence)
            if (
                flight is not None
                and flight.peer == peer
                and flight.own_port == own_port
                and flight.target.port == port
            ):
                if is_open:
                    self._finish(flight, SYN_ACK, packet)
                else:
                    self._fail(flight, "connection refused", packet)
        return count

    def _hear_troubles(self, lane: Lane[Flight]) -> None:
        for (own_port, port, sequence), trouble in lane.troubles():
            flight = lane.flights.get(sequence)
            if flight is not None and flight.own_port == own_port and flight.target.port == port:
                self._fail(flight, trouble.sentence, trouble.quoted)

    def _on_alarm(self) -> None:
        now = self._loop.time()
        for lane in self._lanes.all():
            for _ in range(WAKES):
                if not self._hear_answers(lane):
                    break
            self._hear_troubles(lane)
            if self._closed:
                return
        noted: set[Lane[Flight]] = set()
        for flight in self._deadlines.take_due(now):
            lane = flight.lane
            if lane.flights.get(flight.sequence) is not flight:
                continue
            if now < flight.deadline:
                self._plan(flight)
                self._send(flight, now, anew=True)
                continue
            if lane not in noted:
                noted.add(lane)
                lane.note_losses(now)
            self._end(flight, now)
        due = self._deadlines.earliest()
        if due is not None and not self._closed:
            self._alarm.by(due)

    def _end(self, flight: Flight, now: float) -> None:
        """End a probe at its deadline."""
        if flight.error is not None and not flight.sent:
            self._give_up(flight, not_sent(flight.error))
        elif flight.had_little_time(now):
            self._give_up(flight, BUSY)
        elif flight.lane.lossy_until >= flight.started:
            self._give_up(flight, LOST)
        else:
            granted = show_seconds(float(f"{flight.deadline - flight.started:.2g}"))
            self._fail(flight, f"timed out after {granted}: no answer to {flight.sent} SYNs")

    def _fail(self, flight: Flight, reason: str, received: bytes = b"") -> None:
        self._finish(flight, self._teller.unanswered(flight.check, flight.target, reason), received)

    def _give_up(self, flight: Flight, reason: str) -> None:
        """End a probe without a word about the server."""
        self._finish(flight, Verdict(False, reason), sent=False)

    def _finish(self, flight: Flight, verdict: Verdict, received: bytes = b"", *, sent: bool = True) -> None:
        lane = flight.lane
        flight.over = True
        del lane.flights[flight.sequence]
        self._in_flight -= 1
        if flight.bucket is not None:
            flight.bucket.discard(flight)
        if lane.retired and not lane.flights:
            self._loop.call_soon(self._lanes.close_retired)
        evidence = None
        if flight.keep_evidence or not verdict.passed:
            evidence = Evidence(flight.packet, received, show(flight.target))
        seconds = self._loop.time() - flight.started
        self._teller.tell(
            flight.done,
            ProbeResult(verdict.passed, verdict.reason, seconds, sent, evidence, verdict.warning, verdict.feedback),
        )
