"""What an agent says, in HAProxy's words, and what its silence means."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import checks.agent
from checks import Feedback, Target, Verdict
from checks.agent import Agent
from checks.engine.dialogue import Dialogue
from checks.wire.said import understood
from tests.checks.conftest import TARGET, Play
from tests.checks.servers import Run, closed_port, serving, silent

ALL_WELL = Verdict(True, "the agent says up")


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    yield
    checks.agent._down.clear()


def ask(*pieces: bytes, agent: Agent | None = None, target: Target = TARGET) -> Verdict:
    """Return the verdict on an agent that sends these pieces and closes."""
    dialogue = Dialogue((agent or Agent()).converse(target))
    dialogue.begin()
    for piece in pieces:
        dialogue.feed(piece)
    dialogue.feed(b"", ended=True)
    assert dialogue.verdict is not None
    return dialogue.verdict


@pytest.mark.parametrize("word", [b"down", b"failed", b"fail", b"stopped", b"DOWN"])
def test_a_server_whose_agent_takes_it_down_has_failed(word: bytes) -> None:
    verdict = ask(word + b" # the disk is full\r\n")
    assert verdict == Verdict(False, f"the agent says {word.decode().lower()} (the disk is full)")


@pytest.mark.parametrize(
    ("line", "feedback"),
    [
        (b"up", None),
        (b"up 100%", Feedback(100, percent=True)),
        (b"75%", Feedback(75, percent=True)),
        (b"0%", Feedback(0, percent=True)),
        (b"drain", Feedback(admin="drain")),
        (b"Maint", Feedback(admin="maint")),
        (b"ready,up\t50%", Feedback(50, percent=True, admin="ready")),
        (b"drain ready", Feedback(admin="ready")),
        (b"10% 20%", Feedback(20, percent=True)),
        (b"999999%", Feedback(25600, percent=True)),
        (b"maxconn:30", None),
    ],
)
def test_weight_and_admin_state_are_feedback_and_no_failure(line: bytes, feedback: Feedback | None) -> None:
    verdict = ask(line + b"\n")
    assert (verdict.passed, verdict.warning, verdict.feedback) == (True, "", feedback)


def test_down_takes_nothing_from_what_else_the_agent_says() -> None:
    assert ask(b"down drain 10%\n").feedback == Feedback(10, percent=True, admin="drain")


def test_maxconn_is_understood_and_said_not_to_be_applied() -> None:
    assert ask(b"up maxconn:30\n").reason == "the agent says up, maxconn:30; maxconn is not applied"


@pytest.mark.parametrize(
    ("line", "word"),
    [(b"up 75", "75"), (b"up 75%%", "75%%"), (b"up running fast", "running"), (b"up#fine", "up#fine")],
)
def test_a_word_that_no_agent_has_is_warned_of_and_the_others_count(line: bytes, word: str) -> None:
    verdict = ask(b"ready " + line + b"\n")
    assert (verdict.passed, verdict.feedback) == (True, Feedback(admin="ready"))
    assert verdict.warning == f"the agent's word '{word}' is not known"


def test_what_the_agent_says_cannot_steer_a_terminal() -> None:
    verdict = ask(b"\x1b[2J up maxconn:\x07 # \x1b[31mred\n")
    assert verdict.passed
    assert (verdict.reason + verdict.warning).isprintable()


@pytest.mark.parametrize("line", [b"up\n", b"up\r\n", b"up\r", b"up", b"up\ndown\n", b"up\n\ndrain"])
def test_a_line_ends_with_cr_lf_or_the_connection_and_what_follows_is_not_read(line: bytes) -> None:
    assert ask(line) == ALL_WELL


def test_a_line_is_taken_at_its_end_without_waiting_for_the_connections() -> None:
    dialogue = Dialogue(Agent().converse(TARGET))
    dialogue.begin()
    dialogue.feed(b"u")
    assert dialogue.verdict is None
    dialogue.feed(b"p\n")
    assert dialogue.verdict == ALL_WELL


def test_the_text_to_send_goes_out_first_and_as_it_is() -> None:
    assert Dialogue(Agent(send="shop/wéb1\n").converse(TARGET)).begin() == "shop/wéb1\n".encode()
    assert Dialogue(Agent().converse(TARGET)).begin() == b""


SILENT = [
    ((), "the connection closed without a word"),
    ((b"\r\n",), "the agent's line is empty"),
    ((b"  # only a description\n",), "the agent's line is empty"),
    ((b"hello\n",), "the agent's word 'hello' is not known"),
    ((b"x" * 4000, b"y" * 4000), "the agent sent a line of more than 4096 bytes"),
]


@pytest.mark.parametrize(("pieces", "why"), SILENT)
def test_an_agent_that_says_nothing_usable_changes_nothing(pieces: tuple[bytes, ...], why: str) -> None:
    assert ask(*pieces) == Verdict(True, f"no answer from the agent ({why}); its last word stands")
    assert ask(*pieces, agent=Agent(unreachable="fail")) == Verdict(False, why)


def test_an_unreachable_agent_changes_nothing_unless_that_is_to_be_a_failure() -> None:
    verdict = Agent().unanswered(TARGET, "connection refused")
    assert verdict == Verdict(True, "no answer from the agent (connection refused); its last word stands")
    assert Agent(unreachable="fail").unanswered(TARGET, "connection refused") is None


def test_only_the_agent_itself_takes_back_that_its_server_is_down() -> None:
    assert not ask(b"down\n").passed
    quiet = Agent().unanswered(TARGET, "connection refused")
    assert quiet == Verdict(False, "no answer from the agent (connection refused); its last word, 'down', stands")
    weight = ask(b"ready 75%\n")
    assert weight.reason == "the agent says ready, 75%; its last word on health, 'down', stands"
    assert (weight.passed, weight.feedback) == (False, Feedback(75, percent=True, admin="ready"))
    assert ask(b"up\n") == ALL_WELL
    assert ask(b"75%\n").passed


def test_what_one_agent_said_is_no_word_of_another() -> None:
    ask(b"stopped\n")
    assert ask(b"50%\n", target=Target(TARGET.address, 81)).passed
    assert ask(b"50%\n", agent=Agent(send="other")).passed
    assert not ask(b"50%\n").passed


@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from(["ignore", "fail"]))
def test_whatever_comes_there_is_a_verdict(play: Play, pieces: list[bytes], unreachable: str) -> None:
    verdict = play(Agent(unreachable=unreachable), pieces)  # type: ignore[arg-type]
    assert verdict.reason.isprintable()
    assert verdict.feedback is None or verdict.feedback.weight is None or 0 <= verdict.feedback.weight <= 25600


WORDS = st.sampled_from(["up", "down", "DRAIN", "ready", "maint", "50%", "75%", "maxconn:3", "nonsense", "stopped"])


@given(st.lists(WORDS, min_size=1), st.sampled_from([" ", ",", "\t", ", "]), st.integers())
def test_the_last_word_of_a_kind_counts_however_they_are_separated_and_cut(
    words: list[str], separator: str, seed: int
) -> None:
    line = separator.join(words).encode() + b"\n"
    cut = random.Random(seed).randint(0, len(line))
    assert ask(line[:cut], line[cut:]) == ask(line)
    said = understood(line[:-1])
    lower = [word.lower() for word in words]

    def last(kind: set[str]) -> str:
        return next((word for word in reversed(lower) if word in kind), "")

    assert said.health == last({"up", "down", "stopped"})
    assert (said.admin or "") == last({"drain", "ready", "maint"})
    assert (f"{said.weight}%" if said.percent else "") == last({"50%", "75%"})
    assert said.unknown == ("nonsense" if "nonsense" in lower else "")


@given(st.integers(min_value=0, max_value=10**12))
def test_a_bare_number_is_a_weight_only_where_weights_are_meant(number: int) -> None:
    line = str(number).encode()
    assert understood(line).unknown == line.decode()
    said = understood(line, weights=True)
    assert said.weight == (number if number <= 65535 else None)


# Over the engine


def test_an_agent_is_heard_over_tcp_and_its_last_word_stands_while_it_is_silent(run: Run) -> None:
    words = [b"up 75%\n", b"down # leaving\n"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"web1\n"
        writer.write(words.pop(0))
        await writer.drain()
        await reader.read()

    async def scenario(bench: Any) -> None:
        agent = Agent(send="web1\n")
        async with serving(answer) as target:
            first = await bench.probe(agent, target)
            assert (first.passed, first.feedback) == (True, Feedback(75, percent=True))
            second = await bench.probe(agent, target)
            assert (second.passed, second.reason) == (False, "the agent says down (leaving)")
        with closed_port() as elsewhere:
            unheard = await bench.probe(agent, elsewhere)
            strict = await bench.probe(Agent(unreachable="fail"), elsewhere)
        assert (unheard.passed, unheard.sent) == (True, True)
        assert unheard.reason == "no answer from the agent (connection refused); its last word stands"
        assert (strict.passed, strict.reason) == (False, "connection refused")
        gone = await bench.probe(agent, target)
        assert (gone.passed, gone.sent) == (False, True)
        assert gone.reason == "no answer from the agent (connection refused); its last word, 'down', stands"

    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_an_agent_that_accepts_and_says_nothing_meets_the_deadline(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            result = await bench.probe(Agent(), target, 0.1)
        assert result.passed
        assert result.reason == (
            "no answer from the agent (timed out after 100ms waiting for the reply); its last word stands"
        )

    run(scenario)
