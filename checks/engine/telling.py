"""How a probe's end and a check's fault are told, so that neither can hurt the probes beside it."""

import asyncio
import traceback
from collections.abc import Callable

from checks import Check, Done, ProbeResult, Target, Verdict
from checks.engine.sockets import show


class Teller:
    """Hands over results and reports faults. `on_fault` takes one sentence; without it the loop's handler does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_fault: Callable[[str], None] | None = None) -> None:
        self._loop = loop
        self._on_fault = on_fault
        self._waiting: list[tuple[Done, ProbeResult]] = []

    @property
    def waiting(self) -> int:
        """Return how many results are about to be handed over."""
        return len(self._waiting)

    def later(self, done: Done, result: ProbeResult) -> None:
        """Hand over a result at the loop's next turn."""
        self._waiting.append((done, result))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._hand_over)

    def tell(self, done: Done, result: ProbeResult) -> None:
        """Hand over a result now."""
        try:
            done(result)
        except Exception as error:  # noqa: BLE001  the other probes of this wake must still be served
            self.report(f"the receiver of a probe's result raised {_place(error)}")

    def fault(self, kind: str, target: Target, error: Exception) -> str:
        """Report a check that raised, and return the reason of its probe."""
        self.report(f"check {kind} of {show(target)} raised {_place(error)}")
        return f"fault in the check itself: {type(error).__name__}: {error}"

    def unanswered(self, check: Check, target: Target, reason: str) -> Verdict:
        """Return the verdict on a server that could not be talked to: the check's own, or that it failed."""
        try:
            return check.unanswered(reason) or Verdict(False, reason)
        except Exception as error:  # noqa: BLE001  a check is third-party code
            return Verdict(False, self.fault(check.type, target, error))

    def report(self, sentence: str) -> None:
        """Tell of a fault that is nobody's result."""
        try:
            if self._on_fault is not None:
                self._on_fault(sentence)
                return
        except Exception as error:  # noqa: BLE001  the other probes of this wake must still be served
            sentence = f"{sentence}; and so did the receiver of that message: {_place(error)}"
        self._loop.call_exception_handler({"message": sentence})

    def close(self) -> None:
        """Forget the results that are waiting."""
        self._waiting = []

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        for done, result in waiting:
            self.tell(done, result)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
