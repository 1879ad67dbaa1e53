"""The metrics of real rows: the kernel's own numbers, under the labels by which node_exporter shows the same rows."""

import ipaddress
import re
from pathlib import Path

from classic import VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import BOOT_PATIENCE, Director
from traffic import names
from waiting import eventually

SHOP = """
checks:
  web: {type: tcp, interval: 300ms, timeout: 5s, rise: 1, fall: 1}
virtual_servers:
  shop:
    address: 11.197.140.20:18089
    scheduler: rr
    method: nat
    check: web
    real_servers: [11.197.141.110:18089, 11.197.140.20:28089]
  marked: {fwmark: 171, method: nat, check: web, real_servers: [11.197.141.110:18089]}
"""
SHARED = ("local_address", "local_port", "proto", "local_mark", "remote_address", "remote_port")


def rows(director: Director, family: str) -> dict[tuple[str, ...], float]:
    """Return the numbers of a family by the labels that node_exporter has, in the order of `SHARED`."""
    found = {}
    for text, number in re.findall(rf"^{family}{{(.*)}} (\S+)$", director.get("/metrics")[1], re.MULTILINE):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', text))
        found[tuple(labels.get(name, "") for name in SHARED)] = float(number)
    return found


def endpoint(text: str) -> tuple[str, str]:
    """Return the address and the port of `0BC58C14:46A9`."""
    address, _, port = text.partition(":")
    return str(ipaddress.ip_address(bytes.fromhex(address))), str(int(port, 16))


def as_node_exporter(text: str) -> dict[tuple[str, ...], float]:
    """Return the weights of /proc/net/ip_vs with the labels that node_exporter makes of it."""
    found, service = {}, ("", "", "", "")
    for line in text.splitlines()[3:]:
        words = line.split()
        if words[0] == "->":
            found[(*service, *endpoint(words[1]))] = float(words[3])
        elif words[0] == "FWM":
            service = "", "0", "FWM", words[1]
        else:
            service = *endpoint(words[1]), words[0], ""
    return found


def test_the_rows_of_the_metrics_are_those_of_node_exporter_with_the_kernels_counts(
    classic: ClassicNat, tmp_path: Path
) -> None:
    director = Director(classic.director, tmp_path)
    director.start(SHOP)
    director.ready()
    names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 6)
    kernel = as_node_exporter(director.machine.run("cat", "/proc/net/ip_vs"))
    assert len(kernel) == 3
    eventually(lambda: rows(director, "healthlb_real_server_weight_kernel"), kernel.__eq__, deadline=BOOT_PATIENCE)
    counted = eventually(
        lambda: rows(director, "healthlb_real_server_connections_total"),
        lambda found: sum(found.values()) == 6,
        deadline=BOOT_PATIENCE,
    )
    assert counted.keys() == kernel.keys()
    assert sorted(counted.values()) == [0, 3, 3]
    assert sum(rows(director, "healthlb_virtual_server_incoming_bytes_total").values()) > 0
    # The kernel's estimate rises with traffic and falls again; that it is not seen at its height says nothing.
    eventually(
        lambda: (
            names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 20)
            and rows(director, "healthlb_virtual_server_connections_per_second")
        ),
        lambda found: max(found.values()) > 0,
        deadline=BOOT_PATIENCE,
    )
