"""Rows on their way to netlink and back, without a kernel between."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.ipvs_decode import Decoder, decode_info, decode_timeouts
from healthlb.linux.ipvs_encode import encode
from healthlb.linux.netlink import MalformedError
from healthlb.model.counters import Traffic, Usage
from healthlb.model.operations import AddDestination, AddService, SetTimeouts
from healthlb.model.table import Destination, Method, Service, ServiceKey, Timeouts, Tunnel
from tests.table_contract import KEY, SERVER, SERVICE, destinations_of, keys, services

AF_INET = 2
TOTALS = range(1, 11)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def dumped(row: bytes, *more: bytes) -> bytearray:
    """Return a nest as the encoder makes it with more attributes inside."""
    kind = struct.unpack_from("=HH", row)[1]
    return bytearray(attribute(kind, row[4:] + b"".join(more)))


def statistics(nest: int, letter: str) -> bytes:
    values = b"".join(attribute(n, struct.pack("=Q" if n in {4, 5} else f"={letter}", n * 10)) for n in TOTALS)
    return attribute(nest, values)


def counts(active: int, inactive: int, persistent: int) -> bytes:
    found = ((7, active), (8, inactive), (9, persistent))
    return b"".join(attribute(kind, struct.pack("=I", number)) for kind, number in found)


def service_message(service: Service, *more: bytes) -> bytearray:
    return dumped(encode(AddService(service))[1], *more)


def destination_message(key: ServiceKey, destination: Destination, *more: bytes) -> bytearray:
    payload = encode(AddDestination(key, destination))[1]
    (length,) = struct.unpack_from("=H", payload)
    return dumped(payload[length:], counts(0, 0, 0), *more)


@given(services)
def test_a_service_comes_back_as_it_was_put(service: Service) -> None:
    assert Decoder().service(memoryview(service_message(service))) == (service, Usage())


@given(keys.flatmap(lambda key: st.tuples(st.just(key), destinations_of(key))))
def test_a_destination_comes_back_as_it_was_put(pair: tuple[ServiceKey, Destination]) -> None:
    assert Decoder().destination(memoryview(destination_message(*pair)), AF_INET) == (pair[1], Usage())


@given(services, st.lists(st.tuples(st.integers(20, 0x3FFF), st.binary(max_size=20)), max_size=4))
def test_attributes_of_a_newer_kernel_are_passed_over(service: Service, found: list[tuple[int, bytes]]) -> None:
    more = [attribute(kind, value) for kind, value in found]
    assert Decoder().service(memoryview(service_message(service, *more)))[0] == service


@given(st.lists(services, max_size=6))
def test_one_decoder_keeps_rows_apart_whatever_came_before(found: list[Service]) -> None:
    decoder = Decoder()
    assert [decoder.service(memoryview(service_message(each)))[0] for each in found] == found


@given(st.lists(services, min_size=1, max_size=6))
def test_a_row_that_did_not_change_is_the_identical_object_a_reading_later(found: list[Service]) -> None:
    decoder = Decoder()
    first = [decoder.service(memoryview(service_message(each)))[0] for each in found]
    decoder.next_round()
    second = [decoder.service(memoryview(service_message(each)))[0] for each in found]
    assert all(one is other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("nests", [[(12, "Q")], [(10, "I")], [(10, "I"), (12, "Q")]])
def test_counters_are_read_in_either_width(nests: list[tuple[int, str]]) -> None:
    message = service_message(SERVICE, *(statistics(*nest) for nest in nests))
    usage = Usage(Traffic(10, 20, 30, 40, 50), Traffic(60, 70, 80, 90, 100))
    assert Decoder().service(memoryview(message))[1] == usage


def test_counters_of_64_bits_win_over_those_of_32() -> None:
    wide = attribute(12, b"".join(attribute(n, struct.pack("=Q", 2**40 + n)) for n in TOTALS))
    message = destination_message(KEY, SERVER, statistics(10, "I"), wide)
    usage = Decoder().destination(memoryview(message), AF_INET)[1]
    assert usage.stats.connections == 2**40 + 1
    assert usage.rates.out_bytes == 2**40 + 10


def test_connections_are_read_with_a_destination() -> None:
    payload = encode(AddDestination(KEY, SERVER))[1]
    (length,) = struct.unpack_from("=H", payload)
    usage = Decoder().destination(memoryview(dumped(payload[length:], counts(1, 2, 3))), AF_INET)[1]
    assert (usage.active, usage.inactive, usage.persistent) == (1, 2, 3)


def test_a_destination_of_an_old_kernel_is_of_its_service_s_family_and_ipip() -> None:
    values = [(1, bytes([192, 0, 2, 1]) + bytes(12)), (2, (80).to_bytes(2, "big"))]
    values += [(kind, struct.pack("=I", number)) for kind, number in ((3, 0), (4, 1), (5, 0), (6, 0))]
    message = dumped(struct.pack("=HH", 4, 2), *(attribute(*each) for each in values), counts(0, 0, 0))
    assert Decoder().destination(memoryview(message), AF_INET)[0] == SERVER


@pytest.mark.parametrize(("attribute_type", "header", "value"), [(13, 5, 3), (15, 6, 3)], ids=["type", "flags"])
def test_a_tunnel_of_a_kind_without_a_name_hides_no_other_row(attribute_type: int, header: int, value: int) -> None:
    message = destination_message(KEY, replace(SERVER, method=Method("tunnel", Tunnel("gue", 6080, "csum"))))
    message[message.rindex(struct.pack("=HH", header, attribute_type)) + 4] = value
    destination = Decoder().destination(memoryview(message), AF_INET)[0]
    assert destination == replace(SERVER, method=Method("tunnel"))


def test_tunnel_flags_of_what_is_no_tunnel_are_passed_over() -> None:
    message = destination_message(KEY, SERVER)
    message[message.rindex(struct.pack("=HH", 6, 15)) + 4] = 3
    assert Decoder().destination(memoryview(message), AF_INET)[0] == SERVER


def test_a_service_of_a_protocol_without_a_name_is_left_out() -> None:
    message = service_message(SERVICE)
    at = message.index(struct.pack("=HHH", 6, 2, 6))
    message[at + 4] = 1
    assert Decoder().service(memoryview(message))[0] is None


@given(st.data())
def test_a_damaged_message_is_read_or_called_malformed_and_nothing_else(data: st.DataObject) -> None:
    whole = destination_message(KEY, SERVER, statistics(10, "I"), statistics(12, "Q"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        destination, _ = Decoder().destination(memoryview(damaged), AF_INET)
    except MalformedError:
        return
    assert isinstance(destination, Destination)


def test_a_message_without_what_every_row_has_is_malformed() -> None:
    with pytest.raises(MalformedError, match="missing"):
        Decoder().service(memoryview(attribute(1, attribute(1, bytes(2)))))


@given(st.builds(Timeouts, *[st.integers(0, 2**31)] * 3))
def test_timeouts_come_back_as_they_were_put(timeouts: Timeouts) -> None:
    assert decode_timeouts(encode(SetTimeouts(timeouts))[1]) == timeouts


def test_timeouts_of_which_one_is_missing_are_malformed() -> None:
    with pytest.raises(MalformedError, match="missing"):
        decode_timeouts(attribute(4, bytes(4)))


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_the_kernels_version_and_the_size_of_its_table_are_read(one: int, two: int, three: int, slots: int) -> None:
    version = struct.pack("=I", one << 16 | two << 8 | three)
    message = attribute(1, version) + attribute(2, struct.pack("=I", slots))
    assert decode_info(message) == (f"{one}.{two}.{three}", slots)


def test_a_kernel_that_does_not_tell_its_version_can_be_read_all_the_same() -> None:
    assert decode_info(b"") == ("", 0)
