"""Directors and a network between them, in memory and in a time of their own.

Adverts travel as bytes and are checked as the speaker checks them. What the network does to each packet is asked of
`fate`, which Hypothesis or a test answers.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from healthlb.core.vrrp.groups import Group, Said
from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Announce, GiveAddresses, Output, SendAdvert, SplitBrain, TakeAddresses
from healthlb.core.vrrp.packet import Drop, with_priority
from healthlb.core.vrrp.receive import Datagram, check
from healthlb.core.vrrp.settings import Settings
from tests.core.vrrp.wire import packed, version_2, version_3

LIST = ("192.0.2.100",)
GROUP = "224.0.0.18"
ONE = "VI_1"
Fate = Callable[[str, "Director", "Director"], list[float]]
"""When a packet on the link of an instance arrives after it was sent, once for every copy; empty: it is lost."""


@dataclass(eq=False)
class Director:
    """The instances of one director, whose addresses its kernel has, and what it did, with the times."""

    name: str
    group: Group
    crafted: dict[str, bytes]
    has_addresses: set[str] = field(default_factory=set)
    parting: set[str] = field(default_factory=set)
    alive: bool = True
    log: list[tuple[float, Output]] = field(default_factory=list)

    @property
    def machine(self) -> Machine:
        """The first of the instances, which is the only one but for groups."""
        return next(iter(self.group.machines.values()))

    @property
    def skew(self) -> float:
        return self.machine.skew


def director(number: int, names: tuple[str, ...] = (ONE,), **options: Any) -> Director:
    """Return the director with the address 192.0.2.`number`; each of its instances is on a link of its own."""
    source = f"192.0.2.{number}"
    settings = Settings(
        router_id=51,
        family=4,
        addresses=tuple(packed(each) for each in LIST),
        source=packed(source),
        waits=len(names) > 1,
        **options,
    )
    if settings.version == 2:
        crafted = version_2(seconds=int(settings.interval), addresses=LIST)
    else:
        crafted = version_3(centiseconds=round(settings.interval * 100), addresses=LIST, source=source)
    return Director(f"lb{number}", Group({name: Machine(settings) for name in names}), dict.fromkeys(names, crafted))


class Network:
    """Everybody on the same links; `now` is seconds."""

    def __init__(self, directors: list[Director], fate: Fate) -> None:
        self.directors = directors
        self.fate = fate
        self.now = 0.0
        self._serial = itertools.count()
        self._packets: list[tuple[float, int, Director, str, Datagram]] = []

    def run(self, until: float) -> None:
        """Let time pass: packets come before timers, as a speaker drains its socket first."""
        while True:
            timers = [
                (at, each) for each in self.directors if each.alive and (at := each.group.next_timer()) is not None
            ]
            due = min((at for at, _ in timers), default=float("inf"))
            packet = self._packets[0][0] if self._packets else float("inf")
            if min(due, packet) > until:
                break
            self.now = max(self.now, min(due, packet))
            if packet <= due:
                _, _, receiver, name, datagram = heapq.heappop(self._packets)
                self._deliver(receiver, name, datagram)
            else:
                at, one = min(timers, key=lambda timer: timer[0])
                self.do(one, one.group.timer(self.now))
                later = one.group.next_timer()
                assert later is None or later > at, "a timer that is due for ever"
        self.now = until

    def do(self, one: Director, said: list[Said]) -> None:
        for name, output in said:
            one.log.append((self.now, output))
            match output:
                case SendAdvert(priority):
                    self._send(one, name, with_priority(one.crafted[name], priority))
                case TakeAddresses():
                    assert name not in one.has_addresses or name in one.parting
                    one.has_addresses.add(name)
                case GiveAddresses():
                    one.has_addresses.remove(name)
        members = one.group.machines.items()
        one.parting = {name for name, machine in members if machine.parting}
        assert one.has_addresses == {name for name, machine in members if machine.state == "MASTER"} | one.parting
        assert len({machine.state for _, machine in members}) == 1

    def start(self) -> None:
        for one in self.directors:
            self.do(one, one.group.start(self.now))

    @property
    def masters(self) -> list[str]:
        return [one.name for one in self.directors if one.alive and one.machine.state == "MASTER"]

    def told(self, kind: type[Announce] | type[SplitBrain], one: Director, since: float = 0.0) -> int:
        return sum(isinstance(output, kind) and at >= since for at, output in one.log)

    def _send(self, sender: Director, name: str, message: bytes) -> None:
        datagram = Datagram(message, sender.machine.settings.source, packed(GROUP), 255)
        for receiver in self.directors:
            if receiver is not sender:
                for delay in self.fate(name, sender, receiver):
                    heapq.heappush(self._packets, (self.now + delay, next(self._serial), receiver, name, datagram))

    def _deliver(self, receiver: Director, name: str, datagram: Datagram) -> None:
        if not receiver.alive:
            return
        advert = check(datagram, receiver.group.machines[name].settings)
        assert not isinstance(advert, Drop), advert
        self.do(receiver, receiver.group.received(self.now, name, advert, datagram.source))
