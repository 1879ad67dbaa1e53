"""Two or three directors side by side: what a pair is for, with real traffic through it.

::

    client .50      lb1 .2  lb2 .3  lb3 .4      beside .21 (a real server by direct routing)
      |                |       |       |           |
    --+----------------+-------+-------+-----------+--   outer: 192.0.2.0/24, 2001:db8:1::/64    shared address ::10 .10
                       |       |       |
                     --+-------+-------+-----------+--   inner: 198.51.100.0/24, 2001:db8:2::/64 shared gateway ::1  .1
                                                   |
                                                behind .21 (a real server by NAT: its way out is the shared gateway)

On a director eth0 is outer and eth1 inner. The shared addresses belong to nobody until a director takes them.
"""

import contextlib
import errno
import fcntl
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from topology import Machine, Topology
from traffic import WebServer

SHARED, SHARED6 = "192.0.2.10", "2001:db8:1::10"
GATEWAY, GATEWAY6 = "198.51.100.1", "2001:db8:2::1"
BEHIND, BEHIND6 = "198.51.100.21", "2001:db8:2::21"
BESIDE, BESIDE6 = "192.0.2.21", "2001:db8:1::21"
NAT_PORT, DIRECT_PORT, DATAGRAM_PORT = 80, 81, 82
"""Of the shared address: TCP by NAT, TCP by direct routing, UDP by NAT."""
SYNC_ID = 51
SIOCBRADDIF, SIOCBRDELIF = 0x89A2, 0x89A3
"""Of Linux sockios.h: a port joins a bridge, and leaves it."""
NETWORKS = {"eth0": "outer", "eth1": "inner"}
ROUTER = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.send_redirects": "0",
}
SILENT = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
"""A real server neither answers for the shared address nor names it as a sender's (Linux ip-sysctl.rst)."""
ROWS = f"""
-A -t {SHARED}:{NAT_PORT} -s rr
-a -t {SHARED}:{NAT_PORT} -r {BEHIND}:{NAT_PORT} -m
-A -t {SHARED}:{DIRECT_PORT} -s rr
-a -t {SHARED}:{DIRECT_PORT} -r {BESIDE}:{DIRECT_PORT} -g
-A -u {SHARED}:{DATAGRAM_PORT} -s rr
-a -u {SHARED}:{DATAGRAM_PORT} -r {BEHIND}:{DATAGRAM_PORT} -m
-A -t [{SHARED6}]:{NAT_PORT} -s rr
-a -t [{SHARED6}]:{NAT_PORT} -r [{BEHIND6}]:{NAT_PORT} -m
-A -u [{SHARED6}]:{DATAGRAM_PORT} -s rr
-a -u [{SHARED6}]:{DATAGRAM_PORT} -r [{BEHIND6}]:{DATAGRAM_PORT} -m
""".strip()


class PairNetwork:
    """The machines of the set-up; the real servers serve and every director's table has `ROWS`.

    `name` tells several of them in one topology apart.
    """

    def __init__(self, net: Topology, directors: int = 2, *, name: str = "") -> None:
        self.name = name
        self.client = net.machine(f"client{name}")
        self.directors = tuple(net.machine(f"lb{number}{name}", sysctls=ROUTER) for number in range(1, directors + 1))
        self.beside = net.machine(f"beside{name}", sysctls=SILENT)
        self.behind = net.machine(f"behind{name}")
        hosts = {director.name: 2 + place for place, director in enumerate(self.directors)}
        outer = {self.client.name: 50, **hosts, self.beside.name: 21}
        inner = {**hosts, self.behind.name: 21}
        self._switches = {
            "outer": net.lan(f"outer{name}", addresses_on("192.0.2", "2001:db8:1", outer)),
            "inner": net.lan(f"inner{name}", addresses_on("198.51.100", "2001:db8:2", inner)),
        }
        self._ports = {
            network: {member: f"eth{number}" for number, member in enumerate(members)}
            for network, members in (("outer", outer), ("inner", inner))
        }
        self.beside.ip(f"address add {SHARED}/32 dev lo")
        self.behind.ip(f"route add default via {GATEWAY}", f"route add default via {GATEWAY6}")
        WebServer(self.behind, "::", NAT_PORT, "behind")
        WebServer(self.beside, "::", DIRECT_PORT, "beside")
        for director in self.directors:
            director.run("ipvsadm", "-R", stdin=f"{ROWS}\n")

    def source(self, director: Machine, interface: str = "eth0", family: int = 4) -> str:
        """Return a director's own address on a network."""
        host = 2 + self.directors.index(director)
        if family == 4:
            return f"{'192.0.2' if interface == 'eth0' else '198.51.100'}.{host}"
        return f"2001:db8:{'1' if interface == 'eth0' else '2'}::{host}"

    def cut(self, machine: Machine, *networks: str) -> None:
        """Let no frame through from or to a machine, which sees its links up all the same; default: all networks.

        By system call: a program would take the time of several adverts to start.
        """
        for switch, port in self._cables(machine, networks):
            _bridge(switch, SIOCBRDELIF, port, errno.EINVAL)

    def mend(self, machine: Machine, *networks: str) -> None:
        """Undo `cut` and `unplug`."""
        for switch, port in self._cables(machine, networks):
            _bridge(switch, SIOCBRADDIF, port, errno.EBUSY)
            switch.ip(f"link set {port} up")

    def unplug(self, machine: Machine, *networks: str) -> None:
        """Pull the cables: the machine's links have no carrier any more; default: all networks."""
        for switch, port in self._cables(machine, networks):
            switch.ip(f"link set {port} down")

    def _cables(self, machine: Machine, networks: tuple[str, ...]) -> Iterator[tuple[Machine, str]]:
        for network in networks or self._switches:
            if machine.name in self._ports[network]:
                yield self._switches[network], self._ports[network][machine.name]

    @contextlib.contextmanager
    def synchronised(self, *directors: Machine, interface: str = "eth1") -> Iterator[None]:
        """Have IPVS's own sync daemons run on directors, both roles at once, as an operator would start them."""
        started: list[tuple[Machine, str]] = []
        try:
            for director in directors:
                for role in ("master", "backup"):
                    words = f"--start-daemon {role} --mcast-interface {interface} --syncid {SYNC_ID}"
                    director.run("ipvsadm", *words.split())
                    started.append((director, role))
            yield
        finally:
            for director, role in started:
                director.run("ipvsadm", "--stop-daemon", role)

    def tidy(self) -> None:
        """Take from the directors what one that was killed left behind: cut cables, shared addresses, connections."""
        for director in self.directors:
            self.mend(director)
            for interface, addresses in addresses_of(director).items():
                stale = [each for each in addresses if each.split("/")[0] in (SHARED, SHARED6, GATEWAY, GATEWAY6)]
                director.ip(*(f"address delete {address} dev {interface}" for address in stale))
            director.run("ipvsadm", "-C")
            director.run("ipvsadm", "-R", stdin=f"{ROWS}\n")


def _bridge(switch: Machine, request: int, port: str, already: int) -> None:
    """Add a port to a switch or take it away; the error that says that this is done already is none."""
    with switch.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        number = socket.if_nametoindex(port)
        try:
            fcntl.ioctl(any_socket, request, struct.pack("16si20x", b"lan", number))
        except OSError as error:
            if error.errno != already:
                raise


def has(machine: Machine, address: str) -> bool:
    """Say whether an address is one of a machine's own: only then can a socket have it (ip(7), EADDRNOTAVAIL).

    By system call: a program would take the time from what is waited for.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with machine.inside(), socket.socket(family, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.bind((address, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
    return True


def addresses_of(machine: Machine) -> dict[str, list[str]]:
    """Return each interface's addresses with their prefix lengths, but loopback's."""
    links = json.loads(machine.run("ip", "-json", "address", "show"))
    return {
        link["ifname"]: [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if "local" in each]
        for link in links
        if link.get("ifname", "lo") != "lo"
    }


def knows(machine: Machine, client: str, port: int) -> bool:
    """Say whether a director's kernel knows of an established connection that a client's port has."""
    wanted = f" {int(IPv4Address(client)):08X} {port:04X} "
    with machine.inside():
        listed = Path("/proc/thread-self/net/ip_vs_conn").read_text().splitlines()
    return any(wanted in line and "ESTABLISHED" in line for line in listed)


def addresses_on(network: str, network6: str, hosts: Mapping[str, int]) -> dict[str, str]:
    """Return each host's addresses of both families as `Topology.lan` takes them."""
    return {name: f"{network}.{host}/24 {network6}::{host}/64" for name, host in hosts.items()}
