"""A pair on a machine whose CPU is taken: how late adverts are, and whether anybody takes over who should not.

The directors run beside hogs, programs that only ever compute, while both of them check servers. Adverts are timed on
the wire, by the kernel. Prints per pair, one after the other in one run: lateness (the time since the advert before,
less the interval; median, 99th and 99.9th percentile, worst), and how often a backup was heard as master.
"""

import argparse
import contextlib
import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from adverts import Advert, Adverts
from pair import PairNetwork
from pair_directors import Healthlb, Keepalived, PairDirector, standard
from topology import Machine, Topology
from traffic import WebServer

PAIRS = ("healthlb", "keepalived")
HOG = "while :; do :; done"
POOL = 10
"""Real servers in a virtual server."""
PORT = 8080


def targets(checks: int) -> dict[str, list[str]]:
    """Return so many real servers on loopback, by the address of their virtual server."""
    servers = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(checks)]
    return {
        f"127.200.{first // 2500}.{first // POOL % 250 + 1}": servers[first : first + POOL]
        for first in range(0, checks, POOL)
    }


def director(
    kind: str, network: PairNetwork, machine: Machine, folder: Path, told: tuple[int, float, int]
) -> PairDirector:
    """Return a director that checks every server once a second."""
    priority, interval, checks = told
    vrrp = standard(priority, interval=interval)
    if kind == "keepalived":
        blocks = [
            f"virtual_server {address} 80 {{\ndelay_loop 1\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n"
            + "".join(
                f"real_server {server} {PORT} {{\nweight 1\nTCP_CHECK {{\nconnect_timeout 1\n}}\n}}\n"
                for server in servers
            )
            + "}\n"
            for address, servers in targets(checks).items()
        ]
        return Keepalived(network, machine, folder, vrrp, "".join(blocks))
    check = {"type": "tcp", "interval": "1s", "timeout": "1s", "rise": 1, "fall": 2}
    pools = {
        f"pool{number}": {
            "address": f"{address}:80",
            "scheduler": "rr",
            "method": "nat",
            "check": check,
            "real_servers": [f"{server}:{PORT}" for server in servers],
        }
        for number, (address, servers) in enumerate(targets(checks).items())
    }
    return Healthlb(network, machine, folder, vrrp, {"virtual_servers": pools})


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Have so many programs compute."""
    running = [subprocess.Popen(["sh", "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def show(kind: str, heard: list[Advert], interval: float, backup: str) -> None:
    """Print one pair's line."""
    times = [advert.at for advert in heard if advert.source != backup]
    late = sorted(max(0.0, (after - before - interval) * 1000) for before, after in itertools.pairwise(times))
    false = sum(after.source == backup and before.source != backup for before, after in itertools.pairwise(heard))
    at = {share: late[min(len(late) - 1, int(share * len(late)))] for share in (0.99, 0.999)}
    print(
        f"{kind:11} {len(times):5} adverts, late by: median {statistics.median(late):6.2f} ms, p99 {at[0.99]:7.2f}, "
        f"p99.9 {at[0.999]:7.2f}, worst {late[-1]:7.2f}; false failovers: {false}",
        flush=True,
    )


def main() -> None:
    """Play both pairs."""
    parser = argparse.ArgumentParser(description="Adverts of a pair whose CPU is taken; run it in a guest.")
    parser.add_argument("--seconds", type=float, default=60.0, help="default: %(default)g")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds (default: %(default)g)")
    parser.add_argument("--hogs", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--checks", type=int, default=2000, help="a second, each director (default: %(default)s)")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    arguments = parser.parse_args()
    print(f"Adverts every {arguments.interval:g} s beside {arguments.hogs} hogs and {arguments.checks} checks a second")
    for kind in arguments.pairs:
        with tempfile.TemporaryDirectory() as folder, Topology() as net:
            network = PairNetwork(net)
            for machine in network.directors:
                WebServer(machine, "::", PORT, machine.name)
            pair = [
                director(kind, network, machine, Path(folder), (priority, arguments.interval, arguments.checks))
                for machine, priority in zip(network.directors, (150, 100), strict=True)
            ]
            for each in pair:
                each.start()
            pair[0].becomes("MASTER")
            pair[1].becomes("BACKUP")
            with hogs(arguments.hogs), Adverts(network) as adverts:
                time.sleep(arguments.seconds)
            show(kind, adverts.heard, arguments.interval, network.source(network.directors[1]))
            for each in pair:
                each.stop()


if __name__ == "__main__":
    main()
