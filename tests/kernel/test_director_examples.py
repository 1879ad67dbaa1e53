"""The example files for a LAN, word for word, on a LAN that has their addresses."""

from pathlib import Path

from director import Director
from flat import VIRTUAL_ADDRESS, flat_lan, mark
from topology import Topology
from traffic import names

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_examples_of_direct_routing_and_of_a_firewall_mark_serve_clients(net: Topology, tmp_path: Path) -> None:
    lan = flat_lan(net)
    for port in (80, 443):
        lan.listen(port)
    director = Director(lan.director, tmp_path)
    director.start((CONFIGS / "dr.yaml").read_text())
    director.until(
        "-A -t 192.0.2.10:80 -s wrr",
        "-a -t 192.0.2.10:80 -r 192.0.2.11:80 -g -w 1",
        "-a -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 2",
    )
    answered = names(lan.client, VIRTUAL_ADDRESS, 80, 3)
    assert sorted(answered) == ["server1", "server2", "server2"]

    mark(lan.director, "eth0", (80, 443), 25)
    director.reload((CONFIGS / "fwmark.yaml").read_text())
    director.until(
        "-A -f 25 -s wlc -p 600",
        "-a -f 25 -r 192.0.2.11:0 -g -w 1",
        "-a -f 25 -r 192.0.2.12:0 -g -w 1",
        "-A -f 25 -6 -s wlc",
        "-a -f 25 -6 -r [2001:db8::11]:0 -m -w 1",
        "-a -f 25 -6 -r [2001:db8::12]:0 -m -w 1",
    )
    (mine,) = set(names(lan.client, VIRTUAL_ADDRESS, 80, 2))
    assert set(names(lan.client, VIRTUAL_ADDRESS, 443, 2)) == {mine}
