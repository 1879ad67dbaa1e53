"""Which packets tell of a conflict, run in the kernel on UNIX datagrams as they would be on frames."""

import socket
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.bpf import Instruction, attach
from healthlb.linux.conflicts import LISTED, arp_filter, neighbour_filter

ipv4, ipv6, hardware = (st.binary(min_size=size, max_size=size) for size in (4, 16, 6))


def passes(program: Sequence[Instruction], data: bytes) -> bool:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        attach(receiver, program)
        sender.send(data)
        try:
            return receiver.recv(1 << 16, socket.MSG_DONTWAIT) == data
        except BlockingIOError:
            return False


def arp(sender: bytes, address: bytes) -> bytes:
    return bytes(20) + b"\0\2" + sender + address + bytes(10)


def advertisement(address: bytes, sender: bytes) -> bytes:
    return bytes([136, 0, 0, 0, 0xA0, 0, 0, 0]) + address + b"\2\1" + sender


@given(addresses=st.lists(ipv4, max_size=30), own=st.lists(hardware, max_size=3), other=hardware, stranger=ipv4)
def test_arp_tells_of_a_conflict_if_another_sender_has_one_of_the_addresses(
    addresses: list[bytes], own: list[bytes], other: bytes, stranger: bytes
) -> None:
    program = arp_filter(addresses, own)
    for address in addresses:
        assert passes(program, arp(other, address)) == (other not in own)
        assert not any(passes(program, arp(each, address)) for each in own)
    assert passes(program, arp(other, stranger)) == (stranger in addresses and other not in own)


@given(addresses=st.lists(ipv6, max_size=10), own=st.lists(hardware, max_size=3), other=hardware, stranger=ipv6)
def test_advertisements_tell_of_a_conflict_if_another_has_one_of_the_addresses(
    addresses: list[bytes], own: list[bytes], other: bytes, stranger: bytes
) -> None:
    program = neighbour_filter(addresses, own)
    for address in addresses:
        assert passes(program, advertisement(address, other)) == (other not in own)
        assert not passes(program, b"\x87" + advertisement(address, other)[1:])
    assert passes(program, advertisement(stranger, other)) == (stranger in addresses and other not in own)


@given(data=st.binary(min_size=1, max_size=27))
def test_what_is_too_short_is_no_conflict(data: bytes) -> None:
    assert not passes(arp_filter([bytes(4)], []), data)
    assert not passes(neighbour_filter([bytes(16)], []), bytes([136]) + data)


@given(data=st.data(), own=hardware, other=hardware)
def test_too_many_addresses_for_a_filter_are_left_to_the_reader(data: st.DataObject, own: bytes, other: bytes) -> None:
    for make, packet, width in (
        (arp_filter, lambda address, sender: arp(sender, address), 4),
        (neighbour_filter, advertisement, 16),
    ):
        program = make([number.to_bytes(width, "big") for number in range(LISTED + 1)], [own])
        assert len(program) < 50
        address = data.draw(st.binary(min_size=width, max_size=width))
        assert passes(program, packet(address, other)) == (other != own)
