"""The loop of the speaker: adverts in time, whatever the director's process does.

In every turn what has arrived is heeded before what is due, so that a master who was heard is not declared dead when
this process itself was late. Nothing waits for the director's process.
"""

import gc
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from healthlb.core.vrrp.announcing import following
from healthlb.linux.links import Link, Links
from healthlb.model.vrrp_events import PairEvent, SpeakerFailed
from healthlb.model.vrrp_status import SpeakerStatus
from healthlb.speaker.channel import Channel
from healthlb.speaker.instances import Instances
from healthlb.speaker.rights import give_up_real_time
from healthlb.speaker.timer import Timer
from healthlb.speaker.voice import Hands, Voice
from healthlb.speaker.wire import (
    HandOver,
    Happened,
    Heartbeat,
    InterfacesChanged,
    Setup,
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
        self._instances = Instances(self._hands, self._happened)
        self._setup = 0
        self._deadline: float | None = None
        self._heartbeat_at = 0.0
        self._beat_at = time.monotonic()
        self._state_at = self._beat_at
        self._told: dict[str, float] = {}
        self._timer = Timer()
        self._links: Links | None = None
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
        self._speak(ready)
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
        if self._instances.changed and now >= self._state_at:
            self._report(now)
        if self._flushing == self._channel.idle:
            self._flushing = not self._channel.idle
            wanted = select.EPOLLIN | (select.EPOLLOUT if self._flushing else 0)
            self._epoll.modify(self._channel.fileno(), wanted)

    def _speak(self, ready: set[int]) -> None:
        """Heed what has arrived, then do what is due."""
        if self._timer.fileno() in ready:
            self._timer.rang()
        for descriptor in ready & self._by_descriptor.keys():
            self._instances.heed(self._by_descriptor[descriptor])
        self._instances.do_what_is_due()

    def _next(self) -> float:
        # A director that does not read is told when it does: until then there is nothing to wake up for.
        telling = self._state_at if self._instances.changed and self._channel.idle else None
        times = (self._instances.next_timer(), self._beat_at, telling)
        return min(at for at in times if at is not None)

    def _happened(self, event: PairEvent) -> None:
        self._channel.say(Happened(event, time.time()))

    def _obey(self, message: ToSpeaker) -> None:
        now = time.monotonic()
        match message:
            case Setup():
                self._heartbeat_at, self._deadline = now, message.checks_deadline
                self._instances.set_up(now, message)
                self._watch()
                self._setup = message.number
                gc.freeze()
                self._see_whether_blind(now)
            case Standings(tracked):
                self._instances.track(now, tracked)
            case Heartbeat():
                self._heartbeat_at = now
                self._see_whether_blind(now)
            case HandOver(name):
                self._instances.hand_over(now, name)
            case TakeBack(name):
                self._instances.take_back(now, name)
            case Stop():
                self.ended = True

    def _see_whether_blind(self, now: float) -> None:
        deadline = self._deadline
        blind = deadline is not None and now - self._heartbeat_at >= deadline
        why = f"the director proved no work for {deadline:g} s" if blind else "the director works again"
        self._instances.be_blind(now, blind=blind, why=why)

    def _beat(self, now: float) -> None:
        """Do what has time."""
        self._see_whether_blind(now)
        if self._links is None:
            self._open_links()
            self._look(frozenset(self._instances.links))
        self._instances.heed_the_rest()
        for voice in self._instances.voices.values():
            if voice.sockets is None and voice.spoken.ends is not None:
                self._look(frozenset({voice.spoken.interface}))
        self._instances.changed = True

    def _open_links(self) -> None:
        try:
            self._links = Links(deadline=LINKS_DEADLINE)
        except OSError as problem:
            self._told_once(f"interfaces cannot be watched: {problem}")
            return
        self._instances.links = self._links.known
        self._epoll.register(self._links.fileno(), select.EPOLLIN)

    def _read_links(self) -> None:
        if self._links is None:
            return
        before = self._instances.links
        try:
            names = self._links.read()
        except OSError as problem:
            self._told_once(f"interfaces cannot be watched: {problem}")
            self._links.close()
            self._links = None
            return
        known = self._instances.links = self._links.known
        voices = self._instances.voices.values()
        ours = {address.partition("/")[0] for voice in voices for address in voice.spoken.addresses}
        crafted = tuple(sorted(name for name in names if _facts(before, name, ours) != _facts(known, name, ours)))
        if crafted:
            self._channel.say(InterfacesChanged(crafted))
        self._look(names)

    def _look(self, names: frozenset[str]) -> None:
        self._instances.look(names)
        self._watch()

    def _watch(self) -> None:
        """Poll the sockets that are open; those that were closed are forgotten by the kernel."""
        self._by_descriptor, before = {}, self._by_descriptor
        for voice in self._instances.voices.values():
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
        problems = self._instances.problems()
        for problem in problems:
            self._told_once(problem)
        if not self._channel.idle:
            return
        self._instances.changed, self._state_at = False, now + STATE_PAUSE
        process = replace(self._process, lateness=self._instances.lateness.summary(now))
        self._channel.say(State(self._setup, self._instances.statuses(), process, problems))

    def _told_once(self, problem: str) -> None:
        now = time.monotonic()
        self._told = {each: at for each, at in self._told.items() if now - at < TOLD_PAUSE}
        if problem not in self._told:
            self._told[problem] = now
            self._happened(SpeakerFailed(problem))

    def _finish(self) -> None:
        """Give up mastership in order, then leave the kernel as it was."""
        self._instances.part()
        self._see_off()
        self._instances.stop()
        give_up_real_time()
        self._report(time.monotonic())
        self._hands.close()
        if self._links is not None:
            self._links.close()
        self._epoll.close()
        self._timer.close()
        self._channel.close()

    def _see_off(self) -> None:
        """Serve until the next master is heard, or nobody has come for longer than one takes."""
        links = () if self._links is None else (self._links.fileno(),)
        for descriptor in (self._channel.fileno(), *links, *self._stops):
            self._epoll.unregister(descriptor)
        while self._instances.parting:
            self._timer.set(self._instances.next_timer() or time.monotonic())
            self._speak({descriptor for descriptor, _ in self._epoll.poll()})


def _facts(links: Mapping[str, Link], name: str, ours: set[str]) -> tuple[object, ...] | None:
    """Return what the director crafts by: nothing of the addresses that we put there ourselves."""
    link = links.get(name)
    if link is None:
        return None
    addresses = frozenset(each for each in link.addresses if each.address not in ours)
    return link.index, link.hardware_address, addresses
