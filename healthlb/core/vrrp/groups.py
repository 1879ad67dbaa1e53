"""Instances that change state together: all are MASTER or none is, and a fault of one is a fault of all.

A group becomes MASTER when every member would: one that still hears a better master keeps the others BACKUP, for else
it would take them back at its next advert, again and again (keepalived's sync groups decide the same). It gives up
when one member does. An instance without a group is a group of one.
"""

from collections.abc import Callable, Mapping

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Output
from healthlb.core.vrrp.packet import Advert
from healthlb.core.vrrp.settings import Settings

Said = tuple[str, Output]
"""An output, and the name of the instance whose it is."""


class Group:
    """Machines by the names of their instances; with more than one, all of them with `Settings.waits`.

    Machines of any state may be put together after a reload: at the next event they come to one state.
    Every method has the meaning and the order of outputs of its namesake in `Machine`.
    """

    def __init__(self, machines: Mapping[str, Machine], name: str = "") -> None:
        self.machines = dict(machines)
        self.name = name
        self._faults: dict[str, tuple[str, ...]] = {}

    def next_timer(self) -> float | None:
        """Return when `timer` is to be called, None for never as things are."""
        times = [machine.next_timer() for machine in self.machines.values()]
        return min((at for at in times if at is not None), default=None)

    def start(self, now: float) -> list[Said]:
        """Start every member."""
        return self._all(now, lambda machine: machine.start(now))

    @property
    def parting(self) -> bool:
        """Whether a member still has addresses though it is MASTER no more."""
        return any(machine.parting for machine in self.machines.values())

    def stop(self, now: float, *, gently: bool = False) -> list[Said]:
        """Stop every member."""
        return self._all(now, lambda machine: machine.stop(now, gently=gently))

    def timer(self, now: float) -> list[Said]:
        """Do what is due of every member."""
        return self._all(now, lambda machine: machine.timer(now))

    def hand_over(self, now: float) -> list[Said]:
        """Let another director have every member."""
        return self._all(now, lambda machine: machine.hand_over(now))

    def take_back(self, now: float) -> list[Said]:
        """End `hand_over` of every member."""
        return self._all(now, lambda machine: machine.take_back(now))

    def received(self, now: float, name: str, advert: Advert, source: bytes) -> list[Said]:
        """Show one member an advert."""
        return self._one(now, name, self.machines[name].received(now, advert, source))

    def suspect(self, now: float, name: str, sign: str, other: str) -> list[Said]:
        """Show one member a sign of another master."""
        return self._one(now, name, self.machines[name].suspect(now, sign, other))

    def conflict(self, now: float, name: str, sign: str, other: str) -> list[Said]:
        """Show one member a sign that somebody has an address of its own."""
        return self._one(now, name, self.machines[name].conflict(now, sign, other))

    def change(self, now: float, name: str, settings: Settings) -> list[Said]:
        """Give one member other settings. ValueError where they make another virtual router."""
        return self._one(now, name, self.machines[name].change(now, settings))

    def set_priority(self, now: float, name: str, priority: int) -> list[Said]:
        """Change the effective priority of one member. ValueError beyond 1 to 255."""
        return self._one(now, name, self.machines[name].set_priority(now, priority))

    def fault(self, now: float, name: str, reasons: tuple[str, ...]) -> list[Said]:
        """Put every member in FAULT for the reasons of one."""
        self._faults[name] = reasons
        return self._spread_faults(now)

    def mend(self, now: float, name: str) -> list[Said]:
        """Free one member of its faults, and all of them if it was the last that had some."""
        self._faults.pop(name, None)
        return self._spread_faults(now)

    def judge(self, now: float, faults: Mapping[str, tuple[str, ...]]) -> list[Said]:
        """Take the faults of all members at once: one by one, the first that has none would free the others."""
        self._faults = {name: reasons for name, reasons in faults.items() if reasons}
        return self._spread_faults(now)

    def _spread_faults(self, now: float) -> list[Said]:
        def spread(name: str, machine: Machine) -> list[Output]:
            others = tuple(f"{other} is in FAULT" for other in self._faults if other != name)
            reasons = self._faults.get(name, ()) + others
            return machine.fault(now, reasons) if reasons else machine.mend(now)

        said = [(name, output) for name, machine in self.machines.items() for output in spread(name, machine)]
        return said + self._follow(now)

    def _all(self, now: float, act: Callable[[Machine], list[Output]]) -> list[Said]:
        said = [(name, output) for name, machine in self.machines.items() for output in act(machine)]
        return said + self._follow(now)

    def _one(self, now: float, name: str, outputs: list[Output]) -> list[Said]:
        return [(name, output) for output in outputs] + self._follow(now)

    def _follow(self, now: float) -> list[Said]:
        """Let all be what one has become."""
        members = self.machines.items()
        backups = [name for name, machine in members if machine.state == "BACKUP"]
        if len(backups) == len(members):
            if not all(machine.ready for _, machine in members):
                return []
            return [(name, out) for name, each in members for out in each.become_master(now, each.why_ready)]
        if not backups:
            return []
        why = f"{backups[0]} of its group is BACKUP"
        return [(name, out) for name, each in members for out in each.become_backup(now, why)]
