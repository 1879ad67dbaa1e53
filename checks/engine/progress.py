"""How one probe goes on: what is done when its socket is connected, readable or writable, or its patience has ended.

The conversation says what it wants; whatever must first be had is begun here and ends in `_established`.
"""

import asyncio
import errno
import select
import socket
import ssl

from checks import Tls, Verdict
from checks.engine.deadlines import Deadlines
from checks.engine.dialogue import INJECTED, CheckFaultError, Dialogue, Want
from checks.engine.lines import Lines
from checks.engine.probe import Probe
from checks.engine.proxying import proxy_header
from checks.engine.sockets import is_connected, is_connected_to_itself
from checks.engine.tls import Contexts, TlsStream
from checks.engine.words import REACHED_NOBODY, Phase, broken, not_sent

LATE_SECONDS = 0.05
"""How much later than a deadline the engine may look before it doubts itself rather than the server."""
READ_BYTES = 16384
DATAGRAM_BYTES = 65536
"""More than a datagram can have: none is cut off."""
READS_PER_WAKE = 4
"""With READ_BYTES, what one probe may read before all others have had their turn."""
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
CLOSING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
TROUBLE = select.EPOLLERR | select.EPOLLHUP


class Progress:
    """What a probe goes through between its start and its end; `Conversations` has the rest.

    A probe may have ended, or left its connection, whenever a method here returns: `serial` tells.
    """

    _loop: asyncio.AbstractEventLoop
    _contexts: Contexts
    _deadlines: Deadlines[Probe]
    _lines: Lines
    _unfinished: list[Probe]

    def _dial(self, probe: Probe) -> None:
        raise NotImplementedError

    def _not_dialled(self, probe: Probe, error: OSError) -> None:
        raise NotImplementedError

    def _leave(self, probe: Probe) -> None:
        raise NotImplementedError

    def _wake_by(self, due: float) -> None:
        raise NotImplementedError

    def _on_unfinished(self) -> None:
        raise NotImplementedError

    def _fail(self, probe: Probe, reason: str) -> None:
        raise NotImplementedError

    def _give_up(self, probe: Probe, reason: str) -> None:
        raise NotImplementedError

    def _finish(self, probe: Probe, verdict: Verdict, *, sent: bool = True) -> None:
        raise NotImplementedError

    # Patience: a probe is on the wheel until the end of its wait or its deadline, whichever comes first.

    def _mind_patience(self, probe: Probe, dialogue: Dialogue) -> None:
        if probe.turn == dialogue.turn:
            return
        probe.turn = dialogue.turn
        patience = dialogue.patience
        self._put_on_wheel(probe, probe.deadline if patience is None else self._loop.time() + patience)

    def _put_on_wheel(self, probe: Probe, due: float) -> None:
        probe.bucket.discard(probe)
        probe.patient = due < probe.deadline
        probe.bucket = self._deadlines.add(probe, min(due, probe.deadline))
        self._wake_by(probe.bucket.due)

    def _lose_patience(self, probe: Probe, now: float) -> None:
        dialogue, due = probe.dialogue, probe.bucket.due
        patience = None if dialogue is None else dialogue.patience
        if patience is not None and now - due > LATE_SECONDS and now - probe.touched < patience:
            # Who looks this late, and finds that something came, cannot say when: the server gets its time again.
            self._put_on_wheel(probe, now + patience)
            return
        self._put_on_wheel(probe, probe.deadline)
        if dialogue is not None and patience is not None:
            self._say(probe, dialogue, dialogue.silence())

    def _serve(self, probe: Probe, mask: int) -> None:
        line = probe.line
        assert line is not None  # noqa: S101  `_leave` takes a probe out of the table that events are looked up in
        serial = probe.serial
        if probe.phase is Phase.CONNECTING:
            if mask & TROUBLE and not self._is_there(probe, line.socket):
                return
            if not mask & select.EPOLLOUT:
                return
            if probe.suspicious and is_connected_to_itself(line.socket):
                self._fail(probe, broken(errno.ECONNREFUSED, Phase.CONNECTING, datagrams=probe.datagrams))
                return
            if probe.dry is not None:
                self._finish(probe, probe.dry)
                return
            self._connected(probe, line.socket)
        elif probe.outgoing and mask & select.EPOLLOUT:
            outgoing, probe.outgoing = probe.outgoing, b""
            self._send(probe, outgoing)
            dialogue = probe.dialogue
            if dialogue is not None and dialogue.wants is not None and probe.phase is Phase.WAITING:
                self._say(probe, dialogue, b"")
        if mask & READABLE and probe.serial == serial:
            probe.closing = bool(mask & CLOSING)
            if not probe.unfinished:
                self._read(probe, line.socket)

    def _is_there(self, probe: Probe, sock: socket.SocketType) -> bool:
        """Say whether a connection came to be although the event speaks of trouble; fail the probe if it is broken.

        A kept socket may still report the end of its former connection: then nothing is known yet.
        """
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._fail(probe, broken(number, Phase.CONNECTING, datagrams=probe.datagrams))
            return False
        return is_connected(sock)

    def _connected(self, probe: Probe, sock: socket.SocketType) -> None:
        if probe.proxy is not None:
            theirs = probe.target.address, probe.target.port
            probe.header = proxy_header(probe.proxy, sock.getsockname(), theirs)
            self._send(probe, probe.header)
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
        if dialogue is not None:
            self._say(probe, dialogue, dialogue.proceed())
        elif probe.at_once is not None:
            self._finish(probe, probe.at_once)
        else:
            dialogue = Dialogue(probe.check.converse(probe.target), datagrams=probe.datagrams)
            probe.dialogue = dialogue
            dialogue.sent = probe.header
            self._say(probe, dialogue, dialogue.begin())

    def _read(self, probe: Probe, sock: socket.SocketType) -> None:
        if probe.datagrams:
            self._read_datagrams(probe, sock)
            return
        serial = probe.serial
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
            if probe.serial != serial or (len(data) < READ_BYTES and not probe.closing):
                return
        self._go_on_later(probe)

    def _read_datagrams(self, probe: Probe, sock: socket.SocketType) -> None:
        serial, dialogue = probe.serial, probe.dialogue
        for _ in range(READS_PER_WAKE):
            if dialogue is None or dialogue.wants is not None:
                return  # a turn to send comes first; `_say` reads on after it
            try:
                data = sock.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(probe, broken(error.errno or 0, probe.doing(), datagrams=True))
                return
            self._say(probe, dialogue, dialogue.feed(data))
            if probe.serial != serial:
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
                self._utter(probe, b"")
                return
        dialogue = probe.dialogue
        if dialogue is not None:
            self._say(probe, dialogue, dialogue.feed(data, ended=ended))

    def _shake_hands(self, probe: Probe, tls: TlsStream) -> bool:
        try:
            complete = tls.handshake()
        except ssl.SSLError:
            self._send(probe, tls.to_send())  # an alert
            raise
        if not complete:
            self._send(probe, tls.to_send())
            return False
        fault = tls.fault()
        if fault is not None:
            self._send(probe, tls.to_send())
            self._fail(probe, fault)
            return False
        serial = probe.serial
        self._established(probe)  # the end of the handshake goes out with the first words
        return probe.serial == serial

    def _say(self, probe: Probe, dialogue: Dialogue, data: bytes) -> None:
        serial = probe.serial
        self._utter(probe, data)
        while dialogue.wants is not None and probe.serial == serial and self._is_ready(probe, dialogue, dialogue.wants):
            certificate = probe.tls.certificate() if probe.tls is not None else b""
            self._utter(probe, dialogue.proceed(certificate))
        if probe.serial != serial:
            return
        verdict = dialogue.verdict
        if verdict is None:
            if dialogue.patience is not None or probe.patient:
                self._mind_patience(probe, dialogue)
        elif dialogue.cut_short:
            self._fail(probe, verdict.reason)
        else:
            self._finish(probe, verdict)

    def _is_ready(self, probe: Probe, dialogue: Dialogue, want: Want) -> bool:
        """Say whether what the dialogue wants is there; begin what takes a while, which ends in `_established`."""
        if want is Want.TURN or want is Want.CONNECTION:
            if probe.outgoing and not probe.error:
                return False
            if want is Want.TURN:
                self._go_on_later(probe)
                return True
            self._reconnect(probe)
        elif want is Want.TLS:
            assert dialogue.secure is not None and probe.line is not None  # noqa: PT018, S101  wanted, and not over
            self._secure(probe, dialogue.secure, probe.line.socket)
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
            self._dial(probe)
        except OSError as error:
            self._not_dialled(probe, error)

    def _secure(self, probe: Probe, settings: Tls, sock: socket.SocketType) -> None:
        try:
            early = sock.recv(READ_BYTES)
        except BlockingIOError:
            self._begin_tls(probe, settings)
        except OSError as error:
            self._fail(probe, broken(error.errno or 0, Phase.HANDSHAKE))
        else:
            # What comes in clear after the go-ahead is somebody else's word, or a server that mixes up its own.
            self._fail(probe, INJECTED if early else "the connection closed before TLS began")

    def _utter(self, probe: Probe, data: bytes) -> None:
        tls = probe.tls
        if tls is not None:
            if data:
                tls.write(data)
            data = tls.to_send()
        if data:
            self._send(probe, data)

    def _send(self, probe: Probe, data: bytes) -> None:
        line = probe.line
        if not data or line is None or probe.error:
            return
        if probe.outgoing:
            # A datagram that still waits for room gives way to the next: UDP may lose it.
            probe.outgoing = data if probe.datagrams else probe.outgoing + data
            return
        try:
            sent = line.socket.send(data)
            if sent < len(data):
                probe.outgoing = data[sent:]
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
