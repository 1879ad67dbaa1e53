"""What can be known before a configuration is put in force: whether the kernel can hold it, and what surrounds it."""

from collections.abc import Mapping
from typing import cast

from checks import Check, Tls
from checks.engine import Engine
from healthlb.linux import sysctl
from healthlb.linux.table import Table
from healthlb.model.config import Config, VirtualServer


def unsupported(table: Table, config: Config, before: Mapping[str, VirtualServer]) -> str | None:
    """Return one sentence for the services that the table cannot hold, or None; those of `before` are not asked again.

    Raises TableUnavailableError.
    """
    known = {server.service for server in before.values()}
    asked = [server for server in config.virtual_servers.values() if server.service not in known]
    found = [(server.name, sentence) for server in asked if (sentence := table.unsupported(server.service))]
    return "; ".join(f"virtual_servers.{name}: {sentence}" for name, sentence in found) or None


def tls_settings(config: Config) -> dict[Tls, str]:
    """Return every TLS setting that a check of the configuration has, with the name of such a check."""
    found: dict[Tls, str] = {}
    checks = {
        id(probe.check): probe.check
        for pool in config.virtual_servers.values()
        for server in pool.real_servers
        for probe in server.probes
    }
    for check in checks.values():
        settings = cast("Check", check.conversation).tls
        if settings is not None:
            found.setdefault(settings, check.name)
    return found


def unusable(engine: Engine, settings: Mapping[Tls, str]) -> str | None:
    """Read the files of TLS settings now, off the loop; return one sentence for those that cannot be used, or None."""
    found = [(name, fault) for each, name in settings.items() if (fault := engine.prepare(each))]
    return "; ".join(f"check {name}: {fault}" for name, fault in found) or None


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
