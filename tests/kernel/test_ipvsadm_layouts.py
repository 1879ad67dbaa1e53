"""`healthlb status --ipvsadm` prints what ipvsadm prints of the same table, octet for octet."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from classic import VIRTUAL_ADDRESS, ClassicNat
from director import Director
from healthlb.api import document
from healthlb.api.rendering import in_slices
from healthlb.cli.ipvsadm_view import Form, listing
from healthlb.linux.ipvs import KernelTable
from healthlb.linux.table import Table
from healthlb.model.config import Quorum
from healthlb.model.counters import TableReading
from healthlb.model.health import Health
from healthlb.model.snapshot import (
    ConfigStatus,
    DirectorStatus,
    ProbingStatus,
    QuorumStatus,
    RealServerStatus,
    Snapshot,
    TableStatus,
    VirtualServerStatus,
    Weight,
)
from healthlb.model.table import Destination, Method
from tests.table_contract import build, emptied, relaxed, tables
from waiting import eventually

FORMS: dict[Form, tuple[str, ...]] = {"plain": (), "stats": ("--stats",), "rate": ("--rate",)}
FACTORS = (1, 99_999_999, 10**8, 999_999_999, 10**9, 10**11 - 1, 10**11, 10**14 - 1, 10**14, 10**18)
MULTIPLIER = """
extern void *dlsym(void *handle, const char *symbol);
extern char *getenv(const char *name);
extern unsigned long long strtoull(const char *text, char **end, int base);

unsigned long long nla_get_u64(const void *attribute)
{
	static unsigned long long (*libnl_get)(const void *);

	libnl_get = (unsigned long long (*)(const void *))dlsym((void *)-1 /* RTLD_NEXT */, "nla_get_u64");
	return libnl_get(attribute) + strtoull(getenv("MORE"), 0, 10);
}

unsigned int nla_get_u32(const unsigned short *attribute)
{
	static unsigned int (*libnl_get)(const void *);

	libnl_get = (unsigned int (*)(const void *))dlsym((void *)-1 /* RTLD_NEXT */, "nla_get_u32");
	return libnl_get(attribute) + (*attribute == 12 ? strtoull(getenv("MORE"), 0, 10) : 0);
}
"""
"""Every counter that libnl reads, an attribute of eight octets, becomes larger: no guest can count that far."""

FILE = """
checks: {good: {type: tcp, interval: 300ms, timeout: 2s, rise: 1, fall: 2}}
virtual_servers:
  web:
    address: 11.197.140.20:18089
    scheduler: wrr
    check: good
    real_servers: ["11.197.141.110:18089", {address: "11.197.140.20:28089", weight: 65535}]
  names:
    address: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:53"
    protocol: udp
    scheduler: sh
    scheduler_flags: [sh-port]
    one_packet: true
    method: dr
    initial: trust
    real_servers: [{address: "[2001:db8::1]:53"}, {address: "[::1]:53"}]
  marked:
    fwmark: 25
    scheduler: wlc
    method: tunnel
    initial: trust
    persistence: {timeout: 300s, netmask: 255.255.255.0}
    check: {type: tcp, port: 9, down_interval: 600s, fall: 50}
    real_servers: [{address: 192.0.2.9, weight: 3}, {address: 10.0.0.1, weight: 4}, {address: 198.51.100.7}]
  calls:
    address: 11.197.140.20:5060
    protocol: udp
    persistence: {timeout: 60s, engine: sip}
    check: {type: tcp, port: 9, interval: 300ms, timeout: 200ms, rise: 1, fall: 1}
    real_servers: ["11.197.140.20:5061"]
"""


def listed(form: Form, **environment: str) -> str:
    """Return what ipvsadm prints."""
    command = ["ipvsadm", "-Ln", *FORMS[form]]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    return done.stdout


def status_of(reading: TableReading) -> dict[str, Any]:
    """Return the status of a director whose file has just the services of a table."""
    pools = []
    for key, row in reading.table.services.items():
        servers = [
            RealServerStatus(
                str(address), address, each.method, Health.UP, "enabled", 0.0,
                Weight(each.weight, each.weight, each.weight), reading.destinations[key][address], (),
            )
            for address, each in row.destinations.items()
        ]  # fmt: skip
        quorum = QuorumStatus(Quorum(), 1, True)
        pools.append(
            VirtualServerStatus(
                str(key), row.service, Method("nat"), "up", quorum, False, reading.services[key], tuple(servers)
            )
        )
    table = TableStatus("ipvs", True, 0.0, 0, 0, 0, version=reading.version, slots=reading.slots)
    director = DirectorStatus("lb1", "0", 0.0, ConfigStatus("", "", 0.0), table, ProbingStatus(0, 0, 0, 0))
    snapshot = Snapshot(0.0, True, director, tuple(pools))
    whole: dict[str, Any] = json.loads(b"".join(asyncio.run(in_slices(document.status(snapshot))).plain()))
    return whole


@pytest.fixture
def table() -> Iterator[Table]:
    table = KernelTable()
    yield emptied(table)
    emptied(table)
    table.close()


@settings(relaxed, max_examples=12)
@given(tables)
def test_any_table_is_listed_as_ipvsadm_lists_it(table: Table, found: Any) -> None:
    assert not emptied(table).apply(build(found))
    status = status_of(table.read())
    for form in FORMS:
        ours, theirs = listing(status, form).splitlines(), listed(form).splitlines()
        if any(goes_round(pool) for _, pool in found):
            ours, theirs = sorted(ours), sorted(theirs)
        assert ours == theirs


def goes_round(pool: Sequence[Destination]) -> bool:
    """Say whether ipvsadm's comparison puts each of three addresses before the next, all around.

    What it makes of them depends on the order in which the kernel happens to tell them.
    """
    hosts = {each.address.address for each in pool}
    return "127.0.0.1" in hosts and any(":" in host for host in hosts) and any("192." in host for host in hosts)


def test_an_empty_table_has_ipvsadms_heading(table: Table) -> None:
    status = status_of(table.read())
    assert [listing(status, form) for form in FORMS] == [listed(form) for form in FORMS]


@pytest.fixture(scope="module")
def multiplier(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("multiplier")
    source, library = folder / "more.c", folder / "more.so"
    source.write_text(MULTIPLIER)
    compiler = next(found for name in ("cc", "gcc", "tcc") if (found := shutil.which(name)))
    subprocess.run([compiler, "-shared", "-fPIC", "-nostdlib", "-o", library, source], check=True, timeout=60)
    return str(library)


@pytest.mark.parametrize("more", FACTORS)
def test_a_number_of_any_size_is_shortened_as_ipvsadm_shortens_it(more: int, table: Table, multiplier: str) -> None:
    lines = ["-A -t 192.0.2.100:80 -s rr", "-a -t 192.0.2.100:80 -r 192.0.2.1:80 -m -w 1"]
    subprocess.run(["ipvsadm", "-R"], check=True, input="\n".join(lines) + "\n", text=True, timeout=60)
    status = status_of(table.read())
    (pool,) = status["virtual_servers"]
    (server,) = pool["real_servers"]
    # Of a destination's counters ipvsadm 1.31 reads 32 bits, but for the bytes (ipvs_dests_parse_cb in libipvs.c).
    kept = more & 0xFFFFFFFF
    for kind in ("stats", "rates"):
        pool[kind] = dict.fromkeys(pool[kind], more)
        server[kind] = dict.fromkeys(server[kind], kept)
    server["stats"] |= {"in_bytes": more, "out_bytes": more}
    for form in ("stats", "rate"):
        assert listing(status, form) == listed(form, LD_PRELOAD=multiplier, MORE=str(more))


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    running = Director(classic.director, tmp_path)
    classic.director.ip("link set lo up")
    running.start(FILE)
    return running


def test_a_director_under_traffic_lists_its_table_as_ipvsadm_does(classic: ClassicNat, director: Director) -> None:
    director.until_rows(18089, {"11.197.141.110:18089": 1, "11.197.140.20:28089": 65535})
    for _ in range(5):
        assert classic.client.attempt("curl", "-sS", "-m", "30", f"http://{VIRTUAL_ADDRESS}:18089/").returncode == 0

    def seen(form: Form) -> tuple[str, str, str]:
        """Return what we list between two listings of ipvsadm."""
        before = director.machine.run("ipvsadm", "-Ln", *FORMS[form])
        return before, listing(director.status(), form), director.machine.run("ipvsadm", "-Ln", *FORMS[form])

    for form in FORMS:
        listings = eventually(lambda form=form: seen(form), lambda found: len(set(found)) == 1)
        assert len(listings[0].splitlines()) == 3 + 4 + 8
    done = director.command("status", "--ipvsadm", "--vs", "marked")
    assert done.returncode == 0
    assert done.stdout.splitlines()[3] == "FWM  25 wlc persistent 300 mask 255.255.255.0"
