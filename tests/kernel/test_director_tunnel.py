"""Tunnels: the director wraps what it forwards, the real servers unwrap it and answer the client themselves."""

from pathlib import Path

from director import Director
from flat import VIRTUAL_ADDRESS, flat_lan
from topology import Machine, Topology
from traffic import Capture, names

PROTOCOLS = {"server1": 4, "server2": 47, "server3": 17}
"""What carries each server's share: IP in IP, GRE, UDP (IANA protocol numbers)."""
WEB = """
director: {resync: 500ms}
virtual_servers:
  web:
    address: 192.0.2.10:80
    scheduler: rr
    method: tunnel
    check: {type: http, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}
    real_servers:
      - 192.0.2.11
      - {address: 192.0.2.12, tunnel: {type: gre, checksum: csum}}
      - {address: 192.0.2.13, tunnel: {type: gue, port: 6080}}
"""
ROWS = [
    "-A -t 192.0.2.10:80 -s rr",
    "-a -t 192.0.2.10:80 -r 192.0.2.11:80 -i -w 1 --tun-type ipip",
    "-a -t 192.0.2.10:80 -r 192.0.2.12:80 -i -w 1 --tun-type gre --tun-csum",
    "-a -t 192.0.2.10:80 -r 192.0.2.13:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
]


def unwrap(machine: Machine, device: str) -> None:
    """Have a machine take what comes through its tunnel device from anywhere."""
    machine.sysctl({"net.ipv4.conf.all.rp_filter": "0", f"net.ipv4.conf.{device}.rp_filter": "0"})
    machine.ip(f"link set {device} up")


def test_each_kind_of_tunnel_carries_its_real_servers_share_and_follows_its_health(
    net: Topology, tmp_path: Path
) -> None:
    lan = flat_lan(net, servers=3)
    servers = lan.listen()
    unwrap(lan.servers[0], "tunl0")
    # gre0 takes no checksums.
    lan.servers[1].ip("link add wrapped type gre local 192.0.2.12 remote any csum")
    unwrap(lan.servers[1], "wrapped")
    unwrap(lan.servers[2], "tunl0")
    lan.servers[2].run("ip", "fou", "add", "port", "6080", "gue")
    director = Director(lan.director, tmp_path)
    director.start(WEB)
    director.until(*ROWS)
    for server in lan.servers:
        with Capture(server, "eth0") as wire:
            assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 3)) == set(PROTOCOLS)
            # EtherType IPv4, the outer header's addresses and its protocol (RFC 791 section 3.1).
            outer = {
                frame[23]
                for frame in wire.frames()
                if frame[12:14] == b"\x08\x00" and frame[26:30] == b"\xc0\x00\x02\x02"
            }
        assert PROTOCOLS[server.name] in outer
    servers[2].kill()
    director.until(*ROWS[:3], ROWS[3].replace("-w 1", "-w 0"))
    assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 4)) == {"server1", "server2"}
    servers[2].start()
    director.until(*ROWS)
    assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 3)) == set(PROTOCOLS)


MIXED = """
director: {resync: 500ms}
virtual_servers:
  web:
    address: 192.0.2.10:80
    scheduler: rr
    method: tunnel
    check: {type: http, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}
    real_servers: ['[2001:db8::11]', 192.0.2.12]
"""


def test_an_ipv4_service_reaches_an_ipv6_real_server_through_a_tunnel(net: Topology, tmp_path: Path) -> None:
    lan = flat_lan(net)
    lan.listen()
    # ip6tnl0 takes IPv6 in IPv6 only; IPv4 in IPv6 wants a device that says so.
    lan.servers[0].ip("link add four-in-six type ip6tnl mode any local 2001:db8::11 remote :: dev eth0")
    unwrap(lan.servers[0], "four-in-six")
    unwrap(lan.servers[1], "tunl0")
    director = Director(lan.director, tmp_path)
    director.start(MIXED)
    director.until(
        "-A -t 192.0.2.10:80 -s rr",
        "-a -t 192.0.2.10:80 -r [2001:db8::11]:80 -i -w 1 --tun-type ipip",
        "-a -t 192.0.2.10:80 -r 192.0.2.12:80 -i -w 1 --tun-type ipip",
    )
    assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 2)) == {"server1", "server2"}
