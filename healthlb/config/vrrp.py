"""The section `vrrp`, resolved: instances, the groups that they form, and connection sync."""

from collections.abc import Mapping

from healthlb.config.faults import ROOT, Keys
from healthlb.config.nodes import Node
from healthlb.config.real_servers import at
from healthlb.config.vrrp_instance import read_instance
from healthlb.config.vrrp_sections import OtherDirectorSection, SyncSection, VrrpSection
from healthlb.config.vrrp_track import Trackable
from healthlb.config.walk import Walk, Wrong
from healthlb.model.vrrp import ConnectionSync, Vrrp, VrrpInstance

KEYS = ROOT / "vrrp"
INSTANCES = KEYS / "instances"


def read_vrrp(walk: Walk, node: Node | None, trackable: Trackable) -> Vrrp | None:
    """Return what is declared of a pair; None without the section, or after telling its faults."""
    if node is None:
        return None
    section = walk.record(VrrpSection, node, KEYS)
    if isinstance(section, Wrong):
        return None
    before = walk.faults.count
    instances = {}
    for name, given in section.instances:
        place = at(at(node, "instances"), name)
        instances[name] = read_instance(walk, given, place, INSTANCES / name, trackable)
    _refuse_twins(walk, instances, at(node, "instances"))
    _refuse_two_owners(walk, instances, at(node, "instances"))
    _refuse_groups(walk, section, at(node, "groups"), instances)
    sync = None if section.sync is None else _sync(walk, section.sync, at(node, "sync"), instances)
    peer = _peer(walk, section.peer, at(node, "peer"))
    if walk.faults.count != before:
        return None
    return Vrrp(
        instances,
        dict(section.groups),
        sync,
        section.checks_deadline,
        peer.url,
        peer.ca_file or "",
        peer.token_file or "",
    )


def _refuse_twins(walk: Walk, instances: Mapping[str, VrrpInstance], node: Node) -> None:
    """Tell of two instances that are one virtual router: an interface, a router id and an address family."""
    known: dict[tuple[str, int, int], str] = {}
    for name, instance in instances.items():
        first = known.setdefault((instance.interface, instance.router_id, instance.family), name)
        if first != name:
            walk.fault(
                at(at(node, name), "router_id"),
                INSTANCES / name / "router_id",
                f"{instance.router_id} is {first}'s already, on {instance.interface} and for IPv{instance.family}",
            )


def _refuse_two_owners(walk: Walk, instances: Mapping[str, VrrpInstance], node: Node) -> None:
    """Tell of an address that is in two instances, or twice in one."""
    known: dict[str, str] = {}
    for name, instance in instances.items():
        for each in (*instance.addresses, *instance.excluded):
            if each.address in known:
                message = f"{each.address} is here twice, or in two instances: {known[each.address]} has it already"
                walk.fault(at(at(node, name), "addresses"), INSTANCES / name / "addresses", message)
            known[each.address] = name


def _refuse_groups(walk: Walk, section: VrrpSection, node: Node, instances: Mapping[str, VrrpInstance]) -> None:
    member_of: dict[str, str] = {}
    for group, members in section.groups:
        place, keys = at(node, group), KEYS / "groups" / group
        for name in members:
            _known(walk, name, instances, place, keys)
            if name in member_of:
                walk.fault(place, keys, f"{name} is in {member_of[name]} already; an instance is in one group")
            member_of[name] = group


def _peer(walk: Walk, given: OtherDirectorSection | str | None, node: Node) -> OtherDirectorSection:
    """Return the other director as a mapping has it, the URL empty where there is none."""
    if not isinstance(given, OtherDirectorSection):
        return OtherDirectorSection(url=given or "")
    keys = KEYS / "peer"
    if given.url.startswith("https:"):
        return given
    if given.ca_file is not None:
        walk.fault(at(node, "ca_file"), keys / "ca_file", "is for https, and the URL begins with http:")
    if given.token_file is not None:
        walk.fault(at(node, "token_file"), keys / "token_file", "would go in the clear; use https")
    return given


def _known(walk: Walk, name: str, instances: Mapping[str, VrrpInstance], place: Node, keys: Keys) -> bool:
    if name in instances:
        return True
    walk.fault(place, keys, f"there is no instance named '{name}'{walk.guess(name, instances)}")
    return False


def _sync(walk: Walk, section: SyncSection, node: Node, instances: Mapping[str, VrrpInstance]) -> ConnectionSync | None:
    """Return the settings of connection sync; what an instance would say may be left out where one is named."""
    keys = KEYS / "sync"
    name = section.instance
    if name is not None and not _known(walk, name, instances, at(node, "instance"), keys / "instance"):
        return None
    instance = None if name is None else instances[name]
    for key in ("interface", "id"):
        if instance is None and getattr(section, key) is None:
            walk.fault(node, keys / key, "is missing; or name the instance whose own it is")
    if section.roles == "by-state" and instance is None:
        walk.fault(at(node, "roles"), keys / "roles", "by-state needs instance: whose state it is")
    interface = section.interface or (instance.interface if instance else "")
    number = section.id if section.id is not None else (instance.router_id if instance else 0)
    return ConnectionSync(
        interface=interface,
        id=number,
        instance=name or "",
        by_role=section.roles == "by-state",
        group=section.group,
        port=section.port,
        ttl=section.ttl,
        maximum_length=section.maximum_length or 0,
    )
