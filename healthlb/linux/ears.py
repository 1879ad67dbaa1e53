"""Says where an instance's addresses are, so that the process that speaks VRRP can hear whether others have them."""

from collections.abc import Mapping
from ipaddress import ip_address

from healthlb.linux.conflicts import Ear
from healthlb.linux.crafting import virtual_mac
from healthlb.linux.links import Link
from healthlb.model.vrrp import Family, VrrpInstance


def ears(instance: VrrpInstance, links: Mapping[str, Link]) -> tuple[Ear, ...]:
    """Return one for each interface and family of the addresses, the excluded ones too.

    An interface that is not among `links` or has no hardware address has none: there is nothing to be told apart.
    """
    found: dict[tuple[str, Family], list[str]] = {}
    for each in (*instance.addresses, *instance.excluded):
        family: Family = 4 if ip_address(each.address).version == 4 else 6
        found.setdefault((each.device or instance.interface, family), []).append(each.address)
    return tuple(
        Ear(name, links[name].index, family, tuple(addresses), _own(instance, links[name]))
        for (name, family), addresses in found.items()
        if name in links and links[name].hardware_address
    )


def _own(instance: VrrpInstance, link: Link) -> tuple[str, ...]:
    return (link.hardware_address, *([virtual_mac(instance)] if instance.mac else []))
