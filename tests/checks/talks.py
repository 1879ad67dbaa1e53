"""Plays a conversation step by step, without an engine: what it says is kept, what it hears is given."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from checks import Check, Step, Target, Verdict

TARGET = Target("192.0.2.1", 25)
ENDLESS = 10_000
SOME_FILE = "/etc/healthlb/password"


class Held:
    """A conversation that is held at each of its steps."""

    def __init__(self, check: Check, target: Target = TARGET) -> None:
        self._conversation = check.converse(target)
        self.step = next(self._conversation)

    def hears(self, data: bytes) -> Verdict | None:
        """Go on to the next step; return the verdict if there is none."""
        try:
            self.step = self._conversation.send(data)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict
        return None


class Talk:
    """A conversation that hears these answers, one each time it waits, and then the peer's end."""

    def __init__(self, check: Check, *answers: bytes, target: Target = TARGET) -> None:
        self.steps: list[Step] = []
        self.verdict = self._play(check, list(answers), target)

    def _play(self, check: Check, answers: list[bytes], target: Target) -> Verdict:
        held = Held(check, target)
        for _ in range(ENDLESS):
            self.steps.append(held.step)
            waits = held.step.at_least > 0
            verdict = held.hears(answers.pop(0) if waits and answers else b"")
            if verdict is not None:
                return verdict
        raise AssertionError("the conversation goes on for ever")

    @property
    def said(self) -> bytes:
        """All that was sent."""
        return b"".join(step.send for step in self.steps)

    @property
    def evidence(self) -> bytes:
        """All that evidence may keep of it."""
        return b"".join(step.send if step.shown is None else step.shown for step in self.steps)

    @property
    def secured_before(self) -> list[bytes]:
        """What was sent as the first thing under TLS, each time it began."""
        return [after.send for step, after in pairwise(self.steps) if step.secure is not None]


def reason(check: Check, *answers: bytes) -> str:
    """Return the reason of a verdict that must be a failure."""
    verdict = Talk(check, *answers).verdict
    assert not verdict.passed, verdict
    return verdict.reason


def in_pieces(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places, as a network might."""
    cuts = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(cuts)]


def password_file(folder: Path, word: bytes = b"s3cret") -> str:
    """Write a password to a file and return its path."""
    file = folder / "password"
    file.write_bytes(word + b"\n")
    return str(file)
