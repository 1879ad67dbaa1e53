"""Directors of a pair, keepalived's or healthlb's, told the same and asked the same.

What they are told is `healthlb.model.vrrp.Vrrp`; each kind writes its own file of it. `standard` makes the usual one:
an instance that has the shared address outside and the shared gateway inside.
"""

import contextlib
import os
import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from director import BOOT_PATIENCE, Director
from healthlb.model.vrrp import Announcing, Peer, VirtualAddress, Vrrp, VrrpInstance
from nursery import start_director
from pair import GATEWAY, GATEWAY6, SHARED, SHARED6, PairNetwork, addresses_of, has
from pair_files import healthlb_section, keepalived_file
from topology import Machine, end
from traffic import NoAnswerError
from waiting import eventually

NAME = "VI_1"
ROUTER_ID = 51
Text = dict[str, Any]


def standard(priority: int, *, family: int = 4, **other: Any) -> Vrrp:
    """Return one instance with the shared address and the gateway; `other` are fields of `VrrpInstance`."""
    shared = VirtualAddress(SHARED, 24) if family == 4 else VirtualAddress(SHARED6, 64)
    gateway = VirtualAddress(GATEWAY, 24, "eth1") if family == 4 else VirtualAddress(GATEWAY6, 64, "eth1")
    fields = {"interval": 0.1, "announcing": Announcing(delay=1.0), "excluded": (gateway,), **other}
    return Vrrp({NAME: VrrpInstance(NAME, "eth0", ROUTER_ID, family, (shared,), priority=priority, **fields)})


def grouped(priority: int, **other: Any) -> Vrrp:
    """Return an instance for the shared address and one for the gateway, `outside` and `inside`, in one group."""
    places = {"outside": ("eth0", ROUTER_ID, SHARED), "inside": ("eth1", ROUTER_ID + 1, GATEWAY)}
    fields = {"interval": 0.3, "announcing": Announcing(delay=1.0), "priority": priority, **other}
    instances = {
        name: VrrpInstance(name, interface, router_id, 4, (VirtualAddress(address, 24),), **fields)
        for name, (interface, router_id, address) in places.items()
    }
    return Vrrp(instances, {"both": tuple(instances)})


def unicast(network: PairNetwork, machine: Machine, family: int = 4) -> Text:
    """Return the fields of an instance that speaks to all other directors by unicast.

    keepalived 2.2.7 sends its IPv6 unicast adverts with the kernel's own hop limit, 64, and not with 255.
    """
    least = 255 if family == 4 else 64
    others = (other for other in network.directors if other is not machine)
    return {
        "source": network.source(machine, family=family),
        "peers": tuple(Peer(network.source(other, family=family), least) for other in others),
    }


class PairDirector(ABC):
    """A director of a pair: `cut` and `mend` are its network's, the rest is its kind's own."""

    kind: str

    def __init__(self, network: PairNetwork, machine: Machine, folder: Path, vrrp: Vrrp) -> None:
        self.network, self.machine, self.vrrp = network, machine, vrrp
        self.folder = folder / f"{self.kind}-{machine.name}"
        self.folder.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it speaks VRRP, which may be before anybody is master."""

    @abstractmethod
    def stop(self) -> None:
        """End it as the service manager does."""

    @abstractmethod
    def kill(self) -> None:
        """End all of its processes at once, by SIGKILL."""

    @abstractmethod
    def states(self) -> dict[str, str]:
        """Return INIT, BACKUP, MASTER or FAULT by instance; nothing while it does not run or does not answer."""

    @abstractmethod
    def logged(self) -> str:
        """Return its log."""

    def running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started."""
        assert self._process is not None, "not started"
        return self._process

    def cut(self, *networks: str) -> None:
        """Let no frame through from or to it, while its links stay up."""
        self.network.cut(self.machine, *networks)

    def unplug(self, *networks: str) -> None:
        """Pull its cables: its links go down."""
        self.network.unplug(self.machine, *networks)

    def mend(self, *networks: str) -> None:
        """Undo `cut` and `unplug`."""
        self.network.mend(self.machine, *networks)

    def addresses(self) -> dict[str, list[str]]:
        """Return what its kernel has, by interface, with prefix lengths."""
        return addresses_of(self.machine)

    def has(self, address: str = SHARED) -> bool:
        """Say whether its kernel has an address."""
        return has(self.machine, address)

    def state(self, instance: str = NAME) -> str:
        """Return the state of one instance, nothing while there is none."""
        return self.states().get(instance, "")

    def becomes(self, state: str, instance: str = NAME) -> None:
        """Wait until it is in a state."""
        eventually(lambda: self.state(instance), state.__eq__)

    def takes(self, *addresses: str) -> None:
        """Wait until its kernel has all the addresses."""
        for address in addresses or (SHARED,):
            eventually(lambda address=address: self.has(address), bool, pause=0.05)

    def gives(self, *addresses: str) -> None:
        """Wait until its kernel has none of the addresses."""
        for address in addresses or (SHARED,):
            eventually(lambda address=address: self.has(address), (False).__eq__, pause=0.05)

    def _until_it_speaks(self) -> None:
        """Wait until every instance has a state; raise AssertionError with the log if it ends instead."""

        def speaking() -> set[str]:
            if not self.running():
                raise AssertionError(f"{self.kind} has ended: {self.logged()}")
            return {name for name, state in self.states().items() if state != "INIT"}

        eventually(speaking, set(self.vrrp.instances).__eq__, pause=0.1)


class Keepalived(PairDirector):
    """Debian's keepalived: a parent and its child, which speaks.

    `more` is added to its file; then there is also a child that checks servers.
    """

    kind = "keepalived"

    def __init__(self, network: PairNetwork, machine: Machine, folder: Path, vrrp: Vrrp, more: str = "") -> None:
        super().__init__(network, machine, folder, vrrp)
        self.more = more

    def start(self) -> None:
        """Start, and wait until every instance has said which state it is in."""
        (self.folder / "keepalived.conf").write_text(keepalived_file(self.machine.name, self.vrrp) + f"\n{self.more}")
        pids = (f"--{name}={self.folder}/{name}" for name in ("pid", "vrrp_pid", "checkers_pid"))
        words = ("--dont-fork", *([] if self.more else ["--vrrp"]), "--log-console", "--log-detail", "--no-syslog")
        self._before = self._whole_log()
        self._process = self.machine.start(
            "keepalived", *words, *pids, f"--use-file={self.folder}/keepalived.conf", log=self.folder / "log"
        )
        self._until_it_speaks()

    def stop(self) -> None:
        """End the parent, which ends its child: priority 0 is sent, addresses are removed."""
        end(self.process)

    def kill(self) -> None:
        """End the parent and the child together: whoever is left would clean up."""
        kill_together([self.process.pid, *descendants(self.process.pid)])
        self.process.wait(BOOT_PATIENCE)

    def states(self) -> dict[str, str]:
        """Return the state that each instance entered last."""
        return dict(re.findall(r"\((\w+)\) Entering (\w+) STATE", self.logged())) if self.running() else {}

    def logged(self) -> str:
        """Return its log since the start."""
        return self._whole_log().removeprefix(self._before)

    def _whole_log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""


class Healthlb(PairDirector):
    """healthlb itself: the director's process and the one that speaks. `more` are further sections of its file.

    Runtime files (/run/healthlb) and state are its own, as on a machine of its own. With `cold` it starts from nothing
    even where a nursery is open.
    """

    kind = "healthlb"

    def __init__(
        self, network: PairNetwork, machine: Machine, folder: Path, vrrp: Vrrp, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(network, machine, folder, vrrp)
        self.more = dict(more or {})
        self.cold = False
        self.director = Director(machine, self.folder)

    def text(self) -> str:
        """Return its file, but for the section `api`."""
        state = {"name": self.machine.name, "sysctl": "ignore", "state_dir": str(self.folder / "state")}
        sections = {"director": state, "vrrp": healthlb_section(self.vrrp), "virtual_servers": {}, **self.more}
        return yaml.safe_dump(sections, sort_keys=False)

    def start(self) -> None:
        """Start, and wait until every instance has a state."""
        self.director.write(self.text())
        run = self.folder / "run"
        run.mkdir(exist_ok=True)
        Path("/run/healthlb").mkdir(exist_ok=True)
        words = ("run", "-c", self.director.file)
        binds = {run: Path("/run/healthlb")}
        self._process = start_director(self.machine, *words, log=self.director.log, binds=binds, cold=self.cold)
        self._until_it_speaks()

    def stop(self) -> None:
        """End the director's process, which ends the one that speaks."""
        end(self.process)

    def kill(self) -> None:
        """End the director's process and the one that speaks together."""
        kill_together([self.process.pid, *descendants(self.process.pid)])
        self.process.wait(BOOT_PATIENCE)

    def kill_director(self) -> None:
        """End only the director's process."""
        self.process.kill()
        self.process.wait(BOOT_PATIENCE)

    def kill_speaker(self) -> None:
        """End only the process that speaks."""
        kill_together([self.speaker()])

    def speaker(self) -> int:
        """Return the process id of the one that speaks: the director's only child."""
        (child,) = descendants(self.process.pid)
        return child

    def speaker_or_none(self) -> int | None:
        """Return the process id of the one that speaks, None while there is none."""
        children = descendants(self.process.pid)
        return children[0] if len(children) == 1 else None

    def states(self) -> dict[str, str]:
        """Return the states that its status shows."""
        try:
            return {str(each["name"]): str(each["state"]) for each in self.director.status()["vrrp"]}
        except (NoAnswerError, KeyError, ValueError):
            return {}

    def logged(self) -> str:
        """Return its log."""
        return self.director.logged()


KINDS: dict[str, type[PairDirector]] = {each.kind: each for each in (Keepalived, Healthlb)}


def ours_alone_is_master(pair: tuple[PairDirector, PairDirector]) -> None:
    """Wait until the first is MASTER and has the addresses, and the second is BACKUP and has none."""
    ours, theirs = pair
    ours.becomes("MASTER")
    ours.takes(SHARED, GATEWAY)
    theirs.becomes("BACKUP")
    theirs.gives(SHARED, GATEWAY)


def descendants(process: int) -> list[int]:
    """Return the ids of a process's children, their children and so on."""
    parents: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # proc_pid_stat(5): after the name, in parentheses, come the state and the parent.
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])

    def below(parent: int) -> Iterator[int]:
        for child, its_parent in parents.items():
            if its_parent == parent:
                yield child
                yield from below(child)

    return list(below(process))


def kill_together(processes: Iterable[int]) -> None:
    """Stop all, then kill all: none has time to act on the death of another."""
    known = list(processes)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in known:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(process, number)
