"""What the section `vrrp` says that is no fault and yet will hardly do what was meant on this machine."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from healthlb.model.vrrp import OWNER, Vrrp, VrrpInstance

INTERFACES = Path("/sys/class/net")
PORTS = {"brport": "bridge", "bonding_slave": "bond"}
"""What the directory of an interface has that is a port of another one, and what that is."""
QUICKEST = 0.05
"""Seconds between adverts below which a busy peer has been seen to miss three in a row."""


def vrrp_advice(vrrp: Vrrp | None, interfaces: Path = INTERFACES) -> Iterator[str]:
    """Yield one sentence for each thing to think about. It asks for interfaces and files, and is for a thread."""
    if vrrp is None:
        return
    here = {name for _, name in socket.if_nameindex()}
    for name, instance in vrrp.instances.items():
        for sentence in (*_of_instance(instance, here), *_of_port(instance.interface, interfaces)):
            yield f"vrrp.instances.{name}: {sentence}"
    for key, path in (("ca_file", vrrp.peer_ca_file), ("token_file", vrrp.peer_token_file)):
        if path and not os.access(path, os.R_OK):
            yield f"vrrp.peer: {key} {path} is not there, or not for this user to read"
    if vrrp.sync is not None and vrrp.sync.interface not in here:
        yield f"vrrp.sync: there is no interface {vrrp.sync.interface} on this machine now"
    for group, members in vrrp.groups.items():
        differ = _differences([vrrp.instances[name] for name in members])
        if differ:
            yield (
                f"vrrp.groups.{group}: {', '.join(members)} differ in {', '.join(differ)}; a group takes over only "
                "when every member would, so give all the same"
            )
    grouped = {name for members in vrrp.groups.values() for name in members}
    alone = [name for name in vrrp.instances if name not in grouped]
    if len(vrrp.instances) > 1 and alone:
        yield (
            f"vrrp: {', '.join(alone)} may have another master than the other instances; where a client's way in and "
            "its way back must be one director's, put them in a group"
        )


def _differences(members: Sequence[VrrpInstance]) -> list[str]:
    """Return what decides when a member would take over, and is not the same for all."""
    decides = {
        "priority": lambda each: each.priority,
        "preempt": lambda each: (each.preempt, each.preempt_delay),
        "what they track by weight": _weighted,
    }
    return [what for what, said in decides.items() if len({said(each) for each in members}) > 1]


def _weighted(instance: VrrpInstance) -> frozenset[tuple[str, str, int]]:
    """Return what an instance tracks by weight: without one it is a FAULT, which is that of all members anyway."""
    track = instance.track
    kinds = {
        "interface": track.interfaces,
        "virtual server": track.virtual_servers,
        "check": tuple(each.tracked for each in track.checks),
    }
    return frozenset(
        (kind, each.name, each.weight) for kind, found in kinds.items() for each in found if each.weight is not None
    )


def _is_ours(address: str, interface: str) -> bool:
    """Whether a socket can have an address: only where it is this machine's own (ip(7), EADDRNOTAVAIL)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as any_socket:
            scope = (0, socket.if_nametoindex(interface)) if family == socket.AF_INET6 else ()
            any_socket.bind((address, 0, *scope))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def _of_instance(instance: VrrpInstance, here: set[str]) -> Iterator[str]:
    tracked = {each.name for each in instance.track.interfaces}
    devices = {each.device for each in (*instance.addresses, *instance.excluded)}
    absent = sorted(({instance.interface} | tracked | devices) - here - {""})
    if absent:
        yield f"there is no interface {', '.join(absent)} on this machine now"
    if instance.source and instance.interface in here and not _is_ours(instance.source, instance.interface):
        yield f"source {instance.source} is no address of this machine now: the instance is in FAULT without it"
    if instance.password_file and not os.access(instance.password_file, os.R_OK):
        yield f"password_file {instance.password_file} is not there, or not for this user to read"
    if instance.interval < QUICKEST:
        yield f"interval {instance.interval * 1000:g}ms leaves a busy peer little time: 50ms and more is safe"
    if instance.priority == OWNER and (instance.track.virtual_servers or instance.track.checks):
        yield "the owner of the addresses (priority 255) keeps its priority whatever is tracked by weight"
    if instance.family == 6 and not instance.source and _beyond_the_link(instance):
        yield "adverts come from the link-local address, which is not what peers list by theirs; give source"


def _beyond_the_link(instance: VrrpInstance) -> bool:
    return any(not ip_address(peer.address).is_link_local for peer in instance.peers)


def _of_port(name: str, interfaces: Path) -> Iterator[str]:
    """Tell of an interface whose packets go to another one: nothing of VRRP would be heard on it."""
    for file, kind in PORTS.items():
        if (interfaces / name / file).exists():
            master = (interfaces / name / "master").resolve().name
            yield f"{name} is a port of the {kind} {master}, which gets its packets: name {master} as the interface"
