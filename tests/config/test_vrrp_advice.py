"""What to think about in the section `vrrp`, on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from healthlb.config.vrrp_advice import vrrp_advice
from healthlb.model.vrrp import ConnectionSync, Peer, Track, Tracked, VirtualAddress, Vrrp, VrrpInstance

VI_1 = VrrpInstance("VI_1", "lo", 51, 4, (VirtualAddress("192.0.2.10", 24),))


def told(*instances: VrrpInstance, **more: object) -> list[str]:
    vrrp = Vrrp({each.name: each for each in instances})
    return list(vrrp_advice(replace(vrrp, **more)))  # type: ignore[arg-type]


def test_a_file_that_fits_this_machine_needs_no_advice() -> None:
    assert list(vrrp_advice(None)) == []
    assert told(VI_1) == []


def test_interfaces_that_are_not_there_are_told() -> None:
    track = Track(interfaces=(Tracked("eth8"),))
    (sentence,) = told(replace(VI_1, interface="eth9", track=track))
    assert sentence == ("vrrp.instances.VI_1: there is no interface eth8, eth9 on this machine now")
    (sentence,) = told(VI_1, sync=ConnectionSync("eth9", 51))
    assert sentence == "vrrp.sync: there is no interface eth9 on this machine now"


@pytest.mark.parametrize(("ours", "strange"), [("127.0.0.1", "192.0.2.9"), ("::1", "fe80::9")])
def test_a_source_that_is_no_address_of_this_machine_is_told(ours: str, strange: str) -> None:
    assert told(replace(VI_1, source=ours)) == []
    (sentence,) = told(replace(VI_1, source=strange))
    assert sentence.startswith(f"vrrp.instances.VI_1: source {strange} is no address of this machine now")


def test_a_password_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (sentence,) = told(replace(VI_1, version=2, password_file=str(tmp_path / "none")))
    assert "password_file" in sentence


def test_an_interval_that_leaves_no_time_is_told() -> None:
    assert told(replace(VI_1, interval=0.05)) == []
    assert "interval 20ms" in told(replace(VI_1, interval=0.02))[0]


def test_an_owner_whose_priority_should_follow_something_is_told() -> None:
    owner = replace(VI_1, priority=255, track=Track(virtual_servers=(Tracked("shop", -60),)))
    assert "keeps its priority" in told(owner)[0]


def test_instances_that_may_part_are_told_unless_they_are_grouped() -> None:
    other = replace(VI_1, name="VI_2", router_id=52)
    (sentence,) = told(VI_1, other)
    assert "VI_1, VI_2 may have another master" in sentence
    assert told(VI_1, other, groups={"G": ("VI_1", "VI_2")}) == []


def test_members_of_a_group_that_would_not_take_over_together_are_told() -> None:
    groups = {"both": ("VI_1", "VI_2")}
    quorum = Track(interfaces=(Tracked("lo"),), virtual_servers=(Tracked("shop", -60),))
    first, second = replace(VI_1, track=quorum), replace(VI_1, name="VI_2", router_id=52, track=quorum)
    assert told(first, second, groups=groups) == []
    assert told(first, replace(second, track=replace(quorum, interfaces=())), groups=groups) == []
    (sentence,) = told(first, replace(second, priority=90, track=Track()), groups=groups)
    assert sentence == (
        "vrrp.groups.both: VI_1, VI_2 differ in priority, what they track by weight; a group takes over only when "
        "every member would, so give all the same"
    )
    (sentence,) = told(first, replace(second, preempt=False), groups=groups)
    assert "differ in preempt;" in sentence


def test_files_for_asking_the_other_director_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    there = tmp_path / "token"
    there.write_text("hush")
    assert told(VI_1, peer_url="https://lb2", peer_token_file=str(there)) == []
    (sentence,) = told(VI_1, peer_url="https://lb2", peer_ca_file="/nonexistent", peer_token_file=str(there))
    assert sentence == "vrrp.peer: ca_file /nonexistent is not there, or not for this user to read"


def test_peers_that_expect_another_source_are_told() -> None:
    six = replace(VI_1, family=6, addresses=(VirtualAddress("2001:db8::10", 128),))
    assert told(replace(six, peers=(Peer("fe80::3"),))) == told(six) == []
    (sentence,) = told(replace(six, peers=(Peer("2001:db8::3"),)))
    assert "adverts come from the link-local address" in sentence
    assert told(replace(six, peers=(Peer("2001:db8::3"),), source="::1")) == []


def test_a_port_of_a_bridge_is_told_with_the_interface_to_name_instead(tmp_path: Path) -> None:
    (tmp_path / "lo/brport").mkdir(parents=True)
    (tmp_path / "lo/master").symlink_to(tmp_path / "br0")
    assert list(vrrp_advice(Vrrp({"VI_1": VI_1}), tmp_path)) == [
        "vrrp.instances.VI_1: lo is a port of the bridge br0, which gets its packets: name br0 as the interface"
    ]
