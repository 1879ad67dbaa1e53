"""The two processes understand each other, and neither takes what the other did not mean."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb import __version__
from healthlb.speaker.coding import CodingError
from healthlb.speaker.wire import (
    PIECE,
    Assembler,
    FromSpeaker,
    Heartbeat,
    InterfacesChanged,
    ToSpeaker,
    pieces,
    socket_pair,
)

DOWN: st.SearchStrategy[ToSpeaker] = st.from_type(ToSpeaker)  # type: ignore[arg-type]
UP: st.SearchStrategy[FromSpeaker] = st.from_type(FromSpeaker)  # type: ignore[arg-type]


def crossed(message: ToSpeaker | FromSpeaker, *, parent: bool) -> ToSpeaker | FromSpeaker | None:
    """Return what the other end makes of a message."""
    assembler = Assembler(parent=parent)
    *before, last = pieces(message)
    for piece in before:
        assert assembler.take(piece) is None
    return assembler.take(last)


def finite(message: Any) -> bool:
    try:
        json.dumps(str(message))
        list(pieces(message))
    except ValueError:
        return False
    return True


@settings(max_examples=25)
@given(DOWN.filter(finite))
def test_the_speaker_understands_every_message_of_the_director(message: ToSpeaker) -> None:
    assert crossed(message, parent=False) == message


@settings(max_examples=25)
@given(UP.filter(finite))
def test_the_director_understands_every_message_of_the_speaker(message: FromSpeaker) -> None:
    assert crossed(message, parent=True) == message


@given(st.lists(st.binary(min_size=1, max_size=64), max_size=4))
def test_whatever_arrives_is_a_message_or_a_coding_error(data: list[bytes]) -> None:
    assembler = Assembler(parent=False)
    for piece in data:
        with suppress(CodingError):
            assert assembler.take(piece) is None
    assembler = Assembler(parent=False)
    (heartbeat,) = pieces(Heartbeat())
    assert assembler.take(heartbeat) == Heartbeat()


def test_a_message_after_a_broken_one_is_understood() -> None:
    assembler = Assembler(parent=False)
    with pytest.raises(CodingError, match="JSON"):
        assembler.take(b".{")
    (heartbeat,) = pieces(Heartbeat())
    assert assembler.take(heartbeat) == Heartbeat()


def test_a_director_of_another_version_is_told_so() -> None:
    (heartbeat,) = pieces(Heartbeat())
    other = heartbeat.replace(__version__.encode(), b"999.0")
    with pytest.raises(CodingError, match=r"the other process is of version 999\.0"):
        Assembler(parent=False).take(other)


def test_neither_end_takes_its_own_messages() -> None:
    (heartbeat,) = pieces(Heartbeat())
    with pytest.raises(CodingError):
        Assembler(parent=True).take(heartbeat)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket_pair()
    with closing(one), closing(other):
        yield one, other


def test_a_long_message_crosses_in_pieces(ends: tuple[socket.socket, socket.socket]) -> None:
    message = InterfacesChanged(("x" * PIECE, "y" * PIECE))
    assembler, found = Assembler(parent=True), None
    for piece in pieces(message):
        assert found is None
        ends[0].send(piece)
        found = assembler.take(ends[1].recv(PIECE + 1))
    assert found == message
