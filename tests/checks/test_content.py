"""Content codings are decoded piece by piece, and never further than is still wanted."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.web.content import UndecodableError, UnknownCodingError, decoder


@given(st.binary(max_size=400), st.sampled_from(["gzip", "deflate", "identity"]), st.integers(1, 50), st.data())
def test_no_more_comes_out_than_is_wanted_and_nothing_is_lost_before_that(
    body: bytes, coding: str, room: int, data: st.DataObject
) -> None:
    coded = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[coding](body)
    size = data.draw(st.integers(1, max(1, len(coded))))
    decode = decoder([coding])
    out = b""
    for start in range(0, len(coded), size):
        if len(out) == room:
            break
        out += decode(coded[start : start + size], room - len(out))
        assert len(out) <= room
    assert out == body[:room]


def test_a_bomb_stays_small() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert decoder(["gzip"])(bomb, 1000) == bytes(1000)
    assert decoder(["gzip"])(gzip.compress(b"a") + bomb, 1000) == b"a" + bytes(999)


@given(st.lists(st.binary(max_size=60)), st.sampled_from(["gzip", "deflate"]))
def test_whatever_is_announced_as_coded_decodes_or_is_refused(pieces: list[bytes], coding: str) -> None:
    decode = decoder([coding])
    for piece in pieces:
        try:
            out = decode(piece, 100)
        except UndecodableError:
            return
        assert len(out) <= 100


@pytest.mark.parametrize("codings", [["br"], ["gzip", "gzip"], ["zstd", "identity"]])
def test_what_is_not_decoded_here_is_named(codings: list[str]) -> None:
    with pytest.raises(UnknownCodingError, match=codings[0]):
        decoder(codings)
