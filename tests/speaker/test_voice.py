"""What one instance does with what the kernel refuses: it is tried again, ever more seldom."""

import errno
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from healthlb.core.vrrp.settings import Settings
from healthlb.linux.links import Link
from healthlb.linux.rtnetlink import Change, Placement, Rtnetlink
from healthlb.linux.vrrp_sockets import Ends
from healthlb.speaker.voice import LONGEST_PAUSE, PUT_PAUSE, Hands, Sockets, Voice
from healthlb.speaker.wire import Spoken
from tests.speaker.stage import NEW_ROUTE, change

LINK = change("interface vrrp4-51-2", 16)
ADDRESS = change("address 192.0.2.10/24 on eth0")
ROUTE = change("route to default on eth1", NEW_ROUTE)
SETTINGS = Settings(router_id=51, family=4, addresses=(ip_address("192.0.2.10").packed,))


class Moody(Rtnetlink):
    """A kernel that refuses what it is told to refuse, and remembers what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[Change] = set()
        self.has: set[Change] = set()

    def put(self, changes: Sequence[Change]) -> tuple[str, ...]:
        self.has |= {each for each in changes if each not in self.refused}
        return tuple(f"the kernel refuses {each.what}" for each in changes if each in self.refused)

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        self.has -= {each for each in changes if each not in self.refused}
        return tuple(f"the kernel keeps {each.what}" for each in changes if each in self.refused)


@pytest.fixture
def kernel() -> Moody:
    return Moody()


def speaks(kernel: Moody) -> Voice:
    return Voice(Spoken("VI_1", "eth0", SETTINGS, placement=Placement((LINK,), (ADDRESS,))), Hands(kernel), 0.0)


def master(kernel: Moody) -> Voice:
    """Return an instance that has become MASTER, and has put nothing yet."""
    voice = speaks(kernel)
    voice.machine.become_master(0.0, "nobody else is")
    return voice


def tries(voice: Voice, times: int) -> list[float]:
    """Let time pass until it has tried so often; return how long it waited each time."""
    pauses = []
    now = 100.0
    for _ in range(times):
        assert voice.again_at is not None
        pauses.append(voice.again_at - now)
        now = voice.again_at
        voice.try_again(now)
    return pauses


def test_an_address_that_the_kernel_refuses_is_put_again_until_it_is_there(kernel: Moody) -> None:
    voice = master(kernel)
    kernel.refused.add(ADDRESS)
    voice.take_addresses(100.0)
    assert voice.problems == {"addresses": "the kernel refuses address 192.0.2.10/24 on eth0"}
    assert tries(voice, 8) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    kernel.refused.clear()
    tries(voice, 1)
    assert kernel.has == {LINK, ADDRESS}
    assert (voice.problems, voice.again_at) == ({}, None)


def test_what_changed_at_an_interface_is_no_reason_to_wait_for_long(kernel: Moody) -> None:
    voice = master(kernel)
    kernel.refused.add(ADDRESS)
    voice.take_addresses(100.0)
    tries(voice, 8)
    assert voice.again_at is not None
    before = voice.again_at - LONGEST_PAUSE
    voice.put_again(before + 0.1)
    assert voice.again_at == before + PUT_PAUSE


def test_an_address_that_the_kernel_keeps_is_taken_out_again_until_it_is_gone(kernel: Moody) -> None:
    voice = master(kernel)
    voice.take_addresses(99.0)
    voice.machine.become_backup(100.0, "it is handed over")
    kernel.refused.add(ADDRESS)
    voice.give_addresses(100.0)
    assert tries(voice, 2) == [1.0, 2.0]
    assert voice.problems == {"addresses": "the kernel keeps address 192.0.2.10/24 on eth0"}
    kernel.refused.clear()
    tries(voice, 1)
    assert kernel.has == {LINK}
    assert (voice.problems, voice.again_at) == ({}, None)


def test_an_interface_that_the_kernel_refuses_is_made_by_a_backup_too_and_addresses_are_left_alone(
    kernel: Moody,
) -> None:
    kernel.refused.add(LINK)
    voice = speaks(kernel)
    assert voice.problems == {"interface": "the kernel refuses interface vrrp4-51-2"}
    assert "the kernel refuses interface vrrp4-51-2" in voice.weigh({}).faults
    kernel.has.add(ADDRESS)
    kernel.refused.clear()
    assert voice.again_at is not None
    voice.try_again(voice.again_at)
    assert kernel.has == {LINK, ADDRESS}
    assert (voice.problems, voice.again_at, voice.weigh({}).faults) == ({}, None, ())


def test_a_master_puts_routes_again_when_their_interface_changes_and_now_and_then(kernel: Moody) -> None:
    placement = Placement(taken=(ADDRESS, ROUTE))
    voice = Voice(Spoken("VI_1", "eth0", SETTINGS, placement=placement, devices=("eth1",)), Hands(kernel), 0.0)
    assert voice.again_at is None
    voice.machine.become_master(100.0, "nobody else is")
    voice.take_addresses(100.0)
    assert voice.again_at == 100.0 + LONGEST_PAUSE
    links = {name: Link(index, name, up=True) for index, name in enumerate(("eth0", "eth1", "eth2"), 2)}
    assert not voice.rests_on(frozenset({"eth2"}), links)
    assert voice.rests_on(frozenset({"eth1"}), links)
    voice.put_again(110.0)
    kernel.has.clear()
    assert tries(voice, 2)[1] == LONGEST_PAUSE
    assert kernel.has == {ADDRESS, ROUTE}
    voice.machine.become_backup(200.0, "it is handed over")
    voice.give_addresses(200.0)
    assert voice.again_at is None


def test_a_right_that_sockets_take_and_is_missing_has_its_name(kernel: Moody) -> None:
    def refuse(_: Ends) -> Sockets:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    ends = Ends("eth0", 2, 4, 3, 51, "192.0.2.2", 1)
    links = {"eth0": Link(2, "eth0", up=True)}
    voice = Voice(Spoken("VI_1", "eth0", SETTINGS, ends=ends), Hands(kernel, open_sockets=refuse), 0.0)
    voice.listen(links)
    assert voice.weigh(links).faults == ("no sockets on eth0: Operation not permitted, CAP_NET_RAW is missing",)
