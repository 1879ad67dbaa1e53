"""A speaker whose director's process is a test: it is told what the test says, and what it tells is kept."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from healthlb.core.vrrp.settings import settings_of
from healthlb.core.vrrp.tracking import interfaces_of
from healthlb.linux.addresses import place, settings
from healthlb.linux.crafting import craft_adverts, craft_announcements
from healthlb.linux.ears import ears
from healthlb.linux.links import Link, Links
from healthlb.linux.vrrp_sockets import Ends
from healthlb.model.vrrp import Vrrp, VrrpInstance
from healthlb.model.vrrp_events import PairEvent
from healthlb.model.vrrp_status import InstanceStatus
from healthlb.speaker.wire import PIECE, Assembler, Happened, Setup, Spoken, State, ToSpeaker, pieces, socket_pair
from topology import Machine
from waiting import eventually


class ScriptedParent:
    """Starts a speaker on a machine, and is its parent. `close` it."""

    def __init__(self, machine: Machine, log: Path) -> None:
        self.machine = machine
        self.log = log
        self.states: list[State] = []
        self.events: list[PairEvent] = []
        self.others: list[Any] = []
        self._assembler = Assembler(parent=True)
        self._number = 0
        self._end, other = socket_pair()
        with machine.inside(), other, log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "healthlb.speaker", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def say(self, message: ToSpeaker) -> None:
        """Tell the speaker something."""
        self._end.setblocking(True)
        for piece in pieces(message):
            self._end.send(piece)
        self._end.setblocking(False)

    def set_up(self, vrrp: Vrrp, *, checks_deadline: float = 3600.0) -> None:
        """Tell it what to speak, and wait until it does; only a short deadline makes it miss heartbeats."""
        self._number += 1
        with self.machine.inside():
            links = Links()
            known = links.known
            links.close()
        instances = tuple(spoken(instance, known) for instance in vrrp.instances.values())
        self.say(Setup(self._number, instances, vrrp.groups, checks_deadline))
        eventually(lambda: self.state().setup, self._number.__eq__)

    def listen(self) -> None:
        """Take in what it has told."""
        while True:
            try:
                piece = self._end.recv(PIECE + 1)
            except BlockingIOError:
                return
            if not piece:
                return
            message = self._assembler.take(piece)
            if isinstance(message, State):
                self.states.append(message)
            elif isinstance(message, Happened):
                self.events.append(message.event)
            elif message is not None:
                self.others.append(message)

    def state(self) -> State:
        """Return what it told last; wait for the first."""
        eventually(lambda: (self.listen(), self.states or self.process.poll() is not None)[1], bool)
        assert self.states, self.log.read_text()
        return self.states[-1]

    def instance(self, name: str = "VI_1") -> InstanceStatus:
        """Return what it told last of an instance."""
        return next(each for each in self.state().instances if each.name == name)

    def becomes(self, state: str, name: str = "VI_1") -> InstanceStatus:
        """Wait until an instance is in a state."""
        return eventually(lambda: self.instance(name), lambda instance: instance.state == state)

    def hang_up(self) -> None:
        """Close our end, as the kernel does when the director's process dies."""
        self._end.close()

    def ends(self) -> int:
        """Wait for its end and return its exit status."""
        return self.process.wait(60)

    def close(self) -> None:
        """Hang up and wait until it has ended in order; one that does not is killed."""
        self._end.close()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()


def spoken(instance: VrrpInstance, links: Mapping[str, Link]) -> Spoken:
    """Prepare an instance."""
    shown = tuple(f"{each.address}/{each.prefix}" for each in (*instance.addresses, *instance.excluded))
    link = links.get(instance.interface)
    source = instance.source or (link.source(instance.family) if link else "")
    made = Spoken(
        instance.name,
        instance.interface,
        settings_of(instance, source),
        interfaces=interfaces_of(instance),
        addresses=shown,
        problem="" if source else f"{instance.interface} has no address to send from",
    )
    if not source or link is None:
        return made
    peers = tuple(each.address for each in instance.peers)
    facts = (instance.family, instance.version, instance.router_id)
    return Spoken(
        made.name,
        made.interface,
        made.settings,
        Ends(instance.interface, link.index, *facts, source, len(instance.addresses), peers, frames=instance.mac),
        craft_adverts(instance, source),
        craft_announcements(instance, links),
        ears(instance, links),
        place(instance, links),
        tuple(settings(instance, links)),
        made.interfaces,
        addresses=shown,
        devices=tuple(each.device for each in (*instance.excluded, *instance.routes) if each.device),
    )
