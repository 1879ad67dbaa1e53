"""The classic LVS NAT set-up: a client, a director that is also a real server, and a real server behind it.

::

    client 11.197.140.50 --- 11.197.140.20 director 11.197.141.1 --- 11.197.141.110 real server
                             :18089 virtual server                    :18089
                             :28089 real server on the director's own address
"""

from dataclasses import dataclass

from topology import Machine, Topology
from traffic import WebServer

VIRTUAL_ADDRESS = "11.197.140.20"
VIRTUAL_PORT = 18089
REMOTE_ADDRESS = "11.197.141.110"
REMOTE_PORT = 18089
LOCAL_PORT = 28089
REMOTE_NAME = "web1"
LOCAL_NAME = "web2"


@dataclass(frozen=True, slots=True)
class ClassicNat:
    """The machines and servers of the set-up; the director's IPVS table is empty."""

    client: Machine
    director: Machine
    server: Machine
    remote: WebServer
    local: WebServer


def classic_nat(net: Topology) -> ClassicNat:
    """Build the set-up in ``net``; raise TopologyError."""
    client = net.machine("client")
    director = net.machine("director", sysctls={"net.ipv4.ip_forward": "1"})
    server = net.machine("server")
    net.cable(client, "11.197.140.50/24", director, f"{VIRTUAL_ADDRESS}/24")
    net.cable(director, "11.197.141.1/24", server, f"{REMOTE_ADDRESS}/24")
    server.ip("route add default via 11.197.141.1")
    return ClassicNat(
        client,
        director,
        server,
        WebServer(server, REMOTE_ADDRESS, REMOTE_PORT, REMOTE_NAME),
        WebServer(director, VIRTUAL_ADDRESS, LOCAL_PORT, LOCAL_NAME),
    )
