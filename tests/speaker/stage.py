"""The speaker's loop without a process of its own: what it would put into the kernel is noted, and it hears nobody."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from healthlb.core.vrrp.receive import Datagram
from healthlb.core.vrrp.settings import settings_of
from healthlb.linux.announcer import Announcer, Frame
from healthlb.linux.links import Address, Link
from healthlb.linux.netlink import HEADER
from healthlb.linux.rtnetlink import Change, Placement, Rtnetlink
from healthlb.linux.vrrp_sockets import Ends, Outgoing
from healthlb.model.vrrp import VirtualAddress, VrrpInstance
from healthlb.model.vrrp_events import PairEvent
from healthlb.model.vrrp_status import InstanceStatus, SpeakerStatus
from healthlb.speaker.channel import Channel
from healthlb.speaker.loop import Speaker
from healthlb.speaker.voice import Hands
from healthlb.speaker.wire import PIECE, Assembler, Happened, Setup, Spoken, State, ToSpeaker, pieces, socket_pair

ETH0 = Link(2, "eth0", up=True)
NEW_ADDRESS, NEW_ROUTE = 20, 24
Value = TypeVar("Value")
PATIENCE = 60.0


def change(what: str, kind: int = NEW_ADDRESS) -> Change:
    """Return a change of a kind that says no more than that."""
    message = HEADER.pack(HEADER.size, kind, 0, 0, 0)
    return Change(what, message, message)


def spoken(name: str = "VI_1", *, router_id: int = 51, address: str = "192.0.2.10", **changes: object) -> Spoken:
    """Return an instance on eth0 that adverts every 10 ms; `changes` are fields of `VrrpInstance`."""
    instance = VrrpInstance(name, "eth0", router_id, 4, (VirtualAddress(address, 24),), interval=0.01)
    instance = replace(instance, **changes)  # type: ignore[arg-type]
    return Spoken(
        name,
        "eth0",
        settings_of(instance, "192.0.2.2"),
        Ends("eth0", 2, 4, instance.version, router_id, "192.0.2.2", 1),
        (Outgoing("224.0.0.18", bytes(12)),),
        placement=Placement(taken=(change(f"address {address}"), change("route", NEW_ROUTE))),
        addresses=(f"{address}/24",),
    )


class Silence:
    """Sockets that hear nobody, and note the priorities that go out."""

    def __init__(self, _: Ends) -> None:
        self.end, self.other = os.pipe()

    def fileno(self) -> int:
        """Return a descriptor that never becomes readable."""
        return self.end

    def send(self, outgoing: Outgoing, message: bytes) -> None:
        """Send it nowhere."""

    def receive(self, most: int = 64) -> Sequence[Datagram]:
        """Return nothing."""
        del most
        return ()

    receive_suspects = receive

    def close(self) -> None:
        """Close what is polled."""
        os.close(self.end)
        os.close(self.other)


class Kernel(Rtnetlink):
    """Has what was put and not withdrawn."""

    def __init__(self, *there: str) -> None:
        super().__init__()
        self.has = list(there)
        self.refuses: set[str] = set()

    def put(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Note what is put."""
        self.has += [each.what for each in changes if each.what not in {*self.has, *self.refuses}]
        return tuple(each.what for each in changes if each.what in self.refuses)

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """Note what is withdrawn."""
        gone = [each.what for each in changes]
        self.has = [what for what in self.has if what not in gone]
        return ()


class NoAnnouncer(Announcer):
    """Tells nobody."""

    def announce(self, frames: Sequence[Frame]) -> tuple[str, ...]:
        """Do nothing."""
        del frames
        return ()


class Stage:
    """A speaker that a test turns, and its director's end of the socket pair."""

    def __init__(self, *there: str) -> None:
        self.kernel = Kernel(*there)
        self.end, ours = socket_pair()
        hands = Hands(self.kernel, NoAnnouncer(), Silence)
        self.speaker = Speaker(Channel(ours), SpeakerStatus(running=True), hands=hands)
        self.speaker._instances.links = {"eth0": ETH0}
        self.states: list[State] = []
        self.events: list[PairEvent] = []
        self._assembler = Assembler(parent=True)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.speaker._finish()
        self.end.close()

    def knows(self, *addresses: str) -> None:
        """Have it know so many addresses of eth0."""
        found = tuple(Address(each, 24, 4) for each in addresses)
        self.speaker._instances.links = {"eth0": replace(ETH0, addresses=found)}

    def set_up(
        self, *instances: Spoken, groups: dict[str, tuple[str, ...]] | None = None, yielded: tuple[str, ...] = ()
    ) -> None:
        """Tell it what to speak, and have it obey."""
        self._number += 1
        self.say(Setup(self._number, instances, groups or {}, 3600.0, yielded))
        self.until(lambda: self.state().setup == self._number if self.states else False)

    def say(self, message: ToSpeaker) -> None:
        """Tell it something."""
        for piece in pieces(message):
            self.end.send(piece)

    def turn(self) -> None:
        """Let it do what it does when it wakes up next."""
        self.speaker._timer.set(self.speaker._next())
        self.speaker._turn({descriptor for descriptor, _ in self.speaker._epoll.poll(PATIENCE)})

    def listen(self) -> None:
        """Take in what it has told."""
        with contextlib.suppress(BlockingIOError):
            while True:
                message = self._assembler.take(self.end.recv(PIECE + 1))
                if isinstance(message, State):
                    self.states.append(message)
                elif isinstance(message, Happened):
                    self.events.append(message.event)

    def until(self, right: Callable[[], Value]) -> Value:
        """Turn it until something is right."""
        limit = time.monotonic() + PATIENCE
        while not (found := right()):
            assert time.monotonic() < limit, "it never came"
            self.turn()
            self.listen()
        return found

    def state(self) -> State:
        """Return what it told last."""
        return self.states[-1]

    def instance(self, name: str = "VI_1") -> InstanceStatus:
        """Return what it told last of an instance."""
        return next(each for each in self.state().instances if each.name == name)

    def becomes(self, state: str, name: str = "VI_1") -> InstanceStatus:
        """Turn it until an instance is in a state."""
        self.until(lambda: self.instance(name).state == state)
        return self.instance(name)

    def told(self, kind: type) -> list[PairEvent]:
        """Return the events of a kind that it has told of."""
        self.listen()
        return [event for event in self.events if isinstance(event, kind)]
