"""The kernel settings without which a configuration does not do what it says.

Their meaning: Linux Documentation/networking/ipvs-sysctl.rst and ip-sysctl.rst.
They belong to the network namespace that the process is in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.vrrp import Vrrp

PROC_SYS = Path("/proc/sys")
SWITCHED_ON = re.compile(r"-?[1-9][0-9]*", re.ASCII)
"""What reads as on: every setting here is "0 - disabled, not 0 - enabled"."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name as sysctl(8) writes it, the value that is wanted, and what goes wrong without it."""

    name: str
    value: str
    without: str

    def path(self, root: Path) -> Path:
        """Return its file. Every dot is a directory; a dot in an interface's name is written as a slash (sysctl(8))."""
        return root.joinpath(*(part.replace("/", ".") for part in self.name.split(".")))


FORWARD_IPV4 = Setting("net.ipv4.ip_forward", "1", "the director drops what real servers behind nat answer")
FORWARD_IPV6 = Setting(
    "net.ipv6.conf.all.forwarding", "1", "the director drops what IPv6 real servers behind nat answer"
)
EXPIRE_REMOVED = Setting(
    "net.ipv4.vs.expire_nodest_conn", "1", "connections to a removed real server hang instead of being reset"
)
EXPIRE_QUIESCED = Setting(
    "net.ipv4.vs.expire_quiescent_template", "1", "persistent clients stay with a real server whose weight is 0"
)


def needed(config: Config, root: Path = PROC_SYS) -> list[Setting]:
    """Return the settings that a configuration rests on, with the interfaces that there are.

    One-packet services keep no connection that a removal could leave hanging, but their persistence templates are
    kept like any other's (Linux net/netfilter/ipvs/ip_vs_core.c, ip_vs_schedule and ip_vs_sched_persist).
    """
    pools = list(config.virtual_servers.values())
    wanted = {
        FORWARD_IPV4: any(_nat(server, "inet") for pool in pools for server in _all(pool)),
        FORWARD_IPV6: any(_nat(server, "inet6") for pool in pools for server in _all(pool)),
        EXPIRE_REMOVED: any(_removes(pool) and not pool.service.one_packet for pool in pools),
        EXPIRE_QUIESCED: any(pool.service.persistence is not None for pool in pools),
    }
    found = [setting for setting, is_wanted in wanted.items() if is_wanted]
    return found if config.vrrp is None else [*found, *_promoting(config.vrrp, root)]


def templates_pin(root: Path = PROC_SYS) -> bool:
    """Whether persistence templates keep sending clients to a real server whose weight is 0.

    They do as long as `expire_quiescent_template` is 0, the kernel's own default, for which one that cannot be read is
    taken (Linux net/netfilter/ipvs/ip_vs_conn.c, ip_vs_check_template).
    """
    return _fault(EXPIRE_QUIESCED, root) is not None


def check(settings: Sequence[Setting], root: Path = PROC_SYS) -> list[str]:
    """Return one sentence for each setting that is not as wanted: what it is, what follows, and how to mend it."""
    return [sentence for setting in settings if (sentence := _fault(setting, root)) is not None]


def put(settings: Sequence[Setting], root: Path = PROC_SYS) -> list[str]:
    """Write the settings that are not as wanted; return one sentence for each that could not be written."""
    faults = []
    for setting in settings:
        if _fault(setting, root) is None:
            continue
        try:
            setting.path(root).write_text(f"{setting.value}\n")
        except OSError as problem:
            faults.append(f"cannot set {setting.name} to {setting.value} ({problem.strerror}), so {setting.without}")
    return faults


def _fault(setting: Setting, root: Path) -> str | None:
    mend = f"set it with 'sysctl -w {setting.name}={setting.value}'"
    try:
        value = setting.path(root).read_text().strip()
    except FileNotFoundError:
        return f"{setting.name} is missing (is its module loaded?), so {setting.without}"
    except OSError as problem:
        return f"{setting.name} cannot be read ({problem.strerror}): {mend} if it is not {setting.value}"
    if value == setting.value or (setting.value == "1" and SWITCHED_ON.fullmatch(value)):
        return None
    return f"{setting.name} is {value}, so {setting.without}: {mend}"


def _promoting(vrrp: Vrrp, root: Path) -> list[Setting]:
    """Return what keeps an interface's other addresses of a network when the first one of it is withdrawn.

    The first may be a virtual one, after the director's own has changed. Either the interface's own setting or that of
    all is enough (Linux include/linux/inetdevice.h, IN_DEV_PROMOTE_SECONDARIES).
    """
    devices = {
        address.device or instance.interface: None
        for instance in vrrp.instances.values()
        for address in (*instance.addresses, *instance.excluded)
        if "." in address.address and address.prefix < 32 and (address.device or not instance.mac)
    }
    without = "an address that goes takes the others of its network with it, the director's own maybe"
    everywhere, *own = (
        Setting(f"net.ipv4.conf.{name.replace('.', '/')}.promote_secondaries", "1", without)
        for name in ("all", *devices)
    )
    there = [setting for setting in own if setting.path(root).exists()]
    return there if _fault(everywhere, root) else []


def _all(pool: VirtualServer) -> tuple[RealServer, ...]:
    return (*pool.real_servers, *pool.sorry_servers) if pool.sorry_servers else pool.real_servers


def _nat(server: RealServer, family: str) -> bool:
    return server.method.kind == "nat" and server.address.family == family


def _removes(pool: VirtualServer) -> bool:
    """Whether rows of it leave while it goes on; those of sorry servers do, some time after the quorum has returned."""
    return bool(pool.sorry_servers) or any(server.on_failure == "remove" for server in pool.real_servers)
