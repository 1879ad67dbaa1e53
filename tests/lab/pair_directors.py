"""Directors of a pair, keepalived's or healthlb's, told the same and asked the same.

What they are told is `healthlb.model.vrrp.Vrrp`; each kind writes its own file of it. `standard` makes the usual one:
an instance that has the shared address outside and the shared gateway inside.
"""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from director import BOOT_PATIENCE, Director
from healthlb.model.vrrp import Announcing, Peer, VirtualAddress, Vrrp, VrrpInstance
from pair import GATEWAY, GATEWAY6, SHARED, SHARED6, PairNetwork, addresses_of, has
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
    def state(self, instance: str = NAME) -> str:
        """Return INIT, BACKUP, MASTER or FAULT; nothing while it does not run or does not answer."""

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


class Keepalived(PairDirector):
    """Debian's keepalived, VRRP only. The processes are a parent and its child, which speaks."""

    kind = "keepalived"

    def start(self) -> None:
        """Start, and wait until every instance has said which state it is in."""
        (self.folder / "keepalived.conf").write_text(keepalived_file(self.machine.name, self.vrrp))
        pids = (f"--{name}={self.folder}/{name}" for name in ("pid", "vrrp_pid"))
        words = ("--dont-fork", "--vrrp", "--log-console", "--log-detail", "--no-syslog")
        self._before = self._whole_log()
        self._process = self.machine.start(
            "keepalived", *words, *pids, f"--use-file={self.folder}/keepalived.conf", log=self.folder / "log"
        )
        for instance in self.vrrp.instances:
            eventually(lambda instance=instance: self._state(instance), bool)

    def stop(self) -> None:
        """End the parent, which ends its child: priority 0 is sent, addresses are removed."""
        end(self.process)

    def kill(self) -> None:
        """End the parent and the child together: whoever is left would clean up."""
        os.killpg(self.process.pid, signal.SIGKILL)
        kill_together(descendants(self.process.pid))
        self.process.wait(BOOT_PATIENCE)

    def state(self, instance: str = NAME) -> str:
        """Return the state that it entered last."""
        return self._state(instance) if self.running() else ""

    def logged(self) -> str:
        """Return its log since the start."""
        return self._whole_log().removeprefix(self._before)

    def _whole_log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    def _state(self, instance: str) -> str:
        if not self.running():
            raise AssertionError(f"keepalived has ended: {self.logged()}")
        states = re.findall(rf"\({re.escape(instance)}\) Entering (\w+) STATE", self.logged())
        return str(states[-1]) if states else ""


class Healthlb(PairDirector):
    """healthlb itself: the director's process and the one that speaks. `more` are further sections of its file.

    Runtime files (/run/healthlb) and state are its own, as on a machine of its own.
    """

    kind = "healthlb"

    def __init__(
        self, network: PairNetwork, machine: Machine, folder: Path, vrrp: Vrrp, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(network, machine, folder, vrrp)
        self.more = dict(more or {})
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
        program = f"{sys.executable} -m healthlb run -c {self.director.file}"
        own = f"mount --bind {run} /run/healthlb && exec {program}"
        self._process = self.machine.start("unshare", "--mount", "sh", "-c", own, log=self.director.log)
        for instance in self.vrrp.instances:
            eventually(lambda instance=instance: self._started(instance), bool, pause=0.1)

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

    def state(self, instance: str = NAME) -> str:
        """Return the state that its status shows."""
        try:
            shown = self.director.status()["vrrp"]
        except (NoAnswerError, KeyError, ValueError):
            return ""
        return next((str(each["state"]) for each in shown if each["name"] == instance), "")

    def logged(self) -> str:
        """Return its log."""
        return self.director.logged()

    def _started(self, instance: str) -> str:
        if not self.running():
            raise AssertionError(f"healthlb has ended: {self.logged()}")
        return self.state(instance)


KINDS: dict[str, type[PairDirector]] = {each.kind: each for each in (Keepalived, Healthlb)}


def descendants(process: int) -> list[int]:
    """Return the ids of a process's children, their children and so on."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.stdout.splitlines()}

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
            os.kill(process, number)


def keepalived_file(router: str, vrrp: Vrrp) -> str:
    """Return keepalived.conf(5) for what an operator declared."""
    parts = [_block("global_defs", [f"router_id {router}"])]
    parts += [_block(f"vrrp_instance {name}", _keepalived(each)) for name, each in vrrp.instances.items()]
    for name, members in vrrp.groups.items():
        parts.append(_block(f"vrrp_sync_group {name}", [_block("group", list(members))]))
    return "\n".join(parts)


def _keepalived(instance: VrrpInstance) -> list[str]:
    announcing = instance.announcing
    lines = [
        "state BACKUP",
        f"version {instance.version}",
        f"interface {instance.interface}",
        f"virtual_router_id {instance.router_id}",
        f"priority {instance.priority}",
        f"advert_int {instance.interval:g}",
        f"garp_master_repeat {announcing.repeat}",
        f"garp_master_delay {announcing.delay:g}",
        f"garp_master_refresh {announcing.refresh:g}",
        f"garp_master_refresh_repeat {announcing.refresh_repeat}",
        _block("virtual_ipaddress", [_address(each, instance) for each in instance.addresses]),
    ]
    optional = {
        "nopreempt": not instance.preempt,
        f"preempt_delay {instance.preempt_delay:g}": instance.preempt_delay,
        "no_accept": not instance.accept,
        "use_vmac": instance.mac,
        f"unicast_src_ip {instance.source}": instance.source and instance.peers,
        f"mcast_src_ip {instance.source}": instance.source and not instance.peers,
        _block("authentication", ["auth_type PASS", f"auth_pass {instance.password}"]): instance.password,
        _block(
            "unicast_peer", [f"{peer.address} min_ttl {peer.minimum_ttl}" for peer in instance.peers]
        ): instance.peers,
        "check_unicast_src": instance.peers and instance.check_source,
        _block("virtual_ipaddress_excluded", [_address(each, instance) for each in instance.excluded]): (
            instance.excluded
        ),
        _block("track_interface", [_tracked(each.name, each.weight) for each in instance.track.interfaces]): (
            instance.track.interfaces
        ),
    }
    return lines + [line for line, wanted in optional.items() if wanted]


def _address(address: VirtualAddress, instance: VrrpInstance) -> str:
    label = f" label {address.label}" if address.label else ""
    return f"{address.address}/{address.prefix} dev {address.device or instance.interface}{label}"


def _tracked(name: str, weight: int | None) -> str:
    return name if weight is None else f"{name} weight {weight}"


def _block(head: str, lines: Iterable[str]) -> str:
    inside = "\n".join(f"    {line}" for each in lines for line in each.splitlines())
    return f"{head} {{\n{inside}\n}}"


def healthlb_section(vrrp: Vrrp) -> Text:
    """Return the section `vrrp` of healthlb.yaml for what an operator declared; what is at its default is left out."""
    section: Text = {"instances": {name: _healthlb(each) for name, each in vrrp.instances.items()}}
    if vrrp.groups:
        section["groups"] = {name: list(members) for name, members in vrrp.groups.items()}
    if vrrp.sync is not None:
        section["sync"] = _changed(vrrp.sync)
    if vrrp.checks_deadline != Vrrp().checks_deadline:
        section["checks_deadline"] = _duration(vrrp.checks_deadline)
    if vrrp.peer_url:
        section["peer_url"] = vrrp.peer_url
    return section


def _healthlb(instance: VrrpInstance) -> Text:
    changed = _changed(instance)
    for implied in ("name", "family", "preempt_delay"):
        changed.pop(implied, None)
    changed["addresses"] = [_yaml_address(each) for each in instance.addresses]
    changed["interval"] = _duration(instance.interval)
    if instance.preempt and instance.preempt_delay:
        changed["preempt"] = {"delay": _duration(instance.preempt_delay)}
    if instance.excluded:
        del changed["excluded"]
        changed["addresses_excluded"] = [_yaml_address(each) for each in instance.excluded]
    if instance.peers:
        changed["peers"] = [_changed(each) if each.minimum_ttl != 255 else each.address for each in instance.peers]
    if "track" in changed:
        tracked = {
            "interfaces": {
                each.name: {} if each.weight is None else {"weight": each.weight} for each in instance.track.interfaces
            },
            "virtual_servers": {
                each.name: {} if each.weight is None else {"weight": each.weight}
                for each in instance.track.virtual_servers
            },
        }
        changed["track"] = {what: each for what, each in tracked.items() if each}
    if "announcing" in changed:
        changed["announcing"] = _changed(instance.announcing)
    return changed


def _changed(record: Any) -> Text:
    """Return a record's fields that have no default or not their default's value; durations as an operator has them."""
    fields = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value != field.default:
            fields[field.name] = _duration(value) if isinstance(value, float) else value
    return fields


def _yaml_address(address: VirtualAddress) -> str | Text:
    text = f"{address.address}/{address.prefix}"
    if not address.device and not address.label:
        return text
    return {"address": text, **{key: value for key in ("device", "label") if (value := getattr(address, key))}}


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
