"""The files that directors of a pair read, written from the same words: keepalived.conf and healthlb.yaml."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from healthlb.model.vrrp import Track, Tracked, VirtualAddress, Vrrp, VrrpInstance

SPELLED = {
    "excluded": "addresses_excluded",
    "mac": "virtual_mac",
    "announcing": "announce",
    "peer_url": "peer",
}
"""Fields that the file has another name for."""
IMPLIED = ("name", "family", "preempt_delay")
"""Fields that the file says in another way."""
Text = dict[str, Any]


def keepalived_file(router: str, vrrp: Vrrp) -> str:
    """Return keepalived.conf(5) for what an operator declared."""
    parts = [_block("global_defs", [f"router_id {router}"])]
    parts += [_block(f"vrrp_instance {name}", _keepalived(each)) for name, each in vrrp.instances.items()]
    for name, members in vrrp.groups.items():
        parts.append(_block(f"vrrp_sync_group {name}", [_block("group", list(members))]))
    return "\n".join(parts)


def _keepalived(instance: VrrpInstance) -> list[str]:
    announcing = instance.announcing
    lines = [
        "state BACKUP",
        f"version {instance.version}",
        f"interface {instance.interface}",
        f"virtual_router_id {instance.router_id}",
        f"priority {instance.priority}",
        f"advert_int {instance.interval:g}",
        f"garp_master_repeat {announcing.repeat}",
        f"garp_master_delay {announcing.delay:g}",
        f"garp_master_refresh {announcing.refresh:g}",
        f"garp_master_refresh_repeat {announcing.refresh_repeat}",
        _block("virtual_ipaddress", [_address(each) for each in instance.addresses]),
    ]
    optional = {
        "nopreempt": not instance.preempt,
        f"preempt_delay {instance.preempt_delay:g}": instance.preempt_delay,
        "no_accept": not instance.accept,
        "use_vmac": instance.mac,
        f"unicast_src_ip {instance.source}": instance.source and instance.peers,
        f"mcast_src_ip {instance.source}": instance.source and not instance.peers,
        _block("authentication", ["auth_type PASS", f"auth_pass {instance.password}"]): instance.password,
        _block(
            "unicast_peer", [f"{peer.address} min_ttl {peer.minimum_ttl}" for peer in instance.peers]
        ): instance.peers,
        "check_unicast_src": instance.peers and instance.check_source,
        _block("virtual_ipaddress_excluded", [_address(each) for each in instance.excluded]): (instance.excluded),
        _block("track_interface", [_tracked(each.name, each.weight) for each in instance.track.interfaces]): (
            instance.track.interfaces
        ),
    }
    return lines + [line for line, wanted in optional.items() if wanted]


def _address(address: VirtualAddress) -> str:
    device = f" dev {address.device}" if address.device else ""
    label = f" label {address.label}" if address.label else ""
    return f"{address.address}/{address.prefix}{device}{label}"


def _tracked(name: str, weight: int | None) -> str:
    return name if weight is None else f"{name} weight {weight}"


def _block(head: str, lines: Iterable[str]) -> str:
    inside = "\n".join(f"    {line}" for each in lines for line in each.splitlines())
    return f"{head} {{\n{inside}\n}}"


def healthlb_section(vrrp: Vrrp) -> Text:
    """Return the section `vrrp` of healthlb.yaml for what an operator declared; what is at its default is left out.

    Tracked checks are not written: the file names them, and here is only what they are.
    """
    section = _changed(vrrp)
    section["instances"] = {name: _healthlb(each) for name, each in vrrp.instances.items()}
    if vrrp.sync is not None:
        section["sync"] = _changed(vrrp.sync)
        if section["sync"].pop("by_role", False):
            section["sync"]["roles"] = "by-state"
    return section


def _healthlb(instance: VrrpInstance) -> Text:
    changed = _changed(instance)
    if instance.preempt and instance.preempt_delay:
        changed["preempt"] = {"delay": _duration(instance.preempt_delay)}
    return changed


def _changed(record: Any) -> Text:
    """Return a record's fields that have no default or not their default's value, as an operator has them."""
    fields = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value != default and field.name not in IMPLIED:
            fields[SPELLED.get(field.name, field.name)] = _written(value)
    return fields


def _written(value: Any) -> Any:
    if isinstance(value, float):
        return _duration(value)
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    if isinstance(value, dict):
        return {key: _written(each) for key, each in value.items()}
    if isinstance(value, VirtualAddress):
        more = {key: text for key in ("device", "label") if (text := getattr(value, key))}
        return {"address": f"{value.address}/{value.prefix}", **more}
    if isinstance(value, Track):
        return {
            "interfaces": {each.name: _weight(each) for each in value.interfaces},
            "virtual_servers": {each.name: _weight(each) for each in value.virtual_servers},
        }
    return _changed(value) if dataclasses.is_dataclass(value) else value


def _weight(tracked: Tracked) -> Text:
    return {} if tracked.weight is None else {"weight": tracked.weight}


def _duration(seconds: float) -> str:
    return f"{seconds:g}s"
