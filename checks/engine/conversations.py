"""Carries conversations: every probe's socket in one epoll descriptor, which the asyncio loop sees as a single file.

A probe has no task, future or timer of its own. Its socket is registered once, edge-triggered (epoll(7)), and one wake
of the loop serves all that are ready. Sockets are closed with a reset (SO_LINGER 0, socket(7)), so that neither
TIME_WAIT nor ephemeral ports pile up and no close waits for a round trip.
"""

import asyncio
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable

from checks import Check, Done, Evidence, ProbeResult, Target, UnusableError
from checks.engine.deadlines import Deadlines
from checks.engine.dialogue import Dialogue
from checks.engine.probe import Probe
from checks.engine.sockets import first_ephemeral_port, fresh_socket, is_connected_to_itself, show, socket_address
from checks.engine.telling import Teller
from checks.engine.tls import Contexts, TlsStream
from checks.engine.words import Phase, broken, timed_out, tls_broken

LATE_SECONDS = 0.05
"""How much later than a deadline the engine may look before it doubts itself rather than the server."""
EVENTS_PER_POLL = 1024
READ_BYTES = 16384
READS_PER_WAKE = 4
"""With READ_BYTES, what one probe may read before all others have had their turn."""
INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
CLOSING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
TROUBLE = select.EPOLLERR | select.EPOLLHUP


class Conversations:
    """Carries every check that is a conversation. `contexts` are the engine's, which it prepares off the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller, contexts: Contexts) -> None:
        self._loop = loop
        self._teller = teller
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._probes: dict[int, Probe] = {}
        self._deadlines: Deadlines[Probe] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._unfinished: list[Probe] = []
        self._contexts = contexts
        self._first_ephemeral_port = first_ephemeral_port()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`."""
        return len(self._probes)

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says."""
        now = self._loop.time()
        settings = check.tls
        dialogue = Dialogue(check.converse(target))
        if settings is not None:
            self._contexts.get(settings, now)
        probe = Probe(check, target, deadline, done, dialogue)
        probe.settings = settings
        probe.keep_evidence = keep_evidence
        probe.started = probe.touched = now
        self._connect(probe)
        probe.due = self._deadlines.add(probe, deadline)
        if self._timer is None or probe.due < self._timer_due:
            self._wake_by(probe.due)

    def close(self) -> None:
        """Drop every probe without calling its `done`, and leave the loop."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._epoll.fileno())
        if self._timer is not None:
            self._timer.cancel()
        for probe in list(self._probes.values()):
            self._put_away(probe)
            self._leave_conversation(probe)
        self._unfinished.clear()
        self._epoll.close()

    # Sockets. Fresh ones; `_connect` and `_put_away` are where kept ones would be taken and given back.

    def _connect(self, probe: Probe) -> None:
        family, address = socket_address(probe.target)
        sock = fresh_socket(family)
        try:
            number = sock.connect_ex(address)
            file = sock.fileno()
            if number in (0, errno.EINPROGRESS):
                self._epoll.register(file, INTEREST)
        except OSError:
            sock.close()
            raise
        if number not in (0, errno.EINPROGRESS):
            sock.close()
            raise OSError(number, os.strerror(number))
        probe.socket = sock
        probe.file = file
        self._probes[file] = probe

    def _put_away(self, probe: Probe) -> None:
        if probe.socket is not None:
            del self._probes[probe.file]
            # Closing alone would do, unless a child that is just being forked still holds the description.
            self._epoll.unregister(probe.file)
            probe.socket.close()
            probe.socket = None
            self._deadlines.discard(probe, probe.due)

    # Wakes

    def _on_ready(self) -> None:
        self._poll()

    def _poll(self) -> int:
        events = self._epoll.poll(0, EVENTS_PER_POLL)
        now = self._loop.time()
        for file, mask in events:
            probe = self._probes.get(file)
            if probe is not None:
                probe.touched = now
                self._guarded(self._serve, probe, mask)
        return len(events)

    def _on_unfinished(self) -> None:
        probes, self._unfinished = self._unfinished, []
        for probe in probes:
            probe.unfinished = False
            if probe.socket is not None:
                self._guarded(self._read, probe, probe.socket)

    def _on_timer(self) -> None:
        now = self._loop.time()
        self._timer = None
        for _ in range(1 + len(self._probes) // EVENTS_PER_POLL):
            if self._poll() < EVENTS_PER_POLL or self._closed:
                break
        for probe in self._deadlines.take_due(now):
            granted = probe.deadline - probe.started
            if now - probe.deadline > LATE_SECONDS and now - probe.touched < granted:
                self._finish(probe, False, "void: the director was too busy to look in time", sent=False)
            else:
                self._finish(probe, False, timed_out(granted, probe.doing()))
        due = self._deadlines.earliest()
        if due is not None:
            self._wake_by(due)

    def _wake_by(self, due: float) -> None:
        if self._closed:
            return
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _guarded(self, act: Callable[..., None], probe: Probe, argument: object) -> None:
        try:
            act(probe, argument)
        except ssl.SSLError as error:
            self._finish(probe, False, tls_broken(error))
        except UnusableError as error:
            self._finish(probe, False, f"not sent: {error}", sent=False)
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._finish(probe, False, self._teller.fault(probe.type, probe.target, error))

    # One probe's progress

    def _serve(self, probe: Probe, mask: int) -> None:
        sock = probe.socket
        assert sock is not None  # noqa: S101  `_put_away` takes a probe out of the table that events are looked up in
        if probe.phase is Phase.CONNECTING:
            if mask & TROUBLE:
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    self._finish(probe, False, broken(number, Phase.CONNECTING))
                    return
            elif not mask & select.EPOLLOUT:
                return
            if probe.target.port >= self._first_ephemeral_port and is_connected_to_itself(sock):
                self._finish(probe, False, "connection refused")
                return
            self._connected(probe)
        elif probe.outgoing and mask & select.EPOLLOUT:
            outgoing, probe.outgoing = probe.outgoing, b""
            self._send(probe, outgoing)
        if probe.socket is not None and mask & READABLE:
            probe.closing = bool(mask & CLOSING)
            if not probe.unfinished:
                self._read(probe, sock)

    def _connected(self, probe: Probe) -> None:
        if probe.settings is None:
            probe.phase = Phase.WAITING
            self._say(probe, probe.dialogue.begin())
            return
        context = self._contexts.get(probe.settings, probe.touched)
        probe.tls = TlsStream(context, probe.settings, probe.target.address)
        probe.phase = Phase.HANDSHAKE
        probe.tls.handshake()
        self._send(probe, probe.tls.to_send())

    def _read(self, probe: Probe, sock: socket.SocketType) -> None:
        for _ in range(READS_PER_WAKE):
            try:
                data = sock.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._finish(probe, False, broken(error.errno or 0, probe.doing()))
                return
            if not data and probe.error:
                self._finish(probe, False, broken(probe.error, probe.doing()))
                return
            self._receive(probe, data, ended=not data)
            if probe.socket is None or (len(data) < READ_BYTES and not probe.closing):
                return
        self._go_on_later(probe)

    def _go_on_later(self, probe: Probe) -> None:
        probe.unfinished = True
        self._unfinished.append(probe)
        if len(self._unfinished) == 1:
            self._loop.call_soon(self._on_unfinished)

    def _receive(self, probe: Probe, data: bytes, *, ended: bool) -> None:
        tls = probe.tls
        if tls is not None:
            tls.feed(data, ended=ended)
            if probe.phase is Phase.HANDSHAKE and not self._shake_hands(probe, tls):
                return
            data = tls.read()
            ended = tls.ended
            if not data and not ended:
                self._send(probe, tls.to_send())
                return
        self._say(probe, probe.dialogue.feed(data, ended=ended))

    def _shake_hands(self, probe: Probe, tls: TlsStream) -> bool:
        try:
            complete = tls.handshake()
        finally:
            self._send(probe, tls.to_send())  # an alert, too
        if not complete:
            return False
        fault = tls.fault()
        if fault is not None:
            self._finish(probe, False, fault)
            return False
        probe.phase = Phase.WAITING
        self._say(probe, probe.dialogue.begin())
        return probe.socket is not None

    def _say(self, probe: Probe, data: bytes) -> None:
        if data:
            if probe.tls is not None:
                probe.tls.write(data)
                data = probe.tls.to_send()
            self._send(probe, data)
        verdict = probe.dialogue.verdict
        if verdict is not None:
            self._finish(probe, verdict.passed, verdict.reason)

    def _send(self, probe: Probe, data: bytes) -> None:
        if not data or probe.socket is None or probe.error:
            return
        if probe.outgoing:
            probe.outgoing += data
            return
        try:
            probe.outgoing = data[probe.socket.send(data) :]
        except BlockingIOError:
            probe.outgoing = data
        except OSError as error:
            # What the server said before it hung up is worth more than that it did.
            probe.error = error.errno or 0
            probe.closing = True
            self._go_on_later(probe)

    # Ends

    def _finish(self, probe: Probe, passed: bool, reason: str, *, sent: bool = True) -> None:
        if probe.socket is None:
            return
        self._put_away(probe)
        self._leave_conversation(probe)
        evidence = None
        if probe.keep_evidence or not passed:
            dialogue = probe.dialogue
            certificate = probe.tls.describe() if probe.tls is not None else ""
            evidence = Evidence(dialogue.sent, dialogue.received, show(probe.target), certificate)
        seconds = self._loop.time() - probe.started
        self._teller.tell(probe.done, ProbeResult(passed, reason, seconds, sent, evidence))

    def _leave_conversation(self, probe: Probe) -> None:
        try:
            probe.dialogue.close()
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._teller.fault(probe.type, probe.target, error)
