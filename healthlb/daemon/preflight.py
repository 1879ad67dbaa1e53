"""What can be known before a configuration is put in force: whether the kernel can hold it, and what surrounds it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from healthlb.daemon.fault import describe
from healthlb.linux import sysctl
from healthlb.linux.table import Table
from healthlb.model.config import Config, VirtualServer

if TYPE_CHECKING:
    from checks import Check, Tls
    from checks.engine import Engine  # `plan` asks here what the kernel can hold, and carries no probe


def unsupported(table: Table, config: Config, before: Mapping[str, VirtualServer]) -> str | None:
    """Return one sentence for the services that the table cannot hold, or None; those of `before` are not asked again.

    Raises TableUnavailableError.
    """
    known = {server.service for server in before.values()}
    asked = [server for server in config.virtual_servers.values() if server.service not in known]
    found = [(server.name, sentence) for server in asked if (sentence := table.unsupported(server.service))]
    return "; ".join(f"virtual_servers.{name}: {sentence}" for name, sentence in found) or None


def checks_of(config: Config) -> "dict[Check, str]":
    """Return the settings of every check that is probed, with the name of such a check."""
    configured = {
        id(probe.check): probe.check
        for pool in config.virtual_servers.values()
        for servers in (pool.real_servers, pool.sorry_servers)
        for server in servers
        for probe in server.probes
    }
    for instance in config.vrrp.instances.values() if config.vrrp is not None else ():
        configured |= {id(tracked.probe.check): tracked.probe.check for tracked in instance.track.checks}
    found: dict[Check, str] = {}
    for check in configured.values():
        found.setdefault(cast("Check", check.conversation), check.name)
    return found


def tls_settings(config: Config) -> "set[Tls]":
    """Return every TLS setting that a check of the configuration may use."""
    return {settings for check in checks_of(config) for settings in check.tls_settings()}


def unusable(engine: "Engine", config: Config) -> str | None:
    """Prepare every check, off the loop; return one sentence for those that cannot be carried out here, or None."""
    found = [(name, fault) for check, name in checks_of(config).items() if (fault := unprepared(engine, check))]
    return "; ".join(f"check {name}: {fault}" for name, fault in found) or None


def unprepared(engine: "Engine", check: "Check") -> str | None:
    """Read the files of a check and of its TLS settings now; return what is wrong with them, or None."""
    for settings in check.tls_settings():
        fault = engine.prepare(settings)
        if fault is not None:
            return fault
    try:
        return check.prepare()
    except Exception as error:  # noqa: BLE001  a check is third-party code
        return describe(error)


def surroundings(config: Config) -> tuple[str, ...]:
    """Return what is wrong with the kernel's settings, after mending it where `sysctl: set` asks for that."""
    needed = sysctl.needed(config)
    match config.director.sysctl:
        case "ignore":
            return ()
        case "check":
            return tuple(sysctl.check(needed))
        case "set":
            return tuple(sysctl.put(needed))
