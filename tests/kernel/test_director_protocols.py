"""What is not TCP over IPv4 with an address: IPv6 nat, firewall marks, UDP, SCTP."""

import socket
import threading
from pathlib import Path

from classic import LOCAL_NAME, REMOTE_NAME, ClassicNat
from director import Director
from flat import VIRTUAL_ADDRESS, flat_lan, mark
from topology import Topology
from traffic import NoAnswerError, WebServer, ask_udp, names
from waiting import eventually

FAST = "{type: tcp, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}"
SIX = f"""
director: {{resync: 500ms, sysctl: set}}
virtual_servers:
  web:
    address: '[2001:db8:1::10]:80'
    scheduler: rr
    check: {FAST}
    real_servers: ['[2001:db8:2::11]:8080', '[2001:db8:1::1]:8081']
"""


def test_ipv6_real_servers_behind_nat_take_turns_and_follow_their_health(net: Topology, tmp_path: Path) -> None:
    client, gateway, server = net.machine("client"), net.machine("director"), net.machine("server")
    net.cable(client, "2001:db8:1::50/64", gateway, "2001:db8:1::1/64 2001:db8:1::10/64")
    net.cable(gateway, "2001:db8:2::1/64", server, "2001:db8:2::11/64")
    server.ip("route add default via 2001:db8:2::1")
    remote = WebServer(server, "2001:db8:2::11", 8080, "remote")
    WebServer(gateway, "2001:db8:1::1", 8081, "local")
    director = Director(gateway, tmp_path)
    director.start(SIX)
    director.until(
        "-A -t [2001:db8:1::10]:80 -s rr",
        "-a -t [2001:db8:1::10]:80 -r [2001:db8:2::11]:8080 -m -w 1",
        "-a -t [2001:db8:1::10]:80 -r [2001:db8:1::1]:8081 -m -w 1",
    )
    assert gateway.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
    assert set(names(client, "2001:db8:1::10", 80, 2)) == {"remote", "local"}
    remote.kill()
    director.until_weights({"[2001:db8:2::11]:8080": 0, "[2001:db8:1::1]:8081": 1})
    assert set(names(client, "2001:db8:1::10", 80, 2)) == {"local"}
    remote.start()
    director.until_weights({"[2001:db8:2::11]:8080": 1, "[2001:db8:1::1]:8081": 1})
    assert set(names(client, "2001:db8:1::10", 80, 2)) == {"remote", "local"}


MARKED = """
director: {resync: 500ms}
virtual_servers:
  shop:
    fwmark: 25
    scheduler: rr
    method: dr
    check: {type: tcp, port: 80, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}
    real_servers: [192.0.2.11, 192.0.2.12]
"""


def test_a_firewall_mark_joins_two_ports_in_one_service(net: Topology, tmp_path: Path) -> None:
    lan = flat_lan(net)
    servers = [*lan.listen(80), *lan.listen(443)]
    mark(lan.director, "eth0", (80, 443), 25)
    director = Director(lan.director, tmp_path)
    director.start(MARKED)
    director.until(
        "-A -f 25 -s rr",
        "-a -f 25 -r 192.0.2.11:0 -g -w 1",
        "-a -f 25 -r 192.0.2.12:0 -g -w 1",
    )
    for port in (80, 443):
        assert set(names(lan.client, VIRTUAL_ADDRESS, port, 2)) == {"server1", "server2"}
    servers[0].kill()
    director.until_weights({"192.0.2.11:0": 0, "192.0.2.12:0": 1})
    for port in (80, 443):
        assert set(names(lan.client, VIRTUAL_ADDRESS, port, 2)) == {"server2"}


def datagrams(one_packet: str) -> str:
    """Return a file with a UDP service; its servers' health is told by TCP on the same port, as for DNS."""
    return f"""
director: {{resync: 500ms, sysctl: set}}
virtual_servers:
  dns:
    address: 11.197.140.20:53
    protocol: udp
    scheduler: rr
    one_packet: {one_packet}
    on_failure: remove
    check: {FAST}
    real_servers: [11.197.141.110:18089, 11.197.140.20:28089]
"""


def test_datagrams_stay_with_their_server_unless_each_is_sent_on_its_own(classic: ClassicNat, tmp_path: Path) -> None:
    director = Director(classic.director, tmp_path)
    director.start(datagrams("false"))
    rows = [
        "-a -u 11.197.140.20:53 -r 11.197.141.110:18089 -m -w 1",
        "-a -u 11.197.140.20:53 -r 11.197.140.20:28089 -m -w 1",
    ]
    director.until("-A -u 11.197.140.20:53 -s rr", *rows)

    def asked(source_port: int, count: int) -> set[str]:
        return {ask_udp(classic.client, "11.197.140.20", 53, source_port=source_port) for _ in range(count)}

    def answer(source_port: int) -> str | None:
        try:
            return ask_udp(classic.client, "11.197.140.20", 53, source_port=source_port, patience=2.0)
        except NoAnswerError:
            return None

    everyone = {REMOTE_NAME, LOCAL_NAME}
    assert {ask_udp(classic.client, "11.197.140.20", 53) for _ in range(4)} == everyone
    assert len(asked(4001, 4)) == 1
    assert asked(4001, 1) | asked(4002, 1) == everyone
    classic.remote.kill()
    director.until("-A -u 11.197.140.20:53 -s rr", rows[1])
    for source_port in (4001, 4002):
        eventually(lambda port=source_port: answer(port), lambda name: name == LOCAL_NAME)
    classic.remote.start()
    director.until("-A -u 11.197.140.20:53 -s rr", *rows)
    director.reload(datagrams("true"))
    director.until("-A -u 11.197.140.20:53 -s rr -o", *rows)
    assert asked(4003, 4) == everyone


ASSOCIATIONS = f"""
director: {{resync: 500ms}}
virtual_servers:
  signalling:
    address: 11.197.140.20:2905
    protocol: sctp
    scheduler: rr
    check: {FAST}
    real_servers: [11.197.141.110:18089, 11.197.140.20:28089]
"""


def test_sctp_associations_go_through_a_virtual_server(classic: ClassicNat, tmp_path: Path) -> None:
    def greet(listener: socket.socket, name: str) -> None:
        connection, _ = listener.accept()
        connection.sendall(name.encode())
        connection.close()

    for machine, place, name in (
        (classic.server, ("11.197.141.110", 18089), REMOTE_NAME),
        (classic.director, ("11.197.140.20", 28089), LOCAL_NAME),
    ):
        with machine.inside():
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        listener.settimeout(30)
        listener.bind(place)
        listener.listen()
        threading.Thread(target=greet, args=(listener, name), daemon=True).start()
        classic.client.net.at_end(listener.close)
    director = Director(classic.director, tmp_path)
    director.start(ASSOCIATIONS)
    director.until(
        "-A --sctp-service 11.197.140.20:2905 -s rr",
        "-a --sctp-service 11.197.140.20:2905 -r 11.197.141.110:18089 -m -w 1",
        "-a --sctp-service 11.197.140.20:2905 -r 11.197.140.20:28089 -m -w 1",
    )
    heard = set()
    for _ in range(2):
        with classic.client.inside():
            association = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        with association:
            association.settimeout(10)
            association.connect(("11.197.140.20", 2905))
            heard.add(association.recv(100).decode())
    assert heard == {REMOTE_NAME, LOCAL_NAME}
