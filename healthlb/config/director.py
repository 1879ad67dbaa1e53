"""The sections `director` and `api`, resolved."""

import ipaddress
import os

from healthlb.config.faults import ROOT
from healthlb.config.kinds import NAME
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node
from healthlb.config.sections import ApiSection, DirectorSection
from healthlb.config.walk import WRONG, Walk
from healthlb.model.config import Api, Director, Listener
from healthlb.model.table import Timeouts

STATE_DIRECTORY = "/var/lib/healthlb"


def read_director(walk: Walk, node: Node | None) -> Director | None:
    """Return the director's settings, or None after telling their faults."""
    section = DirectorSection() if node is None else walk.record(DirectorSection, node, ROOT / "director")
    if section is WRONG:
        return None
    given = section.ipvs_timeouts
    return Director(
        name=section.name or _host_name(),
        foreign_services=section.foreign_services,
        on_stop=section.on_stop,
        resync=section.resync,
        state_dir=section.state_dir or _state_directory(walk),
        ipvs_timeouts=None if given is None else Timeouts(given.tcp or 0, given.tcp_fin or 0, given.udp or 0),
        sysctl=section.sysctl,
        state_max_age=section.state_max_age,
        max_reload_change=section.max_reload_change,
        watch=section.watch,
        keep_events=section.keep_events,
    )


def read_api(walk: Walk, node: Node | None) -> Api | None:
    """Return the listeners, or None after telling their faults."""
    section = ApiSection() if node is None else walk.record(ApiSection, node, ROOT / "api")
    if section is WRONG:
        return None
    if isinstance(node, MappingNode):
        before = walk.faults.count
        _check_admin(walk, section, node)
        if walk.faults.count != before:
            return None
    return Api(
        section.listen,
        section.admin,
        section.token_file,
        section.certificate_file,
        section.key_file,
        section.metrics_per_real_server,
    )


def _check_admin(walk: Walk, section: ApiSection, node: MappingNode) -> None:
    """Nobody changes anything over TCP without a token, nor in the clear over a network."""
    keys = ROOT / "api"
    admin: Listener | None = section.admin
    if admin is not None and admin == section.listen:
        walk.fault(node.find("admin"), keys / "admin", f"is {admin}, the same as listen; they need one place each")
    for one, other in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
        if node.has(one) and not node.has(other):
            walk.fault(node.find(one), keys / one, f"needs {other} beside it")
    if admin is None or admin.endpoint is None:
        return
    if section.token_file is None:
        walk.fault(node.find("admin"), keys / "admin", f"{admin} is a TCP address, which needs token_file")
    loopback = ipaddress.ip_address(admin.endpoint.address).is_loopback
    if not loopback and section.certificate_file is None:
        message = f"{admin} is not a loopback address, so it needs certificate_file and key_file"
        walk.fault(node.find("admin"), keys / "admin", message)


def _state_directory(walk: Walk) -> str:
    """Return the first of those that the service manager made (systemd.exec(5), STATE_DIRECTORY), or the default."""
    first = (walk.variable("STATE_DIRECTORY") or "").partition(":")[0]
    return first if first.startswith("/") else STATE_DIRECTORY


def _host_name() -> str:
    name = os.uname().nodename
    return name if NAME.fullmatch(name) else "director"
