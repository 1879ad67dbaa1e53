"""The director's side of VRRP: has a process speak it, and tells that what to speak and how what it tracks stands.

The process is started again when it dies, and what it had in the kernel is removed at once: nobody else would. It is
told everything anew whenever the file, an interface or a process is new; what is the same goes on there as it is.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from healthlb.daemon.failing import backoff
from healthlb.daemon.fault import describe
from healthlb.daemon.handovers import Handovers
from healthlb.daemon.pair_claims import Claims, HeldError
from healthlb.daemon.pair_setup import changes_of, prepare, shown_addresses, without_standings
from healthlb.daemon.pools import Pools, Sink
from healthlb.daemon.speaker_process import Command, SpeakerProcess, command, start
from healthlb.daemon.standings import standing, steady
from healthlb.daemon.worker import Worker
from healthlb.linux.links import Link, Links
from healthlb.linux.rtnetlink import Change
from healthlb.model.events import Warned
from healthlb.model.vrrp import Vrrp, VrrpInstance
from healthlb.model.vrrp_events import (
    BecameBackup,
    BecameMaster,
    EnteredFault,
    SpeakerFailed,
    SpeakerStarted,
    StoppedAsMaster,
)
from healthlb.model.vrrp_status import InstanceStatus, SpeakerStatus, TrackStatus
from healthlb.speaker.wire import (
    FromSpeaker,
    HandOver,
    Happened,
    Heartbeat,
    InterfacesChanged,
    Setup,
    Standings,
    State,
    Stop,
    TakeBack,
)

STEADY = 60.0
"""Seconds after which a process that dies is started as quickly as after its first death."""
SILENCE = 10.0
"""Seconds without a word after which it is killed: one that hangs keeps addresses that the peer has taken. It speaks at
least every second."""
LOOKS = 4
"""Heartbeats in a `checks_deadline`, and at least one a second."""
LEAST_BEAT = 0.2
PARTING = 5.0
"""Seconds that it has to give up mastership in order before it is killed."""
SETTLING = 0.1
"""Seconds between two setups at least: interfaces change in bursts."""
FOLLOWED = 10.0
"""Seconds in which a setup should have been followed."""
RETRY = 5.0
"""Seconds after which a setup that could not be made is tried again."""
NOT_SPOKEN = "no process speaks for it"


def read_links() -> Mapping[str, Link]:
    """Return the interfaces as they are now; raise OSError."""
    links = Links()
    try:
        return links.known
    finally:
        links.close()


@dataclass(slots=True)
class _Told:
    """What the process was told, and what may be in the kernel by it. `to_stop`: it ends because it was told to."""

    setup: Setup | None = None
    claimed: tuple[Change, ...] = ()
    to_stop: bool = False


class Pairing:
    """One director's VRRP. Used from the loop; what blocks is done by threads of its own.

    `kernel` False speaks nothing, as a dry run. `overdue` are the seconds by which probes are late, `nudge` asks for a
    call of `alive` soon, `turned` is called when an instance has another state and `changed` when there is other news.
    """

    def __init__(
        self,
        pools: Pools,
        tell: Sink,
        chance: random.Random,
        *,
        kernel: bool,
        overdue: Callable[[], float] = lambda: 0.0,
        nudge: Callable[[], None] = lambda: None,
        turned: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        claims: Claims | None = None,
        handovers: Handovers | None = None,
        argv: Command = command,
        links: Callable[[], Mapping[str, Link]] = read_links,
    ) -> None:
        self._pools = pools
        self._tell = tell
        self._chance = chance
        self._kernel = kernel
        self._overdue = overdue
        self._nudge = nudge
        self._turned = turned
        self._changed = changed
        self._claims = claims or Claims()
        self.handovers = handovers or Handovers()
        self._argv = argv
        self._links = links
        self._crafter = Worker("pair")
        self._keeper = Worker("claims")
        self._vrrp: Vrrp | None = None
        self._tracked: dict[str, tuple[TrackStatus, ...]] = {}
        self._told = _Told()
        self._number = 0
        self._state: State | None = None
        self._process: SpeakerProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = self._resting = False
        self._wanted = asyncio.Event()
        self._remake = asyncio.Event()
        self._news = asyncio.Event()
        self._beat_at = float("-inf")
        self._since = time.time()
        self._restarts = 0
        self._problem = ""
        self._unwritten = ""

    async def begin(self) -> None:
        """Remove what a director before this one left behind, before anything else is done."""
        if not self._kernel:
            return
        try:
            problems = await self._keeper.do(self._claims.clean)
        except HeldError as error:
            problems = (str(error),)
        for problem in problems:
            self._tell(Warned(f"VRRP: {problem}"))

    def adopt(self, vrrp: Vrrp | None) -> None:
        """Follow a configuration."""
        before, self._vrrp = self._vrrp, vrrp
        self.handovers.follow(before, vrrp)
        self.look()
        if self._kernel and self._instances():
            self._wanted.set()
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())
        else:
            self._wanted.clear()
        self._remake.set()

    def alive(self) -> None:
        """Take note that the controller has made progress; the process hears of it while the prober does as well."""
        self.look()
        now = asyncio.get_running_loop().time()
        if self._process is None or self._vrrp is None or now - self._beat_at < LEAST_BEAT:
            return
        if self._overdue() < self._vrrp.checks_deadline:
            self._beat_at = now
            self._process.send(Heartbeat())

    def look(self) -> None:
        """See how pools and checks stand, and tell the process what is new."""
        standings = {
            name: steady(standing(instance, self._pools), self._tracked.get(name))
            for name, instance in self._instances().items()
        }
        if standings != self._tracked:
            self._tracked = standings
            self._changed()
            # Before its first setup it knows of no instance; that brings them along.
            if self._process is not None and self._told.setup is not None:
                self._process.send(Standings(standings))

    def is_master(self, name: str) -> bool:
        """Whether an instance is MASTER here."""
        return any(each.name == name and each.state == "MASTER" for each in self.instances())

    def instances(self) -> tuple[InstanceStatus, ...]:
        """Return every instance of the file, in its order."""
        known = {each.name: each for each in self._state.instances} if self._state is not None else {}
        found = (known.get(name) or self._unspoken(instance) for name, instance in self._instances().items())
        return tuple(self._with_order(each) for each in found)

    def speaker(self) -> SpeakerStatus | None:
        """Return the process; None where there is nothing to speak."""
        if not self._kernel or not self._instances():
            return None
        problem = self._unwritten or self._problem
        if self._process is None or self._state is None:
            pid = self._process.pid if self._process is not None else 0
            status = SpeakerStatus(self._process is not None, pid, self._since)
        else:
            status = replace(self._state.speaker, running=True, pid=self._process.pid, since=self._since)
            problem = "; ".join(filter(None, (self._unwritten, *self._state.problems, status.problem)))
        return replace(status, restarts_total=self._restarts, problem=problem)

    def order(self, name: str, who: str = "", *, back: bool) -> bool:
        """Hand an instance and its group over, or take it back; return whether there was a process to tell."""
        if self._process is None or self._state is None:
            return False
        together = next((members for members in self._groups().values() if name in members), (name,))
        if back:
            self.handovers.take_back(together)
        else:
            self.handovers.give(together, who)
        self._process.send(TakeBack(name) if back else HandOver(name))
        return True

    async def until(self, right: Callable[[], bool], seconds: float) -> bool:
        """Wait for news that make something right, at most so long; return whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not right():
                    self._news.clear()
                    await self._news.wait()
        return right()

    async def close(self) -> None:
        """Give up mastership in order, and let go of the process."""
        self._stopping = True
        if self._process is not None:
            self._part(self._process)
        if self._task is not None:
            if self._resting:
                self._task.cancel()
            await asyncio.wait([self._task], timeout=PARTING)
            if self._process is not None:
                self._process.kill("it did not stop when told to")
            elif not self._task.done():
                self._task.cancel()
            await asyncio.wait([self._task], timeout=PARTING)
            self._task.cancel()
        await self.handovers.saved()
        self._crafter.close()
        self._keeper.close()
        self._claims.close()

    def _instances(self) -> Mapping[str, VrrpInstance]:
        return self._vrrp.instances if self._vrrp is not None else {}

    def _with_order(self, status: InstanceStatus) -> InstanceStatus:
        """Return an instance with who handed it over, and when."""
        order = self.handovers.of(status.name)
        if order is None or not status.yielded:
            return status
        return replace(status, yielded_by=order.who, yielded_at=order.at)

    def _unspoken(self, instance: VrrpInstance) -> InstanceStatus:
        """Return the status of an instance that no process has told of."""
        return InstanceStatus(
            name=instance.name,
            state="INIT",
            interface=instance.interface,
            router_id=instance.router_id,
            version=instance.version,
            configured_priority=instance.priority,
            effective_priority=instance.priority,
            addresses=shown_addresses(instance),
            since=self._since,
            interval=instance.interval,
            faults=(NOT_SPOKEN,) if self._kernel else (),
            tracked=self._tracked.get(instance.name, ()),
            yielded=self._kernel and self.handovers.of(instance.name) is not None,
            group=next((name for name, members in self._groups().items() if instance.name in members), ""),
        )

    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        return self._vrrp.groups if self._vrrp is not None else {}

    async def _run(self) -> None:
        """Have a process as long as one is wanted."""
        attempts = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            await self._at_rest(self._wanted.wait())
            began = loop.time()
            try:
                reason = await self._speak()
            except HeldError as error:
                reason = str(error)
            except OSError as error:
                reason = f"its process cannot be started: {error.strerror or error}"
            except Exception as error:  # noqa: BLE001  the next attempt comes all the same
                reason = describe(error)
            if self._stopping or self._told.to_stop:
                continue
            self._problem = reason
            self._tell(SpeakerFailed(reason))
            self._restarts += 1
            attempts = 1 if loop.time() - began > STEADY else attempts + 1
            await self._at_rest(asyncio.sleep(backoff(attempts, self._chance)))

    async def _at_rest(self, waiting: Awaitable[object]) -> None:
        """Wait while there is neither a process nor one being started."""
        self._resting = True
        try:
            await waiting
        finally:
            self._resting = False

    async def _speak(self) -> str:
        """Have one process speak until it ends; return how it ended."""
        await self._keeper.do(self._claims.hold)
        process, ours = await self._keeper.do(partial(start, self._argv))
        self._process = speaker = SpeakerProcess(process, ours, self._heard)
        self._since, self._problem = time.time(), ""
        self._tell(SpeakerStarted(speaker.pid))
        self._told.setup, self._told.to_stop = None, False
        self.handovers.began()
        self._remake.set()
        if self._stopping:
            self._part(speaker)
        others = [asyncio.ensure_future(self._keep_told(speaker)), asyncio.ensure_future(self._watch(speaker))]
        try:
            return await speaker.ended()
        finally:
            for other in others:
                other.cancel()
            speaker.close()
            self._process, self._state, self._since = None, None, time.time()
            await self._clean_up()
            self._turned()
            self._changed()

    async def _clean_up(self) -> None:
        """Remove what the process had in the kernel: after an end in order there is nothing left of it."""
        claimed, self._told.claimed = self._told.claimed, ()
        if self._kernel:
            for problem in await self._keeper.do(lambda: self._claims.withdraw(claimed)):
                self._tell(SpeakerFailed(problem))

    async def _watch(self, speaker: SpeakerProcess) -> None:
        """Kill a process that says nothing any more, and have it hear often enough that we live."""
        loop = asyncio.get_running_loop()
        while True:
            deadline = self._vrrp.checks_deadline if self._vrrp is not None else LOOKS
            asleep_at = loop.time()
            await asyncio.sleep(max(LEAST_BEAT, min(1.0, deadline / LOOKS)))
            self._nudge()
            if loop.time() - asleep_at > SILENCE:
                # We stood still, and with a virtual machine that was paused so did the process.
                speaker.heard_at = loop.time()
            if loop.time() - speaker.heard_at > SILENCE:
                speaker.kill(f"it said nothing for {SILENCE:g} s")

    async def _keep_told(self, speaker: SpeakerProcess) -> None:
        """Tell it what to speak, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            await self._remake.wait()
            self._remake.clear()
            try:
                await self._set_up(speaker)
            except Exception as error:  # noqa: BLE001  what it was told before stays in force
                reason = (error.strerror or str(error)) if isinstance(error, OSError) else describe(error)
                self._tell(SpeakerFailed(f"it cannot be told what to speak: {reason}"))
                loop.call_later(RETRY, self._remake.set)
            await asyncio.sleep(SETTLING)

    def _part(self, speaker: SpeakerProcess) -> None:
        self._told.to_stop = True
        speaker.send(Stop())

    async def _set_up(self, speaker: SpeakerProcess) -> None:
        vrrp, tracked, claimed = self._vrrp, self._tracked, self._told.claimed
        if vrrp is None or not vrrp.instances:
            self._part(speaker)
            return
        self._number += 1
        setup = await self._crafter.do(lambda: prepare(vrrp, self._links(), tracked, self._number, claimed))
        if self._told.setup is not None and without_standings(setup) == without_standings(self._told.setup):
            return
        changes = changes_of(setup)
        await self._claim(tuple(dict.fromkeys((*self._told.claimed, *changes))))
        # What is handed over is told as it is now: an order may have come while this was made.
        speaker.send(replace(setup, yielded=self.handovers.names()))
        self._told.setup = setup
        if self._tracked != tracked:
            speaker.send(Standings(self._tracked))
        if await self.until(lambda: self._follows(setup.number), FOLLOWED):
            await self._claim(changes)

    async def _claim(self, changes: tuple[Change, ...]) -> None:
        if changes == self._told.claimed:
            return
        self._told.claimed = changes
        before = self._unwritten
        self._unwritten = await self._keeper.do(lambda: self._claims.write(changes))
        if self._unwritten and self._unwritten != before:
            self._tell(SpeakerFailed(self._unwritten))

    def _follows(self, number: int) -> bool:
        return self._state is not None and self._state.setup >= number

    def _heard(self, message: FromSpeaker) -> None:
        match message:
            case State():
                self._take(message)
            case Happened(event):
                self._tell(event)
                if isinstance(event, BecameMaster | BecameBackup | EnteredFault | StoppedAsMaster):
                    self._turned()
                self._changed()
            case InterfacesChanged():
                self._remake.set()

    def _take(self, state: State) -> None:
        before, self._state = self._state, state
        # One that has another name by now is told of by that one soon.
        self.handovers.heed(each for each in state.instances if each.name in self._instances())
        self._news.set()
        if before is None or _standing_of(before) != _standing_of(state):
            self._turned()
            self._changed()


def _standing_of(state: State) -> list[tuple[str, str, int, str, bool]]:
    return [(each.name, each.state, each.effective_priority, each.master, each.yielded) for each in state.instances]
