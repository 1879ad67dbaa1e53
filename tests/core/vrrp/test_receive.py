"""Which packets are heeded: RFC 9568 section 7.1, RFC 3768 section 7.1, and unicast peers."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.packet import Advert, Drop
from healthlb.core.vrrp.receive import DROPS, SIGNS, Datagram, check, sign_of
from healthlb.core.vrrp.settings import Settings, settings_of
from healthlb.model.vrrp import Peer, VirtualAddress, VrrpInstance
from tests.core.vrrp.wire import V6, packed, version_2, version_3

SETTINGS = Settings(router_id=51, family=4, addresses=(packed("192.0.2.1"),), source=packed("192.0.2.2"))
VERSION_2 = dataclasses.replace(SETTINGS, version=2)
SECRET = dataclasses.replace(VERSION_2, password=b"secret\0\0")
PEERS = dataclasses.replace(SETTINGS, peers={packed("192.0.2.3"): 255, packed("198.51.100.3"): 250})


def heard(
    message: bytes,
    settings: Settings = SETTINGS,
    *,
    source: str = "192.0.2.3",
    destination: str = "224.0.0.18",
    hop_limit: int = 255,
) -> Advert | Drop:
    return check(Datagram(message, packed(source), packed(destination), hop_limit), settings)


def unicast(settings: Settings = PEERS, *, source: str = "192.0.2.3", hop_limit: int = 255) -> Advert | Drop:
    message = version_3(source=source, destination="192.0.2.2")
    return heard(message, settings, source=source, destination="192.0.2.2", hop_limit=hop_limit)


def test_a_sound_advert_is_heeded() -> None:
    assert isinstance(heard(version_3()), Advert)
    assert isinstance(heard(version_2(), VERSION_2), Advert)


def test_over_ipv6_as_well() -> None:
    settings = Settings(51, 6, tuple(packed(each) for each in V6), source=packed("fe80::2"))
    message = version_3(addresses=V6, source="fe80::3", destination="ff02::12")
    assert isinstance(heard(message, settings, source="fe80::3", destination="ff02::12"), Advert)
    assert heard(message, settings, source="fe80::3", destination="fe80::2") == Drop("checksum")


@given(st.binary(max_size=60), st.sampled_from([SETTINGS, VERSION_2, SECRET, PEERS]), st.integers(0, 255))
def test_any_bytes_are_an_advert_or_a_counted_drop(message: bytes, settings: Settings, hop_limit: int) -> None:
    advert = heard(message, settings, hop_limit=hop_limit)
    assert isinstance(advert, Advert) or advert.reason in DROPS


@given(st.integers(0, 254))
def test_section_5_1_1_3_and_7_1_the_hop_limit_must_be_255(hop_limit: int) -> None:
    assert heard(version_3(), hop_limit=hop_limit) == Drop("hop_limit")


@given(st.integers(0, 254))
def test_section_5_1_2_3_and_7_1_the_hop_limit_must_be_255_over_ipv6(hop_limit: int) -> None:
    settings = Settings(51, 6, tuple(packed(each) for each in V6), source=packed("fe80::2"))
    message = version_3(addresses=V6, source="fe80::3", destination="ff02::12")
    found = heard(message, settings, source="fe80::3", destination="ff02::12", hop_limit=hop_limit)
    assert found == Drop("hop_limit")


@given(st.integers(0, 254))
def test_rfc_3768_section_5_2_3_and_7_1_the_ttl_must_be_255(ttl: int) -> None:
    assert heard(version_2(), VERSION_2, hop_limit=ttl) == Drop("hop_limit")


def test_section_7_1_the_version_must_be_3() -> None:
    assert heard(version_2()) == Drop("version")


def test_rfc_3768_section_7_1_the_version_must_be_2() -> None:
    assert heard(version_3(), VERSION_2) == Drop("version")


def test_section_7_1_the_type_must_be_that_of_an_advertisement() -> None:
    assert heard(version_3(first=0x32)) == Drop("type")


@given(st.integers(0, 11))
def test_section_7_1_the_packet_must_be_complete(length: int) -> None:
    assert heard(version_3()[:length]) == Drop("length")


@given(st.integers(0, 19))
def test_rfc_3768_section_7_1_the_packet_must_be_complete_with_its_authentication_data(length: int) -> None:
    assert heard(version_2()[:length], VERSION_2) == Drop("length")


def test_section_7_1_the_checksum_must_hold() -> None:
    message = bytearray(version_3())
    message[6] ^= 1
    assert heard(bytes(message)) == Drop("checksum")


def test_rfc_3768_section_7_1_the_checksum_must_hold() -> None:
    message = bytearray(version_2())
    message[6] ^= 1
    assert heard(bytes(message), VERSION_2) == Drop("checksum")


def test_section_7_1_the_router_id_must_be_configured_here() -> None:
    assert heard(version_3(router_id=52)) == Drop("router_id")


def test_rfc_3768_section_7_1_the_router_id_must_be_configured_here() -> None:
    assert heard(version_2(router_id=52), VERSION_2) == Drop("router_id")


def test_section_7_1_another_interval_is_no_reason_to_drop_in_version_3() -> None:
    advert = heard(version_3(centiseconds=300))
    assert isinstance(advert, Advert)
    assert advert.interval == 3.0


def test_section_7_1_an_interval_of_nothing_is_dropped() -> None:
    assert heard(version_3(centiseconds=0)) == Drop("interval")


def test_rfc_3768_section_7_1_the_interval_must_be_ours_in_version_2() -> None:
    assert heard(version_2(seconds=2), VERSION_2) == Drop("interval")


def test_rfc_3768_section_7_1_the_authentication_must_be_that_configured() -> None:
    assert heard(version_2(authentication=1, password=b"secret"), VERSION_2) == Drop("authentication")
    assert heard(version_2(), SECRET) == Drop("authentication")
    assert heard(version_2(authentication=2, password=b"secret"), SECRET) == Drop("authentication")


@given(st.integers(2, 255))
def test_rfc_3768_section_5_3_6_an_unknown_type_of_authentication_is_discarded(kind: int) -> None:
    assert heard(version_2(authentication=kind), VERSION_2) == Drop("authentication")
    assert heard(version_2(authentication=kind, password=b"secret"), SECRET) == Drop("authentication")


@given(st.binary(max_size=8))
def test_rfc_3768_section_5_3_10_authentication_data_is_ignored_where_there_is_no_password(data: bytes) -> None:
    assert isinstance(heard(version_2(password=data), VERSION_2), Advert)


def test_rfc_2338_section_5_3_6_a_simple_text_password_must_be_ours() -> None:
    assert isinstance(heard(version_2(authentication=1, password=b"secret"), SECRET), Advert)
    assert heard(version_2(authentication=1, password=b"secre"), SECRET) == Drop("authentication")


def test_what_we_sent_ourselves_is_dropped() -> None:
    assert heard(version_3(source="192.0.2.2"), source="192.0.2.2") == Drop("own_source")


def test_section_7_1_another_list_of_addresses_is_dropped_although_it_need_only_be_told() -> None:
    assert heard(version_3(addresses=("192.0.2.9",))) == Drop("address_list")
    assert heard(version_3(addresses=("192.0.2.1", "192.0.2.9"))) == Drop("address_list")
    assert heard(version_3(addresses=("192.0.2.9",), priority=255)) == Drop("address_list")


def test_rfc_3768_section_7_1_another_list_of_addresses_is_dropped() -> None:
    assert heard(version_2(addresses=("192.0.2.9",)), VERSION_2) == Drop("address_list")


def test_rfc_3768_section_7_1_the_owners_list_may_differ() -> None:
    assert isinstance(heard(version_2(addresses=("192.0.2.9",), priority=255), VERSION_2), Advert)


def test_the_order_of_the_list_does_not_matter() -> None:
    settings = dataclasses.replace(SETTINGS, addresses=(packed("192.0.2.1"), packed("192.0.2.9")))
    assert isinstance(heard(version_3(addresses=("192.0.2.9", "192.0.2.1")), settings), Advert)


def test_multicast_and_unicast_do_not_mix() -> None:
    assert heard(version_3(destination="192.0.2.2"), destination="192.0.2.2") == Drop("destination")
    assert heard(version_3(), PEERS) == Drop("destination")


def test_a_peer_is_heard_by_unicast() -> None:
    assert isinstance(unicast(), Advert)


def test_a_stranger_is_no_peer_unless_the_source_does_not_matter() -> None:
    anybody = dataclasses.replace(PEERS, check_source=False)
    assert unicast(source="192.0.2.77") == Drop("not_a_peer")
    assert isinstance(unicast(anybody, source="192.0.2.77", hop_limit=250), Advert)
    assert unicast(anybody, source="192.0.2.77", hop_limit=249) == Drop("hop_limit")


@pytest.mark.parametrize(("source", "least"), [("192.0.2.3", 255), ("198.51.100.3", 250)])
def test_a_peers_packets_arrive_with_its_least_hop_limit(source: str, least: int) -> None:
    assert isinstance(unicast(source=source, hop_limit=least), Advert)
    assert unicast(source=source, hop_limit=least - 1) == Drop("hop_limit")


def test_settings_are_made_of_what_is_declared() -> None:
    instance = VrrpInstance(
        "VI_1",
        "eth0",
        51,
        4,
        (VirtualAddress("192.0.2.1", 24),),
        version=2,
        priority=150,
        password="secret",  # noqa: S106 - no secret
        peers=(Peer("192.0.2.3", 254),),
    )
    settings = settings_of(instance, "192.0.2.2")
    assert settings == dataclasses.replace(SECRET, priority=150, peers={packed("192.0.2.3"): 254})
    assert "secret" not in repr(settings)


def test_the_declared_source_comes_first_and_there_may_be_none() -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.1", 24),), source="192.0.2.8")
    assert settings_of(instance, "192.0.2.2").source == packed("192.0.2.8")
    assert settings_of(dataclasses.replace(instance, source="")).source == b""
    assert settings_of(instance, waits=True).waits


def test_a_drop_that_shows_another_master_has_a_clause_for_it() -> None:
    assert set(SIGNS) < set(DROPS)
    other = packed("192.0.2.3")
    assert sign_of(Drop("version"), other, SETTINGS) == "it adverts in another version of VRRP"
    assert sign_of(Drop("checksum"), other, SETTINGS) == ""


def test_a_peer_behind_a_router_that_we_do_not_expect_is_another_master_and_a_stranger_is_not() -> None:
    """An IPv6 keepalived sends unicast with the kernel's own hop limit, 64: both would be master without a word."""
    sign = "its adverts arrive with a lower TTL or hop limit than its minimum_ttl"
    assert sign_of(Drop("hop_limit"), packed("192.0.2.3"), PEERS) == sign
    assert sign_of(Drop("hop_limit"), packed("192.0.2.77"), PEERS) == ""
    assert sign_of(Drop("hop_limit"), packed("192.0.2.3"), SETTINGS) == ""


def test_a_password_comes_from_its_file_and_is_not_forgotten() -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.1", 24),), version=2)
    filed = dataclasses.replace(instance, password_file="/etc/healthlb/vrrp.key")  # noqa: S106 - a path
    assert settings_of(filed, password="secret").password == b"secret\0\0"  # noqa: S106 - no secret
    with pytest.raises(ValueError, match=r"the password of VI_1 is in /etc/healthlb/vrrp.key, which gave none"):
        settings_of(filed)
    with pytest.raises(ValueError, match="the password of VI_1 is longer than 8 bytes"):
        settings_of(filed, password="secret password")  # noqa: S106 - no secret
    assert settings_of(instance).password == b""
