"""Makes, with pyroute2, what puts the addresses, routes and rules of a master into the kernel. Call it in a thread."""

from collections.abc import Mapping

from healthlb.linux.links import Link
from healthlb.linux.rtnetlink import Placement
from healthlb.model.vrrp import VrrpInstance


class NoInterfaceError(Exception):
    """An interface that is needed is not there; the text is a clause that names it."""


def place(instance: VrrpInstance, links: Mapping[str, Link]) -> Placement:
    """Return what an instance puts into the kernel; raise NoInterfaceError.

    IPv6 addresses come without duplicate address detection (RFC 4862 section 5.4), which would hold them back for a
    second. With `mac` the addresses are on a macvlan of their own, which gets the virtual router's hardware address
    (RFC 9568 section 7.3).
    """
    raise NotImplementedError


def macvlan_name(instance: VrrpInstance) -> str:
    """Return the name of the interface that has the virtual router's hardware address, such as vrrp4.51.2."""
    raise NotImplementedError
