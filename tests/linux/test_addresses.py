"""What is put into the kernel for an instance, as far as no kernel is needed to see it."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.addresses import macvlan_name
from healthlb.linux.links import Link
from healthlb.model.vrrp import Family, VirtualAddress, VrrpInstance

LONGEST_NAME = 15
"""IFNAMSIZ without its last byte (Linux include/uapi/linux/if.h)."""


@given(st.sampled_from((4, 6)), st.integers(1, 255), st.integers(1, 2**31 - 1))
def test_the_name_of_a_virtual_routers_interface_is_one_for_linux(family: Family, number: int, index: int) -> None:
    instance = VrrpInstance("VI_1", "eth0", number, family, (VirtualAddress("192.0.2.10", 24),), mac=True)
    assert len(macvlan_name(instance, {"eth0": Link(index, "eth0", up=True)})) <= LONGEST_NAME
