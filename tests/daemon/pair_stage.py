"""The director's side of VRRP on a stage: with a process that acts the other part, and claims that touch no kernel."""

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from healthlb.daemon.pair_claims import Claims, HeldError
from healthlb.daemon.pairing import Pairing
from healthlb.linux.links import Address, Link
from healthlb.linux.rtnetlink import Change
from healthlb.model.events import Event
from healthlb.model.vrrp import VirtualAddress, Vrrp, VrrpInstance
from healthlb.model.vrrp_events import SpeakerFailed
from tests.daemon.rig import Rig
from waiting import until

SCRIPT = Path(__file__).with_name("scripted_speaker.py")
LINKS = {"eth0": Link(2, "eth0", True, "02:00:00:00:00:02", (Address("192.0.2.2", 24, 4),))}
VI_1 = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.10", 24),), priority=150)
VI_2 = replace(VI_1, name="VI_2", router_id=52, addresses=(VirtualAddress("192.0.2.11", 24),))
ADDRESS, OTHER_ADDRESS = ("address 192.0.2.10/24 on eth0",), ("address 192.0.2.11/24 on eth0",)


def pair(*instances: VrrpInstance, **changes: Any) -> Vrrp:
    return Vrrp({instance.name: instance for instance in instances}, **changes)


class Notes(Claims):
    """Claims that touch no kernel: what was written down, and what was to be withdrawn, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, ...]] = []
        self.withdrawn: list[tuple[str, ...]] = []
        self.refusal = ""
        self.held = False
        self.stays: tuple[str, ...] = ()

    def write(self, changes: Sequence[Change]) -> str:
        self.written.append(tuple(change.what for change in changes))
        return self.refusal

    def hold(self) -> None:
        if self.held:
            self.held = False
            raise HeldError("another director holds it")

    def clean(self) -> tuple[str, ...]:
        self.hold()
        return self.withdraw(())

    def withdraw(self, changes: Sequence[Change]) -> tuple[str, ...]:
        self.withdrawn.append(tuple(change.what for change in changes))
        return self.stays


class Stage:
    """A pairing, the process that it has, and what came of both."""

    def __init__(self, folder: Path, behaviour: str, *, kernel: bool = True) -> None:
        self.rig = Rig()
        self.notes = Notes()
        self.log = folder / "speaker"
        self.behaviours = [behaviour]
        self.links: Mapping[str, Link] = LINKS
        self.late = 0.0
        self.turns = 0
        self.pairing = Pairing(
            self.rig.controller.pools,
            self.rig.events.append,
            random.Random(1),
            kernel=kernel,
            overdue=lambda: self.late,
            turned=self._turned,
            claims=self.notes,
            argv=self._argv,
            links=lambda: self.links,
        )
        self.rig.controller.pools._tell_turned = self.pairing.look

    def _turned(self) -> None:
        self.turns += 1

    def _argv(self, descriptor: int) -> Sequence[str]:
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        return sys.executable, str(SCRIPT), str(descriptor), behaviour, str(self.log)

    def heard(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    async def hears(self, line: str, times: int = 1) -> None:
        await until(lambda: len([each for each in self.heard() if line in each]) >= times)

    async def told(self, kind: type[Event], times: int = 1) -> None:
        await until(lambda: len(self.rig.told(kind)) >= times)

    async def state(self, name: str, state: str) -> None:
        await until(lambda: {each.name: each.state for each in self.pairing.instances()}.get(name) == state)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.rig.events if isinstance(event, SpeakerFailed)]


def play(
    folder: Path, behaviour: str, story: Callable[[Stage], Coroutine[Any, Any, None]], *, kernel: bool = True
) -> Stage:
    async def whole() -> Stage:
        stage = Stage(folder, behaviour, kernel=kernel)
        try:
            await stage.pairing.begin()
            await story(stage)
        finally:
            await stage.pairing.close()
            stage.rig.controller.close()
        return stage

    return asyncio.run(whole())
