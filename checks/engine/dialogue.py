"""One run of a conversation: hands it bytes as it asked for them, and keeps the first ones as evidence. No I/O."""

from checks import Conversation, Step, Verdict

EVIDENCE_BYTES = 256
STEP_LIMIT = 1 << 20
"""The most bytes that one step may wait for; what a probe can hold in memory."""
PROBE_LIMIT = 64 << 20
"""The most bytes that a server may send in one probe before it has failed."""
STEPS_WITHOUT_NEWS = 100


class CheckFaultError(Exception):
    """A check broke the contract: the fault is in its code, not in the server."""


class Dialogue:
    """A conversation under way. `verdict` is None until it has ended; whatever the check raises comes out as it is."""

    __slots__ = ("_conversation", "_held", "_total", "_wanted", "received", "sent", "verdict")

    def __init__(self, conversation: Conversation) -> None:
        self.verdict: Verdict | None = None
        self.sent = b""
        self.received = b""
        self._conversation = conversation
        self._held = b""
        self._wanted = 0
        self._total = 0

    def begin(self) -> bytes:
        """Start the conversation and return what it sends first. Call once."""
        return self._go_on(None, ended=False)

    def feed(self, data: bytes, *, ended: bool = False) -> bytes:
        """Hand over what came, and whether the peer has ended its side; return what to send next."""
        if self.verdict is not None:
            return b""
        if len(self.received) < EVIDENCE_BYTES:
            self.received += data[: EVIDENCE_BYTES - len(self.received)]
        self._total += len(data)
        if self._total > PROBE_LIMIT:
            self.close()
            self.verdict = Verdict(False, f"the server sent more than {PROBE_LIMIT >> 20} MiB")
            return b""
        if self._held:
            data = self._held + data
        if len(data) < self._wanted and not ended:
            self._held = data
            return b""
        self._held = b""
        return self._go_on(data, ended=ended)

    def close(self) -> None:
        """Leave the conversation where it is."""
        self._conversation.close()

    def _go_on(self, data: bytes | None, *, ended: bool) -> bytes:
        outgoing = b""
        for _ in range(STEPS_WITHOUT_NEWS):
            try:
                step = next(self._conversation) if data is None else self._conversation.send(data)
            except StopIteration as stop:
                if not isinstance(stop.value, Verdict):
                    raise CheckFaultError(f"the conversation returned {stop.value!r}, not a verdict") from None
                self.verdict = stop.value
                return outgoing
            if step.send:
                outgoing = self._say(step, outgoing)
            if step.at_least > 0 and not ended:
                if step.at_least > STEP_LIMIT:
                    raise CheckFaultError(f"a step waits for {step.at_least} bytes; at most {STEP_LIMIT} are held")
                self._wanted = step.at_least
                return outgoing
            data = b""
        raise CheckFaultError(f"the conversation took {STEPS_WITHOUT_NEWS} steps without waiting for anything")

    def _say(self, step: Step, outgoing: bytes) -> bytes:
        if len(self.sent) < EVIDENCE_BYTES:
            shown = step.send if step.shown is None else step.shown
            self.sent += shown[: EVIDENCE_BYTES - len(self.sent)]
        return outgoing + step.send if outgoing else step.send
