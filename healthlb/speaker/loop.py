"""The loop of the speaker: adverts in time, whatever the director's process does.

In every turn what has arrived is heeded before what is due, so that a master who was heard is not declared dead when
this process itself was late. Nothing waits for the director's process.
"""

import gc
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from healthlb.core.vrrp.announcing import following
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
from healthlb.linux.links import Link, Links
from healthlb.model.vrrp_events import (
    BecameBackup,
    BecameMaster,
    EnteredFault,
    MasterChanged,
    PairEvent,
    SpeakerFailed,
    SplitBrainEnded,
    SplitBrainSeen,
    VrrpPriorityChanged,
)
from healthlb.model.vrrp_status import SpeakerStatus, TrackStatus
from healthlb.speaker.channel import Channel
from healthlb.speaker.lateness import Lateness
from healthlb.speaker.timer import Timer
from healthlb.speaker.voice import Hands, Voice
from healthlb.speaker.wire import (
    HandOver,
    Happened,
    Heartbeat,
    InterfacesChanged,
    Setup,
    Spoken,
    Standings,
    State,
    Stop,
    TakeBack,
    ToSpeaker,
)

BEAT: Final = 1.0
"""Seconds from one look at what has time, and one `State`, to the next."""
STATE_PAUSE: Final = 0.05
"""Seconds between two `State` at least."""
TOLD_PAUSE: Final = 60.0
"""Seconds before the same problem is an event again."""
LINKS_DEADLINE: Final = 0.5
BLIND: Final = 1
"""The priority of a director whose checks are dead: anybody else is better (RFC 9568 section 5.2.4)."""


class Speaker:
    """Everything this process does. `stops` are descriptors that say that it is to end, by being readable."""

    def __init__(
        self, channel: Channel, process: SpeakerStatus, *, hands: Hands | None = None, stops: Iterable[int] = ()
    ) -> None:
        self.ended = False
        self._channel = channel
        self._process = process
        self._hands = hands or Hands()
        self._stops = frozenset(stops)
        self._voices: dict[str, Voice] = {}
        self._groups: list[Group] = []
        self._group_of: dict[str, Group] = {}
        self._setup = 0
        self._deadline: float | None = None
        self._heartbeat_at = 0.0
        self._blind = False
        self._lateness = Lateness()
        self._beat_at = time.monotonic()
        self._state_at = self._beat_at
        self._changed = True
        self._told: dict[str, float] = {}
        self._timer = Timer()
        self._links: Links | None = None
        self._known: Mapping[str, Link] = {}
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Voice] = {}
        self._flushing = False
        for descriptor in (channel.fileno(), self._timer.fileno(), *self._stops):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._open_links()

    def run(self) -> None:
        """Speak until the director says Stop or is gone, or somebody else ends us; leave nothing behind."""
        try:
            while not self.ended:
                self._timer.set(self._next())
                self._turn({descriptor for descriptor, _ in self._epoll.poll()})
        finally:
            self._finish()

    def _turn(self, ready: set[int]) -> None:
        if self._timer.fileno() in ready:
            self._timer.rang()
        for descriptor in ready & self._by_descriptor.keys():
            self._heed(self._by_descriptor[descriptor])
        self._do_what_is_due()
        if self._links is not None and self._links.fileno() in ready:
            self._read_links()
        if self._channel.fileno() in ready:
            self._channel.flush()
            for message in self._channel.heard():
                self._obey(message)
        self.ended = self.ended or self._channel.ended or bool(ready & self._stops)
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = following(self._beat_at, BEAT, now)
            self._beat(now)
        if self._changed and now >= self._state_at:
            self._report(now)
        if self._flushing == self._channel.idle:
            self._flushing = not self._channel.idle
            wanted = select.EPOLLIN | (select.EPOLLOUT if self._flushing else 0)
            self._epoll.modify(self._channel.fileno(), wanted)

    def _next(self) -> float:
        times = [group.next_timer() for group in self._groups]
        times += [voice.put_again_at for voice in self._voices.values()]
        times += [self._beat_at, self._state_at if self._changed else None]
        return min(at for at in times if at is not None)

    def _do_what_is_due(self) -> None:
        for group in self._groups:
            due = group.next_timer()
            if due is None or due > time.monotonic():
                continue
            for name, machine in group.machines.items():
                if machine.state != "MASTER":
                    self._heed(self._voices[name])
            masters = (each for each in group.machines.items() if each[1].state == "MASTER")
            adverts = {name: machine.next_timer() for name, machine in masters}
            self._carry_out(group.timer(time.monotonic()), adverts)
        now = time.monotonic()
        for voice in self._voices.values():
            if voice.put_again_at is not None and now >= voice.put_again_at:
                voice.take_addresses(now)

    def _heed(self, voice: Voice) -> None:
        """Show an instance what its sockets have heard."""
        for found, source in voice.heard():
            self._show(voice, found, source)

    def _show(self, voice: Voice, found: Advert | str, source: bytes) -> None:
        name, now = voice.spoken.name, time.monotonic()
        group = self._group_of[name]
        if isinstance(found, Advert):
            self._carry_out(group.received(now, name, found, source))
        else:
            self._carry_out(group.suspect(now, name, found, str(ip_address(source))))

    def _carry_out(self, said: Iterable[Said], due: Mapping[str, float | None] | None = None) -> None:
        for name, output in said:
            voice = self._voices[name]
            match output:
                case SendAdvert(priority):
                    voice.send(priority)
                    planned = due.get(name) if due and priority != STOPPED else None
                    if planned is not None:
                        now = time.monotonic()
                        self._lateness.note(now, now - planned)
                case TakeAddresses():
                    voice.take_addresses(time.monotonic())
                case GiveAddresses():
                    voice.give_addresses()
                case Announce(repeat):
                    voice.announce(repeat)
                case _:
                    self._tell(voice, output)

    def _tell(self, voice: Voice, output: Output) -> None:
        name, machine = voice.spoken.name, voice.machine
        self._changed = True
        match output:
            case Became(state, why):
                voice.since = time.time()
                if state == "MASTER":
                    self._happened(BecameMaster(name, machine.priority, why))
                elif state == "BACKUP":
                    voice.master = machine.master
                    self._happened(BecameBackup(name, machine.priority, machine.master, why))
                elif state == "FAULT":
                    self._happened(EnteredFault(name, why))
            case NewMaster(address, priority) if address != voice.master:
                before, voice.master = voice.master, address
                self._happened(MasterChanged(name, before, address, priority))
            case SplitBrain(sign, other):
                self._happened(SplitBrainSeen(name, other, sign))
            case SplitBrainOver(seconds):
                self._happened(SplitBrainEnded(name, seconds))

    def _happened(self, event: PairEvent) -> None:
        self._channel.say(Happened(event, time.time()))

    def _obey(self, message: ToSpeaker) -> None:
        now = time.monotonic()
        match message:
            case Setup():
                self._heartbeat_at = now
                self._set_up(now, message)
            case Standings(tracked):
                for name, found in tracked.items():
                    if name in self._voices:
                        self._voices[name].tracked = found
                        self._stand(now, self._voices[name])
            case Heartbeat():
                self._heartbeat_at = now
                self._see_whether_blind(now)
            case HandOver(name) if name in self._group_of:
                self._carry_out(self._group_of[name].hand_over(now))
                self._changed = True
            case TakeBack(name) if name in self._group_of:
                self._carry_out(self._group_of[name].take_back(now))
                self._changed = True
            case Stop():
                self.ended = True

    def _set_up(self, now: float, setup: Setup) -> None:
        """Follow another setup: what goes is taken out of the kernel before what comes is put."""
        wanted = {spoken.name: _waiting(spoken, setup.groups) for spoken in setup.instances}
        for name, voice in tuple(self._voices.items()):
            if name not in wanted or _identity(voice.spoken) != _identity(wanted[name]):
                self._carry_out((name, output) for output in voice.machine.stop(now))
                voice.end()
                del self._voices[name]
        refitted = [voice for name, voice in self._voices.items() if voice.spoken != wanted[name]]
        for voice in refitted:
            voice.refit(wanted[voice.spoken.name])
        self._voices = {
            name: self._voices.get(name) or Voice(spoken, self._hands, time.time()) for name, spoken in wanted.items()
        }
        self._deadline = setup.checks_deadline
        self._group(setup.groups)
        for voice in self._voices.values():
            voice.listen(self._known)
        self._watch()
        for voice in refitted:
            name, machine = voice.spoken.name, voice.machine
            self._carry_out(self._group_of[name].change(now, name, voice.spoken.settings))
            if machine.state == "MASTER":
                voice.take_addresses(now)
                voice.announce(voice.spoken.settings.announcing.repeat)
        for voice in self._voices.values():
            self._stand(now, voice, anew=True)
        for group in self._groups:
            self._carry_out(group.start(now))
        self._setup = setup.number
        gc.freeze()
        self._changed = True
        self._see_whether_blind(now)

    def _group(self, groups: Mapping[str, tuple[str, ...]]) -> None:
        grouped = {name for members in groups.values() for name in members}
        alone = {name: (name,) for name in self._voices if name not in grouped}
        self._groups = [
            Group({each: self._voices[each].machine for each in members if each in self._voices}, name)
            for name, members in (*groups.items(), *alone.items())
        ]
        self._group_of = {name: group for group in self._groups for name in group.machines}
        for voice in self._voices.values():
            name = voice.spoken.name
            voice.group = self._group_of[name].name if name in grouped else ""

    def _stand(self, now: float, voice: Voice, *, anew: bool = False, why: str = "") -> None:
        """Give an instance the priority and the faults that it has with everything tracked as it is now."""
        name, before = voice.spoken.name, voice.standing
        group, machine = self._group_of[name], voice.machine
        voice.standing = found = voice.weigh(self._known)
        self._changed = self._changed or found != before
        priority = BLIND if self._blind else found.priority
        if priority != machine.priority:
            if machine.state != "INIT":
                told = why or _why(before.statuses, found.statuses) or "the file says so"
                self._happened(VrrpPriorityChanged(name, machine.priority, priority, told))
            self._changed = True
            self._carry_out(group.set_priority(now, name, priority))
        if found.faults and (anew or found.faults != before.faults):
            self._carry_out(group.fault(now, name, found.faults))
        elif not found.faults and (anew or before.faults):
            self._carry_out(group.mend(now, name))

    def _see_whether_blind(self, now: float) -> None:
        deadline = self._deadline
        blind = deadline is not None and now - self._heartbeat_at >= deadline
        if blind != self._blind:
            self._blind = blind
            why = f"the director proved no work for {deadline:g} s" if blind else "the director works again"
            for voice in self._voices.values():
                self._stand(now, voice, why=why)

    def _beat(self, now: float) -> None:
        """Do what has time."""
        self._see_whether_blind(now)
        if self._links is None:
            self._open_links()
            self._look(frozenset(self._known))
        for voice in self._voices.values():
            for found, source in voice.suspects():
                self._show(voice, found, source)
            if voice.sockets is None and voice.spoken.ends is not None:
                self._look(frozenset({voice.spoken.interface}))
        self._changed = True

    def _open_links(self) -> None:
        try:
            self._links = Links(deadline=LINKS_DEADLINE)
        except OSError as problem:
            self._told_once(f"interfaces cannot be watched: {problem}")
            return
        self._known = self._links.known
        self._epoll.register(self._links.fileno(), select.EPOLLIN)

    def _read_links(self) -> None:
        if self._links is None:
            return
        before = self._known
        try:
            names = self._links.read()
        except OSError as problem:
            self._told_once(f"interfaces cannot be watched: {problem}")
            self._links.close()
            self._links = None
            return
        self._known = self._links.known
        ours = {address.partition("/")[0] for voice in self._voices.values() for address in voice.spoken.addresses}
        crafted = tuple(sorted(name for name in names if _facts(before, name, ours) != _facts(self._known, name, ours)))
        if crafted:
            self._channel.say(InterfacesChanged(crafted))
        self._look(names)

    def _look(self, names: frozenset[str]) -> None:
        """Heed that interfaces have changed: faults, sockets, and addresses that went with others."""
        now = time.monotonic()
        for voice in self._voices.values():
            if voice.rests_on(names, self._known):
                voice.listen(self._known)
                self._watch()
                self._stand(now, voice)
                voice.put_again(now)

    def _watch(self) -> None:
        """Poll the sockets that are open; those that were closed are forgotten by the kernel."""
        self._by_descriptor, before = {}, self._by_descriptor
        for voice in self._voices.values():
            if voice.sockets is not None:
                descriptor = voice.sockets.fileno()
                self._by_descriptor[descriptor] = voice
                if before.get(descriptor) is not voice or voice.opened:
                    voice.opened = False
                    self._register(descriptor)

    def _register(self, descriptor: int) -> None:
        try:
            self._epoll.register(descriptor, select.EPOLLIN)
        except FileExistsError:
            self._epoll.modify(descriptor, select.EPOLLIN)

    def _report(self, now: float) -> None:
        problems = tuple(
            f"{name}: {clause}" for name, each in self._voices.items() for clause in each.problems.values()
        )
        for problem in problems:
            self._told_once(problem)
        if not self._channel.idle:
            return
        self._changed, self._state_at = False, now + STATE_PAUSE
        process = replace(self._process, lateness=self._lateness.summary(now))
        instances = tuple(voice.status(voice.group) for voice in self._voices.values())
        self._channel.say(State(self._setup, instances, process, problems))

    def _told_once(self, problem: str) -> None:
        now = time.monotonic()
        self._told = {each: at for each, at in self._told.items() if now - at < TOLD_PAUSE}
        if problem not in self._told:
            self._told[problem] = now
            self._happened(SpeakerFailed(problem))

    def _finish(self) -> None:
        """Give up mastership in order, then leave the kernel as it was."""
        for group in self._groups:
            self._carry_out(group.stop(time.monotonic()))
        for voice in self._voices.values():
            voice.end()
        self._report(time.monotonic())
        self._hands.close()
        if self._links is not None:
            self._links.close()
        self._epoll.close()
        self._timer.close()
        self._channel.close()


def _identity(spoken: Spoken) -> tuple[object, ...]:
    """Return what makes an instance another one when it changes."""
    return spoken.interface, spoken.settings.version, spoken.settings.family, spoken.settings.router_id


def _waiting(spoken: Spoken, groups: Mapping[str, tuple[str, ...]]) -> Spoken:
    waits = any(spoken.name in members and len(members) > 1 for members in groups.values())
    return replace(spoken, settings=replace(spoken.settings, waits=waits))


def _facts(links: Mapping[str, Link], name: str, ours: set[str]) -> tuple[object, ...] | None:
    """Return what the director crafts by: nothing of the addresses that we put there ourselves."""
    link = links.get(name)
    if link is None:
        return None
    addresses = frozenset(each for each in link.addresses if each.address not in ours)
    return link.index, link.hardware_address, addresses


def _why(before: Iterable[TrackStatus], after: Iterable[TrackStatus]) -> str:
    """Return what has changed of that which is tracked, as a clause."""
    known = {(each.kind, each.name): each.up for each in before}
    flipped = [each for each in after if known.get((each.kind, each.name)) not in (None, each.up)]
    words = [f"{each.kind.replace('_', ' ')} {each.name} is {'up' if each.up else 'down'}" for each in flipped]
    return ", ".join(words)
