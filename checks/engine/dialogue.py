"""One run of a conversation: hands it bytes as it asked for them, and keeps the first ones as evidence. No I/O.

Whoever plays a conversation sends what `begin`, `feed`, `silence` and `proceed` return, and after each of them looks
at two things. `verdict` ends it. `wants` names what must be done before the conversation can go on: a new connection,
TLS (with the settings in `secure`), the peer's certificate, or only a turn of its own for the next datagram; once it is
done, `proceed` goes on. With bytes alone:

    outgoing = dialogue.begin()
    while dialogue.verdict is None:
        if dialogue.wants is not None:
            outgoing = dialogue.proceed(certificate=b"")
        else:
            outgoing = dialogue.feed(b"what came")  # or dialogue.silence(), or dialogue.feed(b"", ended=True)
"""

import enum

from checks import SILENCE, Conversation, Step, Tls, Verdict

EVIDENCE_BYTES = 256
STEP_LIMIT = 1 << 20
"""The most bytes that one step may wait for; what a probe can hold in memory."""
PROBE_LIMIT = 64 << 20
"""The most bytes that a server may send in one probe before it has failed."""
STEPS_WITHOUT_NEWS = 100
INJECTED = "the server said more in clear after it had agreed to TLS"
NOTHING = Step()


class CheckFaultError(Exception):
    """A check broke the contract: the fault is in its code, not in the server."""


class Want(enum.Enum):
    """What a conversation cannot do with bytes alone."""

    CONNECTION = "a new connection"
    TLS = "TLS on this connection"
    CERTIFICATE = "the peer's certificate"
    TURN = "that what it said before goes out as a datagram of its own"


class Dialogue:
    """A conversation under way. `verdict` is None until it has ended; whatever the check raises comes out as it is.

    `patience` is how many seconds the present wait may take before `silence` is due, or None; `turn` counts the waits.
    `cut_short` says that the verdict is this class's own: the conversation had not come to its end.
    """

    __slots__ = (
        "_conversation",
        "_datagrams",
        "_ended",
        "_held",
        "_left",
        "_pending",
        "_total",
        "_wanted",
        "cut_short",
        "patience",
        "received",
        "sent",
        "turn",
        "verdict",
        "wants",
    )

    def __init__(self, conversation: Conversation, *, datagrams: bool = False) -> None:
        self.verdict: Verdict | None = None
        self.wants: Want | None = None
        self.patience: float | None = None
        self.turn = 0
        self.sent = b""
        self.received = b""
        self.cut_short = False
        self._conversation = conversation
        self._datagrams = datagrams
        self._pending = NOTHING
        self._held = b""
        self._wanted = 0
        self._total = 0
        self._ended = False
        self._left = STEPS_WITHOUT_NEWS

    @property
    def secure(self) -> Tls | None:
        """Return the settings of the TLS that is wanted."""
        return self._pending.secure

    def begin(self) -> bytes:
        """Start the conversation and return what it sends first. Call once."""
        return self._go_on(None)

    def feed(self, data: bytes, *, ended: bool = False) -> bytes:
        """Hand over what came, and whether the peer has ended its side; return what to send next.

        Over datagrams, hand over each one by itself; what comes while something is wanted is dropped.
        """
        if self.verdict is not None:
            return b""
        if len(self.received) < EVIDENCE_BYTES:
            self.received += data[: EVIDENCE_BYTES - len(self.received)]
        self._total += len(data) or 1
        if self._total > PROBE_LIMIT:
            return self._cut_short(f"the server sent more than {PROBE_LIMIT >> 20} MiB")
        if ended:
            self._ended = True
        if self._datagrams:
            if self.wants is not None:
                return b""
            self._left = STEPS_WITHOUT_NEWS
            return self._go_on(data)
        if self._held:
            data = self._held + data
        if self.wants is not None or (len(data) < self._wanted and not ended):
            self._held = data[: STEP_LIMIT + 1]
            return b""
        self._held = b""
        self._left = STEPS_WITHOUT_NEWS
        return self._go_on(data)

    def silence(self) -> bytes:
        """Say that the step's patience has ended; return what to send next. What came of its bytes stays for later."""
        if self.verdict is not None or self.wants is not None:
            return b""
        self._left = STEPS_WITHOUT_NEWS
        return self._go_on(SILENCE)

    def proceed(self, certificate: bytes = b"") -> bytes:
        """Say that what was wanted is done, and what the peer's certificate in DER is; return what to send next."""
        done, self.wants = self.wants, None
        if self.verdict is not None or done is None:
            return b""
        if done is Want.CERTIFICATE:
            return self._go_on(certificate)
        if done is Want.CONNECTION:
            self._held = b""
            self._ended = False
        elif done is Want.TLS and self._held:
            return self._cut_short(INJECTED)
        if self._must_wait(self._pending, done):
            return b""
        return self._go_on(None, self._pending)

    def close(self) -> None:
        """Leave the conversation where it is."""
        self._conversation.close()

    def _go_on(self, data: bytes | None, step: Step | None = None) -> bytes:
        """Hand over `data` (None: begin), or carry out `step`, for which all is ready now."""
        outgoing = b""
        self.patience = None
        while self._left:
            if step is None:
                step = self._next(data)
                if step is None or self._pauses(step, outgoing):
                    return outgoing
            if step.send:
                outgoing = self._say(step, outgoing)
            data = b""
            if step.at_least > 0:
                if len(self._held) < step.at_least and not self._ended:
                    self._wait(step)
                    return outgoing
                data, self._held = self._held, b""
            step = None
        raise CheckFaultError(f"the conversation took {STEPS_WITHOUT_NEWS} steps without waiting for anything")

    def _next(self, data: bytes | None) -> Step | None:
        """Hand over `data` and return the next step; None if the conversation ended with its verdict."""
        self._left -= 1
        try:
            return next(self._conversation) if data is None else self._conversation.send(data)
        except StopIteration as stop:
            if not isinstance(stop.value, Verdict):
                raise CheckFaultError(f"the conversation returned {stop.value!r}, not a verdict") from None
            self.verdict = stop.value
            return None

    def _pauses(self, step: Step, outgoing: bytes) -> bool:
        """Say whether something must be done before this step; `outgoing` was said by those before it."""
        if step.reconnect or step.secure is not None or step.certificate:
            return self._must_wait(step, None)
        if not self._datagrams or not outgoing or not step.send:
            return False
        self._pending, self.wants = step, Want.TURN
        return True

    def _must_wait(self, step: Step, done: Want | None) -> bool:
        """Note what a step needs before it can be carried out, after what was `done` for it; say whether that is so."""
        self._pending = step
        if step.reconnect and done is None:
            self.wants = Want.CONNECTION
        elif step.secure is not None and done in (None, Want.CONNECTION):
            if self._ended:
                self._cut_short("the connection closed before TLS began")
            elif self._held:
                self._cut_short(INJECTED)
            else:
                self.wants = Want.TLS
        elif step.certificate and done is not Want.CERTIFICATE:
            self.wants = Want.CERTIFICATE
        else:
            return False
        return True

    def _wait(self, step: Step) -> None:
        if step.at_least > STEP_LIMIT:
            raise CheckFaultError(f"a step waits for {step.at_least} bytes; at most {STEP_LIMIT} are held")
        self._wanted = step.at_least
        self.patience = step.patience
        self.turn += 1

    def _say(self, step: Step, outgoing: bytes) -> bytes:
        if len(self.sent) < EVIDENCE_BYTES:
            shown = step.send if step.shown is None else step.shown
            self.sent += shown[: EVIDENCE_BYTES - len(self.sent)]
        return outgoing + step.send if outgoing else step.send

    def _cut_short(self, reason: str) -> bytes:
        self.close()
        self.cut_short = True
        self.verdict = Verdict(False, reason)
        return b""
