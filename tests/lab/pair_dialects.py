"""Every way of speaking VRRP at once: two directors with an instance for each dialect and each of them as favourite.

One run of two directors then proves all dialects in both roles. An instance's name is `DIALECT_FAVOURITE`, such as
`v3_ipv6_lb2`; its address is its own.
"""

from dataclasses import dataclass
from typing import Any

from healthlb.model.vrrp import Announcing, Track, Tracked, VirtualAddress, Vrrp, VrrpInstance
from pair import PairNetwork
from pair_directors import PairDirector, Text, unicast
from waiting import eventually

FAVOURED, OTHER = 150, 100
INTERVALS = (0.3, 0.5)
"""Of the first and the second director, in the dialect where they differ; everywhere else of version 3 the first."""
DIALECTS = (
    "v2",
    "v2_password",
    "v3",
    "v3_ipv6",
    "v3_intervals",
    "unicast",
    "unicast_ipv6",
    "tracked",
    "excluded",
    "stays",
)
FOLLOWING = tuple(dialect for dialect in DIALECTS if dialect != "stays")
"""Those in which the favourite takes over from the other; in `stays` nobody preempts anybody."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One instance that both directors have: its name, its address, and the place of the one with more priority."""

    name: str
    dialect: str
    address: str
    family: int
    favourite: int


def spoken() -> tuple[Spoken, ...]:
    """Return every instance."""
    made = []
    for number, dialect in enumerate(DIALECTS):
        family = 6 if "ipv6" in dialect else 4
        for favourite in (0, 1):
            host = 100 + 2 * number + favourite
            address = f"2001:db8:1::{host}" if family == 6 else f"192.0.2.{host}"
            made.append(Spoken(f"{dialect}_lb{favourite + 1}", dialect, address, family, favourite))
    return tuple(made)


EVERYTHING = spoken()


def declared(network: PairNetwork, place: int) -> Vrrp:
    """Return what the director at a place, 0 or 1, is told."""
    instances = {}
    for number, one in enumerate(EVERYTHING):
        fields: Text = {"interval": INTERVALS[0], "announcing": Announcing(delay=1.0), **_fields(one, network, place)}
        prefix = 24 if one.family == 4 else 64
        instances[one.name] = VrrpInstance(
            one.name,
            "eth0",
            51 + number,
            one.family,
            (VirtualAddress(one.address, prefix),),
            priority=FAVOURED if place == one.favourite else OTHER,
            **fields,
        )
    return Vrrp(instances)


def _fields(one: Spoken, network: PairNetwork, place: int) -> dict[str, Any]:
    if one.dialect in ("v2", "v2_password"):
        password = {"password": "secret12"} if one.dialect == "v2_password" else {}
        return {"version": 2, "interval": 1.0, **password}
    if one.dialect == "v3_intervals":
        return {"interval": INTERVALS[place]}
    if one.dialect in ("unicast", "unicast_ipv6"):
        return unicast(network, network.directors[place], one.family)
    if one.dialect == "tracked":
        return {"track": Track(interfaces=(Tracked("eth1", -60),))}
    if one.dialect == "stays":
        return {"preempt": False}
    if one.dialect == "excluded":
        host = one.address.rpartition(".")[2]
        return {"excluded": (VirtualAddress(f"198.51.100.{host}", 24, "eth1", f"eth1:{host}"),)}
    return {}


def everywhere(director: PairDirector, state: str) -> None:
    """Wait until all instances of a director are in a state, with their addresses or without, accordingly."""
    eventually(director.states, {one.name: state for one in EVERYTHING}.__eq__, pause=0.1)
    wanted = {one.address for one in EVERYTHING} if state == "MASTER" else set()
    eventually(lambda: held(director), wanted.__eq__, pause=0.1)


def as_declared(*directors: PairDirector, but: tuple[str, ...] = ()) -> None:
    """Wait until every instance, except of some dialects, is master where it is favoured and backup where it is not."""
    chosen = [one for one in EVERYTHING if one.dialect in FOLLOWING and one.dialect not in but]
    for place, director in enumerate(directors):
        wanted = {one.name: "MASTER" if one.favourite == place else "BACKUP" for one in chosen}
        eventually(
            lambda director=director: director.states().items(),
            lambda found, wanted=wanted: found >= wanted.items(),
            pause=0.1,
        )
        addresses = {one.address for one in chosen if one.favourite == place}
        ours = {one.address for one in chosen}
        eventually(lambda director=director, ours=ours: held(director) & ours, addresses.__eq__, pause=0.1)


def held(director: PairDirector) -> set[str]:
    """Return which of the instances' addresses a director's kernel has."""
    return {one.address for one in EVERYTHING if director.has(one.address)}
