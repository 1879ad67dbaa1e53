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

from checks import DIRECT, Check, Done, Evidence, ProbeResult, Target, Tls, UnusableError, Verdict
from checks.engine.deadlines import Deadlines
from checks.engine.dialogue import INJECTED, CheckFaultError, Dialogue, Want
from checks.engine.probe import Probe
from checks.engine.proxying import proxy_header
from checks.engine.sockets import (
    datagram_socket,
    first_ephemeral_port,
    is_connected_to_itself,
    scoped,
    show,
    socket_address,
    stream_socket,
)
from checks.engine.telling import Teller
from checks.engine.tls import Contexts, TlsStream
from checks.engine.words import REACHED_NOBODY, Phase, broken, not_sent, timed_out, tls_broken

LATE_SECONDS = 0.05
"""How much later than a deadline the engine may look before it doubts itself rather than the server."""
EVENTS_PER_POLL = 1024
READ_BYTES = 16384
DATAGRAM_BYTES = 65536
"""More than a datagram can have: none is cut off."""
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
        datagrams = check.carrier == "datagram"
        dialogue = Dialogue(check.converse(target), datagrams=datagrams)
        if settings is not None:
            self._contexts.get(settings, now)
        probe = Probe(check, target, deadline, done, dialogue)
        probe.settings = None if datagrams else settings
        probe.datagrams = datagrams
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

    # Sockets. Fresh ones; `_connect` and `_leave` are where kept ones would be taken and given back.

    def _connect(self, probe: Probe) -> None:
        target = probe.target
        family, address = socket_address(target)
        sock = (datagram_socket if probe.datagrams else stream_socket)(family, target.way)
        try:
            if "%" in target.address:
                address = scoped(sock, target, address)
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

    def _leave(self, probe: Probe) -> None:
        if probe.socket is not None:
            del self._probes[probe.file]
            # Closing alone would do, unless a child that is just being forked still holds the description.
            self._epoll.unregister(probe.file)
            probe.socket.close()
            probe.socket = None

    def _put_away(self, probe: Probe) -> None:
        probe.over = True
        self._leave(probe)
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
            if probe.socket is not None and probe.phase is not Phase.CONNECTING:
                self._guarded(self._read, probe, probe.socket)

    def _on_timer(self) -> None:
        now = self._loop.time()
        self._timer = None
        for _ in range(1 + len(self._probes) // EVENTS_PER_POLL):
            if self._poll() < EVENTS_PER_POLL or self._closed:
                break
        for probe in self._deadlines.take_due(now):
            if probe.patient:
                self._guarded(self._lose_patience, probe, now)
            if not probe.over and now >= probe.deadline:
                self._run_out_of_time(probe, now)
        due = self._deadlines.earliest()
        if due is not None:
            self._wake_by(due)

    def _run_out_of_time(self, probe: Probe, now: float) -> None:
        granted = probe.deadline - probe.started
        if now - probe.deadline > LATE_SECONDS and now - probe.touched < granted:
            self._give_up(probe, "void: the director was too busy to look in time")
        else:
            self._fail(probe, timed_out(granted, probe.doing()))

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
            self._fail(probe, tls_broken(error))
        except UnusableError as error:
            self._give_up(probe, f"not sent: {error}")
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._finish(probe, Verdict(False, self._teller.fault(probe.check.type, probe.target, error)))

    # Patience: a probe is on the wheel until the end of its wait or its deadline, whichever comes first.

    def _mind_patience(self, probe: Probe) -> None:
        dialogue = probe.dialogue
        if probe.turn == dialogue.turn:
            return
        probe.turn = dialogue.turn
        patience = dialogue.patience
        self._put_on_wheel(probe, probe.deadline if patience is None else self._loop.time() + patience)

    def _put_on_wheel(self, probe: Probe, due: float) -> None:
        self._deadlines.discard(probe, probe.due)
        probe.patient = due < probe.deadline
        probe.due = self._deadlines.add(probe, min(due, probe.deadline))
        self._wake_by(probe.due)

    def _lose_patience(self, probe: Probe, now: float) -> None:
        patience, due = probe.dialogue.patience, probe.due
        if patience is not None and now - due > LATE_SECONDS and now - probe.touched < patience:
            # Who looks this late, and finds that something came, cannot say when: the server gets its time again.
            self._put_on_wheel(probe, now + patience)
            return
        self._put_on_wheel(probe, probe.deadline)
        if patience is not None:
            self._say(probe, probe.dialogue.silence())

    # One probe's progress

    def _serve(self, probe: Probe, mask: int) -> None:
        sock = probe.socket
        assert sock is not None  # noqa: S101  `_leave` takes a probe out of the table that events are looked up in
        if probe.phase is Phase.CONNECTING:
            if mask & TROUBLE:
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    self._fail(probe, broken(number, Phase.CONNECTING, datagrams=probe.datagrams))
                    return
            elif not mask & select.EPOLLOUT:
                return
            target = probe.target
            chosen = target.port >= self._first_ephemeral_port or target.way is not DIRECT
            if chosen and is_connected_to_itself(sock):
                self._fail(probe, broken(errno.ECONNREFUSED, Phase.CONNECTING, datagrams=probe.datagrams))
                return
            self._connected(probe, sock)
        elif probe.outgoing and mask & select.EPOLLOUT:
            outgoing, probe.outgoing = probe.outgoing, b""
            self._send(probe, outgoing)
            if probe.phase is Phase.WAITING and probe.dialogue.wants is not None:
                self._say(probe, b"")
        if probe.socket is sock and mask & READABLE:
            probe.closing = bool(mask & CLOSING)
            if not probe.unfinished:
                self._read(probe, sock)

    def _connected(self, probe: Probe, sock: socket.SocketType) -> None:
        version = probe.check.proxy_protocol
        if version is not None and not probe.datagrams:
            header = proxy_header(version, sock.getsockname(), (probe.target.address, probe.target.port))
            probe.dialogue.note(header)
            self._send(probe, header)
        if probe.settings is None:
            self._established(probe)
        else:
            self._begin_tls(probe, probe.settings)

    def _begin_tls(self, probe: Probe, settings: Tls) -> None:
        if probe.tls is not None:
            raise CheckFaultError("a step asked for TLS on a connection that had it already")
        context = self._contexts.get(settings, probe.touched)
        probe.tls = TlsStream(context, settings, probe.target.address)
        probe.phase = Phase.HANDSHAKE
        probe.tls.handshake()
        self._send(probe, probe.tls.to_send())

    def _established(self, probe: Probe) -> None:
        probe.phase = Phase.WAITING
        dialogue = probe.dialogue
        self._say(probe, dialogue.begin() if dialogue.wants is None else dialogue.proceed())

    def _read(self, probe: Probe, sock: socket.SocketType) -> None:
        if probe.datagrams:
            self._read_datagrams(probe, sock)
            return
        for _ in range(READS_PER_WAKE):
            try:
                data = sock.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(probe, broken(error.errno or 0, probe.doing()))
                return
            if not data and probe.error:
                self._fail(probe, broken(probe.error, probe.doing()))
                return
            self._receive(probe, data, ended=not data)
            if probe.socket is not sock or (len(data) < READ_BYTES and not probe.closing):
                return
        self._go_on_later(probe)

    def _read_datagrams(self, probe: Probe, sock: socket.SocketType) -> None:
        for _ in range(READS_PER_WAKE):
            if probe.dialogue.wants is not None:
                return  # a turn to send comes first; `_say` reads on after it
            try:
                data = sock.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(probe, broken(error.errno or 0, probe.doing(), datagrams=True))
                return
            self._say(probe, probe.dialogue.feed(data))
            if probe.socket is not sock:
                return
        self._go_on_later(probe)

    def _go_on_later(self, probe: Probe) -> None:
        if probe.unfinished:
            return
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
            self._fail(probe, fault)
            return False
        self._established(probe)
        return probe.tls is tls and not probe.over

    def _say(self, probe: Probe, data: bytes) -> None:
        self._utter(probe, data)
        dialogue = probe.dialogue
        while dialogue.wants is not None and self._is_ready(probe, dialogue.wants):
            certificate = probe.tls.certificate() if probe.tls is not None else b""
            self._utter(probe, dialogue.proceed(certificate))
        verdict = dialogue.verdict
        if verdict is None:
            if dialogue.patience is not None or probe.patient:
                self._mind_patience(probe)
        elif dialogue.cut_short:
            self._fail(probe, verdict.reason)
        else:
            self._finish(probe, verdict)

    def _is_ready(self, probe: Probe, want: Want) -> bool:
        """Say whether what the dialogue wants is there; begin what takes a while, which ends in `_established`."""
        if probe.over:
            return False
        if want is Want.TURN or want is Want.CONNECTION:
            if probe.outgoing and not probe.error:
                return False
            if want is Want.TURN:
                self._go_on_later(probe)
                return True
            self._reconnect(probe)
        elif want is Want.TLS:
            self._secure(probe)
        return want is Want.CERTIFICATE

    def _reconnect(self, probe: Probe) -> None:
        if probe.tls is not None:
            probe.certificate = probe.tls.describe()
            probe.tls = None
        self._leave(probe)
        probe.phase = Phase.CONNECTING
        probe.outgoing = b""
        probe.error = 0
        probe.closing = False
        try:
            self._connect(probe)
        except OSError as error:
            if error.errno in REACHED_NOBODY:
                self._fail(probe, broken(error.errno, Phase.CONNECTING, datagrams=probe.datagrams))
            else:
                self._give_up(probe, not_sent(error))

    def _secure(self, probe: Probe) -> None:
        settings = probe.dialogue.secure
        assert settings is not None and probe.socket is not None  # noqa: PT018, S101  wanted, and not over
        try:
            early = probe.socket.recv(READ_BYTES)
        except BlockingIOError:
            self._begin_tls(probe, settings)
        except OSError as error:
            self._fail(probe, broken(error.errno or 0, Phase.HANDSHAKE))
        else:
            # What comes in clear after the go-ahead is somebody else's word, or a server that mixes up its own.
            self._fail(probe, INJECTED if early else "the connection closed before TLS began")

    def _utter(self, probe: Probe, data: bytes) -> None:
        if data:
            if probe.tls is not None:
                probe.tls.write(data)
                data = probe.tls.to_send()
            self._send(probe, data)

    def _send(self, probe: Probe, data: bytes) -> None:
        if not data or probe.socket is None or probe.error:
            return
        if probe.outgoing:
            # A datagram that still waits for room gives way to the next: UDP may lose it.
            probe.outgoing = data if probe.datagrams else probe.outgoing + data
            return
        try:
            probe.outgoing = data[probe.socket.send(data) :]
        except BlockingIOError:
            probe.outgoing = data
        except OSError as error:
            if probe.datagrams:
                self._datagram_refused(probe, error)
                return
            # What the server said before it hung up is worth more than that it did.
            probe.error = error.errno or 0
            probe.closing = True
            self._go_on_later(probe)

    def _datagram_refused(self, probe: Probe, error: OSError) -> None:
        if error.errno in REACHED_NOBODY:
            self._fail(probe, broken(error.errno, Phase.SENDING, datagrams=True))
        else:
            self._give_up(probe, not_sent(error))

    # Ends

    def _fail(self, probe: Probe, reason: str) -> None:
        """End a probe whose server could not be talked to: the check may see that in its own way."""
        if not probe.over:
            self._finish(probe, self._teller.unanswered(probe.check, probe.target, reason))

    def _give_up(self, probe: Probe, reason: str) -> None:
        """End a probe without a word about the server."""
        self._finish(probe, Verdict(False, reason), sent=False)

    def _finish(self, probe: Probe, verdict: Verdict, *, sent: bool = True) -> None:
        if probe.over:
            return
        self._put_away(probe)
        self._leave_conversation(probe)
        evidence = None
        if probe.keep_evidence or not verdict.passed:
            dialogue = probe.dialogue
            certificate = probe.tls.describe() if probe.tls is not None else probe.certificate
            evidence = Evidence(dialogue.sent, dialogue.received, show(probe.target), certificate)
        seconds = self._loop.time() - probe.started
        self._teller.tell(
            probe.done,
            ProbeResult(verdict.passed, verdict.reason, seconds, sent, evidence, verdict.warning, verdict.feedback),
        )

    def _leave_conversation(self, probe: Probe) -> None:
        try:
            probe.dialogue.close()
        except Exception as error:  # noqa: BLE001  a check is third-party code
            self._teller.fault(probe.check.type, probe.target, error)
