"""A dialogue hands a conversation its bytes as it asked for them, and holds it to the contract."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import SILENCE, Conversation, Step, Tls, Verdict
from checks.engine.dialogue import EVIDENCE_BYTES, PROBE_LIMIT, STEP_LIMIT, CheckFaultError, Dialogue, Want

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


def test_after_silence_what_had_come_is_still_there_for_the_next_step() -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(Step(at_least=4, patience=1.5), Step(at_least=4), seen=seen))
    dialogue.begin()
    assert dialogue.patience == 1.5
    dialogue.feed(b"ab")
    dialogue.silence()
    assert seen[0] is SILENCE
    assert dialogue.patience is None
    dialogue.feed(b"cd")
    assert seen == [b"", b"abcd"]


def test_after_silence_a_step_that_wants_no_more_than_had_come_gets_it_at_once() -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(Step(at_least=4, patience=1.5), Step(at_least=2), seen=seen))
    dialogue.begin()
    dialogue.feed(b"abc")
    dialogue.silence()
    assert seen == [b"", b"abc"]


def test_a_new_connection_forgets_the_end_and_the_bytes_of_the_former() -> None:
    seen: list[bytes] = []
    again = Step(b"again", at_least=3, reconnect=True)
    dialogue = Dialogue(asking(Step(at_least=4, patience=1), again, seen=seen))
    dialogue.begin()
    dialogue.feed(b"ab")
    assert dialogue.silence() == b""
    assert dialogue.wants is Want.CONNECTION
    dialogue.feed(b"cd", ended=True)
    assert dialogue.proceed() == b"again"
    dialogue.feed(b"xyz")
    assert seen == [b"", b"xyz"]


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ({"data": b"injected"}, "the server said more in clear after it had agreed to TLS"),
        ({"data": b"", "ended": True}, None),
    ],
)
def test_bytes_in_clear_between_the_go_ahead_and_tls_end_the_probe(then: dict[str, Any], reason: str | None) -> None:
    dialogue = Dialogue(asking(Step(b"STARTTLS"), Step(b"hello", secure=Tls(verify=False))))
    dialogue.begin()
    dialogue.feed(b"ok")
    assert dialogue.wants is Want.TLS
    assert dialogue.secure == Tls(verify=False)
    dialogue.feed(**then)
    assert dialogue.proceed() == (b"hello" if reason is None else b"")
    assert (dialogue.verdict and dialogue.verdict.reason) == (reason or "done")


def test_after_the_peers_end_there_is_no_tls_to_begin() -> None:
    dialogue = Dialogue(asking(Step(b"STARTTLS"), Step(secure=Tls())))
    dialogue.begin()
    dialogue.feed(b"", ended=True)
    assert dialogue.verdict == Verdict(False, "the connection closed before TLS began")
    assert dialogue.cut_short


def test_one_step_may_ask_for_a_connection_tls_and_its_certificate_in_this_order() -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(Step(reconnect=True, secure=Tls(), certificate=True), seen=seen))
    dialogue.begin()
    wanted = []
    while dialogue.wants is not None:
        wanted.append(dialogue.wants)
        dialogue.proceed(b"DER")
    assert wanted == [Want.CONNECTION, Want.TLS, Want.CERTIFICATE]
    assert (seen, dialogue.verdict) == ([b"DER"], PASSED)


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=20))
def test_each_datagram_is_handed_over_alone_even_an_empty_one(datagrams: list[bytes]) -> None:
    seen: list[bytes] = []
    dialogue = Dialogue(asking(*[Step(at_least=1000)] * len(datagrams), seen=seen), datagrams=True)
    dialogue.begin()
    for datagram in datagrams:
        dialogue.feed(datagram)
    assert seen == datagrams
    assert all(data is not SILENCE for data in seen)
    assert dialogue.verdict == PASSED


def test_each_step_that_sends_is_a_datagram_of_its_own() -> None:
    dialogue = Dialogue(asking(Step(b"one", at_least=0), Step(at_least=0), Step(b"two")), datagrams=True)
    assert dialogue.begin() == b"one"
    assert dialogue.wants is Want.TURN
    assert dialogue.proceed() == b"two"
    assert dialogue.wants is None


@pytest.mark.parametrize(
    "step", [Step(certificate=True), Step(b"x", at_least=0, reconnect=True), Step(b"x", at_least=0)]
)
def test_a_conversation_that_never_waits_for_news_is_stopped(step: Step) -> None:
    def restless() -> Conversation:
        while True:
            yield step

    dialogue = Dialogue(restless(), datagrams=True)

    def play() -> None:
        dialogue.begin()
        while dialogue.wants is not None:
            dialogue.proceed()

    with pytest.raises(CheckFaultError):
        play()
