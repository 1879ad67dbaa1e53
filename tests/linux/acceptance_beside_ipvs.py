"""With `accept: false` what IPVS takes goes on, real servers and clients on the director itself included.

test_acceptance.py runs these tests as those of acceptance_in_kernel.py, where the machine's kernel has IPVS.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from healthlb.linux.acceptance import follow, withdraw
from healthlb.model.vrrp import VirtualAddress, VrrpInstance
from topology import Topology
from traffic import NoAnswerError, WebServer, ask

VIRTUAL, VIRTUAL6 = "198.51.100.1", "2001:db8::100"
IPV4 = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress(VIRTUAL, 32),), accept=False)
IPV6 = VrrpInstance("VI_6", "eth0", 51, 6, (VirtualAddress(VIRTUAL6, 128),), accept=False)
SERVERS = {VIRTUAL: ("192.0.2.20", "198.51.100.10"), VIRTUAL6: ("[2001:db8:1::20]", "[2001:db8::a]")}


@pytest.fixture
def net_of_director(net: Topology) -> Topology:
    """Return a director that has the addresses, a client and a real server; all but the client have a web server."""
    director = net.machine("director", sysctls={"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})
    client, server = net.machine("client"), net.machine("server")
    net.cable(director, "198.51.100.10/24 2001:db8::a/64", client, "198.51.100.50/24 2001:db8::50/64")
    net.cable(director, "192.0.2.10/24 2001:db8:1::a/64", server, "192.0.2.20/24 2001:db8:1::20/64")
    director.ip(f"address add {VIRTUAL}/32 dev eth0", f"address add {VIRTUAL6}/128 dev eth0 nodad")
    server.ip("route add default via 192.0.2.10", "route add default via 2001:db8:1::a")
    WebServer(director, "::", 8080, "director")
    WebServer(server, "::", 80, "server")
    return net


@pytest.fixture
def path(net_of_director: Topology, tmp_path: Path) -> Iterator[Path]:
    """Yield where it is written down, in the director's network."""
    with net_of_director.machines["director"].inside():
        yield tmp_path / "acceptance.json"


@pytest.mark.parametrize("instance", [IPV4, IPV6], ids=["IPv4", "IPv6"])
def test_services_go_on_even_where_the_real_server_or_the_client_is_the_director(
    net_of_director: Topology, path: Path, instance: VrrpInstance
) -> None:
    director, client = (net_of_director.machines[name] for name in ("director", "client"))
    virtual = instance.addresses[0].address
    server, own = SERVERS[virtual]
    service = f"[{virtual}]" if instance.family == 6 else virtual
    for command in (
        f"-A -t {service}:80 -s rr",
        f"-a -t {service}:80 -r {server}:80 -m",
        f"-A -t {service}:8080 -s rr",
        f"-a -t {service}:8080 -r {own}:8080 -g",
    ):
        director.run("ipvsadm", *command.split())
    for accept in (True, False):
        follow([replace(instance, accept=accept)], path)
        assert ask(client, virtual, 80) == "server"
        assert ask(client, virtual, 8080) == "director"
        assert ask(director, virtual, 80) == "server"
    director.run("ipvsadm", "-D", "-t", f"{service}:8080")
    with pytest.raises(NoAnswerError, match="timed out"):
        ask(client, virtual, 8080, patience=1.0)
    withdraw(path)
    assert ask(client, virtual, 8080) == "director"
