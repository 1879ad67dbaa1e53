"""With `accept: false` nothing but IPVS takes packets to virtual addresses, and neighbours still find them.

test_acceptance.py runs these tests in namespaces of their own of the machine's kernel: that of the guests has IPVS, but
no nftables for IP.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyroute2.nftables.main import NFTables

from healthlb.linux import acceptance
from healthlb.linux.acceptance import AcceptanceError, follow, refuse, withdraw
from healthlb.linux.nftables import dropping
from healthlb.model.vrrp import OWNER, VirtualAddress, VrrpInstance
from topology import Machine, Topology
from traffic import NoAnswerError, WebServer, ask
from waiting import eventually

VIRTUAL, VIRTUAL6, EXCLUDED = "198.51.100.1", "2001:db8::100", "203.0.113.1"
IPV4 = VrrpInstance(
    *("VI_1", "eth0", 51, 4, (VirtualAddress(VIRTUAL, 32),)),
    excluded=(VirtualAddress(EXCLUDED, 32),),
    accept=False,
)
IPV6 = VrrpInstance("VI_6", "eth0", 51, 6, (VirtualAddress(VIRTUAL6, 128),), accept=False)
FAMILIES = {2: "ip", 10: "ip6"}


@pytest.fixture
def director(net: Topology) -> Machine:
    """Return a director that has the addresses and a web server, with a client beside it."""
    director, client = net.machine("director"), net.machine("client")
    net.cable(director, "198.51.100.10/24 2001:db8::a/64", client, "198.51.100.50/24 2001:db8::50/64")
    director.ip(
        *(f"address add {address}/32 dev eth0" for address in (VIRTUAL, EXCLUDED)),
        f"address add {VIRTUAL6}/128 dev eth0 nodad",
    )
    client.ip(f"route add {EXCLUDED}/32 via 198.51.100.10")
    WebServer(director, "::", 8080, "director")
    return director


@pytest.fixture
def client(director: Machine) -> Machine:
    return director.net.machines["client"]


@pytest.fixture
def path(director: Machine, tmp_path: Path) -> Iterator[Path]:
    """Yield where it is written down, in the director's network."""
    with director.inside():
        yield tmp_path / "run" / "acceptance.json"


def reached(machine: Machine, address: str, port: int) -> str:
    """Return the name of the program behind an address and port, none if packets are dropped there."""
    try:
        # A second is enough where nobody answers: each test also waits for an answer.
        return ask(machine, address, port, patience=1.0)
    except NoAnswerError as failure:
        return "" if "timed out" in str(failure) else str(failure)


def tables() -> set[str]:
    """Return the nftables tables of this network, as pyroute2 reads them."""
    found = set()
    for number, family in FAMILIES.items():
        with closing(NFTables(nfgen_family=number)) as nft:
            found |= {f"{family} {table.get('NFTA_TABLE_NAME')}" for table in nft.get_tables()}
    return found


@pytest.mark.parametrize(("instance", "address"), [(IPV4, VIRTUAL), (IPV4, EXCLUDED), (IPV6, VIRTUAL6)])
def test_programs_of_this_machine_are_reached_only_where_packets_are_accepted(
    client: Machine, path: Path, instance: VrrpInstance, address: str
) -> None:
    follow([replace(instance, accept=True)], path)
    assert tables() == set()
    assert ask(client, address, 8080) == "director"
    follow([instance], path)
    assert reached(client, address, 8080) == ""
    assert ask(client, "2001:db8::a" if ":" in address else "198.51.100.10", 8080) == "director"
    # Who owns the addresses accepts packets to them whatever the file says (RFC 9568 section 6.4.3).
    follow([replace(instance, priority=OWNER)], path)
    assert ask(client, address, 8080) == "director"


def test_neighbours_still_find_an_address_that_accepts_nothing(director: Machine, client: Machine, path: Path) -> None:
    def neighbour() -> dict[str, Any]:
        (found,) = json.loads(client.run("ip", "-json", "neigh", "show", VIRTUAL6)) or [{}]
        return dict(found)

    follow([IPV6], path)
    assert reached(client, VIRTUAL6, 8080) == ""
    mac = director.hardware_address("eth0")
    assert eventually(neighbour, lambda found: "lladdr" in found)["lladdr"] == mac
    # Asks the address itself now instead of its multicast group.
    client.ip(f"neigh change {VIRTUAL6} dev eth0 lladdr {mac} nud probe")
    assert eventually(neighbour, lambda found: found["state"] != ["PROBE"])["state"] == ["REACHABLE"]


def test_all_is_withdrawn_and_nothing_of_others_is_touched(
    director: Machine, client: Machine, net: Topology, path: Path
) -> None:
    for family in FAMILIES:
        with closing(NFTables(nfgen_family=family)) as nft:
            nft.table("add", name="theirs")
    theirs = tables()
    assert len(theirs) == len(FAMILIES)
    follow([IPV4, IPV6], path)
    follow([IPV4, IPV6], path)
    assert tables() == theirs | {"ip healthlb", "ip6 healthlb"}
    with client.inside():
        # What is written down is another network's.
        withdraw(path)
    assert tables() == theirs | {"ip healthlb", "ip6 healthlb"}
    withdraw(path)
    assert tables() == theirs
    assert not path.exists()
    withdraw(path)
    assert ask(client, VIRTUAL, 8080) == "director"


def test_what_a_reload_changes_or_others_remove_is_as_it_should_be_afterwards(client: Machine, path: Path) -> None:
    many = [f"10.{number >> 8}.{number & 255}.1" for number in range(1200)]
    refuse([*many, VIRTUAL, EXCLUDED], path)
    assert reached(client, VIRTUAL, 8080) == reached(client, EXCLUDED, 8080) == ""
    follow([replace(IPV4, excluded=())], path)
    assert ask(client, EXCLUDED, 8080) == "director"
    with closing(NFTables(nfgen_family=2)) as nft:
        nft.table("del", name="healthlb")
    assert ask(client, VIRTUAL, 8080) == "director"
    follow([replace(IPV4, excluded=())], path)
    assert reached(client, VIRTUAL, 8080) == ""


def changed(monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes) -> None:
    """Have transactions ask for something else."""
    monkeypatch.setattr(acceptance, "dropping", lambda *given, **wanted: dropping(*given, **wanted).replace(old, new))


def test_a_kernel_that_cannot_tell_what_ipvs_has_taken_drops_all_the_same(
    client: Machine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(monkeypatch, b"ipvs\0", b"none\0")
    refuse([VIRTUAL], path)
    assert reached(client, VIRTUAL, 8080) == ""


def test_a_kernel_without_nftables_is_told_in_one_sentence(
    client: Machine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The subsystem of connection tracking has no transactions: this is how the kernel answers where there is none.
    changed(monkeypatch, bytes([0, 10]), bytes([0, 1]))
    clause = f"packets to {VIRTUAL} and 1 more are not dropped: the kernel has no nf_tables for IP"
    with pytest.raises(AcceptanceError, match=clause):
        refuse([VIRTUAL, VIRTUAL6], path)
    assert ask(client, VIRTUAL, 8080) == "director"
    withdraw(path)
    assert not path.exists()
