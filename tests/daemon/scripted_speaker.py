"""A process that acts the part of the one that speaks VRRP: `scripted_speaker.py DESCRIPTOR BEHAVIOUR LOG`.

It writes a line for each message that it hears. All its instances are BACKUP, or MASTER until they are handed over: as
`stubborn` it does not do that, as `alone` nobody else becomes master, as `weak` another keeps what it took.
"""

import select
import socket
import sys
from dataclasses import replace
from pathlib import Path

from healthlb.model.vrrp_events import BecameMaster
from healthlb.model.vrrp_status import InstanceStatus, SpeakerStatus
from healthlb.speaker.wire import (
    Assembler,
    FromSpeaker,
    HandOver,
    Happened,
    Setup,
    Spoken,
    State,
    Stop,
    TakeBack,
    ToSpeaker,
    pieces,
)

MASTERS = ("master", "stubborn", "alone", "weak")


class Speaker:
    """Says what a speaker would, a State after every message and every second."""

    def __init__(self, end: socket.socket, behaviour: str, log: Path) -> None:
        self.end = end
        self.behaviour = behaviour
        self.log = log
        self.number = 0
        self.known: dict[str, InstanceStatus] = {}
        self.stopped = False

    def run(self) -> int:
        """Speak until told to stop."""
        assembler = Assembler(parent=False)
        self.note(f"begins as {self.behaviour}")
        if self.behaviour == "babbling":
            self.end.send(b".{}")
        if self.behaviour == "dying":
            return 3
        while not self.stopped:
            if select.select([self.end], [], [], 1.0)[0]:
                piece = self.end.recv(1 << 16)
                if not piece:
                    self.note("alone")
                    return 0
                message = assembler.take(piece)
                if isinstance(message, ToSpeaker):
                    self.hear(message)
            if self.behaviour != "mute" and not self.stopped:
                self.say(State(self.number, tuple(self.known.values()), SpeakerStatus(running=True)))
        return 0

    def hear(self, message: ToSpeaker) -> None:
        """Take a message in."""
        match message:
            case Setup(number, instances):
                self.number = number
                self.set_up(message)
                if self.behaviour == "master":
                    for each in instances:
                        self.say(Happened(BecameMaster(each.name, each.settings.priority, "nobody else is"), 0.0))
            case HandOver(name) if self.behaviour not in ("stubborn", "alone"):
                self.known[name] = handed_over(self.known[name])
            case HandOver(name) if self.behaviour == "alone":
                now = self.known[name]
                given = replace(now, state="BACKUP", yielded=True, master="")
                self.say(State(self.number, (given,), SpeakerStatus(running=True)))
                self.known[name] = replace(now, became_master_total=now.became_master_total + 1)
            case TakeBack(name) if self.behaviour == "weak":
                self.known[name] = replace(self.known[name], yielded=False)
            case TakeBack(name):
                self.known[name] = replace(self.known[name], state="MASTER", yielded=False, master="192.0.2.2")
            case Stop():
                self.stopped = True
        if isinstance(message, Setup):
            yielded = f" without {' '.join(message.yielded)}" if message.yielded else ""
            self.note(f"Setup {' '.join(message_of(each) for each in message.instances)}{yielded}")
        else:
            self.note(str(message))

    def set_up(self, setup: Setup) -> None:
        """Speak other instances; what is new begins as it was handed over before."""
        before, self.known = self.known, {each.name: self.status(each) for each in setup.instances}
        for name in (self.known.keys() - before.keys()) & set(setup.yielded):
            self.known[name] = handed_over(self.known[name])

    def status(self, spoken: Spoken) -> InstanceStatus:
        """Return an instance that has just become what it is."""
        return InstanceStatus(
            name=spoken.name,
            state="MASTER" if self.behaviour in MASTERS else "BACKUP",
            interface=spoken.interface,
            router_id=spoken.settings.router_id,
            version=spoken.settings.version,
            configured_priority=spoken.settings.priority,
            effective_priority=spoken.settings.priority,
            addresses=spoken.addresses,
            since=0.0,
            master="192.0.2.2" if self.behaviour in MASTERS else "",
            tracked=spoken.tracked,
        )

    def say(self, message: FromSpeaker) -> None:
        """Send a message."""
        for piece in pieces(message):
            self.end.send(piece)

    def note(self, line: str) -> None:
        """Write a line."""
        with self.log.open("a") as log:
            log.write(f"{line}\n")


def handed_over(one: InstanceStatus) -> InstanceStatus:
    """Return an instance that another director has."""
    return replace(one, state="BACKUP", yielded=True, master="192.0.2.3")


def message_of(spoken: Spoken) -> str:
    """Return an instance in short."""
    return f"{spoken.name}={spoken.settings.priority}{f' ({spoken.problem})' if spoken.problem else ''}"


if __name__ == "__main__":
    ours = socket.socket(fileno=int(sys.argv[1]))
    sys.exit(Speaker(ours, sys.argv[2], Path(sys.argv[3])).run())
