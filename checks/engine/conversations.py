"""Carries conversations: every probe's socket in one epoll descriptor, which the asyncio loop sees as a single file.

A probe has no task, future or timer of its own. Its socket is registered once, edge-triggered (epoll(7)), and one wake
of the loop serves all that are ready; results are handed over when all of a wake have been served, so that nothing is
started in between. Connections end with a reset, so that neither TIME_WAIT nor ephemeral ports pile up and no end
waits for a round trip.
"""

import asyncio
import errno
import os
import select
import ssl
from collections.abc import Callable

from checks import DIRECT, Check, Done, Evidence, ProbeResult, Target, UnusableError, Verdict
from checks.engine.deadlines import Deadlines
from checks.engine.lines import INTEREST, Lines
from checks.engine.probe import Probe
from checks.engine.progress import LATE_SECONDS, TROUBLE, Progress
from checks.engine.pulse import SHARE, Pulse
from checks.engine.sockets import first_ephemeral_port, scoped, show, socket_address
from checks.engine.telling import Teller
from checks.engine.tls import Contexts
from checks.engine.words import (
    OF_ONE_TARGET,
    REACHED_NOBODY,
    SHORTAGES,
    Phase,
    broken,
    not_sent,
    timed_out,
    tls_broken,
)
from checks.wire.secrets import without_secrets

EVENTS_PER_POLL = 1024
EPOLLOUT = select.EPOLLOUT
SWEEP_SECONDS = 5.0
RETRY_SECONDS = 0.05
"""How long a probe that lacked a socket or a port waits before it tries again, unless others end before."""
CONNECTING = frozenset({0, errno.EINPROGRESS})
NEVER = float("inf")


class Conversations(Progress):
    """Carries every check that is a conversation. `contexts` are the engine's, which it prepares off the loop.

    `void_total` counts the probes that a late loop or a lack of sockets spoiled, `waits_total` those that had to wait
    for a socket; `lag` is how late the loop came to the latest deadline, `most_lag` to any, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller, contexts: Contexts) -> None:
        self._loop = loop
        self._teller = teller
        self._contexts = contexts
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._lines = Lines(self._epoll)
        self._pulse = Pulse(loop)
        self._probes: dict[int, Probe] = {}
        self._deadlines: Deadlines[Probe] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER
        self._sweeper: asyncio.TimerHandle | None = None
        self._unfinished: list[Probe] = []
        self._queue: dict[Probe, None] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._first_ephemeral_port = first_ephemeral_port()
        self._closed = False
        self.in_flight = 0
        self.void_total = 0
        self.waits_total = 0
        self.lag = self.most_lag = 0.0

    @property
    def lines(self) -> Lines:
        """Return the sockets, for their counts."""
        return self._lines

    @property
    def waiting(self) -> int:
        """Return how many probes lack a socket or a port."""
        return len(self._queue)

    def plan(self, check: Check, target: Target, done: Done, *, keep_evidence: bool = False) -> Probe:
        """Return a probe that can be begun again and again, once at a time. Raise OSError for what is no address."""
        family, address = socket_address(target)
        # A connection to fe80::1%eth0 binds its socket to that interface for good: it is no good to any other target.
        scoped = "%" in target.address
        pool = self._lines.pool(family, target.way, datagrams=check.carrier == "datagram", scoped=scoped)
        probe = Probe(check, target, done, pool, address)
        probe.keep_evidence = keep_evidence
        probe.suspicious = target.port >= self._first_ephemeral_port or target.way != DIRECT
        if probe.dry is not None and probe.dry.passed and not probe.suspicious and not keep_evidence:
            probe.plain = probe.dry
        return probe

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says."""
        self.begin(self.plan(check, target, done, keep_evidence=keep_evidence), deadline, self._loop.time())

    def begin(self, probe: Probe, deadline: float, now: float) -> None:
        """Begin a planned probe; `now` is the loop's time. Its `done` is called once, later, whatever happens."""
        if self._closed or not probe.over:
            raise RuntimeError("the engine is closed" if self._closed else "this probe is under way already")
        probe.over = False
        probe.deadline = deadline
        probe.started = probe.touched = now
        probe.held = self._pulse.held(now)
        probe.phase = Phase.CONNECTING
        self.in_flight += 1
        bucket = probe.bucket = self._deadlines.add(probe, deadline)
        if bucket.due < self._timer_due:
            self._wake_by(bucket.due)
        try:
            if probe.settings is not None:
                self._contexts.get(probe.settings, now)
            self._dial(probe)
        except OSError as error:
            self._not_dialled(probe, error)
        except UnusableError as error:
            self._give_up(probe, f"not sent: {error}")
            self._teller.soon()
        except Exception as error:  # noqa: BLE001  a number that no socket takes; the probe must end, and once
            self._finish(probe, Verdict(False, self._teller.fault(probe.check.type, probe.target, error)))
            self._teller.soon()

    def close(self) -> None:
        """Drop every probe without calling its `done`, and leave the loop."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._epoll.fileno())
        self._pulse.close()
        for timer in (self._timer, self._retry, self._sweeper):
            if timer is not None:
                timer.cancel()
        for probe in (*self._probes.values(), *self._queue):
            if not probe.over:
                self._put_away(probe)
        self._unfinished.clear()
        self._queue.clear()
        self._lines.make_room()
        self._epoll.close()

    # Sockets

    def _dial(self, probe: Probe) -> None:
        """Take a socket and connect it. Raise OSError or UnusableError."""
        idle = probe.pool.idle
        if idle:
            line = idle.pop()
            line.used = probe.touched
            number = line.connect(probe.address)
            if number in CONNECTING:
                probe.line = line
                self._probes[line.file] = probe
                return
            if number in REACHED_NOBODY:
                self._lines.release(line)
                raise OSError(number, os.strerror(number))
            # Perhaps only this socket's source is gone: a new one tells.
            self._lines.discard(line)
        self._dial_anew(probe)

    def _dial_anew(self, probe: Probe) -> None:
        line = self._lines.fresh(probe.pool)
        line.used = probe.touched
        try:
            address = scoped(line.socket, probe.target, probe.address) if probe.scoped else probe.address
            number = line.connect(address)
            if number in CONNECTING:
                self._epoll.register(line.file, INTEREST)
        except BaseException:
            self._lines.drop(line)
            raise
        if number not in CONNECTING:
            self._lines.drop(line)
            raise OSError(number, os.strerror(number))
        probe.line = line
        self._probes[line.file] = probe
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._on_sweep)

    def _leave(self, probe: Probe) -> None:
        line = probe.line
        probe.serial += 1
        if line is not None:
            probe.line = None
            del self._probes[line.file]
            self._lines.release(line)

    def _on_sweep(self) -> None:
        self._sweeper = None
        self._lines.sweep(self._loop.time())
        if self._lines.open:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._on_sweep)

    # What there is too little of: a probe waits for it, and has had no word about the server when its time is up.

    def _not_dialled(self, probe: Probe, error: OSError) -> None:
        number = error.errno or 0
        if number in SHORTAGES:
            self.waits_total += 1
            probe.since = self._loop.time()
            self._line_up(probe, error)
        elif number in REACHED_NOBODY:
            self._fail(probe, broken(number, Phase.CONNECTING, datagrams=probe.datagrams))
        else:
            self._give_up(probe, not_sent(error))
        self._teller.soon()

    def _line_up(self, probe: Probe, error: OSError) -> None:
        probe.phase = Phase.QUEUED
        probe.lack = error
        self._queue[probe] = None
        if self._retry is None:
            made_room = error.errno not in OF_ONE_TARGET and self._lines.make_room()
            self._retry = self._loop.call_later(0 if made_room else RETRY_SECONDS, self._on_retry)

    def _on_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = None
        now = self._loop.time()
        for probe in list(self._queue):
            del self._queue[probe]
            if not self._dialled_again(probe, now):
                break
        self._teller.hand_over()

    def _dialled_again(self, probe: Probe, now: float) -> bool:
        """Try again; return whether it is worth trying for others."""
        probe.phase = Phase.CONNECTING
        probe.waited = now - probe.since
        probe.touched = now
        try:
            self._dial(probe)
        except OSError as error:
            if error.errno in SHORTAGES:
                self._line_up(probe, error)
                return error.errno in OF_ONE_TARGET
            self._not_dialled(probe, error)
        except UnusableError as error:
            self._give_up(probe, f"not sent: {error}")
        return True

    # Wakes

    def _on_ready(self) -> None:
        resets = self._lines.reset_total
        self._poll()
        if self._lines.reset_total != resets and not self._closed:
            self._poll()  # a socket that was reset says so once: let that be heard now, not in a wake of its own
        self._teller.hand_over()
        if self._queue and self._lines.reset_total != resets:
            self._on_retry()

    def _poll(self) -> int:
        events = self._epoll.poll(0, EVENTS_PER_POLL)
        now = self._loop.time()
        probes = self._probes
        for file, mask in events:
            probe = probes.get(file)
            if probe is None:
                continue
            probe.touched = now
            if probe.plain is not None and mask & EPOLLOUT and not mask & TROUBLE:
                self._pass(probe, probe.plain, now - probe.started)
            else:
                self._guarded(self._serve, probe, mask)
        return len(events)

    def _pass(self, probe: Probe, verdict: Verdict, seconds: float) -> None:
        """Do what `_finish` would for a probe that only had to be connected: the most frequent end there is."""
        line = probe.line
        assert line is not None  # noqa: S101  events are looked up in the table of those that have one
        probe.over = True
        probe.line = None
        probe.serial += 1
        probe.bucket.discard(probe)
        self.in_flight -= 1
        del self._probes[line.file]
        self._lines.release(line)
        if probe.waited:
            probe.waited = 0.0
            probe.lack = None
        result = ProbeResult(True, verdict.reason, seconds, True, None, verdict.warning, verdict.feedback)
        self._teller.add(probe.done, result)

    def _on_unfinished(self) -> None:
        probes, self._unfinished = self._unfinished, []
        for probe in probes:
            probe.unfinished = False
            if probe.line is not None and probe.phase is not Phase.CONNECTING:
                self._guarded(self._read, probe, probe.line.socket)
        self._teller.hand_over()

    def _on_timer(self) -> None:
        now = self._loop.time()
        self.lag = max(0.0, now - self._timer_due)
        self.most_lag = max(self.most_lag, self.lag)
        self._timer = None
        self._timer_due = NEVER
        for _ in range(1 + len(self._probes) // EVENTS_PER_POLL):
            if self._poll() < EVENTS_PER_POLL:
                break
        for probe in self._deadlines.take_due(now):
            if probe.patient:
                self._guarded(self._lose_patience, probe, now)
            if not probe.over and now >= probe.deadline:
                self._run_out_of_time(probe, now)
        self._teller.hand_over()
        due = self._deadlines.earliest()
        if due is not None:
            self._wake_by(due)

    def _run_out_of_time(self, probe: Probe, now: float) -> None:
        granted = probe.deadline - probe.started
        if probe.phase is Phase.QUEUED and probe.lack is not None:
            self._give_up(probe, not_sent(probe.lack))
        elif now - probe.touched < granted and self._was_late(probe, now):
            self._void(probe, "void: the director was too busy to look in time")
        elif probe.waited > LATE_SECONDS:
            self._void(probe, "void: the director was short of sockets, and what was left of the time was too short")
        else:
            self._fail(probe, timed_out(granted, probe.doing()))

    def _was_late(self, probe: Probe, now: float) -> bool:
        """Say whether the loop looks too late at a deadline, or was away for most of the time before it."""
        held = self._pulse.held(now) - probe.held
        return max(now - probe.deadline, held - SHARE * (probe.deadline - probe.started)) > LATE_SECONDS

    def _wake_by(self, due: float) -> None:
        if self._closed or self._timer_due <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _guarded(self, act: Callable[..., None], probe: Probe, argument: object) -> None:
        try:
            act(probe, argument)
        except ssl.SSLError as error:
            self._fail(probe, tls_broken(error))
        except UnusableError as error:
            self._give_up(probe, f"not sent: {error}")
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._finish(probe, Verdict(False, self._teller.fault(probe.check.type, probe.target, error)))

    # Ends

    def _fail(self, probe: Probe, reason: str) -> None:
        """End a probe whose server could not be talked to: the check may see that in its own way."""
        if not probe.over:
            self._finish(probe, self._teller.unanswered(probe.check, probe.target, reason))

    def _give_up(self, probe: Probe, reason: str) -> None:
        """End a probe without a word about the server."""
        self._finish(probe, Verdict(False, reason), sent=False)

    def _void(self, probe: Probe, reason: str) -> None:
        self.void_total += 1
        self._give_up(probe, reason)

    def _finish(self, probe: Probe, verdict: Verdict, *, sent: bool = True) -> None:
        if probe.over:
            return
        evidence = self._evidence(probe) if probe.keep_evidence or not verdict.passed else None
        # What it took is what the wake saw: results of one wake wait for each other no longer than that.
        seconds = (probe.touched if verdict.passed else self._loop.time()) - probe.started
        self._put_away(probe)
        self._teller.add(
            probe.done,
            ProbeResult(verdict.passed, verdict.reason, seconds, sent, evidence, verdict.warning, verdict.feedback),
        )

    def _evidence(self, probe: Probe) -> Evidence:
        certificate = probe.tls.describe() if probe.tls is not None else probe.certificate
        dialogue = probe.dialogue
        if dialogue is None:
            return Evidence(probe.header, b"", show(probe.target), certificate)
        sent, received = without_secrets(dialogue.sent), without_secrets(dialogue.received)
        return Evidence(sent, received, show(probe.target), certificate)

    def _put_away(self, probe: Probe) -> None:
        probe.over = True
        self.in_flight -= 1
        probe.bucket.discard(probe)
        self._leave(probe)
        if probe.phase is Phase.QUEUED:
            self._queue.pop(probe, None)
        if probe.waited:
            probe.waited = 0.0
            probe.lack = None
        dialogue = probe.dialogue
        if dialogue is None and probe.tls is None and probe.proxy is None:
            return
        probe.forget()
        if dialogue is not None:
            try:
                dialogue.close()
            except Exception as error:  # noqa: BLE001  a check is third-party code
                self._teller.fault(probe.check.type, probe.target, error)
