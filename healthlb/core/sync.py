"""Which connection sync daemons should run, and what is done about those that do.

The kernel runs at most one of each role for a network namespace (Linux net/netfilter/ipvs/ip_vs_sync.c,
start_sync_thread), so a daemon that nobody configured here is found under the same role, and gives way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from healthlb.model.vrrp import ConnectionSync, SyncDaemon, SyncRole

ROLES: tuple[SyncRole, ...] = ("master", "backup")


@dataclass(frozen=True, slots=True)
class StartSync:
    """Start a daemon."""

    daemon: SyncDaemon


@dataclass(frozen=True, slots=True)
class StopSync:
    """Stop the daemon of a role."""

    role: SyncRole


SyncOperation = StartSync | StopSync


def wanted(settings: ConnectionSync | None, *, master: bool) -> tuple[SyncDaemon, ...]:
    """Return the daemons that should run; `master`: the instance whose state roles may follow is MASTER."""
    if settings is None:
        return ()
    roles = ROLES if not settings.by_role else (("master",) if master else ("backup",))
    return tuple(
        SyncDaemon(
            role=role,
            interface=settings.interface,
            id=settings.id,
            group=settings.group,
            port=settings.port,
            ttl=settings.ttl,
            maximum_length=settings.maximum_length,
        )
        for role in roles
    )


def operations(
    running: Sequence[SyncDaemon], want: Sequence[SyncDaemon], asked: Mapping[SyncRole, SyncDaemon]
) -> list[SyncOperation]:
    """Return what makes the running daemons those that are wanted; `asked` is what we have started before, by role.

    A daemon of a role that nobody wants is stopped only where it is ours.
    """
    by_role = {daemon.role: daemon for daemon in running}
    wanted_roles = {daemon.role for daemon in want}
    stops = [role for role in ROLES if role in by_role and role not in wanted_roles and role in asked]
    starts = [daemon for daemon in want if not _same(by_role.get(daemon.role), daemon, asked.get(daemon.role))]
    replaced = [daemon.role for daemon in starts if daemon.role in by_role]
    return [*(StopSync(role) for role in (*stops, *replaced)), *(StartSync(daemon) for daemon in starts)]


def restarts(
    running: Sequence[SyncDaemon], want: Sequence[SyncDaemon], asked: Mapping[SyncRole, SyncDaemon]
) -> list[SyncOperation]:
    """Return the same where even what runs as it is wanted has to be started anew."""
    roles = {daemon.role for daemon in want}
    others = [daemon for daemon in running if daemon.role not in roles]
    stops = [StopSync(daemon.role) for daemon in running if daemon.role in roles]
    return [*stops, *operations(others, want, asked)]


def _same(running: SyncDaemon | None, want: SyncDaemon, asked: SyncDaemon | None) -> bool:
    """Whether a daemon is what is wanted.

    The kernel fits a length to the interface's MTU, and chooses it where none is asked for.
    """
    if running is None or replace(running, maximum_length=want.maximum_length) != want:
        return False
    return want == asked or want.maximum_length in {0, running.maximum_length}
