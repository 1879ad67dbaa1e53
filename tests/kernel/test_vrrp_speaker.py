"""The process that speaks VRRP, told by a test what a director tells it, beside its like and beside keepalived."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from healthlb.linux.announcer import Announcer
from healthlb.linux.crafting import craft_announcements
from healthlb.linux.links import Links
from healthlb.model.vrrp import Peer, Tracked, VirtualAddress, VirtualRoute, Vrrp
from healthlb.model.vrrp_events import (
    BecameMaster,
    EnteredFault,
    MasterChanged,
    SplitBrainEnded,
    SplitBrainSeen,
    StoppedAsMaster,
    VrrpPriorityChanged,
)
from healthlb.model.vrrp_status import TrackStatus
from healthlb.speaker.wire import HandOver, Heartbeat, InterfacesChanged, Standings, Stop, TakeBack
from pair import GATEWAY, SHARED, SHARED6, PairNetwork, has
from pair_directors import NAME, ROUTER_ID, Keepalived, standard
from scripted import ScriptedParent
from topology import end
from vrrp_bytes import garbage_of
from waiting import eventually

LATE = (
    "link add late type veth peer name later",
    "address add 192.0.2.99/24 dev late",
    "link set late up",
    "link set later up",
)
Speaking = Callable[[int, Vrrp], ScriptedParent]


@pytest.fixture
def network(pair_network_of_the_guest: PairNetwork) -> Iterator[PairNetwork]:
    """Yield the network and mend its cables: a speaker that ends takes everything else back itself."""
    yield pair_network_of_the_guest
    for director in pair_network_of_the_guest.directors[:2]:
        pair_network_of_the_guest.mend(director)


@pytest.fixture
def speaking(pair_network_of_the_guest: PairNetwork, tmp_path: Path) -> Iterator[Speaking]:
    """Yield what starts a speaker on a director's machine and tells it what to speak."""
    with contextlib.ExitStack() as stack:

        def start(place: int, vrrp: Vrrp) -> ScriptedParent:
            parent = ScriptedParent(pair_network_of_the_guest.directors[place], tmp_path / f"speaker-{place}")
            stack.callback(parent.close)
            parent.set_up(vrrp)
            return parent

        yield start


def gone(parent: ScriptedParent, *addresses: str) -> None:
    for address in addresses or (SHARED, GATEWAY):
        eventually(lambda address=address: has(parent.machine, address), (False).__eq__)


def of(parent: ScriptedParent, kind: type) -> list[object]:
    parent.listen()
    return [event for event in parent.events if isinstance(event, kind)]


@pytest.mark.parametrize("family", [4, 6])
def test_two_speakers_have_one_master_who_gives_up_in_order(speaking: Speaking, family: int) -> None:
    best, other = speaking(0, standard(150, family=family)), speaking(1, standard(100, family=family))
    shown = best.becomes("MASTER")
    status = eventually(other.instance, lambda known: known.master_priority == 150)
    assert (status.state, status.master, status.interval) == ("BACKUP", shown.master, 0.1)
    address = shown.addresses[0].split("/")[0]
    eventually(lambda: has(best.machine, address), bool)
    assert not has(other.machine, address)
    best.say(Stop())
    assert best.ends() == 0
    assert not has(best.machine, address)
    assert of(best, StoppedAsMaster) == [StoppedAsMaster(NAME, 150)]
    assert other.becomes("MASTER").became_master_total == 1
    assert of(other, BecameMaster) == [BecameMaster(NAME, 100, "the master gave up")]
    assert [event.master for event in of(other, MasterChanged)] == [shown.master]


def test_the_end_of_the_director_ends_its_speaker_in_order(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    other.becomes("BACKUP")
    best.hang_up()
    assert best.ends() == 0
    gone(best)
    other.becomes("MASTER")
    assert [event.why for event in of(other, BecameMaster)] == ["the master gave up"]


def test_a_signal_ends_a_speaker_in_order_and_a_terminal_s_does_not(speaking: Speaking) -> None:
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(best.process.pid, number)
    best.set_up(standard(150))
    assert end(best.process) == 0
    gone(best)


def test_a_director_that_does_not_read_delays_no_advert(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    eventually(lambda: other.instance().adverts_received_total, lambda total: total > 30)
    assert of(other, BecameMaster) == []
    eventually(lambda: best.instance().adverts_sent_total, lambda total: total > 30)


def test_a_flood_of_garbage_loses_no_advert_and_moves_no_address(speaking: Speaking, network: PairNetwork) -> None:
    other = speaking(1, standard(100, start_delay=3600.0))
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    eventually(lambda: other.instance().master, network.source(best.machine).__eq__)
    garbage = garbage_of(ROUTER_ID)
    with network.client.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as flood:
        flood.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ip_address("192.0.2.50").packed)
        for number in range(20_000):
            flood.sendto(garbage[number % len(garbage)], ("224.0.0.18", 0))
    best.say(Stop())
    assert best.ends() == 0
    eventually(lambda: other.instance().adverts_received_total, best.instance().adverts_sent_total.__eq__)
    whys = [event.why for event in of(other, BecameMaster)]
    assert whys == ["the master gave up"] * len(whys)
    # Nobody reads all of it: what is hardly an advert is looked at now and then, to be counted.
    assert eventually(lambda: sum(other.instance().dropped.values()), bool) < 5_000


def test_a_stopped_speaker_hears_the_master_before_it_declares_him_dead(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    other.becomes("BACKUP")
    before = best.instance().adverts_sent_total
    os.kill(other.process.pid, signal.SIGSTOP)
    eventually(lambda: best.instance().adverts_sent_total, lambda total: total > before + 10)
    os.kill(other.process.pid, signal.SIGCONT)
    heard = other.instance().adverts_received_total
    eventually(lambda: other.instance().adverts_received_total, lambda total: total > heard + 10)
    assert of(other, BecameMaster) == []


def test_a_link_that_goes_down_is_a_fault_without_a_word_of_the_director(
    speaking: Speaking, network: PairNetwork
) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    network.unplug(best.machine, "outer")
    assert best.becomes("FAULT").faults == ("interface eth0 is down (it is down or has no carrier)",)
    gone(best)
    other.becomes("MASTER")
    network.mend(best.machine)
    best.becomes("MASTER")
    other.becomes("BACKUP")
    assert len(of(best, EnteredFault)) == 1


def test_an_interface_with_a_weight_changes_the_priority(speaking: Speaking, network: PairNetwork) -> None:
    weighed = standard(150).instances[NAME]
    track = replace(weighed.track, interfaces=(Tracked("eth1", -60),))
    best, other = speaking(0, Vrrp({NAME: replace(weighed, track=track)})), speaking(1, standard(100))
    eventually(lambda: best.becomes("MASTER").effective_priority, (150).__eq__)
    network.unplug(best.machine, "inner")
    other.becomes("MASTER")
    assert best.becomes("BACKUP").effective_priority == 90
    assert of(best, VrrpPriorityChanged)[-1] == VrrpPriorityChanged(NAME, 150, 90, "interface eth1 is down")


def test_what_the_director_tracks_changes_the_priority(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    best.say(Standings({NAME: (TrackStatus("virtual_server", "shop", up=False, weight=-60, reason="no quorum"),)}))
    other.becomes("MASTER")
    assert best.becomes("BACKUP").effective_priority == 90
    best.say(Standings({NAME: (TrackStatus("virtual_server", "shop", up=False, weight=None, reason="no quorum"),)}))
    assert best.becomes("FAULT").faults == ("virtual server shop is down (no quorum)",)
    best.say(Standings({NAME: (TrackStatus("virtual_server", "shop", up=True, weight=None),)}))
    best.becomes("MASTER")


def test_a_director_without_signs_of_work_loses_to_anybody(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    best.set_up(standard(150), checks_deadline=2.0)
    other.becomes("MASTER")
    assert best.becomes("BACKUP").effective_priority == 1
    # Again and again, lest its time be over before we look.
    eventually(lambda: (best.say(Heartbeat()), best.instance())[1].state, "MASTER".__eq__)
    whys = ["the director proved no work for 2 s", "the director works again"]
    assert [event.why for event in of(best, VrrpPriorityChanged)][:2] == whys


def test_a_start_delay_lets_a_lower_master_be_at_first(speaking: Speaking) -> None:
    other = speaking(1, standard(100))
    source = other.becomes("MASTER").master
    best = speaking(0, standard(150, start_delay=2.0))
    best.becomes("MASTER")
    assert best.instance().adverts_received_total >= 10
    assert [event.why for event in of(best, BecameMaster)] == [f"{source} has a lower priority (100)"]


def test_an_operator_hands_over_and_takes_back(speaking: Speaking) -> None:
    best, other = speaking(0, standard(150)), speaking(1, standard(100))
    best.becomes("MASTER")
    best.say(HandOver(NAME))
    other.becomes("MASTER")
    assert best.becomes("BACKUP").yielded
    gone(best)
    best.say(TakeBack(NAME))
    best.becomes("MASTER")
    other.becomes("BACKUP")
    assert of(best, SplitBrainSeen) == of(other, SplitBrainSeen) == []


def test_a_reload_that_changes_addresses_keeps_the_master(speaking: Speaking) -> None:
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    instance = standard(150).instances[NAME]
    more = replace(instance, addresses=(VirtualAddress("192.0.2.11", 24),))
    best.set_up(Vrrp({NAME: more}))
    eventually(lambda: has(best.machine, "192.0.2.11"), bool)
    gone(best, SHARED)
    assert has(best.machine, GATEWAY)
    assert best.instance().became_master_total == 1
    best.set_up(Vrrp({}))
    gone(best, "192.0.2.11", GATEWAY)


def test_another_name_is_no_other_instance_and_a_backup_has_none_of_its_addresses(speaking: Speaking) -> None:
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    best.set_up(Vrrp({"renamed": replace(standard(150).instances[NAME], name="renamed")}))
    assert best.becomes("MASTER", "renamed").became_master_total == 1
    assert has(best.machine, SHARED)
    stale = speaking(1, Vrrp({}))
    stale.machine.ip(f"address add {SHARED}/24 dev eth0")
    stale.set_up(standard(100))
    stale.becomes("BACKUP")
    gone(stale, SHARED)


def test_an_address_that_somebody_removes_comes_back(speaking: Speaking) -> None:
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    best.machine.ip(f"address delete {SHARED}/24 dev eth0")
    eventually(lambda: has(best.machine, SHARED), bool)


def test_what_the_kernel_refuses_is_tried_again(speaking: Speaking) -> None:
    instance = standard(150).instances[NAME]
    route = VirtualRoute("203.0.113.0/24", via="198.18.0.1", device="eth0")
    best = speaking(0, Vrrp({NAME: replace(instance, routes=(route,))}))
    best.becomes("MASTER")
    (problem,) = eventually(lambda: best.state().problems, bool)
    assert problem.startswith(f"{NAME}: the kernel refuses route to 203.0.113.0/24 via 198.18.0.1 on eth0")
    # A route is no interface's change: nobody tells the speaker that the gateway can be reached now.
    best.machine.ip("route add 198.18.0.0/24 dev eth0")
    eventually(lambda: best.machine.run("ip", "route", "show", "203.0.113.0/24"), bool)
    eventually(lambda: best.state().problems, ().__eq__)
    best.machine.ip("route delete 198.18.0.0/24 dev eth0")


def test_an_interface_that_is_not_there_is_a_fault_until_it_is(speaking: Speaking) -> None:
    instance = replace(standard(150).instances[NAME], interface="late", excluded=(), source="192.0.2.99")
    with_source = Vrrp({NAME: replace(instance, source="")})
    best = speaking(0, with_source)
    best.becomes("FAULT")
    try:
        best.machine.ip(*LATE)
        eventually(lambda: (best.listen(), best.others)[1], lambda told: InterfacesChanged(("late",)) in told)
        best.set_up(with_source)
        best.becomes("MASTER")
        best.machine.ip("link delete late")
        gone = "interface late is down (there is no such interface)"
        eventually(lambda: best.becomes("FAULT").faults, lambda faults: gone in faults)
    finally:
        best.machine.attempt("ip", "link", "delete", "late")


def test_members_of_a_group_change_state_together(speaking: Speaking, network: PairNetwork) -> None:
    one = standard(150).instances[NAME]
    inner = replace(one, name="inside", interface="eth1", addresses=(VirtualAddress(GATEWAY, 24),), excluded=())
    both = {NAME: replace(one, excluded=()), "inside": inner}
    best = speaking(0, Vrrp(both, {"both": (NAME, "inside")}))
    lower = {name: replace(instance, priority=100) for name, instance in both.items()}
    other = speaking(1, Vrrp(lower, {"both": (NAME, "inside")}))
    for name in both:
        assert best.becomes("MASTER", name).group == "both"
    network.unplug(best.machine, "inner")
    for name in both:
        best.becomes("FAULT", name)
        other.becomes("MASTER", name)


@pytest.mark.parametrize("family", [4, 6])
def test_a_partition_that_heals_is_told_and_ends_with_the_right_master(
    speaking: Speaking, network: PairNetwork, family: int
) -> None:
    best, other = speaking(0, standard(150, family=family)), speaking(1, standard(100, family=family))
    best.becomes("MASTER")
    other.becomes("BACKUP")
    network.cut(best.machine)
    source = other.becomes("MASTER").master
    network.mend(best.machine)
    other.becomes("BACKUP")
    sign = SplitBrainSeen(NAME, source, "it adverts with priority 100, ours is 150")
    assert eventually(lambda: of(best, SplitBrainSeen), bool) == [sign]
    eventually(lambda: of(best, SplitBrainEnded), bool)
    assert (best.instance().state, best.instance().split_brain) == ("MASTER", "")
    assert (of(other, SplitBrainSeen), best.instance().became_master_total) == ([], 1)


@pytest.mark.parametrize(
    ("family", "address", "way"), [(4, SHARED, "ARP"), (6, SHARED6, "neighbour advertisement")], ids=["IPv4", "IPv6"]
)
def test_an_address_that_somebody_else_has_as_well_is_told_and_defended(
    speaking: Speaking, network: PairNetwork, family: int, address: str, way: str
) -> None:
    instance = standard(150, family=family, excluded=()).instances[NAME]
    best, other, client = speaking(0, Vrrp({NAME: instance})), network.directors[1], network.client
    best.becomes("MASTER")
    theirs, ours = (machine.hardware_address("eth0") for machine in (other, best.machine))
    client.ip(f"neighbour replace {address} lladdr {theirs} nud stale dev eth0")
    with other.inside(), contextlib.closing(Links()) as links, contextlib.closing(Announcer()) as announcer:
        frames = craft_announcements(instance, links.known)
        eventually(lambda: (announcer.announce(frames), of(best, SplitBrainSeen))[1], bool)
    sign = SplitBrainSeen(NAME, theirs, f"it says by {way} that it has {address}")
    assert of(best, SplitBrainSeen) == [sign]
    assert eventually(best.instance, lambda known: known.split_brain).split_brain == f"{theirs}: {sign.sign}"
    eventually(lambda: client.run("ip", "neighbour", "show", address), lambda shown: ours in shown)
    client.ip(f"neighbour delete {address} dev eth0")


@pytest.mark.parametrize("ours", [150, 50])
def test_keepalived_and_a_speaker_follow_one_another(
    speaking: Speaking, network: PairNetwork, tmp_path: Path, ours: int
) -> None:
    keepalived = Keepalived(network, network.directors[1], tmp_path, standard(100))
    keepalived.start()
    try:
        parent = speaking(0, standard(ours))
        parent.becomes("MASTER" if ours > 100 else "BACKUP")
        keepalived.becomes("BACKUP" if ours > 100 else "MASTER")
        if ours > 100:
            parent.say(Stop())
            parent.ends()
            keepalived.becomes("MASTER")
        else:
            keepalived.kill()
            assert parent.becomes("MASTER").split_brain == ""
    finally:
        if keepalived.running():
            keepalived.stop()


def test_a_speaker_speaks_by_unicast_alone(speaking: Speaking, network: PairNetwork) -> None:
    sources = [network.source(each) for each in network.directors]
    best, other = (
        speaking(place, standard(priority, source=sources[place], peers=(Peer(sources[1 - place]),)))
        for place, priority in ((0, 150), (1, 100))
    )
    best.becomes("MASTER")
    assert other.becomes("BACKUP").became_master_total == 0
    eventually(lambda: other.instance().master, sources[0].__eq__)


def test_a_virtual_router_s_own_interface_comes_and_goes_with_the_speaker(speaking: Speaking) -> None:
    best = speaking(0, standard(150, mac=True, excluded=()))
    best.becomes("MASTER")
    eventually(lambda: has(best.machine, SHARED), bool)
    assert "vrrp4-51" in best.machine.run("ip", "-oneline", "link", "show", "type", "macvlan")
    assert best.state().problems == ()
    best.say(Stop())
    assert best.ends() == 0
    assert best.machine.run("ip", "-oneline", "link", "show", "type", "macvlan") == ""


def test_a_speaker_in_a_guest_is_in_real_time_with_its_memory_locked(speaking: Speaking) -> None:
    best = speaking(0, standard(150))
    best.becomes("MASTER")
    process = best.state().speaker
    assert (process.running, process.real_time, process.memory_locked, process.problem) == (True, True, True, "")
    assert process.pid == best.process.pid
    eventually(lambda: best.state().speaker.lateness, lambda lateness: 0 < lateness[0] <= lateness[1] <= lateness[2])
