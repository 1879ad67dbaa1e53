"""IPVS's connection sync daemons: started, stopped and read over generic netlink (Linux ip_vs_ctl.c, ip_vs_sync.c)."""

import errno
import ipaddress
import socket
import struct
from collections.abc import Sequence
from typing import Protocol

from healthlb.core.sync import StartSync, SyncOperation
from healthlb.linux import ipvs_numbers as nr
from healthlb.linux.netlink import ATTRIBUTE, GenericNetlink, NetlinkError, RefusedError, attributes
from healthlb.model.vrrp import SyncDaemon

ROLE_NAMES = {number: name for name, number in nr.SYNC_ROLES.items()}
REFUSALS = {
    errno.ENODEV: "there is no interface {daemon.interface}",
    errno.EEXIST: "another daemon of this role runs",
    errno.EADDRINUSE: "the port {daemon.port} is taken",
    errno.EADDRNOTAVAIL: "{daemon.interface} has no address to send from",
    errno.EAFNOSUPPORT: "the kernel cannot do multicast of the family of {daemon.group}",
    errno.EPERM: "it needs root or CAP_NET_ADMIN",
    errno.EINVAL: "the kernel takes no such settings (real servers of the other address family rule sync out)",
}


class SyncError(Exception):
    """The daemons cannot be read or changed; the text is a clause."""


class SyncTable(Protocol):
    """The sync daemons of a network namespace. One thread uses it at a time."""

    def read(self) -> tuple[SyncDaemon, ...]:
        """Return the daemons that run; raise SyncError."""

    def carry_out(self, operation: SyncOperation) -> None:
        """Start or stop a daemon; stopping one that does not run is no error. Raise SyncError."""

    def close(self) -> None:
        """Let go; what runs stays."""


class KernelSync:
    """The daemons of the network namespace that the process is in; `deadline` in seconds for each request."""

    def __init__(self, *, deadline: float = 5.0, netlink: GenericNetlink | None = None) -> None:
        self._netlink = netlink or GenericNetlink(nr.FAMILY_NAME, deadline=deadline)

    def read(self) -> tuple[SyncDaemon, ...]:
        """Return the daemons that run; raise SyncError."""
        try:
            return tuple(_decode(bytes(message)) for message in self._netlink.dump((nr.GET_DAEMON, b"")))
        except RefusedError as refused:
            raise SyncError(REFUSALS[errno.EPERM] if refused.errno == errno.EPERM else str(refused)) from refused
        except (NetlinkError, OSError) as problem:
            raise SyncError(f"the kernel's sync daemons cannot be read: {problem}") from problem

    def carry_out(self, operation: SyncOperation) -> None:
        """Start or stop a daemon; stopping one that does not run is no error. Raise SyncError."""
        try:
            if isinstance(operation, StartSync):
                self._netlink.ask((nr.NEW_DAEMON, _nest(_encode(operation.daemon))))
            else:
                self._netlink.ask((nr.DEL_DAEMON, _nest(_number(nr.DAEMON_STATE, nr.SYNC_ROLES[operation.role]))))
        except RefusedError as refused:
            if isinstance(operation, StartSync):
                sentence = REFUSALS.get(refused.errno, str(refused))
                raise SyncError(sentence.format(daemon=operation.daemon)) from refused
            if refused.errno != errno.ESRCH:
                raise SyncError(REFUSALS[errno.EPERM] if refused.errno == errno.EPERM else str(refused)) from refused
        except (NetlinkError, OSError) as problem:
            raise SyncError(f"the kernel cannot be reached: {problem}") from problem

    def close(self) -> None:
        """Let go; what runs stays."""
        self._netlink.close()


class MemorySync:
    """Daemons that only this process knows, for a dry run and for tests. `interfaces` None: there is every one."""

    def __init__(self, interfaces: Sequence[str] | None = None) -> None:
        self._interfaces = interfaces
        self._running: dict[str, SyncDaemon] = {}

    def read(self) -> tuple[SyncDaemon, ...]:
        """Return the daemons that run."""
        return tuple(self._running.values())

    def carry_out(self, operation: SyncOperation) -> None:
        """Start or stop a daemon; raise SyncError as the kernel would have it."""
        if not isinstance(operation, StartSync):
            self._running.pop(operation.role, None)
            return
        daemon = operation.daemon
        number = 0
        if daemon.role in self._running:
            number = errno.EEXIST
        elif self._interfaces is not None and daemon.interface not in self._interfaces:
            number = errno.ENODEV
        if number:
            raise SyncError(REFUSALS[number].format(daemon=daemon))
        self._running[daemon.role] = daemon

    def close(self) -> None:
        """Do nothing; there is nothing to let go of."""


def _value(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _value(kind, struct.pack("=I", value))


def _nest(values: bytes) -> bytes:
    return _value(nr.DAEMON, values)


def _encode(daemon: SyncDaemon) -> bytes:
    group = ipaddress.ip_address(daemon.group)
    kind = nr.DAEMON_MCAST_GROUP if group.version == 4 else nr.DAEMON_MCAST_GROUP6
    length = _value(nr.DAEMON_SYNC_MAXLEN, struct.pack("=H", daemon.maximum_length)) if daemon.maximum_length else b""
    return b"".join(
        (
            _number(nr.DAEMON_STATE, nr.SYNC_ROLES[daemon.role]),
            _value(nr.DAEMON_MCAST_IFN, daemon.interface.encode() + b"\0"),
            _number(nr.DAEMON_SYNC_ID, daemon.id),
            length,
            _value(kind, group.packed),
            _value(nr.DAEMON_MCAST_PORT, struct.pack("=H", daemon.port)),
            _value(nr.DAEMON_MCAST_TTL, struct.pack("=B", daemon.ttl)),
        )
    )


def _decode(message: bytes) -> SyncDaemon:
    """Return a dumped daemon; raise NetlinkError for one that lacks what every daemon has."""
    view = memoryview(message)
    found: dict[int, bytes] = {}
    for kind, start, end in attributes(view, 0, len(view)):
        if kind == nr.DAEMON:
            found = {inner: bytes(view[a:b]) for inner, a, b in attributes(view, start, end)}
    try:
        group6 = found.get(nr.DAEMON_MCAST_GROUP6)
        group = (
            socket.inet_ntop(socket.AF_INET6, group6)
            if group6 is not None
            else socket.inet_ntop(socket.AF_INET, found.get(nr.DAEMON_MCAST_GROUP, b"\xe0\0\0\x51"))
        )
        return SyncDaemon(
            role=ROLE_NAMES[struct.unpack("=I", found[nr.DAEMON_STATE])[0]],
            interface=found[nr.DAEMON_MCAST_IFN].rstrip(b"\0").decode("ascii", "replace"),
            id=struct.unpack("=I", found[nr.DAEMON_SYNC_ID])[0],
            group=group,
            port=struct.unpack("=H", found.get(nr.DAEMON_MCAST_PORT, struct.pack("=H", 8848)))[0],
            ttl=found.get(nr.DAEMON_MCAST_TTL, b"\x01")[0],
            maximum_length=struct.unpack("=H", found.get(nr.DAEMON_SYNC_MAXLEN, b"\0\0"))[0],
        )
    except (KeyError, ValueError, struct.error, OSError) as wrong:
        raise NetlinkError(f"a sync daemon that cannot be read: {wrong}") from wrong
