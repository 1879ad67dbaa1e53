"""Two readers that are not ours, ipvsadm and pyroute2, see in the kernel what we meant to write."""

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from healthlb.core.plan import applied
from healthlb.linux.ipvs import KernelTable
from healthlb.linux.table import Table
from healthlb.model.counters import TableReading
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddDestination, AddService, EditDestination
from healthlb.model.table import (
    Destination,
    IpvsTable,
    Method,
    Persistence,
    Service,
    ServiceKey,
    Timeouts,
    Tunnel,
)
from tests import ipvsadm
from tests.table_contract import METHODS, SCHEDULERS, build, emptied, relaxed, tables
from waiting import eventually

few = settings(relaxed, max_examples=20)


@pytest.fixture
def table() -> Iterator[Table]:
    table = KernelTable()
    yield emptied(table)
    emptied(table)
    table.close()


def every_feature() -> IpvsTable:
    """Return a table with each thing that ipvsadm can set, at least once."""
    services = [
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.100", 1000 + place)), scheduler)
        for place, scheduler in enumerate(SCHEDULERS)
    ]
    services += [
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.101", 80)), "sh", frozenset({"flag-1"})),
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.101", 81)), "sh", frozenset({"flag-2"})),
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.101", 82)), "mh", frozenset({"flag-1", "flag-2"})),
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.101", 83)), "wlc", frozenset({"flag-3"})),
        Service(ServiceKey.at("sctp", Endpoint("192.0.2.102", 5060)), "wlc"),
        Service(ServiceKey.at("udp", Endpoint("192.0.2.102", 5060)), "rr", one_packet=True),
        Service(ServiceKey.at("udp", Endpoint("192.0.2.102", 5061)), "rr", persistence=Persistence(60, 32, "sip")),
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.102", 0)), "rr", persistence=Persistence(300, 24)),
        Service(ServiceKey.at("tcp", Endpoint("192.0.2.103", 0)), "rr", persistence=Persistence(1, 0)),
        Service(ServiceKey.at("tcp", Endpoint("2001:db8::100", 443)), "wrr", persistence=Persistence(300, 64)),
        Service(ServiceKey.at("sctp", Endpoint("2001:db8::100", 443)), "lc", persistence=Persistence(300, 128)),
        Service(ServiceKey.marked(1, "inet"), "wlc"),
        Service(ServiceKey.marked(1, "inet6"), "wlc"),
        Service(ServiceKey.marked(0x7FFFFFFF, "inet"), "wlc", persistence=Persistence(300, 16)),
    ]
    # ipvsadm gives destinations that are not reached by nat the port of their service, whatever they were given.
    pools = {
        services[0].key: [
            *(
                Destination(Endpoint(f"192.0.2.{place}", 1000), method, place)
                for place, method in enumerate(METHODS, 1)
            ),
            Destination(Endpoint("2001:db8::ffff", 1000), Method("tunnel", Tunnel())),
        ],
        services[1].key: [Destination(Endpoint("192.0.2.1", 8080), Method("nat"), 65535, 0xFFFFFFFF, 7)],
        ServiceKey.at("tcp", Endpoint("2001:db8::100", 443)): [
            Destination(Endpoint(f"2001:db8::{place:x}", 443), method) for place, method in enumerate(METHODS, 1)
        ],
        ServiceKey.marked(1, "inet6"): [Destination(Endpoint("2001:db8::1", 0), method) for method in METHODS[:1]],
    }
    operations = build([(service, pools.get(service.key, [])) for service in services])
    return applied(IpvsTable(timeouts=Timeouts(900, 120, 300)), operations)


def seen_by_pyroute2() -> IpvsTable:
    """Return the table as pyroute2's decoder sees it, its two slips undone."""
    from pyroute2 import IPVS, IPVSService

    rows = IpvsTable()
    with IPVS() as ipvs:
        for message in list(ipvs.service("dump")):
            service = _service(message.get_attr("IPVS_CMD_ATTR_SERVICE"))
            operations = build([(service, [])])
            for found in list(ipvs.dest("dump", service=IPVSService.from_message(message))):
                destination = _destination(found.get_attr("IPVS_CMD_ATTR_DEST"))
                operations.append(AddDestination(service.key, destination))
            rows = applied(rows, operations)
    return rows


def _service(attributes: Any) -> Service:
    get = lambda name: attributes.get_attr(f"IPVS_SVC_ATTR_{name}")  # noqa: E731 - one word for a long one
    family = "inet6" if get("AF") == socket.AF_INET6 else "inet"
    if get("FWMARK"):
        key = ServiceKey.marked(get("FWMARK"), family)
    else:
        protocol = {6: "tcp", 17: "udp", 132: "sctp"}[get("PROTOCOL")]
        key = ServiceKey.at(protocol, Endpoint(get("ADDR"), get("PORT")))  # type: ignore[arg-type]
    flags = get("FLAGS")["flags"]
    persistence = None
    if flags & 1:
        # It reads every netmask as an IPv4 one; for IPv6 the four bytes are a number in the machine's order.
        mask = ipaddress.IPv4Address(get("NETMASK"))
        prefix = int.from_bytes(mask.packed, sys.byteorder) if family == "inet6" else int(mask).bit_count()
        persistence = Persistence(get("TIMEOUT"), prefix, get("PE_NAME") or "")
    names = frozenset(name for name, bit in (("flag-1", 8), ("flag-2", 16), ("flag-3", 32)) if flags & bit)
    return Service(key, get("SCHED_NAME"), names, persistence, one_packet=bool(flags & 4))  # type: ignore[arg-type]


def _destination(attributes: Any) -> Destination:
    get = lambda name: attributes.get_attr(f"IPVS_DEST_ATTR_{name}")  # noqa: E731 - one word for a long one
    method = Method({0: "nat", 2: "tunnel", 3: "dr"}[get("FWD_METHOD")])  # type: ignore[arg-type]
    if method.kind == "tunnel":
        kind = ("ipip", "gue", "gre")[get("TUN_TYPE")]
        # It leaves the port in network order.
        port = socket.ntohs(get("TUN_PORT"))
        method = Method("tunnel", Tunnel(kind, port, ("none", "csum", "remcsum")[get("TUN_FLAGS")]))  # type: ignore[arg-type]
    endpoint = Endpoint(get("ADDR"), get("PORT"))
    return Destination(endpoint, method, get("WEIGHT"), get("U_THRESH"), get("L_THRESH"))


def test_ipvsadm_lists_every_feature_as_it_was_written(table: Table) -> None:
    wanted = every_feature()
    assert not table.apply(build([(row.service, list(row.destinations.values())) for row in wanted.services.values()]))
    assert ipvsadm.saved() == ipvsadm.lines_of(wanted)


def test_pyroute2_lists_every_feature_as_it_was_written(table: Table) -> None:
    wanted = every_feature()
    assert not table.apply(build([(row.service, list(row.destinations.values())) for row in wanted.services.values()]))
    assert seen_by_pyroute2().services == wanted.services


def test_every_feature_that_ipvsadm_writes_is_read(table: Table) -> None:
    # ipvsadm's own lines lack the thresholds and cannot give ipip a checksum.
    lines = ipvsadm.lines_of(every_feature())
    ipvsadm.restore(sorted(lines, key=lambda line: not line.startswith("-A")))
    assert ipvsadm.lines_of(table.read().table) == lines == ipvsadm.saved()


@few
@given(tables)
def test_ipvsadm_agrees_on_random_tables(table: Table, found: Any) -> None:
    assert not emptied(table).apply(build(found))
    assert ipvsadm.saved() == ipvsadm.lines_of(applied(IpvsTable(), build(found)))


@few
@given(tables)
def test_pyroute2_agrees_on_random_tables(table: Table, found: Any) -> None:
    assert not emptied(table).apply(build(found))
    assert seen_by_pyroute2().services == applied(IpvsTable(), build(found)).services


def test_a_netmask_that_is_no_prefix_reads_as_one_that_nobody_configures(table: Table) -> None:
    ipvsadm.restore(["-A -t 192.0.2.100:80 -s rr -p 300 -M 255.0.255.0"])
    key = ServiceKey.at("tcp", Endpoint("192.0.2.100", 80))
    assert table.read().table.services[key].service.persistence == Persistence(300, -1)


def test_an_edit_of_the_weight_keeps_method_thresholds_and_tunnel(table: Table) -> None:
    key = ServiceKey.at("tcp", Endpoint("192.0.2.100", 80))
    before = Destination(Endpoint("192.0.2.1", 80), Method("tunnel", Tunnel("gue", 6080, "csum")), 1, 10, 5)
    after = Destination(before.address, before.method, 0, 10, 5)
    assert not table.apply([AddService(Service(key, "rr")), AddDestination(key, before), EditDestination(key, after)])
    assert seen_by_pyroute2().services[key].destinations == {after.address: after}


def test_timeouts_are_those_that_ipvsadm_set(table: Table) -> None:
    subprocess.run(["ipvsadm", "--set", "11", "12", "13"], check=True, timeout=60)
    assert table.read().table.timeouts == Timeouts(11, 12, 13)


class TestTraffic:
    """What the kernel counted, as ipvsadm shows it."""

    @pytest.fixture
    def served(self, table: Table) -> Iterator[ServiceKey]:
        """Take five connections of one octet each through a service to a real server of this very machine."""
        key = ServiceKey.at("tcp", Endpoint("192.0.2.100", 80))
        subprocess.run(["ip", "addr", "add", "192.0.2.100/32", "dev", "lo"], check=True, timeout=60)
        with socket.create_server(("192.0.2.100", 8080)) as server:
            address = Endpoint("192.0.2.100", 8080)
            assert not table.apply(
                [AddService(Service(key, "rr")), AddDestination(key, Destination(address, Method("nat")))]
            )
            for _ in range(5):
                with socket.create_connection(("192.0.2.100", 80), timeout=10) as client:
                    accepted, _ = server.accept()
                    with accepted:
                        client.sendall(b"x")
                        assert accepted.recv(1) == b"x"
            yield key
        subprocess.run(["ip", "addr", "del", "192.0.2.100/32", "dev", "lo"], check=True, timeout=60)

    def test_totals_and_connections_are_ipvsadm_s(self, table: Table, served: ServiceKey) -> None:
        reading = _once_estimated(table, served)
        (usage,) = reading.destinations[served].values()
        stats = reading.services[served].stats
        assert stats.connections == usage.stats.connections == 5
        words = [str(n) for n in (5, stats.in_packets, stats.out_packets, stats.in_bytes, stats.out_bytes)]
        service, destination = _listed("--stats", "--exact")
        assert service[2:] == destination[2:] == words
        _, destination = _listed()
        assert destination[4:] == [str(usage.active), str(usage.inactive)]
        assert usage.active + usage.inactive == 5

    def test_rates_are_ipvsadm_s(self, table: Table, served: ServiceKey) -> None:
        _once_estimated(table, served)
        for _ in range(100):
            before = table.read().services[served].rates
            service, _ = _listed("--rate", "--exact")
            if table.read().services[served].rates == before:
                break
        rates = [before.connections, before.in_packets, before.out_packets, before.in_bytes, before.out_bytes]
        assert before.in_bytes > 0
        assert service[2:] == [str(rate) for rate in rates]


def _once_estimated(table: Table, key: ServiceKey) -> TableReading:
    """Return a reading in which the kernel has counted the traffic, which it does every two seconds (ip_vs_est.c)."""
    return eventually(table.read, lambda reading: bool(reading.services[key].rates.in_bytes), pause=0.05)


def _listed(*options: str) -> list[list[str]]:
    """Return the words of the rows of `ipvsadm -Ln`, without its three lines of heading."""
    done = subprocess.run(["ipvsadm", "-Ln", *options], check=True, capture_output=True, text=True, timeout=60)
    return [line.split() for line in done.stdout.splitlines()[3:]]
