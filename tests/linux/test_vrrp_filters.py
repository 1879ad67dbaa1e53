"""The filters run in the kernel, here on UNIX datagrams, which it shows to them as raw sockets show packets."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.bpf import Instruction, attach
from healthlb.linux.vrrp_filters import adverts, suspects
from healthlb.model.vrrp import Family
from vrrp_bytes import folded, ipv4_packet, message, pseudo_header

SOURCE, DESTINATION = ENDS = bytes([198, 51, 100, 10]), bytes([224, 0, 0, 18])


def packet(payload: bytes, options: bytes = b"") -> bytes:
    return ipv4_packet(payload, SOURCE, DESTINATION, options=options)


@contextlib.contextmanager
def filtered(program: list[Instruction]) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield two ends, the second of which receives what the program lets through."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        attach(receiver, program)
        yield sender, receiver


def passes(ends: tuple[socket.socket, socket.socket], data: bytes) -> bool:
    sender, receiver = ends
    sender.send(data)
    try:
        received = receiver.recv(1 << 16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    assert received == data
    return True


def taken(data: bytes, family: Family, version: Literal[2, 3], count: int) -> tuple[bool, bool]:
    """Return whether the filter for adverts takes a packet, and whether that for suspects does."""
    with filtered(adverts(family, version, 51, count)) as good, filtered(suspects(family, version, 51, count)) as odd:
        return passes(good, data), passes(odd, data)


@given(addresses=st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=40), alone=st.booleans())
def test_right_adverts_of_version_3_are_taken_with_and_without_the_pseudo_header(
    addresses: list[bytes], alone: bool
) -> None:
    data = packet(message(3, b"".join(addresses), len(addresses), ends=None if alone else ENDS))
    assert taken(data, 4, 3, len(addresses)) == (True, False)


@given(addresses=st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=40))
def test_right_adverts_of_version_2_are_taken_without_a_pseudo_header_only(addresses: list[bytes]) -> None:
    joined, count = b"".join(addresses), len(addresses)
    assert taken(packet(message(2, joined, count)), 4, 2, count) == (True, False)
    summed_otherwise = packet(message(2, joined, count, ends=ENDS))
    if folded(pseudo_header(*ENDS, 16 + 4 * count)) % 0xFFFF:
        assert taken(summed_otherwise, 4, 2, count) == (False, True)


@given(addresses=st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=5))
def test_adverts_over_ipv6_are_seen_without_their_header(addresses: list[bytes]) -> None:
    assert taken(message(3, b"".join(addresses), len(addresses)), 6, 3, len(addresses)) == (True, False)


@given(data=st.data())
def test_one_wrong_byte_makes_an_advert_a_suspect_or_that_of_another_router(data: st.DataObject) -> None:
    whole = bytearray(packet(message(3, bytes(range(8)), 2, ends=ENDS)))
    at = data.draw(st.integers(20, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 254))  # all ones and all zeros are the same to the checksum
    assert taken(bytes(whole), 4, 3, 2) == (False, at != 21)


@given(
    start=st.sampled_from((b"", b"\x31\x33", b"\x21\x33", b"\x45", packet(b"\x31\x33"))), rest=st.binary(max_size=64)
)
@pytest.mark.parametrize("family", [4, 6])
def test_no_bytes_at_all_are_taken_by_both(family: Family, start: bytes, rest: bytes) -> None:
    good, odd = taken(start + rest + b"\0", family, 3, 2)
    assert not (good and odd)


@given(rest=st.binary(max_size=64))
def test_whatever_has_the_router_id_is_taken_by_one_of_them(rest: bytes) -> None:
    assert sum(taken(b"\x31\x33" + rest, 6, 3, 2)) == 1
    assert sum(taken(packet(b"\x31\x33" + rest), 4, 3, 2)) == 1
    assert sum(taken(packet(b"\x31\x34" + rest), 4, 3, 2)) == 0


def test_an_advert_behind_ip_options_is_left_to_the_reader() -> None:
    whole = message(3, bytes(range(8)), 2, ends=ENDS)
    assert taken(packet(whole, options=bytes(4)), 4, 3, 2) == (False, True)


def test_the_longest_list_of_addresses_still_makes_a_filter() -> None:
    whole = message(3, bytes(255 * 4), 255, ends=ENDS)
    assert taken(packet(whole), 4, 3, 255) == (True, False)


@given(ttl=st.integers(0, 254))
def test_what_crossed_a_router_is_a_suspect_unless_it_may_have_done_so(ttl: int) -> None:
    data = ipv4_packet(message(3, bytes(8), 2, ends=ENDS), SOURCE, DESTINATION, ttl=ttl)
    assert taken(data, 4, 3, 2) == (False, True)
    with filtered(adverts(4, 3, 51, 2, unicast=True)) as good, filtered(suspects(4, 3, 51, 2, unicast=True)) as odd:
        assert (passes(good, data), passes(odd, data)) == (True, False)
