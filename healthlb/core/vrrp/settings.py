"""What one machine is set to, in the form in which packets carry it."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

from healthlb.core.vrrp.packet import AUTHENTICATION_LENGTH
from healthlb.model.vrrp import Announcing, Family, VrrpInstance


@dataclass(frozen=True, slots=True)
class Settings:
    """One virtual router as its machine sees it. Durations are seconds, addresses packed in network byte order.

    `addresses` are those that adverts list. `source` is our own primary address, which breaks ties (empty: none yet).
    `peers` maps the addresses that unicast adverts may come from to the least TTL or hop limit they may arrive with;
    empty for multicast. `check_source` False takes unicast adverts from anybody, with the peers' least `peers` value.
    `password` is padded to 8 bytes, empty for no authentication. `waits`: a member of a group, which says that it is
    ready instead of becoming MASTER by itself.
    """

    router_id: int
    family: Family
    addresses: tuple[bytes, ...]
    version: Literal[2, 3] = 3
    priority: int = 100
    interval: float = 1.0
    preempt: bool = True
    preempt_delay: float = 0.0
    start_delay: float = 0.0
    source: bytes = b""
    peers: dict[bytes, int] = field(default_factory=dict)
    check_source: bool = True
    password: bytes = field(default=b"", repr=False)
    announcing: Announcing = field(default_factory=Announcing)
    waits: bool = False


def settings_of(instance: VrrpInstance, source: str = "", password: str = "", *, waits: bool = False) -> Settings:
    """Return the settings of a declared instance.

    `source` is the interface's primary address where the file names none, `password` what its `password_file` holds.
    ValueError if an address is no address, if the password is longer than 8 bytes, or if the one of the file's own is
    missing: without it we would neither be heeded nor heed anybody.
    """
    source = instance.source or source
    return Settings(
        router_id=instance.router_id,
        family=instance.family,
        addresses=tuple(ip_address(each.address).packed for each in instance.addresses),
        version=instance.version,
        priority=instance.priority,
        interval=instance.interval,
        preempt=instance.preempt,
        preempt_delay=instance.preempt_delay,
        start_delay=instance.start_delay,
        source=ip_address(source).packed if source else b"",
        peers={ip_address(peer.address).packed: peer.minimum_ttl for peer in instance.peers},
        check_source=instance.check_source,
        password=_password(instance, password),
        announcing=instance.announcing,
        waits=waits,
    )


def _password(instance: VrrpInstance, of_file: str) -> bytes:
    password = (instance.password or of_file).encode()
    if len(password) > AUTHENTICATION_LENGTH:
        raise ValueError(f"the password of {instance.name} is longer than {AUTHENTICATION_LENGTH} bytes")
    if instance.password_file and not password:
        raise ValueError(f"the password of {instance.name} is in {instance.password_file}, which gave none")
    return password.ljust(AUTHENTICATION_LENGTH, b"\0") if password else b""
