"""What crafted packets are made of, and that nothing which comes back can hurt."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6EchoRequest

from checks.engine.raw import EXTENDED_ERROR, read_extended_error
from checks.wire.checksum import checksum, is_right, remainder
from checks.wire.icmp import (
    TOKEN,
    Template,
    craft_request,
    read_quoted_request,
    read_reply,
    strip_ip_header,
    trouble,
)
from checks.wire.segment import (
    IP_HEADER,
    Syn4,
    Syn6,
    craft_syn,
    header_length,
    read_answer,
    read_quoted_syn,
    read_syn_ack,
)

HALF = st.integers(0, 0xFFFF)
WORD = st.integers(0, 0xFFFFFFFF)
FOUR = st.binary(min_size=4, max_size=4)
SYN = craft_syn(4)


def sum_of_words(data: bytes) -> int:
    """Add up as RFC 1071 section 1 says it, word by word with the carry around."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=99))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    ours, plain = checksum(remainder(data)), ~sum_of_words(data) & 0xFFFF
    assert ours == plain or (ours, plain) == (0xFFFF, 0)
    even = data + b"\0" * (len(data) % 2)
    assert is_right(even + ours.to_bytes(2, "big"))


@given(FOUR, FOUR, HALF, HALF, WORD)
def test_a_patched_syn_is_what_would_have_been_crafted(
    source: bytes, destination: bytes, own_port: int, port: int, sequence: int
) -> None:
    syn = Syn4(SYN)
    addresses = source + destination
    packet = syn.patched(addresses, syn.sums(addresses), own_port, port, sequence)
    parsed = IP(packet)
    assert (parsed.src, parsed.dst) == (".".join(map(str, source)), ".".join(map(str, destination)))
    assert (parsed[TCP].sport, parsed[TCP].dport, parsed[TCP].seq) == (own_port, port, sequence)
    assert parsed[TCP].flags == "S"
    segment = packet[IP_HEADER:]
    assert is_right(addresses + struct.pack("!HH", 6, len(segment)) + segment)


@given(HALF, HALF, WORD)
def test_a_syn_for_ipv6_leaves_the_checksum_to_the_kernel(own_port: int, port: int, sequence: int) -> None:
    parsed = TCP(Syn6(craft_syn(6)).patched(own_port, port, sequence))
    assert (parsed.sport, parsed.dport, parsed.seq, parsed.flags, parsed.chksum) == (own_port, port, sequence, "S", 0)
    assert dict(parsed.options)["MSS"] == 1440


@pytest.mark.parametrize("size", [TOKEN, TOKEN + 1, 56, 1400])
@given(HALF, HALF, st.binary(min_size=TOKEN, max_size=TOKEN))
def test_a_patched_echo_request_is_what_would_have_been_crafted(
    size: int, identifier: int, sequence: int, token: bytes
) -> None:
    template = Template(craft_request(4, size))
    request = template.patched(identifier, sequence, token)
    assert len(request) == template.size
    assert is_right(request)
    parsed = ICMP(request)
    assert (parsed.type, parsed.code, parsed.id, parsed.seq) == (8, 0, identifier, sequence)
    data = request[8:]
    assert len(data) == size
    assert data.startswith(token)
    assert template.is_echo(token, data)
    assert not template.is_echo(token, data + b"x")
    assert not template.is_echo(token, data[:-1])


def test_an_echo_request_for_ipv6_has_the_type_and_data_of_one() -> None:
    request = Template(craft_request(6, 56)).patched(7, 9, b"\1" * TOKEN)
    parsed = ICMPv6EchoRequest(request)
    assert (parsed.id, parsed.seq, len(parsed.data)) == (7, 9, 56)


@given(st.binary(max_size=100), st.integers(0, 60))
@example(IP_HEADER * b"\x4f", 0)
@example(b"\x45", 0)
def test_any_bytes_can_come_as_a_packet(packet: bytes, start: int) -> None:
    length = header_length(packet)
    assert length is None or 20 <= length <= 60
    answer = read_answer(packet, start)
    assert answer is None or 0 <= answer.sequence <= 0xFFFFFFFF
    read_quoted_syn(packet, start)
    message = strip_ip_header(packet)
    for version in (4, 6):
        for each in (packet, message or b""):
            reply = read_reply(version, each)
            assert reply is None or len(reply[2]) >= TOKEN
            read_quoted_request(version, each)


@given(st.binary(max_size=60), st.sampled_from([0x45, 0x46]), st.sampled_from([0x02, 0x10, 0x12, 0x14, 0x16, 0x52]))
def test_the_short_way_to_read_a_syn_ack_reads_what_the_long_one_does(rest: bytes, head: int, flags: int) -> None:
    packet = bytes([head]) + rest[:32] + bytes([flags]) + rest[32:]
    usual = read_syn_ack(packet)
    length = header_length(packet)
    answer = None if length is None else read_answer(packet, length)
    if usual is not None:
        assert usual == (answer, packet[12:16])
    elif answer is not None:
        assert length != IP_HEADER or not answer.open


@given(st.binary(max_size=64))
def test_any_bytes_can_come_as_an_error(data: bytes) -> None:
    sentence = read_extended_error(data)
    assert sentence is None or sentence.isprintable()


@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from([4, 6]), WORD)
def test_every_icmp_error_has_a_sentence(kind: int, code: int, version: int, number: int) -> None:
    assert trouble(version, kind, code, number)


def test_the_sentences_are_those_that_operators_know() -> None:
    assert trouble(4, 3, 1, 0) == "host unreachable"
    assert trouble(4, 3, 4, 1400) == "packet too big (the path takes 1400 bytes)"
    assert trouble(4, 3, 13, 0) == "administratively prohibited"
    assert trouble(4, 11, 0, 0) == "time to live exceeded on the way"
    assert trouble(6, 1, 3, 0) == "host unreachable"
    assert trouble(6, 2, 0, 1280) == "packet too big (the path takes 1280 bytes)"
    offender = struct.pack("=HH4s8x", 2, 0, bytes([192, 0, 2, 1]))
    assert (
        read_extended_error(EXTENDED_ERROR.pack(113, 2, 3, 1, 0, 0) + offender) == "host unreachable (from 192.0.2.1)"
    )


@given(st.binary(min_size=1, max_size=40), st.integers(0, 400))
def test_a_packet_that_was_damaged_on_the_way_is_none(data: bytes, place: int) -> None:
    reply = bytes(ICMP(type=0, id=1, seq=2) / (b"\1" * TOKEN + data))
    packet = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / ICMP(reply))
    assert strip_ip_header(packet) is not None
    place = 20 + place % (len(packet) - 20)
    damaged = packet[:place] + bytes([packet[place] ^ 0x10]) + packet[place + 1 :]
    assert strip_ip_header(damaged) is None
    assert strip_ip_header(packet[:-1]) is None
