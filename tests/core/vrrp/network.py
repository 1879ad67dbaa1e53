"""Directors and a network between them, in memory and in a time of their own.

Adverts travel as bytes and are checked as the speaker checks them. What the network does to each packet is asked of
`fate`, which Hypothesis or a test answers.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Announce, GiveAddresses, Output, SendAdvert, SplitBrain, TakeAddresses
from healthlb.core.vrrp.packet import Drop, with_priority
from healthlb.core.vrrp.receive import Datagram, check
from healthlb.core.vrrp.settings import Settings
from tests.core.vrrp.wire import packed, version_2, version_3

LIST = ("192.0.2.100",)
GROUP = "224.0.0.18"
Fate = Callable[[float, "Director", "Director"], list[float]]
"""When a packet arrives after it was sent, once for every copy; empty: it is lost."""


@dataclass(eq=False)
class Director:
    """One machine, the addresses in its kernel, and what it did, with the times."""

    name: str
    machine: Machine
    crafted: bytes
    has_addresses: bool = False
    alive: bool = True
    log: list[tuple[float, Output]] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, bytes]:
        return self.machine.priority, self.machine.settings.source


def director(number: int, **options: Any) -> Director:
    """Return the director with the address 192.0.2.`number`."""
    source = f"192.0.2.{number}"
    settings = Settings(
        router_id=51, family=4, addresses=tuple(packed(each) for each in LIST), source=packed(source), **options
    )
    if settings.version == 2:
        crafted = version_2(seconds=int(settings.interval), addresses=LIST)
    else:
        crafted = version_3(centiseconds=round(settings.interval * 100), addresses=LIST, source=source)
    return Director(f"lb{number}", Machine(settings), crafted)


class Network:
    """Everybody on one link; `now` is seconds."""

    def __init__(self, directors: list[Director], fate: Fate) -> None:
        self.directors = directors
        self.fate = fate
        self.now = 0.0
        self.after_each: Callable[[Director], None] = lambda _: None
        self._serial = itertools.count()
        self._packets: list[tuple[float, int, Director, Datagram]] = []

    def run(self, until: float) -> None:
        """Let time pass: packets come before timers, as a speaker drains its socket first."""
        while True:
            timers = [
                (at, each) for each in self.directors if each.alive and (at := each.machine.next_timer()) is not None
            ]
            due = min((at for at, _ in timers), default=float("inf"))
            packet = self._packets[0][0] if self._packets else float("inf")
            if min(due, packet) > until:
                break
            self.now = max(self.now, min(due, packet))
            if packet <= due:
                _, _, receiver, datagram = heapq.heappop(self._packets)
                self._deliver(receiver, datagram)
            else:
                at, one = min(timers, key=lambda timer: timer[0])
                self.do(one, one.machine.timer(self.now))
                later = one.machine.next_timer()
                assert later is None or later > at, "a timer that is due for ever"
        self.now = until

    def do(self, one: Director, outputs: list[Output]) -> None:
        for output in outputs:
            one.log.append((self.now, output))
            match output:
                case SendAdvert(priority):
                    self._send(one, with_priority(one.crafted, priority))
                case TakeAddresses():
                    assert not one.has_addresses
                    one.has_addresses = True
                case GiveAddresses():
                    assert one.has_addresses
                    one.has_addresses = False
        assert one.has_addresses == (one.machine.state == "MASTER")
        self.after_each(one)

    def start(self) -> None:
        for one in self.directors:
            self.do(one, one.machine.start(self.now))

    def kill(self, one: Director) -> None:
        """End a director without a word."""
        one.alive = False

    @property
    def masters(self) -> list[str]:
        return [one.name for one in self.directors if one.alive and one.machine.state == "MASTER"]

    def told(self, kind: type[Announce] | type[SplitBrain], one: Director, since: float = 0.0) -> int:
        return sum(isinstance(output, kind) and at >= since for at, output in one.log)

    def _send(self, sender: Director, message: bytes) -> None:
        datagram = Datagram(message, sender.machine.settings.source, packed(GROUP), 255)
        for receiver in self.directors:
            if receiver is not sender:
                for delay in self.fate(self.now, sender, receiver):
                    heapq.heappush(self._packets, (self.now + delay, next(self._serial), receiver, datagram))

    def _deliver(self, receiver: Director, datagram: Datagram) -> None:
        if not receiver.alive:
            return
        advert = check(datagram, receiver.machine.settings)
        assert not isinstance(advert, Drop), advert
        self.do(receiver, receiver.machine.received(self.now, advert, datagram.source))
