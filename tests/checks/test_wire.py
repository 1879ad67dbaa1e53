"""What conversations share: taking a stream apart, showing a server's words, reading secrets."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import SILENCE, Conversation, Step, Tls, UnusableError, Verdict
from checks.engine.dialogue import Dialogue, Want
from checks.wire import secrets
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.secrets import secret, unreadable, without_secrets
from checks.wire.showing import shown


def taken(pieces: list[bytes], plan: list[int | None]) -> tuple[list[bytes], Verdict]:
    """Take lines (None) and lengths from a stream that comes in these pieces."""
    found: list[bytes] = []

    def talk() -> Conversation:
        inbox = Inbox()
        for size in plan:
            taken_now = yield from (inbox.line() if size is None else inbox.exactly(size))
            found.append(taken_now)
        return Verdict(True, "all taken")

    dialogue = Dialogue(judged(talk()))
    dialogue.begin()
    for piece in pieces:
        dialogue.feed(piece)
    dialogue.feed(b"", ended=True)
    assert dialogue.verdict is not None
    return found, dialogue.verdict


@given(
    items=st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_however_a_stream_is_cut_the_same_lines_and_lengths_are_taken(
    items: list[tuple[bool, bytes]], cuts: list[int]
) -> None:
    wanted = [data.replace(b"\n", b".").rstrip(b"\r") if line else data for line, data in items]
    stream = b"".join(data + b"\r\n" * line for (line, _), data in zip(items, wanted, strict=True))
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in pairwise(places) if a < b]
    plan = [None if line else len(data) for (line, _), data in zip(items, wanted, strict=True)]
    found, verdict = taken(pieces, plan)
    assert (found, verdict.passed) == (wanted, True)


def test_a_peer_that_breaks_off_is_told_by_how_far_it_came() -> None:
    assert taken([], [None])[1].reason == "the connection closed without a reply"
    assert taken([b"half a li"], [None])[1].reason == "the connection closed in the middle of a reply"


def test_a_line_without_end_is_refused() -> None:
    assert taken([b"x" * 5000, b"x" * 5000], [None])[1].reason == "the server sent a line of more than 8192 bytes"


def test_silence_is_told_as_such() -> None:
    dialogue = judged(iter_line())
    next(dialogue)
    with pytest.raises(StopIteration) as stop:
        dialogue.send(SILENCE)
    assert stop.value.value == Verdict(False, "no answer where a greeting was due")


def iter_line() -> Conversation:
    """Wait for a greeting with little patience."""
    yield from Inbox().line(Step(patience=0.1), "a greeting")
    raise PeerError("never reached")


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_what_is_shown_is_one_short_printable_line(data: bytes | str) -> None:
    text = shown(data)
    assert len(text) <= 60
    assert text.isascii()
    assert not text or text.isprintable()


def test_a_secret_is_read_without_its_line_end_and_again_once_the_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "LOOK_AGAIN_SECONDS", 0.0)
    file = tmp_path / "password"
    file.write_text("first\n")
    assert secret("password_file", str(file)) == b"first"
    file.write_text("the second\r\n")
    assert secret("password_file", str(file)) == b"the second"
    file.unlink()
    with pytest.raises(UnusableError, match=r"password_file .*: no such file or directory"):
        secret("password_file", str(file))


def test_a_secret_that_is_empty_huge_or_no_file_is_told(tmp_path: Path) -> None:
    empty, huge, fifo = tmp_path / "empty", tmp_path / "huge", tmp_path / "fifo"
    empty.write_text("\n")
    huge.write_bytes(b"x" * 100_000)
    os.mkfifo(fifo)
    assert unreadable("token_file", None) is None
    for path, words in ((empty, "is empty"), (huge, "is longer than"), (fifo, "is no regular file")):
        assert words in (unreadable("token_file", str(path)) or "")


@pytest.mark.parametrize(
    ("reply", "passed", "reason"),
    [
        (b"220 go ahead\r\n", True, "secured"),
        (b"220 go ahead\r\n250 injected\r\n", False, "the server said more in clear after it had agreed to TLS"),
    ],
)
def test_what_follows_the_go_ahead_in_clear_is_never_taken_for_an_answer_over_tls(
    reply: bytes, passed: bool, reason: str
) -> None:
    def talk() -> Conversation:
        inbox = Inbox()
        yield from inbox.line(Step(b"STARTTLS\r\n"))
        yield from inbox.secure(Tls())
        return Verdict(True, "secured")

    dialogue = Dialogue(judged(talk()))
    dialogue.begin()
    dialogue.feed(reply)
    if dialogue.wants is Want.TLS:
        dialogue.proceed()
    assert dialogue.verdict == Verdict(passed, reason)


def test_what_a_server_repeats_of_a_secret_stays_out_of_evidence(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("opensesame\n")
    assert secret("password_file", str(file)) == b"opensesame"
    assert without_secrets(b"-ERR unknown command AUTH opensesame\r\n") == b"-ERR unknown command AUTH ***\r\n"
    assert without_secrets(b"you said b3BlbnNlc2FtZQ==") == b"you said ***"
    assert without_secrets(b"cut off at 256 bytes: opense") == b"cut off at 256 bytes: ***"
    assert without_secrets(b"open") == b"***"
    assert without_secrets(b"nothing of it") == b"nothing of it"
