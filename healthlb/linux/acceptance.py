"""Drops packets to virtual addresses that IPVS does not take (RFC 9568 section 6.1, Accept_Mode False), by nftables.

Call everything here in a thread: it blocks. healthlb.linux.nftables makes what is sent.
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from healthlb.linux.claims import read_claims, write_claims
from healthlb.linux.netlink import SO_SNDBUFFORCE, SOCKET_BUFFER
from healthlb.linux.nftables import dropping, dropping_nothing
from healthlb.linux.rtnetlink import RECEIVE_BUFFER, Change, acknowledgements
from healthlb.model.vrrp import OWNER, VrrpInstance

REFUSALS: Final = Path("/run/healthlb/acceptance.json")
NETLINK_NETFILTER = 12
NO_NFTABLES: Final = frozenset({errno.EOPNOTSUPP, errno.EPROTONOSUPPORT})
DEADLINE = 5.0
"""Seconds for a transaction."""


class AcceptanceError(Exception):
    """Packets are not refused as they should be, or still are; the text is a clause."""


def refused(instances: Iterable[VrrpInstance]) -> tuple[str, ...]:
    """Return the addresses of instances that accept no packets to them; who owns its addresses always does."""
    return tuple(
        address.address
        for instance in instances
        if not instance.accept and instance.priority != OWNER
        for address in (*instance.addresses, *instance.excluded)
    )


def follow(instances: Iterable[VrrpInstance], path: Path = REFUSALS) -> None:
    """Have the kernel refuse what these instances do not accept, and nothing else; raise AcceptanceError.

    Call it as often as you like: it also puts back what somebody else has removed.
    """
    addresses = refused(instances)
    if addresses:
        refuse(addresses, path)
    else:
        withdraw(path)


def refuse(addresses: Iterable[str], path: Path = REFUSALS) -> None:
    """Drop all packets to these addresses (one at least) and to no others, at one stroke; raise AcceptanceError.

    What IPVS takes goes on, and so does IPv6 neighbour discovery (RFC 9568 section 6.4.3). It is written down first so
    that `withdraw` works after the death of whoever called this. A kernel without xt_ipvs also drops what IPVS hands to
    programs of this very machine: a real server that is the director itself, by dr, or a client on it.
    """
    listed = sorted(set(addresses))
    what = f"packets to {listed[0]}" + (f" and {len(listed) - 1} more" if len(listed) > 1 else "")
    put = dropping(listed, ipvs=True)
    try:
        write_claims([Change(what, put, dropping_nothing())], path)
    except OSError as problem:
        reason = f"it cannot be written down in {path}: {problem.strerror or problem}"
        raise AcceptanceError(f"{what} are not dropped: {reason}") from problem
    try:
        try:
            _send(put)
        except FileNotFoundError:
            # So the kernel says that it has no xt_ipvs.
            _send(dropping(listed, ipvs=False))
    except OSError as problem:
        raise AcceptanceError(f"{what} are not dropped: {_reason(problem)}") from problem


def withdraw(path: Path = REFUSALS) -> None:
    """Let all packets in again if somebody refused any here, as what is written down says; raise AcceptanceError.

    This needs no pyroute2, and the kernel is asked for nothing where nothing was refused.
    """
    try:
        for claim in read_claims(path):
            try:
                _send(claim.withdraw)
            except OSError as problem:
                if problem.errno not in NO_NFTABLES:
                    raise
            path.unlink(missing_ok=True)
    except (OSError, ValueError) as problem:
        reason = _reason(problem) if isinstance(problem, OSError) else problem
        raise AcceptanceError(f"packets to virtual addresses may still be dropped: {reason}") from problem


def _reason(problem: OSError) -> str:
    return "the kernel has no nf_tables for IP" if problem.errno in NO_NFTABLES else problem.strerror or str(problem)


def _send(batch: bytes) -> None:
    """Have the kernel carry out a transaction; raise OSError, after which nothing has changed.

    The last change alone asks for an answer; what is refused answers in any case, and before it.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as sock:
        sock.settimeout(DEADLINE)
        with suppress(PermissionError):
            # Room for thousands of addresses; in a user namespace of its own it is not given, nor often needed.
            sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER)
        sock.sendto(batch, (0, 0))
        (_, number), *_ = acknowledgements(sock.recv(RECEIVE_BUFFER))
    if number:
        raise OSError(number, os.strerror(number))
