"""Which real servers an operator means, by the names and addresses of the configuration in force."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from checks.options import name_of
from healthlb.config.kinds import Place
from healthlb.core.amend import label
from healthlb.model.changes import ChangeOutcome, Target
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.overrides import Scope

COMPARED = 2_000
"""Names that an unknown word is compared with at most."""
ADDRESS = re.compile(r"\d\.\d+\.\d|::|:\d+$")
"""What is found in an address and in no name that somebody chose."""
LISTED = 10
"""Names that a sentence lists at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a target stands for: the scope of an override, and the servers that it covers now, with their pools."""

    scope: Scope
    servers: tuple[tuple[VirtualServer, RealServer], ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The servers' names, each as (virtual server, real server)."""
        return tuple((pool.name, server.name) for pool, server in self.servers)

    def __str__(self) -> str:
        """`web1 (192.0.2.1:80) in shop`, or a machine's address."""
        if self.scope.virtual_server is None:
            return str(self.scope)
        [(pool, server)] = self.servers
        return f"{label(server)} in {pool.name}"


def find(config: Config, target: Target) -> Found | ChangeOutcome:
    """Return what a target stands for, or the outcome that says why it stands for nothing, or for several things."""
    if target.virtual_server is None:
        return _machine(config, target.real_server)
    pool = config.virtual_servers.get(target.virtual_server)
    if pool is None:
        return no_such_pool(config, target.virtual_server)
    servers = (*pool.real_servers, *pool.sorry_servers)
    found = named(servers, target.real_server)
    if len(found) == 1:
        [server] = found
        return Found(Scope(pool.name, server.address.address, server.address.port), ((pool, server),))
    shown = quoted(target.real_server)
    if found:
        names = listed([label(each) for each in found])
        several = f"{shown} is several real servers of {pool.name}: {names}; name one of them."
        return ChangeOutcome("refused", several, wrong=True)
    known = [each.name for each in servers] + [str(each.address) for each in servers]
    return ChangeOutcome("unknown", f"{pool.name} has no real server {shown}{near(target.real_server, known)}")


def no_such_pool(config: Config, name: str) -> ChangeOutcome:
    """Return the outcome of a change of a virtual server that is not there."""
    return ChangeOutcome("unknown", f"There is no virtual server {quoted(name)}{near(name, config.virtual_servers)}")


def place(text: str) -> tuple[str, int | None]:
    """Return an address in its canonical spelling, and its port if it has one; ValueError where it is no address.

    An IPv6 address alone needs no brackets here.
    """
    bare = text.count(":") > 1 and not text.startswith("[")
    return Place(port=False).parse(f"[{text}]" if bare else text)


def quoted(text: str) -> str:
    """Return what somebody wrote as a sentence shows it: in quotes, shortened, control characters escaped."""
    return name_of("".join(each if each.isprintable() else repr(each)[1:-1] for each in text[:200]))


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def near(word: str, known: Iterable[str]) -> str:
    """Return how a sentence about an unknown word ends: with a known one that is near, where there is one.

    No address is ever proposed: one that is a digit off is another machine.
    """
    names = [each for each in islice(known, COMPARED) if not ADDRESS.search(each)]
    found = difflib.get_close_matches(word[:200], names, 1, 0.6)
    return f"; did you mean {found[0]}?" if found else "."


def _machine(config: Config, text: str) -> Found | ChangeOutcome:
    try:
        address, port = place(text)
    except ValueError as fault:
        error = str(fault) if text.isprintable() else "it has control characters"
        advice = "name the virtual server as well, or give an IP address, with or without a port"
        return ChangeOutcome("refused", f"{quoted(text)} stands for no machine: {error}; {advice}.", wrong=True)
    scope = Scope(None, address, port)
    return Found(scope, covered(config, scope))


def covered(config: Config, scope: Scope) -> tuple[tuple[VirtualServer, RealServer], ...]:
    """Return the real and sorry servers that a scope covers now, with their pools."""
    return tuple(
        (pool, server)
        for name, pool in config.virtual_servers.items()
        if scope.virtual_server in {None, name}
        for server in (*pool.real_servers, *pool.sorry_servers)
        if scope.covers(name, server.address)
    )


def named(servers: Sequence[RealServer], text: str) -> list[RealServer]:
    """Return those of some servers that a text names: by name, by address and port, or by address."""
    by_name = [each for each in servers if each.name == text]
    if by_name:
        return by_name
    try:
        address, port = place(text)
    except ValueError:
        return []
    return [each for each in servers if each.address.address == address and port in {None, each.address.port}]
