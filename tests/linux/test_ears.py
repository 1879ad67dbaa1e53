"""Where somebody who listens for others with our addresses has to listen."""

from healthlb.linux.conflicts import Ear
from healthlb.linux.ears import ears
from healthlb.linux.links import Link
from healthlb.model.vrrp import VirtualAddress, VrrpInstance

LINKS = {
    "eth0": Link(2, "eth0", up=True, hardware_address="02:00:00:00:00:01"),
    "eth1": Link(3, "eth1", up=True, hardware_address="02:00:00:00:00:02"),
    "tun0": Link(4, "tun0", up=True),
}
EXCLUDED = (
    VirtualAddress("2001:db8::10", 64),
    VirtualAddress("198.51.100.1", 24, "eth1"),
    VirtualAddress("198.51.100.2", 24, "tun0"),
    VirtualAddress("198.51.100.3", 24, "gone"),
    VirtualAddress("192.0.2.11", 24),
)
INSTANCE = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.10", 24),), excluded=EXCLUDED)


def test_every_address_is_listened_for_where_it_is() -> None:
    assert ears(INSTANCE, LINKS) == (
        Ear("eth0", 2, 4, ("192.0.2.10", "192.0.2.11"), ("02:00:00:00:00:01",)),
        Ear("eth0", 2, 6, ("2001:db8::10",), ("02:00:00:00:00:01",)),
        Ear("eth1", 3, 4, ("198.51.100.1",), ("02:00:00:00:00:02",)),
    )


def test_the_virtual_router_s_own_hardware_address_is_ours() -> None:
    instance = VrrpInstance("VI_1", "eth0", 51, 6, (VirtualAddress("fe80::51", 64),), mac=True)
    assert ears(instance, LINKS) == (Ear("eth0", 2, 6, ("fe80::51",), ("02:00:00:00:00:01", "00:00:5e:00:02:33")),)
