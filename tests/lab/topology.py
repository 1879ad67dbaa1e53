"""Machines and cables for one test: network namespaces, links between them, and the processes that run inside.

::

    with Topology() as net:
        client, director = net.machine("client"), net.machine("director", sysctls={"net.ipv4.ip_forward": "1"})
        net.cable(client, "11.197.140.50/24", director, "11.197.140.20/24")
        director.run("ipvsadm", "-A", "-t", "11.197.140.20:80")
        with client.inside():
            ...  # sockets made here, by this thread, live in the client

Leaving the block ends the processes and removes the namespaces. IPVS tables are per namespace, so every director has
its own. A machine's name need not be unique beyond its topology.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

COMMAND_DEADLINE = 60.0
"""Seconds for one command inside a machine."""
TABLE_HEADING = 3
"""Lines of /proc/net/ip_vs before its first row (Linux net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show)."""
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
_serial = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class TopologyError(Exception):
    """A machine, cable or command that could not be made; the text says which, and what the tool said."""


@dataclass(slots=True)
class Machine:
    """One network namespace. ``namespace`` is its name for ``ip netns``; ``net`` is the topology that owns it."""

    name: str
    namespace: str
    net: "Topology" = field(repr=False)
    cables: int = 0

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Move the calling thread into this machine's network; what it opens there stays there."""
        with (
            Path(f"/proc/self/task/{threading.get_native_id()}/ns/net").open("rb") as outside,
            Path(f"/run/netns/{self.namespace}").open("rb") as here,
        ):
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())

    def run(self, *command: str | Path, stdin: str | None = None, deadline: float = COMMAND_DEADLINE) -> str:
        """Run a command and return its output; raise TopologyError if it fails or takes longer than the deadline."""
        done = self.attempt(*command, stdin=stdin, deadline=deadline)
        if done.returncode != 0:
            raise TopologyError(f"{self.name}: {_words(command)} exited {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def attempt(
        self, *command: str | Path, stdin: str | None = None, deadline: float = COMMAND_DEADLINE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail and return all of what it said; raise TopologyError only for the deadline."""
        try:
            with self.inside():
                return subprocess.run(
                    command, input=stdin or "", capture_output=True, text=True, timeout=deadline, check=False
                )
        except subprocess.TimeoutExpired as error:
            raise TopologyError(f"{self.name}: {_words(command)} took longer than {deadline:g} s") from error

    def start(self, *command: str | Path, log: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a command that the topology ends at the latest; both its outputs go to ``log`` (default: nowhere)."""
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            stack.enter_context(self.inside())
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.net.at_end(lambda: end(process))
        return process

    def ip(self, *lines: str) -> None:
        """Carry out lines of ``ip -batch`` here, such as ``address add 192.0.2.1/32 dev lo``; raise TopologyError."""
        self.net.ip(*lines, namespace=self.namespace)

    def hardware_address(self, interface: str) -> str:
        """Return an interface's hardware address, spelled as ip spells it."""
        words = self.run("ip", "-oneline", "link", "show", "dev", interface).split()
        return words[words.index("link/ether") + 1]

    def forget_table(self) -> None:
        """Empty the IPVS table: a closed socket that waits for its peer keeps a deleted namespace, rows and all."""
        table = Path("/proc/thread-self/net/ip_vs")
        with self.inside():
            has_rows = table.exists() and len(table.read_text().splitlines()) > TABLE_HEADING
        if has_rows:
            self.run("ipvsadm", "-C")

    def up(self, interface: str) -> None:
        """Set an interface up, by system call: a program takes a guest a tenth of a second (netdevice(7))."""
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            request = struct.pack("16sh14x", interface.encode(), 0)
            _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode(), flags | IFF_UP))

    def sysctl(self, values: Mapping[str, str]) -> None:
        """Set kernel parameters of this machine's network, spelled as sysctl spells them (interface names: no dot)."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys", *name.split(".")).write_text(value)


class Topology:
    """Owns every machine of one test. Use it as a context manager."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self._number = next(_serial)
        self._endings: list[Callable[[], object]] = []

    def machine(self, name: str, *, sysctls: Mapping[str, str] | None = None) -> Machine:
        """Return a new machine with nothing but its loopback device, which is up."""
        machine = Machine(name, f"{name}-{os.getpid()}-{self._number}", self)
        self.ip(f"netns add {machine.namespace}")
        self.machines[name] = machine
        machine.up("lo")
        machine.sysctl(
            {"net.ipv6.conf.default.accept_dad": "0", "net.ipv6.conf.all.accept_dad": "0", **(sysctls or {})}
        )
        return machine

    def cable(self, one: Machine, one_addresses: str, other: Machine, other_addresses: str) -> tuple[str, str]:
        """Join two machines by a veth pair and return the interfaces' names, ``eth0`` being a machine's first.

        Addresses are ``ADDRESS/PREFIX``, several separated by spaces; none is fine.
        """
        names = (self._port(one), self._port(other))
        self.ip(f"link add {names[0]} netns {one.namespace} type veth peer name {names[1]} netns {other.namespace}")
        for machine, name, addresses in ((one, names[0], one_addresses), (other, names[1], other_addresses)):
            if addresses:
                machine.ip(*(f"address add {address} dev {name}{_nodad(address)}" for address in addresses.split()))
            machine.up(name)
        return names

    def lan(self, name: str, members: Mapping[str, str]) -> Machine:
        """Join machines, named with their addresses as for ``cable``, by a switch; return it, a machine of its own."""
        switch = self.machine(name)
        switch.ip("link add lan type bridge forward_delay 0", "link set lan up")
        for member, addresses in members.items():
            port, _ = self.cable(switch, "", self.machines[member], addresses)
            switch.ip(f"link set {port} master lan")
        return switch

    def at_end(self, ending: Callable[[], object]) -> None:
        """Have ``ending`` called when the topology is taken down, the latest first."""
        self._endings.append(ending)

    def ip(self, *lines: str, namespace: str | None = None) -> None:
        """Carry out lines of ``ip -batch`` in one process; raise TopologyError with what ip said."""
        command = ["ip", *(["-netns", namespace] if namespace else []), "-batch", "-"]
        done = subprocess.run(
            command, input="\n".join(lines), capture_output=True, text=True, timeout=COMMAND_DEADLINE, check=False
        )
        if done.returncode != 0:
            raise TopologyError(
                f"{namespace or 'the lab'}: ip could not do all of {list(lines)}: {done.stderr.strip()}"
            )

    def close(self) -> None:
        """End what was started and remove every machine; raise the first error after having tried everything."""
        with contextlib.ExitStack() as stack:
            if self.machines:
                stack.callback(self.ip, *(f"netns delete {machine.namespace}" for machine in self.machines.values()))
            for machine in self.machines.values():
                stack.callback(machine.forget_table)
            for ending in self._endings:
                stack.callback(ending)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _port(self, machine: Machine) -> str:
        machine.cables += 1
        return f"eth{machine.cables - 1}"


def end(process: "subprocess.Popen[bytes]", *, grace: float = 20.0) -> int:
    """End a process that ``start`` began, by SIGTERM and after ``grace`` seconds by SIGKILL; return its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait(grace)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise TopologyError(f"the network namespace cannot be entered: {os.strerror(ctypes.get_errno())}")


def _nodad(address: str) -> str:
    """Return what makes an IPv6 address usable at once: no duplicate address detection (RFC 4862 section 5.4)."""
    return " nodad" if ":" in address else ""


def _words(command: tuple[str | Path, ...]) -> str:
    return " ".join(map(str, command))
