"""A server that a test writes as a function: what a conversation sends goes in, what it is answered comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from checks import SILENCE, Check, Step, Target, Verdict

TARGET = Target("192.0.2.1", 80)
MOST_STEPS = 2000


def over_stream(
    check: Check, answer: Callable[[Step], bytes], greeting: bytes = b"", most: int = 1 << 20
) -> tuple[Verdict, list[Step]]:
    """Play a conversation, handing over no more than `most` bytes more at once than are waited for.

    After an answer that is too short the peer's end comes. Return the verdict and the steps.
    """
    steps: list[Step] = []
    held = greeting
    conversation = check.converse(TARGET)
    try:
        step = next(conversation)
        while True:
            steps.append(step)
            assert len(steps) < MOST_STEPS
            if step.send:
                held += answer(step)
            data = b""
            if step.at_least:
                size = max(most, step.at_least)
                data, held = held[:size], held[size:]
            step = conversation.send(data)
    except StopIteration as stop:
        return judgement(stop), steps


def over_datagrams(check: Check, answer: Callable[[Step], Sequence[bytes]]) -> tuple[Verdict, list[Step]]:
    """Play a conversation; where no datagram is left there is silence. Return the verdict and the steps."""
    steps: list[Step] = []
    queue: list[bytes] = []
    conversation = check.converse(TARGET)
    try:
        step = next(conversation)
        while True:
            steps.append(step)
            assert len(steps) < MOST_STEPS
            if step.send:
                queue += answer(step)
            step = conversation.send(queue.pop(0) if queue else SILENCE)
    except StopIteration as stop:
        return judgement(stop), steps


def judgement(stop: StopIteration) -> Verdict:
    """Return what the conversation returned."""
    assert isinstance(stop.value, Verdict)
    return stop.value


def in_turn(*answers: bytes) -> Callable[[Step], bytes]:
    """Return a server that gives these answers one after the other, and then none."""
    left = list(answers)
    return lambda _: left.pop(0) if left else b""


@dataclass(frozen=True)
class Damage:
    """Other bytes in the place of some. It is drawn before the talk begins, whose numbers are never the same twice."""

    at: int
    put: bytes
    instead_of: int

    def __call__(self, data: bytes) -> bytes:
        at = self.at % (len(data) + 1)
        return data[:at] + self.put + data[at + self.instead_of :]


DAMAGES = st.lists(st.builds(Damage, st.integers(0, 999), st.binary(max_size=6), st.integers(0, 6)), max_size=4)


def damaging(server: Callable[[Step], bytes], damages: Sequence[Damage]) -> Callable[[Step], bytes]:
    """Return this server with its answers damaged, one by one, as far as the damages go."""
    left = list(damages)
    return lambda step: left.pop(0)(server(step)) if left else server(step)


def is_told(verdict: Verdict) -> bool:
    """Say whether a verdict's reason is one printable line that fits a status table."""
    return verdict.reason.isprintable() and 0 < len(verdict.reason) < 300
