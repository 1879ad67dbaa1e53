"""What the process that speaks VRRP is told: everything that it sends or puts into the kernel, made beforehand.

Packets are crafted and messages for the kernel are made here, which takes its time: call it in a thread.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address

from checks import UnusableError
from checks.wire.secrets import secret
from healthlb.core.vrrp.settings import settings_of
from healthlb.core.vrrp.tracking import interfaces_of
from healthlb.daemon.fault import describe
from healthlb.linux import addresses
from healthlb.linux.crafting import craft_adverts, craft_announcements
from healthlb.linux.ears import ears
from healthlb.linux.links import Address, Link
from healthlb.linux.rtnetlink import Change
from healthlb.linux.vrrp_sockets import Ends
from healthlb.model.vrrp import OWNER, Vrrp, VrrpInstance
from healthlb.model.vrrp_status import TrackStatus
from healthlb.speaker.wire import Setup, Spoken

PASSWORD = re.compile(rb"[!-~]{1,8}")
"""VRRPv2's simple-text password has room in 8 bytes (RFC 2338 section 5.3.10)."""


class _UnspeakableError(Exception):
    """An instance cannot be spoken as things are; the text is a clause."""


def prepare(
    vrrp: Vrrp,
    links: Mapping[str, Link],
    tracked: Mapping[str, tuple[TrackStatus, ...]],
    number: int = 0,
    claimed: Iterable[Change] = (),
) -> Setup:
    """Return what the file's instances come to with the interfaces that there are.

    `tracked` is how pools and checks stand, by instance. An instance that cannot be spoken is in it with its problem.
    `claimed` is what we may have in the kernel by now: an owner's addresses that are there without that are the
    machine's own, and are neither put nor withdrawn.
    """
    whats = {change.what for change in claimed}
    owned = {what for link in links.values() for what in _addresses_of(link)} - whats
    virtual = frozenset(
        each.address for instance in vrrp.instances.values() for each in (*instance.addresses, *instance.excluded)
    )
    instances = tuple(
        _leaving(
            owned if instance.priority == OWNER else set(),
            _spoken(instance, links, virtual, tracked.get(instance.name, ())),
        )
        for instance in vrrp.instances.values()
    )
    return Setup(number, instances, dict(vrrp.groups), vrrp.checks_deadline)


def changes_of(setup: Setup) -> tuple[Change, ...]:
    """Return all that a setup may put into the kernel, in order."""
    placements = [spoken.placement for spoken in setup.instances]
    return tuple(dict.fromkeys(change for each in placements for change in (*each.links, *each.taken)))


def without_standings(setup: Setup) -> Setup:
    """Return a setup as it is compared with another: what pools and checks say goes by itself."""
    return replace(setup, number=0, instances=tuple(replace(spoken, tracked=()) for spoken in setup.instances))


def shown_addresses(instance: VrrpInstance) -> tuple[str, ...]:
    """Return the addresses of an instance as people are shown them."""
    return tuple(f"{each.address}/{each.prefix}" for each in (*instance.addresses, *instance.excluded))


def _addresses_of(link: Link) -> Iterable[str]:
    """Return the addresses of an interface, as a change of each would be called."""
    return (f"address {each.address}/{each.prefix} on {link.name}" for each in link.addresses)


def _devices(instance: VrrpInstance) -> tuple[str, ...]:
    addresses = (each.device for each in (*instance.addresses, *instance.excluded))
    routes = (each.device for each in instance.routes)
    return tuple(dict.fromkeys(device for device in (*addresses, *routes) if device))


def _leaving(owned: set[str], spoken: Spoken) -> Spoken:
    """Return an instance that leaves alone what the machine has anyway."""
    placement = spoken.placement
    taken = tuple(change for change in placement.taken if change.what not in owned)
    return replace(spoken, placement=replace(placement, taken=taken))


def _spoken(
    instance: VrrpInstance, links: Mapping[str, Link], virtual: frozenset[str], tracked: tuple[TrackStatus, ...]
) -> Spoken:
    bare = Spoken(
        instance.name,
        instance.interface,
        settings_of(replace(instance, password_file="")),
        devices=_devices(instance),
        interfaces=interfaces_of(instance),
        tracked=tracked,
        addresses=shown_addresses(instance),
    )
    try:
        return _whole(bare, instance, links, virtual)
    except (_UnspeakableError, addresses.NoInterfaceError) as problem:
        return replace(bare, problem=str(problem))
    except Exception as error:  # noqa: BLE001  the other instances are spoken all the same
        return replace(bare, problem=describe(error))


def _whole(bare: Spoken, instance: VrrpInstance, links: Mapping[str, Link], virtual: frozenset[str]) -> Spoken:
    link = links.get(instance.interface)
    if link is None:
        raise addresses.NoInterfaceError(f"there is no interface {instance.interface}")
    source = _source(instance, link, links, virtual)
    known = replace(instance, password=_password(instance), password_file="")
    return replace(
        bare,
        settings=settings_of(known, source),
        ends=Ends(
            interface=link.name,
            index=link.index,
            family=instance.family,
            version=instance.version,
            router_id=instance.router_id,
            source=source,
            count=len(instance.addresses),
            peers=tuple(peer.address for peer in instance.peers),
            frames=instance.mac and not instance.peers,
        ),
        adverts=craft_adverts(known, source),
        frames=craft_announcements(instance, links),
        ears=ears(instance, links),
        placement=addresses.place(instance, links),
        kernel=tuple(addresses.settings(instance, links)),
    )


def _source(instance: VrrpInstance, link: Link, links: Mapping[str, Link], virtual: frozenset[str]) -> str:
    """Return the address that adverts come from, ours already: it decides ties, and the peer may check it."""
    if not instance.source:
        owner = instance.priority == OWNER
        found = link.source(instance.family, virtual) or (link.source(instance.family) if owner else "")
        if found:
            return found
        for address in link.addresses:
            own = address.link_local and address.address not in virtual
            if own and address.family == instance.family and not address.usable:
                raise _UnspeakableError(_tentative(address, link))
        kind = "IPv4 address" if instance.family == 4 else "IPv6 link-local address"
        raise _UnspeakableError(f"{link.name} has no {kind} to send adverts from")
    ours = [
        (address, link)
        for link in links.values()
        for address in link.addresses
        if address.family == instance.family and ip_address(address.address) == ip_address(instance.source)
    ]
    if not ours:
        raise _UnspeakableError(f"no interface has the address {instance.source} that adverts are to come from")
    if not any(address.usable for address, _ in ours):
        raise _UnspeakableError(_tentative(*ours[0]))
    return instance.source


def _tentative(address: Address, link: Link) -> str:
    """Return why an address is no source (RFC 4862 section 5.4)."""
    return (
        f"{address.address} of {link.name} cannot be used yet, or a neighbour has it as well "
        "(duplicate address detection)"
    )


def _password(instance: VrrpInstance) -> str:
    """Return version 2's password, which a file may hold; what is longer than a packet has room for is no password."""
    if not instance.password_file:
        return instance.password
    try:
        held = secret("password_file", instance.password_file)
    except UnusableError as problem:
        raise _UnspeakableError(str(problem)) from problem
    if not PASSWORD.fullmatch(held):
        raise _UnspeakableError("password_file holds no password of 1 to 8 printable ASCII characters")
    return held.decode()
