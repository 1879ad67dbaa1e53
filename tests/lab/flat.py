"""One LAN for direct routing and tunnels: a client, a director, two real servers, and the virtual address on all three.

::

    client       director     server1      server2      server3      .50  .2  .11  .12  .13 of 192.0.2.0/24,
      |             |            |            |            |         and ::50, ::2, ::11 … of 2001:db8::/64
    --+-------------+------------+------------+------------+--
    the virtual addresses 192.0.2.10 and 2001:db8::10: the director's on the LAN, the real servers' in silence
"""

from dataclasses import dataclass

from topology import Machine, Topology
from traffic import WebServer

VIRTUAL_ADDRESS, VIRTUAL_ADDRESS6 = "192.0.2.10", "2001:db8::10"
SILENT = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
"""A real server neither answers for the virtual address nor names it as a sender's (Linux ip-sysctl.rst)."""


@dataclass(frozen=True, slots=True)
class FlatLan:
    """The machines of the set-up; the director's IPVS table is empty and no server listens yet."""

    client: Machine
    director: Machine
    servers: tuple[Machine, ...]

    def listen(self, port: int = 80) -> tuple[WebServer, ...]:
        """Have every real server listen on all its addresses, and answer its machine's name."""
        return tuple(WebServer(server, "::", port, server.name) for server in self.servers)


def flat_lan(net: Topology, servers: int = 2) -> FlatLan:
    """Build the set-up in ``net``; raise TopologyError."""
    client = net.machine("client")
    director = net.machine("director")
    real = tuple(net.machine(f"server{number}", sysctls=SILENT) for number in range(1, servers + 1))
    members = {"client": 50, "director": 2, **{server.name: 10 + place for place, server in enumerate(real, 1)}}
    net.lan("switch", {name: f"192.0.2.{host}/24 2001:db8::{host}/64" for name, host in members.items()})
    # Deprecated at birth, or the director's own probes would come from it (RFC 6724 section 5, rules 3 and 8).
    director.ip(
        f"address add {VIRTUAL_ADDRESS}/32 dev eth0",
        f"address add {VIRTUAL_ADDRESS6}/128 dev eth0 preferred_lft 0 nodad",
    )
    for server in real:
        server.ip(
            f"address add {VIRTUAL_ADDRESS}/32 dev lo",
            f"address add {VIRTUAL_ADDRESS6}/128 dev lo nodad",
        )
    return FlatLan(client, director, real)


def mark(machine: Machine, interface: str, ports: tuple[int, ...], value: int) -> None:
    """Mark what comes in for the virtual IPv4 address and these TCP ports, as a firewall does, but with tc alone."""
    machine.run("tc", "qdisc", "add", "dev", interface, "ingress")
    for port in ports:
        match = f"match ip dst {VIRTUAL_ADDRESS}/32 match ip protocol 6 0xff match ip dport {port} 0xffff"
        action = f"action skbedit mark {value}"
        place = f"filter add dev {interface} parent ffff: protocol ip u32"
        machine.run("tc", *f"{place} {match} {action}".split())
