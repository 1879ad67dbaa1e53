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
        self._scheduled = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many results are about to be handed over."""
        return len(self._waiting)

    def add(self, done: Done, result: ProbeResult) -> None:
        """Keep a result until `hand_over`."""
        self._waiting.append((done, result))

    def later(self, done: Done, result: ProbeResult) -> None:
        """Hand over a result at the loop's next turn."""
        self._waiting.append((done, result))
        self.soon()

    def soon(self) -> None:
        """Hand over at the loop's next turn."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def hand_over(self) -> None:
        """Hand over what is kept, in the order in which it came."""
        waiting, self._waiting = self._waiting, []
        for done, result in waiting:
            if self._closed:
                return
            try:
                done(result)
            except Exception as error:  # noqa: BLE001  the other probes of this wake must still be served
                self.report(f"the receiver of a probe's result raised {_place(error)}")

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
            return check.unanswered(target, reason) or Verdict(False, reason)
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
        """Forget the results that are kept."""
        self._closed = True
        self._waiting = []

    def _turn(self) -> None:
        self._scheduled = False
        self.hand_over()


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
