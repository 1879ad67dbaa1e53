"""The message on the wire: RFC 9568 section 5.2, RFC 3768 section 5.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.packet import Advert, Drop, checksum, read, with_priority
from healthlb.core.vrrp.receive import DROPS
from tests.core.vrrp.wire import GROUP, V6, internet_checksum, packed, version_2, version_3

families = st.sampled_from([4, 6])
priorities = st.integers(0, 255)


def read_4(message: bytes, source: str = "192.0.2.3") -> Advert | Drop:
    return read(message, family=4, source=packed(source), destination=packed("224.0.0.18"))


def read_6(message: bytes) -> Advert | Drop:
    return read(message, family=6, source=packed("fe80::3"), destination=packed("ff02::12"))


def lists(family: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.ip_addresses(v=family).map(str), min_size=1, max_size=20).map(tuple)  # type: ignore[arg-type]


@given(families.flatmap(lambda family: st.tuples(st.just(family), lists(family))), priorities, st.integers(0, 4095))
def test_version_3_is_read_as_it_was_written(
    family_and_list: tuple[int, tuple[str, ...]], priority: int, centiseconds: int
) -> None:
    family, addresses = family_and_list
    source = "192.0.2.3" if family == 4 else "fe80::3"
    message = version_3(
        priority=priority, centiseconds=centiseconds, addresses=addresses, source=source, destination=GROUP[family]
    )
    assert (read_4 if family == 4 else read_6)(message) == Advert(
        3, 51, priority, centiseconds / 100, tuple(packed(address) for address in addresses), family, 0
    )


@given(lists(4), priorities, st.integers(0, 255), st.integers(0, 255))
def test_version_2_is_read_as_it_was_written(
    addresses: tuple[str, ...], priority: int, seconds: int, authentication: int
) -> None:
    message = version_2(priority=priority, seconds=seconds, addresses=addresses, authentication=authentication)
    assert read_4(message) == Advert(
        2, 51, priority, float(seconds), tuple(packed(address) for address in addresses), 4, authentication
    )


@given(st.binary(max_size=80), families)
def test_any_bytes_are_an_advert_or_a_counted_drop(message: bytes, family: int) -> None:
    advert = (read_4 if family == 4 else read_6)(message)
    assert isinstance(advert, Advert) or advert.reason in DROPS


@given(st.data(), families, st.sampled_from([2, 3]))
def test_a_message_with_some_bytes_changed_is_an_advert_or_a_counted_drop(
    data: st.DataObject, family: int, version: int
) -> None:
    message = bytearray(version_3(addresses=V6) if family == 6 else version_3() if version == 3 else version_2())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    advert = (read_4 if family == 4 else read_6)(bytes(message[: data.draw(st.integers(0, len(message)))]))
    assert isinstance(advert, Advert) or advert.reason in DROPS


@given(st.integers(0, 19), st.integers(1, 255))
def test_one_changed_byte_never_passes_as_the_same_advert(at: int, change: int) -> None:
    message = bytearray(version_2())
    message[at] ^= change
    assert isinstance(read_4(bytes(message)), Drop)


def test_section_5_2_1_another_version_is_dropped() -> None:
    assert read_4(version_3(first=0x41)) == Drop("version")
    assert read_4(version_3(first=0x11)) == Drop("version")


def test_rfc_3768_is_of_ipv4_alone() -> None:
    assert read_6(version_2()) == Drop("version")


@pytest.mark.parametrize("kind", [0, *range(2, 16)])
def test_section_5_2_2_a_packet_with_an_unknown_type_is_discarded(kind: int) -> None:
    assert read_4(version_3(first=0x30 | kind)) == Drop("type")


@pytest.mark.parametrize("kind", [0, *range(2, 16)])
def test_rfc_3768_section_5_3_2_a_packet_with_an_unknown_type_is_discarded(kind: int) -> None:
    assert read_4(version_2(first=0x20 | kind)) == Drop("type")


def test_section_5_2_5_an_advert_of_no_address_is_ignored() -> None:
    assert read_4(version_3(addresses=())) == Drop("count")


def test_an_advert_of_version_2_of_no_address_is_ignored_as_well() -> None:
    assert read_4(version_2(addresses=())) == Drop("count")


def test_section_5_2_6_reserved_bits_are_ignored_on_reception() -> None:
    assert read_4(version_3(reserved=15)) == read_4(version_3())


def test_section_5_2_7_the_interval_is_twelve_bits_of_centiseconds() -> None:
    advert = read_4(version_3(centiseconds=4095))
    assert isinstance(advert, Advert)
    assert advert.interval == 40.95


def test_section_5_2_8_over_ipv4_a_checksum_over_the_message_alone_is_taken() -> None:
    assert isinstance(read_4(version_3(pseudo=False)), Advert)


def test_rfc_5798_section_5_2_8_over_ipv4_a_pseudo_header_in_the_checksum_is_taken_as_well() -> None:
    assert isinstance(read_4(version_3(pseudo=True)), Advert)


def test_rfc_5798_section_5_2_8_the_pseudo_header_holds_the_addresses_that_it_came_with() -> None:
    assert read_4(version_3(source="192.0.2.3"), source="192.0.2.4") == Drop("checksum")


def test_section_5_2_8_over_ipv6_the_pseudo_header_is_needed() -> None:
    message = version_3(addresses=V6, source="fe80::3", destination="ff02::12", pseudo=False)
    assert read_6(message) == Drop("checksum")
    message = version_3(addresses=V6, source="fe80::3", destination="ff02::12", pseudo=True)
    assert isinstance(read_6(message), Advert)


def test_section_5_2_9_addresses_are_of_the_family_of_the_packet_that_lists_them() -> None:
    listed = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    four = version_3(addresses=listed, source="fe80::3", destination="ff02::12")
    assert read_6(four) == Drop("length")
    assert read_4(version_3(addresses=V6)) == Drop("length")


def test_section_5_2_9_over_ipv6_the_first_address_need_not_be_link_local_although_it_should() -> None:
    message = version_3(addresses=("2001:db8::1",), source="fe80::3", destination="ff02::12")
    assert isinstance(read_6(message), Advert)


def test_rfc_3768_section_5_3_8_the_checksum_is_over_the_message_alone() -> None:
    assert isinstance(read_4(version_2()), Advert)
    message = bytearray(version_3())
    message[0] = 0x21
    assert read_4(bytes(message) + b"\0" * 8) == Drop("checksum")


@pytest.mark.parametrize("message", [version_3(), version_2()])
def test_a_message_cut_short_or_with_more_behind_it_is_dropped(message: bytes) -> None:
    for length in range(len(message)):
        assert read_4(message[:length]) == Drop("length")
    assert read_4(message + b"\0") == Drop("length")


@given(st.binary(max_size=60), st.booleans())
def test_the_checksum_is_that_of_rfc_1071(message: bytes, pseudo: bool) -> None:
    source, destination = (packed("192.0.2.3"), packed("224.0.0.18")) if pseudo else (b"", b"")
    header = source + destination + (112).to_bytes(4, "big") + len(message).to_bytes(4, "big") if pseudo else b""
    assert checksum(message, source=source, destination=destination) == internet_checksum(header + message)


@given(priorities, priorities, st.integers(1, 4095), st.booleans(), st.integers(1, 255))
def test_a_changed_priority_leaves_the_message_as_if_it_had_been_built_with_it(
    before: int, after: int, centiseconds: int, pseudo: bool, router_id: int
) -> None:
    def build(priority: int) -> bytes:
        return version_3(priority=priority, centiseconds=centiseconds, pseudo=pseudo, router_id=router_id)

    assert with_priority(build(before), after) == build(after)


@given(priorities, priorities)
def test_a_changed_priority_holds_for_version_2_and_ipv6_as_well(before: int, after: int) -> None:
    assert with_priority(version_2(priority=before, password=b"secret"), after) == version_2(
        priority=after, password=b"secret"
    )
    assert with_priority(_six(before), after) == _six(after)


def _six(priority: int) -> bytes:
    return version_3(priority=priority, addresses=V6, source="fe80::3", destination="ff02::12")
