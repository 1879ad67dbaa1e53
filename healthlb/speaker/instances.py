"""All instances of the speaker: how they follow a setup, how they stand, and what their machines have done."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from healthlb.core.vrrp.groups import Group, Said
from healthlb.core.vrrp.outputs import (
    Announce,
    Became,
    GiveAddresses,
    NewMaster,
    Output,
    SendAdvert,
    SplitBrain,
    SplitBrainOver,
    TakeAddresses,
)
from healthlb.core.vrrp.packet import STOPPED, Advert
from healthlb.linux.links import Link
from healthlb.model.vrrp_events import (
    BecameBackup,
    BecameMaster,
    EnteredFault,
    MasterChanged,
    PairEvent,
    SplitBrainEnded,
    SplitBrainSeen,
    StoppedAsMaster,
    VrrpPriorityChanged,
)
from healthlb.model.vrrp_status import InstanceStatus, TrackStatus
from healthlb.speaker.guard import Guard
from healthlb.speaker.lateness import Lateness
from healthlb.speaker.voice import Hands, Voice
from healthlb.speaker.wire import Setup, Spoken

BLIND: Final = 1
"""The priority of a director whose checks are dead: anybody else is better (RFC 9568 section 5.2.4)."""


class Instances:
    """The instances by name, in groups. `happened` is told of every event.

    `links` are the interfaces as they are known, to be kept up to date by the caller. `changed`: there is news since
    the caller last set it to False. Moments (`now`) are those of time.monotonic().
    """

    def __init__(self, hands: Hands, happened: Callable[[PairEvent], None]) -> None:
        self.links: Mapping[str, Link] = {}
        self.lateness = Lateness()
        self.changed = True
        self.voices: dict[str, Voice] = {}
        self._hands = hands
        self._happened = happened
        self._guard = Guard()
        self._groups: list[Group] = []
        self._group_of: dict[str, Group] = {}
        self._blind = False

    def next_timer(self) -> float | None:
        """Return when `do_what_is_due` has something to do, None for never as things are."""
        times = [group.next_timer() for group in self._groups]
        times += [voice.again_at for voice in self.voices.values()]
        return min((at for at in times if at is not None), default=None)

    def do_what_is_due(self) -> None:
        """Let timers fire, of each instance once what has arrived for it is heeded."""
        for group in self._groups:
            due = group.next_timer()
            if due is None or due > time.monotonic():
                continue
            for name, machine in group.machines.items():
                if machine.state != "MASTER":
                    self.heed(self.voices[name])
            masters = (each for each in group.machines.items() if each[1].state == "MASTER")
            adverts = {name: machine.next_timer() for name, machine in masters}
            self._carry_out(group.timer(time.monotonic()), adverts)
        now = time.monotonic()
        for voice in self.voices.values():
            if voice.again_at is not None and now >= voice.again_at:
                voice.try_again(now)
                self._stand(now, voice)

    def heed(self, voice: Voice) -> None:
        """Show an instance what its sockets have heard."""
        for found, source in voice.heard():
            self._show(voice, found, source)

    def heed_the_rest(self) -> None:
        """Show every instance what has time: what was hardly an advert, and who else has its addresses."""
        for voice in self.voices.values():
            voice.see_leftovers(self.links)
            for found, source in voice.suspects():
                self._show(voice, found, source)
        own = frozenset(link.hardware_address for link in self.links.values())
        ears = [(name, ear) for name, voice in self.voices.items() for ear in voice.spoken.ears]
        for claim in self._guard.heard((ear for _, ear in ears), own):
            for name, ear in ears:
                if ear.interface == claim.interface and claim.address in ear.addresses:
                    said = self._group_of[name].conflict(time.monotonic(), name, claim.sign, claim.hardware_address)
                    self._carry_out(said)

    def set_up(self, now: float, setup: Setup) -> None:
        """Follow another setup: what goes is taken out of the kernel before what comes is put."""
        wanted = {spoken.name: _waiting(spoken, setup.groups) for spoken in setup.instances}
        refitted = self._refit(now, wanted)
        self._group(setup.groups)
        for voice in self.voices.values():
            voice.listen(self.links)
        for voice in refitted:
            name, machine = voice.spoken.name, voice.machine
            self._carry_out(self._group_of[name].change(now, name, voice.spoken.settings))
            if machine.state == "MASTER":
                voice.take_addresses(now)
                voice.announce(voice.spoken.settings.announcing.repeat)
        for name in self.voices.keys() & set(setup.yielded):
            if self.voices[name].machine.state == "INIT":
                self.voices[name].machine.hand_over(now)
        for voice in self.voices.values():
            self._stand(now, voice, anew=True)
        for group in self._groups:
            faults = {name: self.voices[name].standing.faults for name in group.machines}
            self._carry_out(group.judge(now, faults))
            self._carry_out(group.start(now))
        for voice in self.voices.values():
            voice.clear_away(now)
        self.changed = True

    def track(self, now: float, tracked: Mapping[str, tuple[TrackStatus, ...]]) -> None:
        """Heed how pools and checks stand, by the instance's name."""
        for name, found in tracked.items():
            if name in self.voices:
                self.voices[name].tracked = found
                self._stand(now, self.voices[name])

    def be_blind(self, now: float, *, blind: bool, why: str) -> None:
        """Give every instance the least priority, or its own again; `why` is a clause."""
        if blind != self._blind:
            self._blind = blind
            for voice in self.voices.values():
                self._stand(now, voice, why=why)

    def look(self, names: frozenset[str]) -> None:
        """Heed that interfaces have changed: faults, sockets, and addresses that went with others."""
        now = time.monotonic()
        for voice in self.voices.values():
            if voice.rests_on(names, self.links):
                voice.listen(self.links)
                self._stand(now, voice)
                voice.put_again(now)

    def hand_over(self, now: float, name: str) -> None:
        """Let another director have an instance and its group; nothing if there is no such instance."""
        if name in self._group_of:
            self._carry_out(self._group_of[name].hand_over(now))
            self.changed = True

    def take_back(self, now: float, name: str) -> None:
        """End `hand_over`; nothing if there is no such instance."""
        if name in self._group_of:
            self._carry_out(self._group_of[name].take_back(now))
            self.changed = True

    @property
    def parting(self) -> bool:
        """Whether addresses are still here for a successor that was not heard yet."""
        return any(group.parting for group in self._groups)

    def part(self) -> None:
        """Give up mastership in order, and keep the addresses for as long as `parting`."""
        for group in self._groups:
            self._carry_out(group.stop(time.monotonic(), gently=True))

    def stop(self) -> None:
        """Give up all mastership and addresses now, then leave the kernel as it was."""
        for group in self._groups:
            self._carry_out(group.stop(time.monotonic()))
        for voice in self.voices.values():
            voice.end()
        self._guard.close()

    def problems(self) -> tuple[str, ...]:
        """Return what could not be done, each a clause."""
        own = (f"{name}: {clause}" for name, each in self.voices.items() for clause in each.problems.values())
        return (*own, *self._guard.problems)

    def statuses(self) -> tuple[InstanceStatus, ...]:
        """Return everything that is known of each."""
        return tuple(voice.status(voice.group) for voice in self.voices.values())

    def _show(self, voice: Voice, found: Advert | str, source: bytes) -> None:
        name, now = voice.spoken.name, time.monotonic()
        group = self._group_of[name]
        if isinstance(found, Advert):
            self._carry_out(group.received(now, name, found, source))
        else:
            self._carry_out(group.suspect(now, name, found, str(ip_address(source))))

    def _carry_out(self, said: Iterable[Said], due: Mapping[str, float | None] | None = None) -> None:
        for name, output in said:
            voice = self.voices[name]
            match output:
                case SendAdvert(priority):
                    voice.send(priority)
                    planned = due.get(name) if due and priority != STOPPED else None
                    if planned is not None:
                        now = time.monotonic()
                        self.lateness.note(now, now - planned)
                case TakeAddresses():
                    voice.take_addresses(time.monotonic())
                case GiveAddresses():
                    voice.give_addresses(time.monotonic())
                case Announce(repeat):
                    voice.announce(repeat)
                case _:
                    self._tell(voice, output)

    def _tell(self, voice: Voice, output: Output) -> None:
        name, machine = voice.spoken.name, voice.machine
        self.changed = True
        match output:
            case Became(state, why):
                was, voice.state, voice.since = voice.state, state, time.time()
                if state == "MASTER":
                    self._happened(BecameMaster(name, machine.priority, why))
                elif state == "BACKUP":
                    voice.master = machine.master
                    self._happened(BecameBackup(name, machine.priority, machine.master, why))
                elif state == "FAULT":
                    self._happened(EnteredFault(name, why))
                elif was == "MASTER":
                    self._happened(StoppedAsMaster(name, machine.priority))
            case NewMaster(address, priority) if address != voice.master:
                before, voice.master = voice.master, address
                self._happened(MasterChanged(name, before, address, priority))
            case SplitBrain(sign, other):
                self._happened(SplitBrainSeen(name, other, sign))
            case SplitBrainOver(seconds):
                self._happened(SplitBrainEnded(name, seconds))

    def _refit(self, now: float, wanted: Mapping[str, Spoken]) -> list[Voice]:
        """End what is not wanted any more, begin what is new; return what goes on and has become different."""
        kept: dict[str, Voice] = {}
        for name, voice in self.voices.items():
            if called := _called(name, self.voices, wanted):
                kept[called] = voice
                continue
            self._carry_out((name, output) for output in voice.machine.stop(now))
            voice.end()
        refitted = [voice for name, voice in kept.items() if voice.spoken != wanted[name]]
        for name, voice in kept.items():
            if voice in refitted:
                voice.refit(wanted[name])
        self.voices = {
            name: kept.get(name) or Voice(spoken, self._hands, time.time()) for name, spoken in wanted.items()
        }
        return refitted

    def _group(self, groups: Mapping[str, tuple[str, ...]]) -> None:
        grouped = {name for members in groups.values() for name in members}
        alone = {name: (name,) for name in self.voices if name not in grouped}
        self._groups = [
            Group({each: self.voices[each].machine for each in members if each in self.voices}, name)
            for name, members in (*groups.items(), *alone.items())
        ]
        self._group_of = {name: group for group in self._groups for name in group.machines}
        for voice in self.voices.values():
            name = voice.spoken.name
            voice.group = self._group_of[name].name if name in grouped else ""

    def _stand(self, now: float, voice: Voice, *, anew: bool = False, why: str = "") -> None:
        """Give an instance the priority and the faults that it has with everything tracked as it is now.

        `anew`: its group is told the faults of all members at once, later.
        """
        name, before = voice.spoken.name, voice.standing
        group, machine = self._group_of[name], voice.machine
        voice.standing = found = voice.weigh(self.links)
        self.changed = self.changed or found != before
        priority = BLIND if self._blind else found.priority
        if priority != machine.priority:
            if machine.state != "INIT":
                told = why or _why(before.statuses, found.statuses) or "the file says so"
                self._happened(VrrpPriorityChanged(name, machine.priority, priority, told))
            self.changed = True
            self._carry_out(group.set_priority(now, name, priority))
        if anew or found.faults == before.faults:
            return
        said = group.fault(now, name, found.faults) if found.faults else group.mend(now, name)
        self._carry_out(said)


def _identity(spoken: Spoken) -> tuple[object, ...]:
    """Return what makes an instance another one when it changes."""
    return spoken.interface, spoken.settings.version, spoken.settings.family, spoken.settings.router_id


def _called(name: str, voices: Mapping[str, Voice], wanted: Mapping[str, Spoken]) -> str:
    """Return what an instance is called from now on, empty if it is no longer wanted."""
    spoken = voices[name].spoken
    others = (other for other, each in wanted.items() if _identity(each) == _identity(spoken))
    return next((other for other in sorted(others, key=lambda other: other != name)), "")


def _waiting(spoken: Spoken, groups: Mapping[str, tuple[str, ...]]) -> Spoken:
    waits = any(spoken.name in members and len(members) > 1 for members in groups.values())
    return replace(spoken, settings=replace(spoken.settings, waits=waits))


def _why(before: Iterable[TrackStatus], after: Iterable[TrackStatus]) -> str:
    """Return what has changed of that which is tracked, as a clause."""
    known = {(each.kind, each.name): each.up for each in before}
    flipped = [each for each in after if known.get((each.kind, each.name)) not in (None, each.up)]
    words = [f"{each.kind.replace('_', ' ')} {each.name} is {'up' if each.up else 'down'}" for each in flipped]
    return ", ".join(words)
