"""A dialogue hands a conversation its bytes as it asked for them, and holds it to the contract."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Conversation, Step, Verdict
from checks.engine.dialogue import EVIDENCE_BYTES, PROBE_LIMIT, STEP_LIMIT, CheckFaultError, Dialogue

PASSED = Verdict(True, "done")


def asking(*steps: Step, seen: list[bytes] | None = None) -> Conversation:
    for step in steps:
        data = yield step
        if seen is not None:
            seen.append(data)
    return PASSED


def test_a_conversation_that_asks_for_nothing_is_decided_at_once() -> None:
    dialogue = Dialogue(asking())
    assert dialogue.begin() == b""
    assert dialogue.verdict == PASSED


def test_what_steps_send_without_waiting_goes_out_together() -> None:
    dialogue = Dialogue(asking(Step(b"HELO\r\n", at_least=0), Step(b"QUIT\r\n", at_least=0)))
    assert dialogue.begin() == b"HELO\r\nQUIT\r\n"
    assert dialogue.verdict == PASSED


@given(st.lists(st.binary(min_size=1, max_size=5), min_size=1), st.integers(1, 12))
def test_a_step_gets_at_least_what_it_asked_for_and_every_byte_once(pieces: list[bytes], at_least: int) -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(*[Step(at_least=at_least)] * 200, seen=seen))
    dialogue.begin()
    for piece in pieces:
        dialogue.feed(piece)
    assert all(len(data) >= at_least for data in seen)
    given_over = b"".join(seen)
    assert b"".join(pieces).startswith(given_over)
    assert len(b"".join(pieces)) - len(given_over) < at_least


def test_at_the_peers_end_a_step_gets_the_fewer_bytes_there_are() -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(Step(at_least=10), Step(at_least=10), seen=seen))
    dialogue.begin()
    dialogue.feed(b"abc")
    dialogue.feed(b"", ended=True)
    assert seen == [b"abc", b""]
    assert dialogue.verdict == PASSED


def test_what_comes_after_the_verdict_is_not_looked_at() -> None:
    dialogue = Dialogue(asking())
    dialogue.begin()
    assert dialogue.feed(b"more") == b""
    assert dialogue.received == b""


def test_evidence_is_the_first_bytes_each_way() -> None:
    dialogue = Dialogue(asking(*[Step(b"s" * 200)] * 3))
    dialogue.begin()
    dialogue.feed(b"r" * 200)
    dialogue.feed(b"R" * 200)
    assert dialogue.sent == b"s" * EVIDENCE_BYTES
    assert dialogue.received == b"r" * 200 + b"R" * (EVIDENCE_BYTES - 200)


def test_a_steps_secret_is_sent_and_not_shown() -> None:
    dialogue = Dialogue(asking(Step(b"PASS hunter2", shown=b"PASS ***")))
    assert dialogue.begin() == b"PASS hunter2"
    assert dialogue.sent == b"PASS ***"


def test_a_server_that_sends_without_end_fails_before_the_memory_does() -> None:
    def listen() -> Conversation:
        while True:
            yield Step()

    dialogue = Dialogue(listen())
    dialogue.begin()
    piece = bytes(1 << 20)
    for _ in range(PROBE_LIMIT >> 20):
        dialogue.feed(piece)
        assert dialogue.verdict is None
    dialogue.feed(b"x")
    assert dialogue.verdict == Verdict(False, "the server sent more than 64 MiB")


def endless() -> Conversation:
    while True:
        yield Step(at_least=0)


def deaf_to_the_end() -> Conversation:
    while True:
        yield Step()


def no_verdict() -> Conversation:
    yield Step(at_least=0)
    return None  # type: ignore[return-value]


def greedy() -> Conversation:
    yield Step(at_least=STEP_LIMIT + 1)
    return PASSED


@pytest.mark.parametrize("conversation", [endless, no_verdict, greedy, deaf_to_the_end])
def test_a_conversation_that_breaks_the_contract_is_stopped(conversation: Callable[[], Conversation]) -> None:
    dialogue = Dialogue(conversation())

    def play() -> None:
        dialogue.begin()
        dialogue.feed(b"", ended=True)

    with pytest.raises(CheckFaultError):
        play()
