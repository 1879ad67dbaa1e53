"""Direct routing: the director forwards frames as they are, and the real servers answer the client themselves."""

from pathlib import Path

from director import Director
from flat import VIRTUAL_ADDRESS, VIRTUAL_ADDRESS6, flat_lan
from topology import Topology
from traffic import Capture, names

WEB = """
director: {resync: 500ms}
checks:
  web: {type: http, path: /healthz, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}
virtual_servers:
  web:
    address: 192.0.2.10:80
    scheduler: rr
    method: dr
    check: web
    real_servers: [192.0.2.11, {address: 192.0.2.12, weight: 2}]
  web6:
    address: '[2001:db8::10]:80'
    scheduler: rr
    method: dr
    check: web
    real_servers: ['[2001:db8::11]', '[2001:db8::12]']
"""


def test_requests_come_through_the_director_and_answers_go_straight_to_the_client(
    net: Topology, tmp_path: Path
) -> None:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    lan = flat_lan(net)
    servers = lan.listen()
    director = Director(lan.director, tmp_path)
    director.start(WEB)
    director.until(
        "-A -t 192.0.2.10:80 -s rr",
        "-a -t 192.0.2.10:80 -r 192.0.2.11:80 -g -w 1",
        "-a -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 2",
        "-A -t [2001:db8::10]:80 -s rr",
        "-a -t [2001:db8::10]:80 -r [2001:db8::11]:80 -g -w 1",
        "-a -t [2001:db8::10]:80 -r [2001:db8::12]:80 -g -w 1",
    )
    director_hardware = lan.director.hardware_address("eth0")
    hardware = {server.name: server.hardware_address("eth0") for server in lan.servers}
    with Capture(lan.client, "eth0") as at_client, Capture(lan.servers[0], "eth0") as at_server:
        answered = names(lan.client, VIRTUAL_ADDRESS, 80, 2)
        seen = {"client": map(Ether, at_client.frames()), "server1": map(Ether, at_server.frames())}
    assert set(answered) == {"server1", "server2"}
    web = {
        place: [
            frame
            for frame in frames
            if IP in frame and TCP in frame and VIRTUAL_ADDRESS in (frame[IP].src, frame[IP].dst)
        ]
        for place, frames in seen.items()
    }
    requests = [frame for frame in web["client"] if frame[IP].dst == VIRTUAL_ADDRESS]
    answers = [frame for frame in web["client"] if frame[IP].src == VIRTUAL_ADDRESS]
    assert {frame.dst for frame in requests} == {director_hardware}
    assert {frame.src for frame in answers} == set(hardware.values())
    forwarded = [frame for frame in web["server1"] if frame[IP].dst == VIRTUAL_ADDRESS]
    assert {(frame.src, frame.dst) for frame in forwarded} == {(director_hardware, hardware["server1"])}
    assert {frame[IP].src for frame in forwarded} == {"192.0.2.50"}

    assert set(names(lan.client, VIRTUAL_ADDRESS6, 80, 2)) == {"server1", "server2"}

    servers[1].kill()
    director.until_weights({"192.0.2.11:80": 1, "192.0.2.12:80": 0, "[2001:db8::11]:80": 1, "[2001:db8::12]:80": 0})
    assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 4)) == {"server1"}
    assert set(names(lan.client, VIRTUAL_ADDRESS6, 80, 4)) == {"server1"}
    servers[1].start()
    director.until_weights({"192.0.2.11:80": 1, "192.0.2.12:80": 2, "[2001:db8::11]:80": 1, "[2001:db8::12]:80": 1})
    assert set(names(lan.client, VIRTUAL_ADDRESS, 80, 4)) == {"server1", "server2"}
